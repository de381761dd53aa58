"""Reading a whole tailnet: what fails is said part by part, and costs nothing of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tailscale_sdk import PermissionDeniedError, TailnetSnapshot, Tailscale
from tailscale_sdk.operations.reading import take_snapshot

DEVICES = [{"nodeId": "n1"}, {"id": "42"}, {"nodeId": "n2"}]
Answer = httpx.Response | Exception


def refused(status: int) -> httpx.Response:
    return httpx.Response(status, json={"message": f"no: {status}"})


class Wire:
    """Answer every read with an empty object, or as told for paths with an ending."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.asked: Counter[str] = Counter()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        path = request.url.path.removeprefix("/api/v2/")
        self.asked[path] += 1
        for ending, answer in self.answers.items():
            if path.endswith(ending):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if path.endswith("/devices"):
            return httpx.Response(200, json={"devices": DEVICES})
        if path.endswith("/acl"):
            return httpx.Response(
                200, headers={"ETag": '"e1"', "Content-Type": "application/hujson"}, text="{}"
            )
        if path.endswith("/attributes"):
            return httpx.Response(200, json={"attributes": {"node:os": path.split("/")[1]}})
        return httpx.Response(200, json=[] if path.endswith("/user-invites") else {})

    def snapshot(self) -> TailnetSnapshot:
        options: dict[str, Any] = {"rate_limit": None, "max_retries": 0, "_wire": httpx.MockTransport(self)}
        with Tailscale(api_key="tskey-api-demo", **options) as client:
            return take_snapshot(client, now=datetime(2026, 7, 1, 12, 30, 15, 999, tzinfo=UTC))


def test_everything_is_read_once_and_dated() -> None:
    wire = Wire()
    content = wire.snapshot().content
    assert set(content["coverage"].values()) == {"read"}
    assert content["taken"] == "2026-07-01T12:30:15Z"
    assert (content["policy"], content["policy_etag"]) == ("{}", "e1")
    assert set(content["attributes"]) == {"n1", "n2"}
    assert set(content["log_streams"]) == {"configuration", "network"}
    # The policy alone is read once more, for what the service says of it.
    assert {path for path, times in wire.asked.items() if times != 1} == {
        path for path in wire.asked if path.endswith("/acl")
    }
    assert set(wire.asked.values()) == {1, 2}


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_right_for_attributes_is_asked_about_once(status: int) -> None:
    wire = Wire({"/attributes": refused(status)})
    content = wire.snapshot().content
    assert str(status) in content["coverage"]["attributes"]
    assert content["attributes"] == {}
    assert sum(count for path, count in wire.asked.items() if path.endswith("/attributes")) == 1
    assert content["coverage"]["users"] == "read"


def test_a_device_that_is_gone_costs_its_attributes_only() -> None:
    content = Wire({"n1/attributes": refused(404)}).snapshot().content
    assert set(content["attributes"]) == {"n2"}
    assert content["coverage"]["attributes"].startswith("NotFoundError: ")


def test_a_lost_connection_ends_the_reading_of_attributes() -> None:
    wire = Wire({"n1/attributes": httpx.ConnectError("refused")})
    content = wire.snapshot().content
    assert content["attributes"] == {}
    assert content["coverage"]["attributes"].startswith("APIConnectionError: ")
    assert not any("n2" in path for path in wire.asked)
    assert content["coverage"]["policy"] == "read"


@pytest.mark.parametrize(
    "answer, streams, reason",
    [
        (refused(404), {"network"}, "read"),
        (refused(403), {"network"}, "PermissionDeniedError: "),
        (httpx.Response(200, text="no JSON"), {"network"}, "DecodeError: "),
        (httpx.ConnectError("refused"), {"network"}, "APIConnectionError: "),
    ],
)
def test_a_log_stream_that_is_not_there_is_no_fault(answer: Answer, streams: set[str], reason: str) -> None:
    content = Wire({"configuration/stream": answer}).snapshot().content
    assert set(content["log_streams"]) == streams
    assert content["coverage"]["log_streams"].startswith(reason)


@pytest.mark.parametrize(
    "ending, part", [("/acl", "policy"), ("/users", "users"), ("dns/searchpaths", "dns"), ("/keys", "keys")]
)
def test_a_part_fails_alone(ending: str, part: str) -> None:
    content = Wire({ending: refused(500)}).snapshot().content
    assert part not in content
    # What the service says of a policy is asked with its text.
    missing = {part, "policy_validation"} if part == "policy" else {part}
    assert {name for name, reason in content["coverage"].items() if reason != "read"} == missing
    assert content["coverage"][part].startswith("ServerError: ")


def test_without_devices_there_is_no_snapshot() -> None:
    with pytest.raises(PermissionDeniedError):
        Wire({"/devices": refused(403)}).snapshot()
