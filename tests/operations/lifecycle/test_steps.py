"""One call for all stages: the mildest first, one thing per device and run, and everybody told before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.changes.journal import Journal
from tailscale_sdk.operations.fleet import Fleet, Proposal
from tailscale_sdk.operations.lifecycle import (
    Exclusions,
    LifecycleReport,
    LifecycleRules,
    lifecycle,
    lifecycle_step,
    notices,
    propose_marks,
    propose_removal,
    quarantined_since,
)
from tailscale_sdk.testing import FakeTailnet, no_sleep
from tests.operations.fleets import NOW, POLICY, USERS, Admin, ago, ahead, device, fleet_of, silent

MARKING, EXPIRING, REMOVING = "batchUpdateCustomDevicePostureAttributes", "expireDeviceKey", "deleteDevice"


def report_of(fleet: Fleet, now: datetime = NOW, **spoken: Any) -> LifecycleReport:
    return lifecycle(fleet, LifecycleRules(), now=now, exclusions=Exclusions(**spoken))


def moves(proposal: Proposal) -> list[tuple[str, str]]:
    """Return each operation with each device it is about."""
    return [
        (step.operation_id, node)
        for step in proposal.steps
        for node in (step.arguments.get("nodes") or [step.arguments.get("device_id")])
    ]


class Caretaker(Admin):
    """Looks after a tailnet for months: its journal follows the tailnet's clock."""

    def __init__(self, tailnet: FakeTailnet, folder: Path) -> None:
        super().__init__(tailnet, folder)
        self.state.__dict__["journal"] = Journal(self.state.database, clock=tailnet.clock.timestamp)
        for key in tailnet.tailnet.keys.values():
            key["expires"] = ahead(days=1000)

    def run_after(self, days: float) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Let days pass and do what is due then; return it, and why other devices were left alone."""
        now = self.tailnet.clock.advance(timedelta(days=days).total_seconds())
        fleet = self.fleet()
        journal = self.state.journal
        entries = [entry for each in journal.changes() for entry in journal.entries(each.change_id)]
        found = lifecycle_step(report_of(fleet, now), fleet, now=now, quarantined=quarantined_since(entries))
        if found.steps:
            assert self.do(found).ok
        return moves(found), {each.id: each.reason for each in found.left_alone}


@pytest.fixture
def caretaker(scratch: Path) -> Iterator[Caretaker]:
    snapshot = {
        "devices": [
            silent("laptop", 0, "bob@example.com", expires=ahead(days=1000)),
            silent("long-gone", 300, "", "tag:web"),
            device("here", "alice@example.com", expires=ahead(days=1000)),
        ],
        "users": USERS,
        "policy": POLICY,
    }
    with (
        FakeTailnet(snapshot=snapshot) as tailnet,
        no_sleep(),
        contextlib.closing(Caretaker(tailnet, scratch / "state")) as made,
    ):
        yield made


def test_a_device_walks_through_all_stages_as_the_tailnets_clock_runs(caretaker: Caretaker) -> None:
    seen = {day: caretaker.run_after(10) for day in range(10, 110, 10)}
    done = {day: [what for what, node in found if node == "nLaptopCNTRL"] for day, (found, _) in seen.items()}
    assert done == {
        10: [],
        20: [],
        30: [MARKING],
        40: [MARKING],
        50: [MARKING],
        60: [EXPIRING],
        70: [],
        80: [],
        90: [REMOVING],
        100: [],
    }
    assert seen[70][1]["nLaptopCNTRL"] == "it is in quarantine already"
    assert [each["hostname"] for each in caretaker.tailnet.tailnet.devices.values()] == ["here"]


def test_a_device_that_is_silent_for_long_is_warned_before_it_is_removed(caretaker: Caretaker) -> None:
    """However late the first run is: quarantine, two weeks, and only then removal."""
    runs = [caretaker.run_after(days) for days in (1, 1, 10, 3)]
    done = [[what for what, node in found if node == "nLongGoneCNTRL"] for found, _ in runs]
    assert done == [[EXPIRING], [], [], [REMOVING]]
    assert "14 days are to pass" in runs[2][1]["nLongGoneCNTRL"]


def test_a_device_that_came_back_starts_from_the_beginning(caretaker: Caretaker) -> None:
    caretaker.run_after(1)
    back = caretaker.tailnet.clock.text()
    caretaker.device("long-gone").update(lastSeen=back, expires=ahead(days=1000))
    runs = [caretaker.run_after(days) for days in (20, 30, 20, 15)]
    done = [[what for what, node in found if node == "nLongGoneCNTRL"] for found, _ in runs]
    assert done == [[], [MARKING], [EXPIRING], []]


def test_the_mildest_comes_first_and_each_device_once() -> None:
    fleet = fleet_of(
        silent("stale", 40),
        silent("cut-off", 100, expires=ago(days=20)),
        silent("due", 65),
        silent("late", 100),
        silent("kept", 100, "", "tag:web"),
        device("here"),
    )
    report = report_of(fleet, protected=frozenset({"tag:web"}))
    proposal = lifecycle_step(report, fleet, now=NOW)
    assert moves(proposal) == [
        (MARKING, "nStaleCNTRL"),
        (EXPIRING, "nLateCNTRL"),
        (EXPIRING, "nDueCNTRL"),
        (REMOVING, "nCutOffCNTRL"),
    ]
    assert {each.id: each.reason for each in proposal.left_alone} == {
        "nKeptCNTRL": "the operator protects it"
    }
    assert proposal.population == 6
    assert len(proposal.notes) == len(set(proposal.notes)) == 3


def test_only_what_is_due_brings_its_notes_and_the_grace_is_the_callers() -> None:
    fleet = fleet_of(silent("stale", 40), silent("cut-off", 100, expires=ago(days=20)))
    report = report_of(fleet)
    patient = lifecycle_step(report, fleet, now=NOW, grace=timedelta(days=30))
    assert moves(patient) == [(MARKING, "nStaleCNTRL")]
    assert patient.notes == ()
    assert [each.reason for each in patient.left_alone] == [
        "it is in quarantine since 2026-06-10 only: 30 days are to pass"
    ]
    assert any("cannot be taken back" in note for note in lifecycle_step(report, fleet, now=NOW).notes)


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(-60, 60)), max_size=15))
def test_no_device_moves_more_than_one_stage_per_run(facts: list[tuple[int, int]]) -> None:
    fleet = fleet_of(
        *(silent(f"d-{n}", days, expires=ahead(days=valid)) for n, (days, valid) in enumerate(facts))
    )
    report = report_of(fleet)
    proposal = lifecycle_step(report, fleet, now=NOW)
    moved = [node for _, node in moves(proposal)]
    assert len(moved) == len(set(moved))
    due = {each.device.id for each in report.in_stage("stale", "quarantine", "remove")}
    assert set(moved) | {each.id for each in proposal.left_alone} == due
    for operation, node in moves(proposal):
        one = fleet.by_id[node]
        if operation == REMOVING:
            assert one.expires is not None
            assert one.expires <= NOW - timedelta(days=14)


def test_whoever_cuts_off_or_removes_looks_again_and_knows_what_is_lost() -> None:
    fleet = fleet_of(
        silent("due", 65),
        silent("web", 100, "", "tag:web", keyExpiryDisabled=False, expires=ago(days=20)),
    )
    cut, gone = lifecycle_step(report_of(fleet), fleet, now=NOW).steps
    for step in (cut, gone):
        assert step.unchanged == ("lastSeen", "connectedToControl", "tags")
        assert step.known == fleet.by_id[step.arguments["device_id"]].fields
    assert cut.risks == (
        "due was silent for 65 days",
        "it stays offline until somebody logs in on it again",
    )
    assert "--advertise-tags=tag:web" in gone.risks[0]


def test_what_was_not_read_is_said_where_devices_are_removed() -> None:
    fleet = fleet_of(silent("old", 200))
    proposal = propose_removal(report_of(fleet), fleet, now=NOW, skip_quarantine=True)
    assert "removal cannot be taken back" in proposal.notes[0]
    assert "quarantine is skipped" in proposal.notes[1]
    assert any("hosts of services were not read" in note for note in proposal.notes)
    known = report_of(fleet, service_hosts=frozenset(), lock_signers=frozenset())
    assert len(propose_removal(known, fleet, now=NOW, skip_quarantine=True).notes) == 2


def test_five_hundred_devices_are_marked_in_few_requests_and_cut_off_one_by_one() -> None:
    fleet = fleet_of(*(silent(f"d-{n}", 40 if n < 450 else 70) for n in range(500)))
    proposal = lifecycle_step(report_of(fleet), fleet, now=NOW)
    sizes = [len(step.arguments.get("nodes", ())) for step in proposal.steps]
    assert sizes == [200, 200, 50, *[0] * 50]
    assert len({node for _, node in moves(proposal)}) == 500


def test_owners_of_every_device_are_told_what_will_become_of_it() -> None:
    fleet = fleet_of(
        silent("stale", 40, "bob@example.com"),
        silent("due", 65, "carol@example.com"),
        silent("cut-off", 100, "bob@example.com", expires=ago(days=20)),
    )
    report = report_of(fleet)
    told = notices(lifecycle_step(report, fleet, now=NOW), report)
    assert [(each.owner, each.device_id, each.action) for each in told] == [
        ("bob@example.com", "nStaleCNTRL", "mark"),
        ("carol@example.com", "nDueCNTRL", "quarantine"),
        ("bob@example.com", "nCutOffCNTRL", "remove"),
    ]
    marked = notices(propose_marks(report, fleet, now=NOW), report, "mark")
    assert {each.device_id for each in marked} == {"nStaleCNTRL", "nDueCNTRL", "nCutOffCNTRL"}


def test_a_notice_reads_as_one_line_whatever_a_device_is_called() -> None:
    hostile = "due\nSubject: hello\x1b[2J.example.ts.net"
    fleet = fleet_of({**silent("due", 65, "bob@example.com"), "name": hostile})
    report = report_of(fleet)
    (notice,) = notices(lifecycle_step(report, fleet, now=NOW), report)
    text = notice.to_text()
    assert text.isprintable()
    assert text.endswith(
        "(nDueCNTRL) was not heard of for 65 days. It is going to be cut off until somebody logs in on it again "
        "or an admin approves it. Connect it before that to keep it."
    )
