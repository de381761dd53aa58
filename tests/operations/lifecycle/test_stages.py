"""What a record tells of a silence, and which devices nothing may be done to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Device, Fleet, Proposal
from tailscale_sdk.operations.lifecycle import (
    Exclusions,
    LifecycleRules,
    Thresholds,
    lifecycle,
    propose_quarantine,
    propose_removal,
    stage_of,
)
from tests.operations.fleets import NOW, ahead, device, fleet_of, silent

RULES = LifecycleRules()
ROUTE = ["10.1.0.0/16"]


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def removal_of(fleet: Fleet, **spoken: Any) -> Proposal:
    report = lifecycle(fleet, RULES, now=NOW, exclusions=Exclusions(**spoken))
    return propose_removal(report, fleet, now=NOW, skip_quarantine=True)


def kept(proposal: Proposal) -> dict[str, str]:
    return {each.name.partition(".")[0]: each.reason for each in proposal.left_alone}


@pytest.mark.parametrize("days", [0, -1, float("nan")])
@pytest.mark.parametrize("name", ["quiet", "remove"])
def test_a_threshold_that_is_no_time_is_refused_in_words(name: str, days: float) -> None:
    with pytest.raises(ConfigurationError, match="days above 0"):
        Thresholds.around({name: days})


def test_a_threshold_that_is_never_reached_switches_its_stage_off() -> None:
    (old,) = fleet_of(silent("old", 4000, created="2010-01-01T00:00:00Z")).devices
    rules = LifecycleRules((), Thresholds.around({"remove": float("inf")}))
    assert stage_of(old, rules, now=NOW).stage == "quarantine"


@pytest.mark.parametrize(
    ("record", "stage"),
    [
        (without(silent("a", 200), "connectedToControl", "lastSeen"), "unknown"),
        (silent("a", 200, connectedToControl=None, lastSeen=""), "unknown"),
        (without(silent("a", 200), "connectedToControl"), "remove"),
        (without(silent("a", 200), "lastSeen"), "remove"),
        (silent("a", 200, connectedToControl=True), "active"),
        (silent("a", 200, lastSeen="0001-01-01T00:00:00Z", created=None), "unknown"),
        (silent("a", 200, lastSeen="soon", created="later"), "unknown"),
        (silent("a", -3), "active"),
    ],
)
def test_a_stage_needs_a_record_that_tells(record: dict[str, Any], stage: str) -> None:
    """A connected device has no last contact: without either, its age alone must not count as silence."""
    staged = stage_of(Device(record), RULES, now=NOW)
    assert staged.stage == stage
    assert staged.silent_days is None or staged.silent_days >= 0


def test_a_clock_ahead_of_ours_is_no_negative_silence() -> None:
    assert stage_of(Device(silent("a", -3)), RULES, now=NOW).silent_days == 0


def test_a_device_whose_routes_were_not_read_may_be_a_router() -> None:
    fleet = fleet_of(
        without(silent("short", 200), "enabledRoutes", "advertisedRoutes"),
        silent("none", 200, enabledRoutes=None, advertisedRoutes=None),
    )
    proposal = removal_of(fleet)
    assert [step.arguments["device_id"] for step in proposal.steps] == ["nNoneCNTRL"]
    assert kept(proposal) == {"short": "its routes were not read: it may be a router"}


def test_the_only_router_of_a_route_stays_however_the_others_are() -> None:
    dormant = silent("dormant", 200, advertised=[], approved=["10.9.0.0/16"])
    spare = silent("spare", 200, advertised=ROUTE)
    fleet = fleet_of(spare, device("serving", advertised=ROUTE), dormant, silent("plain", 200))
    assert kept(removal_of(fleet)) == {"dormant": "it is the only router of 10.9.0.0/16"}
    gone = fleet_of(spare, silent("serving", 1, advertised=ROUTE))
    assert "no router of 10.1.0.0/16 is online" in kept(removal_of(gone))["spare"]
    assert removal_of(gone).steps == ()


def test_a_route_is_one_however_it_is_written() -> None:
    fleet = fleet_of(
        silent("old", 200, advertised=["10.1.2.3/16"]), device("new", advertised=["10.1.0.0/16"])
    )
    assert [step.arguments["device_id"] for step in removal_of(fleet).steps] == ["nOldCNTRL"]


@pytest.mark.parametrize("routes", [["0.0.0.0/0", "::/0"], ["0.0.0.0/0"], ["::/0"]])
def test_an_exit_node_stays_even_where_one_family_is_approved(routes: list[str]) -> None:
    assert kept(removal_of(fleet_of(silent("exit", 200, advertised=routes)))) == {
        "exit": "it is an approved exit node"
    }


@pytest.mark.parametrize(
    "name", ["tag:web", "nKeptCNTRL", "kept", "kept.example.ts.net", "alice@example.com"]
)
def test_what_is_protected_by_any_of_its_names_stays(name: str) -> None:
    fleet = fleet_of(
        silent("kept", 200, "alice@example.com", "tag:web"), silent("free", 200, "bob@example.com")
    )
    proposal = removal_of(fleet, protected=frozenset({name}))
    assert [step.arguments["device_id"] for step in proposal.steps] == ["nFreeCNTRL"]


def test_an_ephemeral_device_is_an_anomaly_after_two_days_only() -> None:
    fleet = fleet_of(*(silent(f"pod-{days}", days, isEphemeral=True) for days in (1, 3, 200)))
    report = lifecycle(fleet, RULES, now=NOW)
    assert sorted(sentence.split(" ")[0] for sentence in report.anomalies) == ["pod-200", "pod-3"]


FACTS = st.fixed_dictionaries(
    {
        "days": st.integers(0, 150),
        "connectedToControl": st.sampled_from([True, False, False, None]),
        "isExternal": st.sampled_from([False, False, True]),
        "isEphemeral": st.sampled_from([False, False, True]),
        "routes": st.lists(st.sampled_from([*ROUTE, "10.2.0.0/16", "0.0.0.0/0", "::/0"]), max_size=2),
        "tag": st.sampled_from(["", "tag:kept"]),
    }
)


@given(st.lists(FACTS, max_size=12))
def test_no_proposal_touches_what_must_stay(facts: list[dict[str, Any]]) -> None:
    """Whatever the fleet looks like: nothing connected, foreign, ephemeral, protected, and no last router."""
    fleet = fleet_of(
        *(
            silent(
                f"d-{index}",
                each["days"],
                "",
                *([each["tag"]] if each["tag"] else []),
                advertised=each["routes"],
                expires=ahead(days=400),
                **{name: each[name] for name in ("connectedToControl", "isExternal", "isEphemeral")},
            )
            for index, each in enumerate(facts)
        )
    )
    report = lifecycle(fleet, RULES, now=NOW, exclusions=Exclusions(frozenset({"tag:kept"})))
    proposals = (
        propose_removal(report, fleet, now=NOW, skip_quarantine=True),
        propose_quarantine(report, fleet, now=NOW),
    )
    for proposal in proposals:
        touched = {step.arguments["device_id"] for step in proposal.steps}
        left = [one for one in fleet.devices if one.id not in touched]
        for node in touched:
            one = fleet.by_id[node]
            protected = bool(one.tags)
            assert [one.is_connected, one.is_external, one.is_ephemeral, protected] == [False] * 4
            assert one.exit_state == "no"
            assert one.last_seen is not None
            assert one.last_seen <= NOW - timedelta(days=60)
            for route in one.approved_subnets:
                assert any(other.is_connected and route in other.approved_subnets for other in left)
