"""Virtual time: it stands still, moves on demand, and everything that depends on it follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.clock import VirtualClock, parse_time
from tests.contract.talk import Talk, named

DAY = 86400


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=60) as running:
        yield running


def control(tailnet: FakeTailnet, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    return httpx.request(method, f"{tailnet.base_url}/_control/{path}", **options)


def test_time_stands_still(tailnet: FakeTailnet) -> None:
    talk = Talk(tailnet)
    first = talk.request("GET", "/tailnet/-/devices?fields=all").content
    assert talk.request("GET", "/tailnet/-/devices?fields=all").content == first
    assert tailnet.clock.text() == "2026-06-30T12:00:00Z"


def test_the_control_path_moves_the_clock(tailnet: FakeTailnet) -> None:
    assert control(tailnet, "clock").json() == {"now": "2026-06-30T12:00:00Z"}
    moved = control(tailnet, "clock", "POST", json={"advance_seconds": 90.5})
    assert moved.json() == {"now": "2026-06-30T12:01:30Z"}
    assert tailnet.clock.text() == "2026-06-30T12:01:30Z"


@pytest.mark.parametrize("body", [{}, [], {"advance_seconds": "5"}, {"advance_seconds": True}, None])
def test_a_bad_request_to_the_clock_is_400(tailnet: FakeTailnet, body: Any) -> None:
    answer = control(tailnet, "clock", "POST", json=body)
    assert answer.status_code == 400
    assert "advance_seconds" in answer.json()["message"]


@pytest.mark.parametrize("seconds", [-1, 1e300])
def test_impossible_moves_are_400(tailnet: FakeTailnet, seconds: float) -> None:
    assert control(tailnet, "clock", "POST", json={"advance_seconds": seconds}).status_code == 400
    with pytest.raises(ValueError, match="seconds"):
        tailnet.advance(seconds)
    assert tailnet.clock.text() == "2026-06-30T12:00:00Z"


def test_control_answers_loopback_only(tailnet: FakeTailnet) -> None:
    for headers in ({"Host": "rebound.example.com"}, {"Origin": "http://evil.example.com"}):
        assert control(tailnet, "clock", headers=headers).status_code == 403
    assert control(tailnet, "nothing").status_code == 404
    assert control(tailnet, "clock", headers={"Host": "localhost"}).status_code == 200


def test_control_shows_the_ledger_and_the_state(tailnet: FakeTailnet) -> None:
    Talk(tailnet).post("/tailnet/-/user-invites", [{}])
    (entry,) = control(tailnet, "ledger").json()
    assert (entry["operation"], entry["caller"]) == ("createUserInvites", "alice@example.com")
    assert control(tailnet, "snapshot").json() == tailnet.snapshot()


def test_keys_of_devices_run_out(tailnet: FakeTailnet) -> None:
    before = next(
        d
        for d in Talk(tailnet).devices()
        if d["connectedToControl"] and not d["keyExpiryDisabled"] and d["expires"]
    )
    tailnet.advance((parse_time(before["expires"]) - tailnet.clock.now()).total_seconds() + DAY)
    after = Talk(tailnet, tailnet.add_credential()).device(before["nodeId"])
    assert (after["connectedToControl"], after["lastSeen"]) == (False, before["expires"])


def test_devices_come_and_go(tailnet: FakeTailnet) -> None:
    talk = Talk(tailnet)
    seen: dict[str, set[bool]] = {}
    for _ in range(20):
        for device in talk.devices():
            connected = device["connectedToControl"]
            seen.setdefault(device["nodeId"], set()).add(connected)
            assert ("lastSeen" in device) is not connected or device["isExternal"]
            if not connected:
                assert device["created"] <= device["lastSeen"] <= tailnet.clock.text()
        tailnet.advance(2.5 * 3600)
    movers = [node for node, states in seen.items() if len(states) == 2]
    assert len(movers) > 10
    assert {True} in seen.values()


def test_years_pass_without_breaking_anything(tailnet: FakeTailnet) -> None:
    tailnet.advance(50 * 365 * DAY)
    talk = Talk(tailnet, tailnet.add_credential())
    for path in ("/tailnet/-/devices", "/tailnet/-/users", "/tailnet/-/keys?all=true", "/tailnet/-/settings"):
        talk.get(path)
    external = named(talk.devices(), "build-cache")
    assert external["lastSeen"] == ""


def test_dates_are_rfc_3339() -> None:
    assert parse_time("2026-06-30T14:00:00.5+02:00") == parse_time("2026-06-30T12:00:00.5Z")
    for text in ("2026-06-30", "2026-06-30 12:00:00Z", "2026-06-30T12:00:00", "", "x" * 25):
        with pytest.raises(ValueError, match=r"RFC|offset|isoformat"):
            parse_time(text)


def test_some_dates_never_pass() -> None:
    clock = VirtualClock()
    for text in (None, "", "0001-01-01T00:00:00Z", "soon"):
        assert clock.is_past(text) is False
    assert clock.is_past(clock.text()) is True
    assert clock.is_past(clock.text(plus_seconds=1)) is False
