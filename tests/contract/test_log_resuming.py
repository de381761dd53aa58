"""A broken log stream goes on where it ended: nothing is lost, nothing comes twice."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from tailscale_sdk import (
    APITimeoutError,
    AsyncTailscale,
    ConfigurationError,
    IncompleteStreamError,
    Tailscale,
)
from tailscale_sdk.calls import log_seam
from tests.contract.log_reading import BODY, FLOWS, KEY, WINDOW, both, collect, place_of
from tests.contract.log_server import LogServer, body_of, cut, flow, whole


def seen_from(server: LogServer, records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the service would answer to the last request: records from its start on."""
    start = server.queries()[-1]["start"][0].removesuffix("Z")
    return [record for record in records if record["logged"].removesuffix("Z") >= start]


class Window(LogServer):
    """Serve a window for real, and break off after some records of each answer."""

    def __init__(self, records: list[dict[str, Any]], *breaks: int) -> None:
        super().__init__(self._answer)
        self._window, self._breaks = records, list(breaks)

    def _answer(self, line: Any) -> None:
        records = seen_from(self, self._window)
        body = body_of(records)
        if not self._breaks:
            return whole(body)(line)
        marker = json.dumps(records[self._breaks.pop(0)]).encode()
        return cut(body, body.index(marker) + len(marker) // 2)(line)


@both
@pytest.mark.parametrize("breaks", [(17,), (20,), (1, 0), (12, 5, 15), (3, 3, 3)])
def test_a_resumed_stream_goes_on_where_it_ended(kind: str, breaks: tuple[int, ...]) -> None:
    found: list[dict[str, Any]] = []
    error: Any = None
    with Window(FLOWS, *breaks) as server:
        for _ in range(len(breaks) + 1):
            arguments = {**WINDOW, "resume_from": error}
            records, ended = collect(kind, server.url, arguments=arguments, max_retries=0)
            found += records
            error = ended if isinstance(ended, IncompleteStreamError) else error
        starts = [query["start"] for query in server.queries()]
    assert ended is None
    assert found == FLOWS
    assert starts[1] == [FLOWS[breaks[0] - 1]["logged"].replace("001Z", "Z")]


@both
def test_records_that_are_alike_come_as_often_as_they_are_there(kind: str) -> None:
    twins = [flow(1), flow(1), flow(1), {"nodeId": "n1"}, {"nodeId": "n1"}, {"nodeId": "n2"}]
    body = body_of(twins)
    with LogServer(cut(body, len(body) // 2), whole(body)) as server:
        first, error = collect(kind, server.url)
        assert 0 < len(first) < len(twins)
        rest, ended = collect(kind, server.url, arguments={**WINDOW, "resume_from": error})
    assert (first + rest, ended) == (twins, None)


def audit(number: int, **more: Any) -> dict[str, Any]:
    return {
        "eventTime": "2026-07-01T10:00:00.000000001Z",
        "eventGroupID": "g1",
        "type": "CONFIG",
        "actor": {"id": "u1", "loginName": "alice@example.com"},
        "target": {"id": f"n{number}", "type": "NODE", "name": "web-1"},
        "action": "UPDATE",
        "old": {"tags": [number]},
        **more,
    }


@both
def test_audit_events_of_one_instant_are_told_apart(kind: str) -> None:
    events = [
        audit(1),
        audit(2),
        audit(2, old=None),
        audit(2, action="DELETE"),
        audit(2, eventGroupID="g2"),
        audit(2, actor=None),
        audit(2, target={"id": "n2", "property": "TAGS"}),
        audit(3),
    ]
    renamed: list[Any] = [{**event, "target": {**event["target"], "name": "web-2"}} for event in events]
    body, again = body_of(events), body_of(renamed)
    at = body.rindex(b'"g1"')
    with LogServer(cut(body, at), whole(again)) as server:
        first, error = collect(kind, server.url, "iter_audit_logs")
        assert isinstance(error, IncompleteStreamError)
        rest, ended = collect(kind, server.url, "iter_audit_logs", arguments={**WINDOW, "resume_from": error})
    assert (len(first), len(rest), ended) == (7, 1, None)
    assert error.last_record_time == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_an_event_nested_as_deep_as_can_be_read_is_read() -> None:
    body = body_of([audit(1, old="DEEP"), audit(2)]).replace(b'"DEEP"', b"[" * 1000 + b"]" * 1000)
    with LogServer(whole(body)) as server, Tailscale(api_key=KEY, base_url=server.url) as client:
        events = list(client.logging.iter_audit_logs(**WINDOW))
    assert [event.target.id for event in events if event.target] == ["n1", "n2"]


@both
def test_a_failure_while_resuming_is_repeated_until_something_new_came(kind: str) -> None:
    with LogServer(cut(BODY, place_of(20)), cut(BODY, place_of(15)), whole(BODY)) as server:
        first, error = collect(kind, server.url)
        rest, ended = collect(kind, server.url, arguments={**WINDOW, "resume_from": error})
        assert (first + rest, ended, len(server.requests)) == (FLOWS, None, 3)


def test_the_error_survives_being_stored() -> None:
    with LogServer(cut(BODY, place_of(20)), whole(BODY)) as server:
        _, error = collect("sync", server.url)
        stored = pickle.loads(pickle.dumps(error))
        rest, ended = collect("async", server.url, arguments={**WINDOW, "resume_from": stored})
    assert (rest, ended) == (FLOWS[20:], None)


def test_records_without_a_time_are_resumed_from_the_start() -> None:
    records = [{"nodeId": f"n{number}", "logged": ""} for number in range(6)]
    body = body_of(records)
    with LogServer(cut(body, body.index(b"n3")), whole(body)) as server:
        first, error = collect("sync", server.url)
        assert isinstance(error, IncompleteStreamError)
        assert error.last_record_time is None
        rest, _ = collect("sync", server.url, arguments={**WINDOW, "resume_from": error})
        assert first + rest == records
        assert server.queries()[1]["start"] == [WINDOW["start"]]


@pytest.mark.parametrize("wrong", [APITimeoutError("late"), "2026-07-01T10:00:00Z"])
def test_only_an_error_of_the_same_log_can_be_resumed(wrong: Any) -> None:
    other = IncompleteStreamError(operation="listConfigurationAuditLogs")
    for client in (Tailscale(api_key=KEY), AsyncTailscale(api_key=KEY)):
        for error in (wrong, other):
            with pytest.raises(ConfigurationError, match="resume_from"):
                client.logging.iter_network_logs(**WINDOW, resume_from=error)


def test_the_seam_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_seam, "SEAM_RECORDS", 100)
    body = body_of(flow(number, logged="2026-07-01T10:00:00Z") for number in range(200))
    with LogServer(cut(body, body.rindex(b"nDEMO"))) as server:
        records, error = collect("sync", server.url)
    assert isinstance(error, IncompleteStreamError)
    assert (len(records), error.count, len(error.seam)) == (199, 199, 100)
