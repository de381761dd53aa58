"""Silent devices: stages by the clock, what is never touched, and one stage per run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.changes import Protected
from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError
from tailscale_sdk.operations import connectivity as contact
from tailscale_sdk.operations.fleet import Fleet, Proposal
from tailscale_sdk.operations.lifecycle import (
    Exclusions,
    LifecycleReport,
    LifecycleRules,
    Thresholds,
    lifecycle,
    notices,
    propose_marks,
    propose_quarantine,
    propose_removal,
    quarantined_since,
    stage_by_id,
    stage_of,
)
from tests.operations.fleets import NOW, Admin, ago, ahead, device, fleet_of, silent

RULES = LifecycleRules()
DAY = timedelta(days=1)


def report_of(fleet: Fleet, now: datetime = NOW, **spoken: Any) -> LifecycleReport:
    return lifecycle(fleet, RULES, now=now, exclusions=Exclusions(**spoken))


def reasons(proposal: Proposal) -> dict[str, str]:
    return {each.name.partition(".")[0]: each.reason for each in proposal.left_alone}


def ids(proposal: Proposal) -> list[str]:
    return [step.arguments["device_id"] for step in proposal.steps]


def test_one_device_walks_through_all_stages_as_days_pass() -> None:
    (one,) = fleet_of(silent("laptop", 0, "bob@example.com")).devices
    seen = {}
    for day in range(120):
        seen.setdefault(stage_of(one, RULES, now=NOW + day * DAY).stage, day)
    assert seen == {"active": 0, "quiet": 7, "stale": 30, "quarantine": 60, "remove": 90}


@given(st.lists(st.floats(min_value=0, max_value=400), min_size=2, max_size=2))
def test_longer_silence_is_never_an_earlier_stage(days: list[float]) -> None:
    order = ["active", "quiet", "stale", "quarantine", "remove"]
    stages = [Thresholds().stage(timedelta(days=each)) for each in sorted(days)]
    assert order.index(stages[0]) <= order.index(stages[1])


def test_what_no_date_tells_is_unknown_and_never_touched() -> None:
    fleet = fleet_of(
        device("odd", connectedToControl=False, lastSeen="", created="0001-01-01T00:00:00Z"),
        device("fresh", connectedToControl=False, lastSeen=None, created=ago(days=100)),
    )
    report = report_of(fleet)
    assert {each.device.label: (each.stage, each.never_seen) for each in report.devices} == {
        "odd": ("unknown", False),
        "fresh": ("remove", True),
    }
    assert ids(propose_removal(report, fleet, now=NOW, skip_quarantine=True)) == ["nFreshCNTRL"]
    assert stage_by_id(fleet, RULES, now=NOW)(fleet.devices[0]) == "unknown"


def test_thresholds_that_are_given_pull_the_others() -> None:
    assert Thresholds.around({"remove": 60}) == Thresholds(7, 30, 60, 60)
    assert Thresholds.around({"quiet": 100}) == Thresholds(100, 100, 100, 100)
    assert Thresholds.around({"stale": 5, "remove": None}) == Thresholds(5, 5, 60, 90)
    for given_ones, said in (({"gone": 1}, "no threshold"), ({"quiet": "x"}, "no number")):
        with pytest.raises(ConfigurationError, match=said):
            Thresholds.around(given_ones)
    with pytest.raises(ConfigurationError, match="go down"):
        Thresholds(30, 7)


def test_the_first_rule_that_fits_counts() -> None:
    (server, laptop) = fleet_of(
        silent("server", 50, "", "tag:web"), silent("laptop", 50, "bob@example.com")
    ).devices
    rules = LifecycleRules(((lambda one: bool(one.tags), Thresholds(100, 200, 300, 400)),), Thresholds())
    assert [stage_of(one, rules, now=NOW).stage for one in (server, laptop)] == ["active", "stale"]


def test_what_is_never_touched_says_why() -> None:
    fleet = fleet_of(
        silent("shared", 200, isExternal=True),
        device("here"),
        silent("kept", 200, "", "tag:web"),
        silent("pod", 200, isEphemeral=True),
        silent("exit", 200, advertised=["0.0.0.0/0", "::/0"]),
        silent("only", 200, advertised=["10.1.0.0/16"]),
        silent("one-of-two", 200, advertised=["10.2.0.0/16"]),
        device("other", advertised=["10.2.0.0/16"]),
        silent("host", 200),
        silent("signer", 200),
        silent("free", 200),
    )
    report = report_of(
        fleet,
        protected=frozenset({"tag:web"}),
        service_hosts=frozenset({"nHostCNTRL"}),
        lock_signers=frozenset({"nSignerCNTRL"}),
    )
    excluded = {each.device.label: each.excluded for each in report.devices}
    assert excluded == {
        "shared": "it belongs to another tailnet",
        "here": "it is connected",
        "other": "it is connected",
        "kept": "the operator protects it",
        "pod": "it is ephemeral: the service removes it by itself",
        "exit": "it is an approved exit node",
        "only": "it is the only router of 10.1.0.0/16",
        "one-of-two": None,
        "host": "it hosts a service",
        "signer": "it signs for tailnet lock",
        "free": None,
    }
    assert "pod (nPodCNTRL) is ephemeral" in report.anomalies[0]
    proposal = propose_removal(report, fleet, now=NOW, skip_quarantine=True)
    assert ids(proposal) == ["nFreeCNTRL", "nOneOfTwoCNTRL"]
    assert len(reasons(proposal)) == 7
    strict = report_of(fleet, routers=True)
    assert {each.device.label: each.excluded for each in strict.devices}["one-of-two"] == "it is a router"
    assert len(report_of(fleet).notes) == 2


def test_no_router_of_a_route_that_is_wholly_offline_is_removed() -> None:
    fleet = fleet_of(
        silent("a", 200, advertised=["10.1.0.0/16"]), silent("b", 200, advertised=["10.1.0.0/16"])
    )
    assert propose_removal(report_of(fleet), fleet, now=NOW, skip_quarantine=True).steps == ()


def test_a_device_moves_one_stage_per_run(admin: Admin) -> None:
    """Mark, quarantine, wait, remove: each by itself, the last only after the grace time."""
    fleet = admin.fleet()
    report = report_of(fleet)
    assert {each.device.label: each.stage for each in report.devices if each.stage != "active"} == {
        "web-2": "stale",
        "bob-laptop": "quarantine",
        "carol-phone": "remove",
    }
    marks = propose_marks(report, fleet, now=NOW)
    assert admin.do(marks).ok
    attributes = admin.run(admin.client.devices.get_attributes("nCarolPhoneCNTRL")).to_dict()
    assert attributes["attributes"]["custom:lifecycle"] == "stale"
    assert "never in quarantine" in reasons(propose_removal(report, fleet, now=NOW))["carol-phone"]
    assert admin.do(propose_quarantine(report, fleet, now=NOW)).ok
    assert admin.written() == [
        "batchUpdateCustomDevicePostureAttributes",
        "expireDeviceKey",
        "expireDeviceKey",
    ]
    fleet = admin.fleet()
    report = report_of(fleet)
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert (
        reasons(propose_quarantine(report, fleet, now=later))["carol-phone"] == "it is in quarantine already"
    )
    soon = propose_removal(report, fleet, now=later, grace=timedelta(days=400_000 // 365))
    assert "days are to pass" in reasons(soon)["carol-phone"]
    due = propose_removal(report, fleet, now=later, grace=timedelta(0))
    assert ids(due) == ["nCarolPhoneCNTRL"]
    assert admin.do(due).ok
    assert "nCarolPhoneCNTRL" not in admin.tailnet.tailnet.devices


def test_what_was_quarantined_by_approval_is_known_from_the_journal(admin: Admin) -> None:
    admin.device("carol-phone")["keyExpiryDisabled"] = True
    fleet = admin.fleet()
    proposal = propose_quarantine(report_of(fleet), fleet, now=NOW, method="deauthorize")
    report = admin.do(proposal)
    since = quarantined_since(admin.state.journal.entries(report.report.change_id))
    assert set(since) == {"nBobLaptopCNTRL", "nCarolPhoneCNTRL"}
    fleet = admin.fleet()
    later = datetime.now(UTC) + timedelta(days=30)
    due = propose_removal(report_of(fleet), fleet, now=later, quarantined=since)
    assert ids(due) == ["nCarolPhoneCNTRL"]
    admin.device("carol-phone")["authorized"] = True
    again = propose_removal(report_of(admin.fleet()), admin.fleet(), now=later, quarantined=since)
    assert "never in quarantine" in reasons(again)["carol-phone"]


def test_a_device_that_comes_online_between_plan_and_apply_stays(admin: Admin) -> None:
    fleet = admin.fleet()
    plan = admin.plan(propose_removal(report_of(fleet), fleet, now=NOW, skip_quarantine=True))
    admin.device("carol-phone").update(connectedToControl=True, lastSeen=None)
    assert [item.outcome for item in admin.apply(plan).report.items] == ["skipped"]
    assert admin.device("carol-phone")
    assert admin.written() == []


def test_five_hundred_silent_devices_are_too_many_at_once(admin: Admin) -> None:
    fleet = fleet_of(*(silent(f"d{n}", 100, "bob@example.com") for n in range(500)))
    proposal = propose_removal(report_of(fleet), fleet, now=NOW, skip_quarantine=True)
    assert len(proposal.steps) == 500
    from tailscale_sdk.operations.fleet_changes import USUAL

    with pytest.raises(ChangeRefusedError, match="max_changes=20"):
        admin.plan(proposal, USUAL)
    assert admin.written() == []


def test_what_the_operator_protects_stays_in_the_plan_as_skipped(admin: Admin) -> None:
    admin.engine._guards = (*admin.engine._guards, Protected(frozenset({"carol@example.com"})))
    fleet = admin.fleet()
    plan = admin.plan(propose_removal(report_of(fleet), fleet, now=NOW, skip_quarantine=True))
    assert [(item.status, "protects" in str(item.reason)) for item in plan.plan.items] == [("skipped", True)]


def test_whoever_is_concerned_is_told_before() -> None:
    fleet = fleet_of(silent("laptop", 70, "bob@example.com"))
    report = report_of(fleet)
    proposal = propose_quarantine(report, fleet, now=NOW)
    (notice,) = notices(proposal, report, "quarantine")
    assert notice.to_dict() == {
        "owner": "bob@example.com",
        "device_id": "nLaptopCNTRL",
        "device": "laptop.example.ts.net",
        "action": "quarantine",
        "silent_days": 70.0,
    }


def test_who_talks_to_control_and_who_is_silent() -> None:
    fleet = fleet_of(
        device(
            "a", "", "tag:web", clientConnectivity={"latency": {"Paris": {"preferred": True, "latencyMs": 5}}}
        ),
        silent("b", 0.02, "", "tag:web"),
        silent("c", 2, "bob@example.com", os="windows"),
        silent("d", 30, "bob@example.com"),
        device("e", connectedToControl=False, lastSeen=None, created=None),
        device("shared", isExternal=True),
    )
    report = contact.connectivity(fleet, now=NOW)
    assert (report.total, report.connected, report.without_report) == (5, 1, 4)
    assert [each.device.label for each in report.silent] == ["d", "c", "b", "e"]
    assert [each.device.label for each in report.longer_than(24)] == ["d", "c"]
    assert report.groups["user"]["bob@example.com"] == {
        "total": 2,
        "connected": 0,
        "silent": {"over_24h": 1, "over_168h": 1},
        "longest_hours": 720.0,
    }
    assert report.groups["tag"]["tag:web"]["silent"] == {"up_to_1h": 1}
    assert report.relays == {"Paris": 1}
    assert report.to_dict()["silent"][-1]["never_seen"] is True
    assert contact.relay_latency(fleet.devices[0]) == 5.0
    assert contact.relay_latency(fleet.devices[1]) is None
    assert ahead(days=1) > ago(days=1)
