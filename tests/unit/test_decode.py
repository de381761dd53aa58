"""From bytes to JSON: bounded whatever is compressed in it, and one kind of failure whatever is wrong."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailscale_sdk import _constants as limits
from tailscale_sdk.transport.decode import (
    BodyBroken,
    BodyTooLarge,
    BoundedBody,
    ErrorBody,
    NotJSON,
    body_for,
    check_nothing,
    load_json,
)

CAP = 4096
TEXT = b'{"devices": []}'
GZIP = {"content-encoding": "gzip"}
MEGABYTE = 1024 * 1024


def collect(headers: dict[str, str], chunks: Iterable[bytes], cap: int = CAP) -> bytes:
    """Feed chunks to a body and return it."""
    body = BoundedBody(headers, cap)
    for chunk in chunks:
        assert body.feed(chunk) is True
    return body.finish()


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


# --- plain bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", [{}, {"content-encoding": ""}, {"content-encoding": " Identity "}])
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_plain_body_is_kept_byte_for_byte(encoding: dict[str, str], size: int) -> None:
    assert collect(encoding, pieces(TEXT, size)) == TEXT
    assert collect(encoding, []) == b""


def test_a_plain_body_up_to_its_cap() -> None:
    assert collect({}, [b"x" * CAP]) == b"x" * CAP
    assert collect({}, [b"x" * (CAP - 1), b"x"]) == b"x" * CAP
    body = BoundedBody({}, CAP)
    body.feed(b"x" * CAP)
    with pytest.raises(BodyTooLarge):
        body.feed(b"x")


@pytest.mark.parametrize("length", [str(CAP + 1), "9" * 19, f"0{CAP + 1}"])
def test_a_length_over_the_cap_is_refused_before_reading(length: str) -> None:
    with pytest.raises(BodyTooLarge):
        BoundedBody({"content-length": length}, CAP)


@pytest.mark.parametrize(
    "length", ["0", str(CAP), "", "many", "-1", "9" * 20, "１００００", f"{CAP + 1}, {CAP + 1}", "²" * 9]
)
def test_any_other_length_is_not_believed(length: str) -> None:
    assert collect({"content-length": length}, [TEXT]) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip, br", "x-gzip", "*"])
def test_an_encoding_nobody_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(BodyBroken) as caught:
        BoundedBody({"content-encoding": encoding}, CAP)
    assert caught.value.damaged is False
    assert str(caught.value) == "an encoding came that was not asked for"


# --- gzip ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_gzip_is_read_in_pieces_of_any_size(size: int) -> None:
    data = json.dumps(list(range(700))).encode()
    assert collect(GZIP, pieces(gzip.compress(data, mtime=0), size)) == data
    assert collect({"content-encoding": " GZIP "}, pieces(gzip.compress(data, mtime=0), size)) == data


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_several_members_are_read_on(count: int, size: int) -> None:
    data = b"".join(gzip.compress(b"part %d " % number, mtime=0) for number in range(count))
    assert collect(GZIP, pieces(data, size)) == b"".join(b"part %d " % number for number in range(count))


def test_an_empty_body_needs_no_gzip() -> None:
    assert collect(GZIP, []) == collect(GZIP, [b""]) == b""
    assert collect(GZIP, [gzip.compress(b"", mtime=0)]) == b""


WHOLE = gzip.compress(TEXT, mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        TEXT,
        b"\x1f\x8b",
        WHOLE[:-1],
        WHOLE[:-8],
        WHOLE[:-9],
        WHOLE + b"garbage",
        WHOLE + b"\0",
        WHOLE + WHOLE[:-1],
        WHOLE + zlib.compress(TEXT),
        zlib.compress(TEXT),
        WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:],
        WHOLE[:-4] + b"\0\0\0\0",
        WHOLE[:15] + b"\xff\xff\xff" + WHOLE[18:],
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_damaged_gzip_is_never_taken_for_an_answer(data: bytes, size: int) -> None:
    with pytest.raises(BodyBroken) as caught:
        collect(GZIP, pieces(data, size))
    assert caught.value.damaged is True
    assert str(caught.value) in {"the gzip data is broken", "the gzip data ended early"}


@given(st.binary(max_size=300), st.integers(1, 50), st.integers(0, 400))
def test_cut_gzip_is_always_noticed(data: bytes, size: int, kept: int) -> None:
    packed = gzip.compress(data, mtime=0)
    assert collect(GZIP, pieces(packed, size)) == data
    if 0 < kept < len(packed):
        with pytest.raises(BodyBroken):
            collect(GZIP, pieces(packed[:kept], size))


@given(st.binary(max_size=200), st.integers(1, 60))
def test_nothing_but_the_two_failures_leaves_a_gzip_body(data: bytes, size: int) -> None:
    try:
        collect(GZIP, pieces(data, size), cap=100)
    except (BodyBroken, BodyTooLarge):
        return
    assert data == b"" or zlib.decompress(data, 31) is not None


def test_gzip_is_held_to_the_cap_of_what_it_holds() -> None:
    noise = bytes(range(256)) * 16
    assert collect(GZIP, [gzip.compress(noise, mtime=0)]) == noise
    with pytest.raises(BodyTooLarge):
        collect(GZIP, [gzip.compress(noise + b"x", mtime=0)])
    # Its length on the wire says nothing about what is in it.
    announced = GZIP | {"content-length": str(CAP * 100)}
    assert collect(announced, [WHOLE]) == TEXT


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(size), mtime=0)


def test_a_bomb_is_stopped_by_its_ratio() -> None:
    with pytest.raises(BodyTooLarge):
        collect(GZIP, [bomb(2 * MEGABYTE)], cap=64 * MEGABYTE)


def test_up_to_a_megabyte_any_ratio_is_fine() -> None:
    data = bytes(MEGABYTE)
    assert len(data) > 100 * len(gzip.compress(data, mtime=0))
    assert collect(GZIP, [gzip.compress(data, mtime=0)], cap=64 * MEGABYTE) == data


def test_a_real_answer_compresses_well_and_is_fine() -> None:
    data = json.dumps(
        [{"nodeId": f"n{number}CNTRL", "tags": ["tag:a"] * 30, "os": "linux"} for number in range(5000)]
    ).encode()
    packed = gzip.compress(data, mtime=0)
    assert MEGABYTE < len(data) < 100 * len(packed)
    assert collect(GZIP, pieces(packed, 16384), cap=64 * MEGABYTE) == data


def test_a_bomb_takes_no_more_memory_than_its_cap() -> None:
    packed = bomb(32 * MEGABYTE)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            collect(GZIP, [packed], cap=MEGABYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MEGABYTE


# --- bodies of error answers --------------------------------------------------------------------


def test_an_error_body_is_cut_at_its_cap() -> None:
    body = ErrorBody({})
    assert body.feed(b"x" * 10) is True
    assert body.feed(b"y" * (limits.MAX_ERROR_BODY_BYTES - 11)) is True
    assert body.feed(b"zz") is True
    assert body.feed(b"z") is False
    assert body.finish() == b"x" * 10 + b"y" * (limits.MAX_ERROR_BODY_BYTES - 11) + b"z"


@pytest.mark.parametrize("more", [b"", b"x", bytes(MEGABYTE)])
def test_an_error_body_of_one_piece_is_cut_too(more: bytes) -> None:
    whole = b"x" * limits.MAX_ERROR_BODY_BYTES
    body = ErrorBody({"content-length": "999999999"})
    body.feed(whole + more)
    assert body.finish() == whole


@pytest.mark.parametrize(
    "encoding, data, read",
    [
        ("gzip", gzip.compress(b"no such device", mtime=0), b"no such device"),
        ("gzip", gzip.compress(b"no such device", mtime=0)[:-4], b"no such device"),
        ("gzip", gzip.compress(b"no such device", mtime=0) + b"garbage", b"no such device"),
        ("gzip", b"plain after all", b""),
        ("br", b"\x0b\x02\x80", b""),
        ("gzip", bomb(MEGABYTE), bytes(limits.MAX_ERROR_BODY_BYTES)),
    ],
)
def test_an_error_body_is_read_as_far_as_it_goes(encoding: str, data: bytes, read: bytes) -> None:
    body = ErrorBody({"content-encoding": encoding})
    body.feed(data)
    assert body.finish() == read


def test_nothing_more_is_wanted_of_an_unreadable_error_body() -> None:
    body = ErrorBody({"content-encoding": "br"})
    assert body.feed(b"x") is False
    assert body.finish() == b""


@pytest.mark.parametrize(
    "status, kind",
    [(200, BoundedBody), (204, BoundedBody), (299, BoundedBody)]
    + [(status, ErrorBody) for status in (199, 300, 302, 404, 500)],
)
def test_only_a_successful_answer_must_be_whole(status: int, kind: type[BoundedBody]) -> None:
    assert type(body_for(status, {}, CAP)) is kind
    if kind is BoundedBody:
        with pytest.raises(BodyTooLarge):
            body_for(status, {"content-length": str(CAP + 1)}, CAP)


# --- JSON ---------------------------------------------------------------------------------------

DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"nan",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"-Infinity",
        b"1e400",
        b'{"a": -1e400}',
        b'{"a": 01}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\udc00\\ud800"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32-le"),
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"<html><body>hello</body></html>",
        b"",
        b"  ",
        b"\r\n\t",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {"b": 2}',
        b'{"a": "\x01"}',
        b'{"a": undefined}',
        b"[1 2]",
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(NotJSON) as caught:
        load_json(body)
    assert caught.value.cut is False
    assert str(caught.value) == "this is not JSON"


@pytest.mark.parametrize("body", [b"[" * DEEP, b'{"a":' * DEEP, b'{"a": "\\ud800', b'"\xe2\x82', b"9" * 5000])
def test_hostile_beginnings_leave_as_one_kind_of_failure(body: bytes) -> None:
    try:
        load_json(body)
    except NotJSON as problem:
        assert problem.__cause__ is None


def test_a_huge_number_is_refused_or_kept_to_the_digit() -> None:
    assert load_json(b"9007199254740993") == 9007199254740993
    assert load_json(b"18446744073709551615") == 2**64 - 1
    with pytest.raises(NotJSON):
        load_json(b"9" * 5000)


@pytest.mark.parametrize(
    "body, value",
    [
        (b'{"a": 1}', {"a": 1}),
        (b" [1, 2.5, null]\n", [1, 2.5, None]),
        (b'"\xc3\xa9"', "é"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"null", None),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_what_is_json(body: bytes, value: Any) -> None:
    assert load_json(body) == value


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value)[::-1].encode()))
@example(b"\x00")
@example(b'{"\xc3')
def test_only_one_kind_of_failure_leaves(body: bytes) -> None:
    try:
        load_json(body)
    except NotJSON as problem:
        assert isinstance(problem, ValueError)


@pytest.mark.untraced
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.booleans(), st.floats(0, 1))
def test_every_beginning_of_an_object_is_cut(value: dict[str, Any], ascii_only: bool, share: float) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    kept = max(1, int(share * (len(whole) - 1)))
    with pytest.raises(NotJSON) as caught:
        load_json(whole[:kept])
    assert caught.value.cut is True
    assert str(caught.value) == "this is the beginning of JSON only"


def test_every_single_beginning_of_one_object_is_cut() -> None:
    whole = b'{"a": "\\u00e9\\ud83d\\ude00\\n\xc3\xa9\xf0\x9f\x98\x80", "b": [-0.5e-3, true, null, false, {}], "c": 12}'
    assert load_json(whole)
    for kept in range(1, len(whole)):
        with pytest.raises(NotJSON) as caught:
            load_json(whole[:kept])
        assert caught.value.cut is True, whole[:kept]


def test_a_decoder_that_gives_up_on_depth_leaves_no_other_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(body: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr("tailscale_sdk.transport.decode.orjson.loads", too_deep)
    with pytest.raises(NotJSON) as caught:
        load_json(b"[")
    assert caught.value.cut is False


# --- an answer that holds nothing ---------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"null", b'""', b'{"deleted": true}', b"[]"])
def test_an_answer_without_content_may_be_empty_or_any_json(body: bytes) -> None:
    check_nothing(body)


@pytest.mark.parametrize(
    "body, cut", [(b"<html>welcome</html>", False), (b"OK", False), (b"{", True), (b"\xff", False)]
)
def test_a_foreign_page_is_no_answer(body: bytes, cut: bool) -> None:
    with pytest.raises(NotJSON) as caught:
        check_nothing(body)
    assert caught.value.cut is cut


@pytest.mark.parametrize(
    "headers, chunks, whole",
    [
        ({"content-length": "3"}, [b"{ }"], True),
        ({"content-length": "3"}, [b"{", b" }"], True),
        ({"content-length": "4"}, [b"{ }"], False),
        ({"content-length": "+3"}, [b"{ }"], False),
        ({}, [b"{ }"], False),
        ({"content-length": "23", "content-encoding": "gzip"}, [gzip.compress(b"{ }", mtime=0)], True),
    ],
)
def test_a_body_is_whole_when_all_came_that_was_announced(
    headers: dict[str, str], chunks: list[bytes], whole: bool
) -> None:
    body = BoundedBody(headers, 100)
    for chunk in chunks:
        assert not body.is_whole
        body.feed(chunk)
    assert body.is_whole is whole


def test_a_body_that_is_skipped_is_never_whole() -> None:
    body = ErrorBody({"content-encoding": "br", "content-length": "0"})
    assert not body.is_whole
