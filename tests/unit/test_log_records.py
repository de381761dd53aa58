"""Records out of a log stream's bytes: whatever the split, never half of one, never much in memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import ijson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk._constants import MAX_JSON_DEPTH, MAX_RECORD_BYTES
from tailscale_sdk._generated.types import UnexpectedShape
from tailscale_sdk.transport import log_records
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, NotJSON
from tailscale_sdk.transport.log_records import RecordReader

GZIP = {"content-encoding": "gzip"}
FLOWS = [
    {
        "logged": f"2026-07-01T10:00:0{number}.123456789Z",
        "nodeId": f"nDEMO{number}CNTRL",
        "virtualTraffic": [{"proto": 6, "src": "100.64.0.1:443", "dst": "[fd7a:115c:a1e0::1]:80"}] * number,
        "odd": 'brackets ]}[{ and "quotes" and \\ backslashes é 😀',
    }
    for number in range(1, 5)
]
BODY = json.dumps({"version": "1.1", "logs": FLOWS, "tailnetId": "T1"}).encode()


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def outcome(
    chunks: Iterable[bytes], headers: dict[str, str] | None = None, cap: int = MAX_RECORD_BYTES
) -> tuple[list[Any], Any]:
    """Return the records and what ended the stream: the envelope, or a fault."""
    reader, records = RecordReader(headers or {}, cap), []
    try:
        for chunk in chunks:
            for found in reader.feed(chunk):
                records += found
        reader.finish()
    except log_records.FAULTS as fault:
        return records, (type(fault), str(fault))
    return records, reader.envelope


VALUES = st.recursive(
    st.none()
    | st.booleans()
    # yajl takes the lowest 64-bit integer for an overflow.
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["logs", "item", "a", '"]', "\\"]), inner, max_size=3)
    ),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    """Draw an answer and the records in it."""
    logs = draw(st.lists(RECORDS | st.none(), max_size=5) | st.none())
    before = draw(st.dictionaries(st.sampled_from(["version", "item", "logs.item"]), VALUES, max_size=2))
    behind = draw(st.dictionaries(st.sampled_from(["tailnet", "more"]), VALUES, max_size=2))
    layout: dict[str, Any] = draw(
        st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])
    )
    body = json.dumps({**before, "logs": logs, **behind}, **layout).encode()
    return body, [record for record in logs or [] if record is not None]


@st.composite
def splits(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draw a way to split bytes into chunks, empty ones included."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.untraced
@settings(max_examples=60)
@given(answers(), st.data(), st.booleans())
def test_any_split_gives_the_same_records(
    answer: tuple[bytes, list[Any]], data: st.DataObject, packed: bool
) -> None:
    body, records = answer
    sent = gzip.compress(body) if packed else body
    found, envelope = outcome(data.draw(splits(sent)), GZIP if packed else {})
    assert found == records
    assert envelope == {key: value for key, value in json.loads(body).items() if key != "logs"}


@pytest.mark.parametrize("number", [-(2**63), 2**63, 10**30])
def test_a_number_that_cannot_be_read_is_a_fault_and_no_lost_record(number: int) -> None:
    records, end = outcome([b'{"logs": [{"a": 1}, {"a": %d}]}' % number])
    assert records == [{"a": 1}]
    assert end[0] is NotJSON


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("cap", [1024, MAX_RECORD_BYTES])
def test_chunks_and_pieces_of_every_size(size: int, cap: int) -> None:
    assert outcome(cut(BODY, size), cap=cap) == (FLOWS, {"version": "1.1", "tailnetId": "T1"})


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_list_is_found_behind_texts_that_look_like_it(size: int) -> None:
    around = {
        '"logs":[{}]': '\\", "logs": [7]',
        "a\\": {"logs": [{"x": 1}]},
        "logs.item": {"y": 2},
        "": ["logs"],
    }
    body = json.dumps({**around, "logs": FLOWS, 'behind"': "\\"}).encode()
    assert outcome(cut(body, size)) == (FLOWS, {**around, 'behind"': "\\"})
    named_with_an_escape = b'{"l\\u006fgs":[{"a":1}],"logs\\u0000":[7]}'
    assert outcome(cut(named_with_an_escape, size)) == ([{"a": 1}], {"logs\0": [7]})


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_at_every_offset_never_gives_half_a_record(packed: bool) -> None:
    sent, headers = (gzip.compress(BODY), GZIP) if packed else (BODY, {})
    counts = set()
    for at in range(len(sent)):
        records, end = outcome([sent[:at]], headers)
        assert records == FLOWS[: len(records)]
        if at == 0:
            assert end == (NotJSON, "this is not JSON")
        elif packed:
            assert end == (BodyBroken, "the gzip data ended early")
        else:
            assert end == (NotJSON, "this is the beginning of JSON only")
        counts.add(len(records))
    assert counts == {0, 1, 2, 3, 4}


@pytest.mark.untraced
@given(st.data())
def test_any_split_of_a_damaged_answer_gives_the_same_records_and_the_same_fault(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(BODY) - 1))
    byte = data.draw(st.integers(0, 255))
    damaged = BODY[:at] + bytes([byte]) + BODY[at + 1 :]
    assert outcome(data.draw(splits(damaged))) == outcome([damaged])


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_a_record_is_given_as_soon_as_its_last_byte_is_there(size: int) -> None:
    reader, begun = RecordReader({}), BODY.index(b'{"logged": "2026-07-01T10:00:02')
    found = [record for chunk in cut(BODY[:begun], size) for part in reader.feed(chunk) for record in part]
    assert found == FLOWS[:1]
    assert reader.envelope == {"version": "1.1"}


@pytest.mark.parametrize(
    "body", [b"null", b"{}", b' {"logs": null} ', b'{"logs":[]}', b'{"logs":[null,null],"version":"1.1"}']
)
@pytest.mark.parametrize("size", [1, 100])
def test_a_quiet_window_has_no_records(body: bytes, size: int) -> None:
    envelope = {"version": "1.1"} if b"1.1" in body else {}
    assert outcome(cut(body, size)) == ([], envelope)


@pytest.mark.parametrize(
    "body, records, path, found",
    [
        (b"[]", 0, "$", "array"),
        (b'"logs"', 0, "$", "string"),
        (b"7", 0, "$", "number"),
        (b'{"logs":{}}', 0, "$.logs", "object"),
        (b'{"logs":{"item":{"a":1}}}', 0, "$.logs", "object"),
        (b'{"logs":{"item":[{"a":1}]}}', 0, "$.logs", "object"),
        (b'{"logs":"none"}', 0, "$.logs", "string"),
        (b'{"logs":[{},null,{},3,{}]}', 2, "$.logs[3]", "number"),
        (b'{"logs":[[{}]]}', 0, "$.logs[0]", "array"),
        (b'{"logs":[{}],"logs":[{}]}', 1, "$.logs", "two"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_another_kind_is_named_with_its_place(
    body: bytes, records: int, path: str, found: str, size: int
) -> None:
    given_out, end = outcome(cut(body, size))
    assert len(given_out) == records
    assert end[0] is UnexpectedShape
    assert end[1].startswith(f"{path}: ")
    assert end[1].endswith(f"found {found}")


@pytest.mark.parametrize(
    "text",
    [
        b"<html><body>502</body></html>",
        b'\xef\xbb\xbf{"logs":[]}',
        b'{"logs":[{"a":NaN}]}',
        b'{"logs":[{"a":Infinity}]}',
        b'{"logs":[{"a":1e400}]}',
        b'{"logs":[{"a":%s}]}' % (b"7" * 5000),
        b'{"logs":[{"a":"\xff"}]}',
        b'{"logs":[{"a":"\xed\xa0\x80"}]}',
        b'{"logs":[{"a":"\\udc00"}]}',
        b'{"logs":[{"a":"\x01"}]}',
        b'{"logs":[{"a":"\\x41"}]}',
        b'{"logs":[{"a":01}]}',
        b'{"logs":[{"a":1,}]}',
        b'{"logs":[{"a":1}}',
        b'{"logs":[{"a":1]}',
        b'{"logs":[{}{}]}',
        b'{"logs":[\\"{}]}',
        b'{"logs" 1:[{}]}',
        b'{"\\x":[{}]}',
        b'{"logs":x[{}]}',
        b'["logs":[{}]]',
        b'{"logs":[{}]}{}',
        b'{"logs":[{}],}',
        b'{"logs":[{}]]',
    ],
)
def test_hostile_text_is_a_fault_of_the_json_and_nothing_else(text: bytes) -> None:
    whole = outcome([text])
    assert whole[1] == (NotJSON, "this is not JSON")
    assert all(record in ({}, {"a": 1}) for record in whole[0])
    assert outcome(cut(text, 1)) == whole


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_a_bomb_of_brackets_is_refused_before_it_is_parsed(bracket: bytes) -> None:
    bomb = b'{"logs":[{"first":1},{"deep":' + bracket * 100_000
    tracemalloc.start()
    try:
        assert outcome(cut(bomb, 8192)) == ([{"first": 1}], (NotJSON, "this is not JSON"))
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("more, accepted", [(0, True), (1, False)])
@pytest.mark.parametrize("size", [100, 100_000])
def test_a_record_may_be_as_deep_as_other_json(more: int, accepted: bool, size: int) -> None:
    levels = MAX_JSON_DEPTH - 2 + more
    body = b'{"logs":[{"a":' + b"[" * levels + b"]" * levels + b"}]}"
    records, end = outcome(cut(body, size))
    assert (len(records) == 1, end == {}) == (accepted, accepted)


def test_integers_are_exact_and_the_last_of_two_keys_wins() -> None:
    body = b'{"logs":[{"a":9007199254740993,"b":1.5,"c":-0.0,"d":1e3,"b":2.5}]}'
    (record,), _ = outcome([body])
    assert record == {"a": 9007199254740993, "b": 2.5, "c": -0.0, "d": 1000.0}
    assert [type(value) for value in record.values()] == [int, float, float, float]


def record_of(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [1000, 65_536, 5_000_000])
def test_a_record_over_the_cap_ends_the_stream(packed: bool, size: int) -> None:
    body = b'{"logs":[{"first":1},' + record_of(2 * 1024 * 1024) + b"]}"
    sent = gzip.compress(body) if packed else body
    records, end = outcome(cut(sent, size), GZIP if packed else {})
    assert (records, end[0]) == ([{"first": 1}], BodyTooLarge)


def test_a_record_just_under_the_cap_is_read() -> None:
    body = b'{"logs":[' + b",".join([record_of(MAX_RECORD_BYTES)] * 3) + b"]}"
    records, end = outcome(cut(body, 65_536))
    assert ([len(record["a"]) for record in records], end) == ([MAX_RECORD_BYTES - 8] * 3, {})


@pytest.mark.parametrize("cap", [1024, 4096, 100_000])
def test_the_cap_holds_to_an_eighth(cap: int) -> None:
    body = b'{"logs":[{"first":1},' + record_of(cap + cap // 8 + 1) + b"]}"
    assert outcome([body], cap=cap)[1][0] is BodyTooLarge
    assert outcome([b'{"logs":[{"first":1},' + record_of(cap) + b"]}"], cap=cap)[1] == {}


def endless(head: bytes, repeated: bytes) -> Iterator[bytes]:
    yield head
    for _ in range(100):
        yield repeated * (65_536 // len(repeated))


@pytest.mark.parametrize(
    "head, repeated",
    [
        (b'{"junk":"', b"x"),
        (b'{"', b"k"),
        (b"", b"<p>"),
        (b"", b" "),
        (b'{"logs":[{},', b"null,"),
        (b'{"logs":[{},', b"          "),
        (b'{"logs":[{}],"junk":[', b"1,"),
        (b'{"logs":[{}]}', b"\n"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_junk_without_end_stops_at_the_cap(head: bytes, repeated: bytes, packed: bool) -> None:
    chunks = endless(head, repeated)
    sent = [gzip.compress(b"".join(chunks))] if packed else chunks
    reader, given_out = RecordReader(GZIP if packed else {}), []
    with pytest.raises(BodyTooLarge):
        given_out.extend(found for chunk in sent for found in reader.feed(chunk))
    assert given_out in ([], [[{}]])
    assert reader.bytes_read <= MAX_RECORD_BYTES + 2 * 65_536


def test_a_bomb_of_small_records_flows_past_with_flat_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b'{"logs":[{"a":1}' + b',{"a":1}' * 400_000) + packer.flush()
    assert len(bomb) < 10_000
    reader, count = RecordReader(GZIP), 0
    tracemalloc.start()
    try:
        parts = reader.feed(bomb)
        for _ in range(4):
            count += len(next(parts))
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert 30_000 < count < 40_000


def test_members_of_gzip_are_read_on() -> None:
    halves = [gzip.compress(BODY[:200]), gzip.compress(BODY[200:])]
    for size in (1, 11, 10_000):
        assert outcome(cut(b"".join(halves), size), GZIP)[0] == FLOWS


@pytest.mark.parametrize(
    "sent, message",
    [
        (gzip.compress(BODY) + b"garbage", "the gzip data is broken"),
        (gzip.compress(BODY)[:-8], "the gzip data ended early"),
        (gzip.compress(BODY)[:-1], "the gzip data ended early"),
    ],
)
def test_a_trailer_that_is_missing_or_wrong_is_noticed_behind_the_records(sent: bytes, message: str) -> None:
    assert outcome(cut(sent, 50), GZIP) == (FLOWS, (BodyBroken, message))


def test_data_that_fails_its_checksum_is_withheld() -> None:
    records, end = outcome([gzip.compress(BODY)[:-8] + bytes(8)], GZIP)
    assert (records, end) == ([], (BodyBroken, "the gzip data is broken"))


def test_what_is_not_gzip_at_all() -> None:
    assert outcome([BODY], GZIP) == ([], (BodyBroken, "the gzip data is broken"))
    assert outcome([], GZIP) == ([], (NotJSON, "this is not JSON"))
    with pytest.raises(BodyBroken) as caught:
        RecordReader({"content-encoding": "br"})
    assert not caught.value.damaged
    assert outcome([BODY], {"content-encoding": " Identity "})[0] == FLOWS


@pytest.fixture
def other_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read with ijson's pure Python backend, as where the C library is missing."""
    python = ijson.get_backend("python")
    monkeypatch.setattr(ijson, "backend_name", "python")
    monkeypatch.setattr(ijson, "items_coro", python.items_coro)
    log_records._push_parser.cache_clear()
    yield
    log_records._push_parser.cache_clear()


@pytest.mark.usefixtures("other_backend")
def test_the_slow_backend_reads_the_same_and_warns_once() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert outcome(cut(BODY, 9))[0] == FLOWS
        assert outcome(cut(BODY, 100))[0] == FLOWS
    assert [(warning.category, "yajl2_c" in str(warning.message)) for warning in told] == [
        (RuntimeWarning, True)
    ]


@pytest.mark.usefixtures("other_backend")
@settings(max_examples=30)
@given(answers(), st.data())
def test_the_slow_backend_never_gives_half_a_record(
    answer: tuple[bytes, list[Any]], data: st.DataObject
) -> None:
    body, records = answer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        at = data.draw(st.integers(0, len(body)))
        found, _ = outcome(data.draw(splits(body[:at])))
    assert found == records[: len(found)]


def test_the_fast_backend_is_the_one_in_use() -> None:
    assert ijson.backend_name == "yajl2_c"
