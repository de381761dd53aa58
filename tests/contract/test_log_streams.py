"""Log streams of both clients over real sockets: complete, failed before the first record, broken after it."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tailscale_sdk import (
    APITimeoutError,
    DecodeError,
    IncompleteStreamError,
    PermissionDeniedError,
    ResponseTooLargeError,
    ServerError,
    Tailscale,
)
from tailscale_sdk.testing import FakeTailnet
from tests.contract.log_reading import BODY, FLOWS, KEY, MONTH, QUIET, WINDOW, both, collect, place_of
from tests.contract.log_server import LogServer, cut, silent, status, unannounced, whole


@both
@pytest.mark.parametrize(
    "method, listing", [("iter_audit_logs", "list_audit_logs"), ("iter_network_logs", "list_network_logs")]
)
def test_a_stream_is_the_list_record_by_record(
    fake: FakeTailnet, kind: str, method: str, listing: str
) -> None:
    with Tailscale(api_key=fake.api_key, base_url=fake.base_url) as client:
        listed = getattr(client.logging, listing)(**MONTH)
        streamed = list(getattr(client.logging, method)(**MONTH))
    assert len(listed) > 5
    assert [type(record) for record in streamed] == [type(record) for record in listed]
    found = collect(kind, fake.base_url, method, key=fake.api_key, arguments=MONTH)
    assert found == ([record.to_dict() for record in listed], None)


@both
@pytest.mark.parametrize("method", ["iter_audit_logs", "iter_network_logs"])
def test_a_quiet_window_ends_at_once(fake: FakeTailnet, kind: str, method: str) -> None:
    assert collect(kind, fake.base_url, method, key=fake.api_key, arguments=QUIET) == ([], None)


@both
def test_filters_and_tailnet_reach_the_service(kind: str) -> None:
    arguments = {
        "start": datetime(2026, 7, 1, 12, tzinfo=UTC),
        "end": "2026-07-02T00:00:00Z",
        "actor": ["~alice", "u1"],
        "event": ["NODE.CREATE"],
        "tailnet": "example.com",
    }
    with LogServer(whole(b'{"logs":null}')) as server:
        assert collect(kind, server.url, "iter_audit_logs", arguments=arguments) == ([], None)
    assert server.requests[0].startswith("/api/v2/tailnet/example.com/logging/configuration?")
    assert server.queries() == [
        {
            "start": ["2026-07-01T12:00:00Z"],
            "end": ["2026-07-02T00:00:00Z"],
            "actor": ["~alice", "u1"],
            "event": ["NODE.CREATE"],
        }
    ]


def test_what_stands_beside_the_records_can_be_read(fake: FakeTailnet) -> None:
    with Tailscale(api_key=fake.api_key, base_url=fake.base_url) as client:
        stream = client.logging.iter_audit_logs(**MONTH)
        assert stream.envelope == {}
        next(stream)
        assert stream.envelope == {"version": "1.1", "tailnetId": fake.tailnet.id}
        stream.close()
        assert list(stream) == []


@both
def test_a_compressed_answer_reads_the_same(kind: str) -> None:
    with LogServer(whole(gzip.compress(BODY), "Content-Encoding: gzip\r\n")) as server:
        assert collect(kind, server.url) == (FLOWS, None)


def test_nothing_is_sent_before_the_first_record_is_asked_for() -> None:
    with LogServer(whole(BODY)) as server, Tailscale(api_key=KEY, base_url=server.url) as client:
        stream = client.logging.iter_network_logs(**WINDOW)
        with pytest.raises(ValueError, match="time zone"):
            client.logging.iter_network_logs(start=datetime(2026, 7, 1), end="2026-07-02T00:00:00Z")
        assert server.requests == []
        assert len(list(stream)) == 40
        assert len(server.requests) == 1


@both
@pytest.mark.parametrize(
    "first",
    [
        status(503),
        status(429),
        lambda line: None,
        cut(BODY, 0),
        cut(BODY, 30),
        unannounced(BODY[:30]),
        whole(gzip.compress(BODY)[:30], "Content-Encoding: gzip\r\n"),
        silent(BODY, 30),
    ],
    ids=["503", "429", "no answer", "no body", "cut", "cut unseen", "broken gzip", "silent"],
)
def test_a_failure_before_the_first_record_is_repeated(kind: str, first: Any) -> None:
    with LogServer(first, whole(BODY)) as server:
        assert collect(kind, server.url, idle_timeout=0.3) == (FLOWS, None)
        assert len(server.requests) == 2


@both
@pytest.mark.parametrize(
    "answer, error, requests",
    [
        (status(403), PermissionDeniedError, 1),
        (status(502), ServerError, 2),
        (unannounced(BODY[:30]), DecodeError, 2),
        (whole(b"<html>welcome</html>"), DecodeError, 1),
        (whole(b'{"logs":{}}'), DecodeError, 1),
        (whole(b""), DecodeError, 1),
        (whole(BODY, "Content-Encoding: br\r\n"), DecodeError, 1),
        (whole(b'{"logs":["%s"]}' % (b"x" * 2**21)), ResponseTooLargeError, 1),
    ],
    ids=["403", "502", "cut", "html", "kind", "empty", "br", "2 MiB"],
)
def test_a_failure_that_lasts_is_raised_as_for_any_read(
    kind: str, answer: Any, error: type[Exception], requests: int
) -> None:
    with LogServer(answer) as server:
        records, raised = collect(kind, server.url, max_retries=1)
        assert (records, type(raised), len(server.requests)) == ([], error, requests)


@both
def test_the_error_tells_what_was_found_where(kind: str) -> None:
    with LogServer(whole(b'{"logs":{"a":1}}')) as server:
        _, raised = collect(kind, server.url)
    assert isinstance(raised, DecodeError)
    told = (raised.operation, raised.status, raised.content_type, raised.bytes_read, raised.json_path)
    assert told == ("listNetworkFlowLogs", 200, "application/json", 16, "$.logs")
    assert (raised.attempts, raised.ambiguous) == (1, False)


@both
def test_silence_before_the_first_record(kind: str) -> None:
    with LogServer(silent(BODY, 30)) as server:
        records, raised = collect(kind, server.url, idle_timeout=0.1, max_retries=0)
    assert isinstance(raised, APITimeoutError)
    assert (records, raised.phase) == ([], "read")


@both
def test_the_total_deadline_before_the_first_record(kind: str) -> None:
    with LogServer(silent(BODY, 30)) as server:
        records, raised = collect(kind, server.url, timeout=0.2)
    assert isinstance(raised, APITimeoutError)
    assert (records, raised.phase, len(server.requests)) == ([], "total", 1)


@both
@pytest.mark.parametrize(
    "answer, phase",
    [
        (cut(BODY, place_of(17)), "read"),
        (unannounced(BODY[: place_of(17)]), "read"),
        (silent(BODY, place_of(17)), "read"),
    ],
    ids=["cut", "cut unseen", "silent"],
)
def test_a_broken_stream_says_how_far_it_came_and_is_not_repeated(kind: str, answer: Any, phase: str) -> None:
    with LogServer(answer, whole(BODY)) as server:
        records, raised = collect(kind, server.url, idle_timeout=0.3)
        assert len(server.requests) == 1
    assert records == FLOWS[:17]
    assert isinstance(raised, IncompleteStreamError)
    assert (raised.operation, raised.phase, raised.count) == ("listNetworkFlowLogs", phase, 17)
    assert raised.last_record_time == datetime(2026, 7, 1, 10, 0, 1, 500_000, tzinfo=UTC)
    assert (raised.attempts, raised.ambiguous) == (1, False)
    assert "resume_from=" in str(raised)
    assert "17" in str(raised)
    assert raised.__cause__ is not None


@both
def test_broken_gzip_after_records(kind: str) -> None:
    packed = gzip.compress(BODY, 1)
    with LogServer(whole(packed[:-4], "Content-Encoding: gzip\r\n")) as server:
        records, raised = collect(kind, server.url)
    assert (records, type(raised)) == (FLOWS, IncompleteStreamError)


@both
def test_the_total_deadline_after_records(kind: str) -> None:
    with LogServer(silent(BODY, place_of(5))) as server:
        records, raised = collect(kind, server.url, timeout=0.6)
    assert records == FLOWS[:5]
    assert isinstance(raised, IncompleteStreamError)
    assert raised.phase == "total"


@both
@pytest.mark.parametrize(
    "spoilt, error",
    [
        (b'{"logs":[%s,7]}' % json.dumps(FLOWS[0]).encode(), DecodeError),
        (b'{"logs":[%s,{"a":NaN}]}' % json.dumps(FLOWS[0]).encode(), DecodeError),
        (b'{"logs":[%s,{"a":"%s"}]}' % (json.dumps(FLOWS[0]).encode(), b"x" * 2**21), ResponseTooLargeError),
    ],
    ids=["kind", "nan", "2 MiB"],
)
def test_what_would_be_the_same_again_is_no_broken_stream(
    kind: str, spoilt: bytes, error: type[Exception]
) -> None:
    with LogServer(whole(spoilt)) as server:
        records, raised = collect(kind, server.url)
        assert (records, type(raised), len(server.requests)) == (FLOWS[:1], error, 1)
    if isinstance(raised, ResponseTooLargeError):
        assert raised.cap == 1024 * 1024
        assert "a record is larger" in str(raised)
