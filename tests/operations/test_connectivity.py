"""Who talks to the control server: what is silent, what never spoke, and what nobody can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.operations.connectivity import connectivity, preferred_relay, relay_latency
from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.operations.fleets import NOW, ago, device, fleet_of, silent


def relayed(relay: str, milliseconds: Any, **others: Any) -> dict[str, Any]:
    found = {name: {"latencyMs": value} for name, value in others.items()}
    return {"latency": {**found, relay: {"latencyMs": milliseconds, "preferred": True}}}


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def test_the_silent_are_divided_by_the_thresholds_they_have_passed() -> None:
    hours = (0.5, 2, 23, 25, 200)
    fleet = fleet_of(device("here"), *(silent(f"d-{each}", each / 24) for each in hours))
    report = connectivity(fleet, now=NOW, thresholds=(24, 1))
    assert report.buckets == {"up_to_1h": 1, "over_1h": 2, "over_24h": 2}
    assert sum(report.buckets.values()) + report.connected == report.total
    assert [each.device.label for each in report.longer_than(24)] == ["d-200", "d-25"]
    assert connectivity(fleet, now=NOW, thresholds=()).buckets == {"silent": 5}


def test_a_threshold_is_not_missed_by_rounding() -> None:
    report = connectivity(fleet_of(silent("late", 24.02 / 24)), now=NOW, thresholds=(24,))
    assert report.buckets == {"over_24h": 1}
    assert len(report.longer_than(24)) == 1
    assert report.to_dict()["silent"][0]["hours"] == 24.0


def test_what_never_spoke_is_told_from_what_nobody_can_tell() -> None:
    fleet = fleet_of(
        device("new", connectedToControl=False, created=ago(hours=3)),
        device("nothing", connectedToControl=False, created=""),
        without(device("untold"), "connectedToControl"),
        without(silent("older-answer", 2), "connectedToControl"),
        silent("ahead", -1),
    )
    report = connectivity(fleet, now=NOW)
    assert {each.device.label: (each.hours, each.never_seen) for each in report.silent} == {
        "older-answer": (48.0, False),
        "new": (3.0, True),
        "ahead": (0.0, False),
        "nothing": (None, True),
        "untold": (None, False),
    }
    assert (report.connected, report.never_seen, report.unknown) == (0, 2, 2)
    assert report.buckets["unknown"] == 2


def test_groups_show_tags_people_and_systems_the_longest_silent_first() -> None:
    fleet = fleet_of(
        device("a", "", "tag:web", "tag:eu"),
        silent("b", 3, "", "tag:eu"),
        silent("c", 9, "bob@example.com", os="windows"),
        device("d", "carol@example.com", os=""),
    )
    report = connectivity(fleet, now=NOW)
    assert list(report.groups["tag"]) == ["tag:eu", "tag:web"]
    assert report.groups["tag"]["tag:eu"] == {
        "total": 2,
        "connected": 1,
        "silent": {"over_24h": 1},
        "longest_hours": 72.0,
    }
    assert list(report.groups["user"]) == ["bob@example.com", "carol@example.com"]
    assert set(report.groups["os"]) == {"linux", "windows", "unknown"}


def test_relays_show_how_many_prefer_them_and_how_far_they_are() -> None:
    fleet = fleet_of(
        device("a", clientConnectivity=relayed("Paris", 10, Tokyo=250)),
        device("b", clientConnectivity=relayed("Paris", 20.04)),
        device("c", clientConnectivity=relayed("Paris", None)),
        device("d", clientConnectivity=relayed("Tokyo", "fast")),
        device("e", clientConnectivity=None),
        device("f", clientConnectivity={"latency": None, "endpoints": []}),
        device("g"),
    )
    report = connectivity(fleet, now=NOW)
    assert dict(report.relays) == {"Paris": 3, "Tokyo": 1}
    assert dict(report.relay_milliseconds) == {"Paris": 15.0}
    assert report.without_report == 2


@pytest.mark.parametrize(
    "latency", [None, [], "", {"Paris": None}, {"Paris": 5}, {"Paris": {"preferred": 1}}]
)
def test_a_partial_report_prefers_nothing(latency: Any) -> None:
    one = Device(device("a", clientConnectivity={"latency": latency}))
    assert preferred_relay(one) is None
    assert relay_latency(one) is None


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", 0, [], {}, "x", True, False, "0001-01-01T00:00:00Z", ago(days=2)]
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("connectedToControl", "lastSeen", "created", "tags", "user", "os", "clientConnectivity", "nodeId"), ODD)), max_size=6))  # fmt: skip
def test_whatever_records_hold_every_device_is_counted_once(records: list[dict[str, Any]]) -> None:
    fleet = Fleet(tuple(map(Device, records)), TailnetSnapshot({}))
    report = connectivity(fleet, now=NOW)
    assert report.connected + len(report.silent) == report.total == len(records)
    assert sum(report.buckets.values()) == len(report.silent)
    json.dumps(report.to_dict())
