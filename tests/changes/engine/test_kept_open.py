"""A change of which more is to come stays open in the journal until it is finished, by either kind of engine."""

from __future__ import annotations

from typing import Any

from tailscale_sdk.changes import OwnNode, Protected
from tests.changes.engine.policies import edit, stored
from tests.changes.engine.support import World, world


def applied_and_kept_open(made: World) -> Any:
    """Change the policy and keep the change open."""
    report = made.apply(made.plan("setPolicyFile", edit(made)), keep_open=True)
    assert report.ok
    assert made.journal(report.change_id) == ["verified"]
    return report


def test_it_is_closed_when_it_is_finished(either: World) -> None:
    report = applied_and_kept_open(either)
    for _ in range(2):
        either.settled(either.changes.finish(report.change_id))
        assert either.journal(report.change_id) == ["closed"]
    assert either.open_changes() == ()


def test_one_that_nobody_finished_is_told_of_and_can_be_taken_back(either: World) -> None:
    before = stored(either)
    report = applied_and_kept_open(either)
    assert either.apply(either.plan_undo(report.change_id)).ok
    assert stored(either) == before
    applied_and_kept_open(either)
    assert {(found.entry.operation, found.found) for found in either.open_changes()} == {
        ("setPolicyFile", "applied")
    }
    assert either.open_changes() == ()


def test_the_journal_lists_the_changes_with_one_operation(here: World) -> None:
    report = here.apply(here.plan("setPolicyFile", edit(here)))
    device = next(iter(here.tailnet.tailnet.devices.values()))["nodeId"]
    here.apply(here.plan("setDeviceName", {"device_id": device, "name": "renamed"}))
    journal = here.state.journal
    assert len(journal.changes()) == 2
    assert [each.change_id for each in journal.changes(1, operation="setPolicyFile")] == [report.change_id]
    assert journal.changes(operation="deleteDevice") == ()


def test_an_engine_knows_what_its_guards_protect(scratch: Any) -> None:
    guards = (
        Protected(frozenset({"tag:db"})),
        Protected(frozenset({"nDb"})),
        OwnNode(frozenset({"100.64.0.1"})),
    )
    with world(scratch, guards=guards) as made:
        assert made.changes.protected == {"tag:db", "nDb"}
        assert made.changes.own_addresses == {"100.64.0.1"}
    with world(scratch / "plain") as made:
        assert (made.changes.protected, made.changes.own_addresses) == (frozenset(), frozenset())
