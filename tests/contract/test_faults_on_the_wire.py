"""Every fault a server can play, byte for byte."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import pytest

from tailscale_sdk.testing import FAULTS, FakeTailnet, Faults
from tailscale_sdk.testing.faults.spoiling import as_brotli
from tests.contract.raw import CONTINUE, DEVICES, KEYS, VISIBLE, Slept, Wire, ask, connect, request_bytes

Check = Callable[[Wire, bytes], bool]
OTHER = "http://127.0.0.1:9"
SILENCE_SECONDS = 0.05


@pytest.fixture(scope="module")
def slept() -> Slept:
    return Slept()


@pytest.fixture(scope="module")
def served(slept: Slept) -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=3, faults=Faults(sleep=slept)) as running:
        yield running


@pytest.fixture
def fake(served: FakeTailnet, slept: Slept) -> Iterator[FakeTailnet]:
    slept.clear()
    served.faults.requests.clear()
    yield served
    served.faults.clear()


def is_status(status: int, message: str, **headers: str | None) -> Check:
    def check(wire: Wire, _: bytes) -> bool:
        found = {name.replace("_", "-"): wire.headers.get(name.replace("_", "-")) for name in headers}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (wire.status, wire.json, found) == (status, {"message": message}, named)

    return check


def retries_after(seconds: float) -> Check:
    def check(wire: Wire, _: bytes) -> bool:
        date, after = (parsedate_to_datetime(wire.headers[name]) for name in ("date", "retry-after"))
        return wire.status == 429 and (after - date).total_seconds() == seconds

    return check


def is_redirect(status: int, location: str) -> Check:
    return lambda wire, _: (wire.status, wire.headers["location"], wire.body) == (status, location, b"")


def begins(member: bytes) -> Check:
    return lambda wire, true: sound(wire) and wire.body == true.replace(b"{", b"{" + member + b",", 1)


def sound(wire: Wire) -> bool:
    """Tell whether the answer is a 200 of the length its head says."""
    return wire.status == 200 and int(wire.headers["content-length"]) == len(wire.body)


def announces(difference: int) -> Check:
    return lambda w, true: w.body == true and int(w.headers["content-length"]) == len(true) + difference


def half(wire: Wire, true: bytes) -> bool:
    return wire.status == 200 and wire.body == true[: len(true) // 2]


def unchunked(data: bytes) -> tuple[bytes, bool]:
    """Return the content of a chunked body and whether it came to its end."""
    pieces: list[bytes] = []
    start = 0
    while start < len(data):
        end = data.index(b"\r\n", start)
        size = int(data[start:end], 16)
        if not size:
            return b"".join(pieces), True
        pieces.append(data[end + 2 : end + 2 + size])
        start = end + 2 + size + 2
    return b"".join(pieces), False


def cut_chunk(wire: Wire, true: bytes) -> bool:
    content, complete = unchunked(wire.body)
    return (content, complete) == (true[: len(true) // 2], False) and "content-length" not in wire.headers


def bad_gzip(wire: Wire, true: bytes) -> bool:
    with pytest.raises(zlib.error):
        zlib.decompress(wire.body, 31)
    return sound(wire) and wire.headers["content-encoding"] == "gzip"


def bomb(wire: Wire, true: bytes) -> bool:
    content, complete = unchunked(wire.body)
    unpacker, size, last = zlib.decompressobj(31), 0, b""
    while content:
        piece = unpacker.decompress(content, 1 << 24)
        size, last, content = size + len(piece), (last + piece)[-len(true) :], unpacker.unconsumed_tail
    assert unpacker.eof, "the gzip data is whole, its checksum true"
    return complete and size == (128 << 20) + len(true) and last == true and len(wire.body) < 1 << 18


def huge(wire: Wire, true: bytes) -> bool:
    content, complete = unchunked(wire.body)
    return complete and content == b" " * (80 << 20) + true


def parsed_field(wire: Wire, _: bytes) -> bool:
    objects = [wire.json, *wire.json["devices"]]
    return sound(wire) and len(objects) == 4 and all(o["fromTheFuture"] == {"level": 3} for o in objects)


ROWS: dict[str, Check] = {
    "wreset": lambda wire, _: wire == Wire(b"", "reset"),
    "noreply": lambda wire, _: wire == Wire(b"", "closed"),
    "garbage": lambda wire, _: (
        wire.end == "closed" and not wire.raw.startswith(b"HTTP/") and len(wire.raw) > 9
    ),
    "reset": lambda wire, true: half(wire, true) and wire.end == "reset" and announced(wire) == len(true),
    "cl_long": announces(100),
    "cl_short": lambda wire, true: wire.body == true and announced(wire) == len(true) // 2,
    "chunk_trunc": cut_chunk,
    "trunc": lambda wire, true: half(wire, true) and sound(wire),
    "nocl_trunc": lambda wire, true: half(wire, true) and "content-length" not in wire.headers,
    "drip": announces(0),
    "429_s": is_status(429, "rate limit exceeded", retry_after="1"),
    "429_date": retries_after(2),
    "429_past": retries_after(-3600),
    "429_bad": is_status(429, "rate limit exceeded", retry_after="soon"),
    "429_none": is_status(429, "rate limit exceeded", retry_after=None),
    "429_3600": is_status(429, "rate limit exceeded", retry_after="3600"),
    "408": is_status(408, "request timeout"),
    "500": is_status(500, "internal server error"),
    "502": is_status(502, "bad gateway"),
    "504": is_status(504, "gateway timeout"),
    "503_ra": is_status(503, "service unavailable", retry_after="1"),
    "503": is_status(503, "service unavailable", retry_after=None),
    "rand503": is_status(503, "service unavailable", retry_after=None),
    "400": is_status(400, "invalid request"),
    "401": is_status(401, "API token invalid"),
    "403": is_status(403, "calling actor does not have enough permissions to perform this function"),
    "404": is_status(404, "not found"),
    "409": is_status(409, "conflict"),
    "412": is_status(412, "precondition failed, invalid old hash"),
    "422": is_status(422, "unprocessable entity"),
    "501": is_status(501, "not implemented"),
    **{f"redir{status}": is_redirect(status, "/api/v2/moved") for status in (301, 302, 303, 307, 308)},
    "redir_host": is_redirect(307, f"{OTHER}{DEVICES}"),
    "redir_http": lambda wire, _: (
        wire.status == 307 and wire.headers["location"].startswith("http://127.0.0.1:")
    ),
    "html": lambda wire, _: wire.status == 502 and wire.body.startswith(b"<!DOCTYPE html>"),
    "html200": lambda wire, _: sound(wire) and wire.headers["content-type"].startswith("text/html"),
    "empty200": lambda wire, _: sound(wire) and wire.body == b"",
    "204body": lambda wire, _: wire.status == 204 and len(wire.body) == announced(wire) > 0,
    "http10": lambda wire, true: (
        wire.body == true and wire.head[0] == "HTTP/1.0 200 OK" and len(wire.head) == 2
    ),
    "cont100": lambda wire, true: wire.raw.startswith(CONTINUE * 5) and sound(wire) and wire.body == true,
    "hdrflood": lambda wire, true: wire.body == true and len("".join(wire.head)) > 300_000,
    "gzbad": bad_gzip,
    "enc_br": lambda w, true: w.headers["content-encoding"] == "br" and w.body == as_brotli(true),
    "bomb": bomb,
    "huge": huge,
    "newfield": parsed_field,
    "newenum": lambda wire, true: sound(wire) and wire.json == json.loads(true),
    "wrongtype": lambda wire, true: sound(wire) and wire.json == [json.loads(true)],
    "dupkeys": begins(b'"devices":null'),
    "nan": begins(b'"fromTheFuture":NaN'),
    "inf": begins(b'"fromTheFuture":Infinity'),
    "1e400": begins(b'"fromTheFuture":1e400'),
    "int5000": begins(b'"fromTheFuture":' + b"9" * 5000),
    "surrogate": begins(b'"fromTheFuture":"\\ud800"'),
    "badutf8": begins(b'"fromTheFuture":"\xff\xfe"'),
    "deep100000": begins(b'"fromTheFuture":' + b"[" * 100_000 + b"]" * 100_000),
    "bom": lambda wire, true: sound(wire) and wire.body == b"\xef\xbb\xbf" + true,
    "utf16hdr": lambda w, true: (
        w.body == true and w.headers["content-type"] == "application/json; charset=utf-16"
    ),
}


def announced(wire: Wire) -> int:
    return int(wire.headers["content-length"])


@pytest.mark.parametrize("name", [name for name in VISIBLE if name not in {"stall", "drip_stall"}])
def test_a_row_is_on_the_wire_as_the_table_says(fake: FakeTailnet, name: str) -> None:
    true = ask(fake, direct=True).body
    rule = fake.faults.add({"operation": "listTailnetDevices", "fault": name, "nth": 1})
    wire = ask(fake)
    assert ROWS[name](wire, true), wire.raw[:1000]
    [seen] = fake.faults.requests
    assert (rule.played, seen.fault, seen.when) == (1, name, FAULTS[name].when)
    assert seen.status == (wire.status if wire.raw.startswith(b"HTTP/") else None)
    assert seen.forwarded == (FAULTS[name].when != "before_apply")


def test_stall_is_silent_and_the_connection_stays(fake: FakeTailnet) -> None:
    fake.faults.add({"fault": "stall"})
    with connect(fake.base_url) as connection:
        connection.sendall(request_bytes(fake, "GET", DEVICES))
        connection.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_drip_stall_drips_four_bytes_and_falls_silent(fake: FakeTailnet, slept: Slept) -> None:
    true = ask(fake, direct=True).body
    fake.faults.add({"fault": "drip_stall"})
    with connect(fake.base_url) as connection:
        connection.sendall(request_bytes(fake, "GET", DEVICES))
        received = b""
        while not received.endswith(b"\r\n\r\n" + true[:4]):
            received += connection.recv(100)
        connection.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert slept == [0.2] * 4


def test_drip_waits_before_each_of_fifty_bytes(fake: FakeTailnet, slept: Slept) -> None:
    fake.faults.add({"fault": "drip"})
    ask(fake)
    assert slept == [0.2] * 50


def test_wreset_strikes_while_the_body_is_being_written(fake: FakeTailnet) -> None:
    fake.faults.add({"fault": "wreset"})
    with connect(fake.base_url) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        connection.sendall(request_bytes(fake, "POST", KEYS, b" " * (24 << 20)))
