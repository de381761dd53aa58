"""A true answer with something wrong in its body: odd values in the JSON, an encoding that lies."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from tailscale_sdk.testing.faults.messages import JSON_TYPE, Answer, header

FIELD: Final = b'"fromTheFuture"'
NEW_VALUE: Final = "from-the-future"
# Fields of which the API description lists the values.
ENUM_FIELDS: Final = frozenset(
    {
        "action",
        "approvalLevel",
        "compressionFormat",
        "destinationType",
        "keyType",
        "logType",
        "origin",
        "property",
        "proto",
        "provider",
        "providerType",
        "role",
        "s3AuthenticationType",
        "status",
        "subscriptions",
        "type",
        "usersRoleAllowedToJoinExternalTailnets",
    }
)
LITERALS: Final[Mapping[str, bytes]] = {
    "nan": b"NaN",
    "inf": b"Infinity",
    "1e400": b"1e400",
    "int5000": b"9" * 5000,
    "surrogate": b'"\\ud800"',
    "badutf8": b'"\xff\xfe"',
    "deep100000": b"[" * 100_000 + b"]" * 100_000,
}
FLOOD: Final = tuple((f"X-Flood-{number}", "f" * 1000) for number in range(300))
# What stands in for the true answer when the request is not carried out.
INVENTED: Final = Answer(200, (JSON_TYPE,)).carrying(
    b'{"message":"nothing was done: this answer is invented"}'
)
ENOUGH_BYTES: Final = 64
# White space and the comments of HuJSON.
_LEAD = re.compile(rb"(?:\s+|//[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_KEY = re.compile(rb'"(?:[^"\\]|\\.)*"(?=\s*:)')


def spoil(name: str, answer: Answer) -> Answer:
    """Return the answer as a fault of kind value, encoding or protocol makes it; other names change nothing."""
    if name == "hdrflood":
        return Answer(answer.status, (*FLOOD, *answer.headers), answer.body, answer.reason)
    if name == "utf16hdr":
        kind = header(answer.headers, "content-type").partition(";")[0] or JSON_TYPE[1]
        return answer.carrying(answer.body, ("Content-Type", f"{kind}; charset=utf-16"))
    if name == "gzbad":
        packed = gzip.compress(answer.body, mtime=0)
        return answer.carrying(packed[:10] + b"\xff" * 8 + packed[18:], ("Content-Encoding", "gzip"))
    if name == "enc_br":
        return answer.carrying(as_brotli(answer.body), ("Content-Encoding", "br"))
    if name in LITERALS:
        return answer.carrying(insert_member(answer.body, FIELD + b":" + LITERALS[name]))
    change = CHANGES.get(name)
    return answer if change is None else answer.carrying(change(answer.body))


def filled(body: bytes) -> bytes:
    """Return a body long enough to be cut: one too short gets blanks where JSON may have them."""
    if len(body) >= ENOUGH_BYTES:
        return body
    if body[:1] not in {b"{", b"["}:
        body = b"{}"
    return body[:1] + b" " * (ENOUGH_BYTES - len(body)) + body[1:]


def insert_member(body: bytes, member: bytes) -> bytes:
    """Return a body with a member put first: textually, so that it may be no JSON, and the body HuJSON."""
    start = _skip(body, 0)
    opening = body[start : start + 1]
    if opening == b"[":
        member = b"{" + member + b"}"
    elif opening != b"{":
        return b"{" + member + b"}"
    empty = body[_skip(body, start + 1) :][:1] in {b"}", b"]"}
    return body[: start + 1] + member + (b"" if empty else b",") + body[start + 1 :]


def _skip(body: bytes, start: int) -> int:
    found = _LEAD.match(body, start)
    return found.end() if found else start


def as_brotli(data: bytes) -> bytes:
    """Return a brotli stream (RFC 7932) that holds the data in uncompressed blocks."""
    blocks = []
    for start in range(0, len(data), 65536):
        block = data[start : start + 65536]
        # The first block is preceded by one bit, the size of the window.
        shift = 4 if start == 0 else 3
        blocks += [((len(block) - 1) << shift | 1 << (16 + shift)).to_bytes(3, "little"), block]
    return b"".join([*blocks, b"\x03" if blocks else b"\x06"])


def _twice(body: bytes) -> bytes:
    """Put the first key in front once more, with null."""
    start = _skip(body, 0)
    if body[start : start + 1] == b"[":
        start = _skip(body, start + 1)
    found = _KEY.match(body, _skip(body, start + 1)) if body[start : start + 1] == b"{" else None
    if found is None:
        return b'{"twice":null,"twice":null}'
    return body[: start + 1] + found[0] + b":null," + body[start + 1 :]


def _other_kind(body: bytes) -> bytes:
    opening = body[_skip(body, 0) :][:1]
    if opening == b"[":
        return b'{"items":' + body + b"}"
    # The line end closes a comment at the end of HuJSON.
    return b"[" + body + b"\n]" if opening == b"{" else b'"neither object nor list"'


def _with_field(body: bytes) -> bytes:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict | list):
        return insert_member(body, FIELD + b':{"level":3}')
    for known in _models(content):
        known["fromTheFuture"] = {"level": 3}
    return orjson.dumps(content)


def _models(content: Any) -> Iterator[dict[str, Any]]:
    """Give the outer object and each object that stands in a list right below."""
    lists = [content]
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        yield content
    for found in lists:
        yield from (element for element in found if isinstance(element, dict))


def _with_new_values(body: bytes) -> bytes:
    try:
        return orjson.dumps(_renewed(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return body


def _renewed(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _renewed(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renewed(inner, field) for inner in value]
    return NEW_VALUE if field in ENUM_FIELDS and isinstance(value, str) else value


CHANGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "newfield": _with_field,
    "newenum": _with_new_values,
    "wrongtype": _other_kind,
    "dupkeys": _twice,
    "bom": lambda body: b"\xef\xbb\xbf" + (body or b"{}"),
}
