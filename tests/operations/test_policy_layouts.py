"""A service that formats what it is sent, and layouts somebody else changes: neither is an edit from outside."""

from __future__ import annotations

import pytest

from tailscale_sdk.changes.states import layout_hash
from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.edits import AddMember, edited, operations_of, undoing
from tests.operations.transactions import POLICY, Caller

OURS = POLICY + "// ours\n"
NEWER = POLICY.replace("tcp:5432", "tcp:5433").replace("tag:db:5432", "tag:db:5433")
DENIED = {"status": 403, "body": {"message": "not now"}}


def formatted(text: str) -> str:
    """Return a text in its canonical layout, which is not how it was written."""
    new = hujson.format(text)
    assert new != text
    return new


@pytest.fixture
def laid_out(caller: Caller) -> Caller:
    """Apply a policy, and lay out anew what is stored."""
    assert caller.change(text=OURS).ok
    caller.tailnet.tailnet.policy_text = formatted(OURS)
    return caller


def test_a_new_layout_is_no_drift(laid_out: Caller) -> None:
    assert laid_out.drift(OURS).status == "in_sync"
    assert laid_out.drift(NEWER).status == "pending"
    assert laid_out.plan(text=NEWER).judgement.lockouts == ()
    assert laid_out.change(text=NEWER).ok
    assert laid_out.stored == NEWER


def test_a_file_in_another_layout_is_still_what_was_applied(caller: Caller) -> None:
    caller.change(text=OURS)
    theirs = caller.somebody_else()
    assert caller.drift(formatted(OURS)).status == "outside_edit"
    assert caller.drift(NEWER).status == "conflict"
    with pytest.raises(ChangeRefusedError, match="outside-edit"):
        caller.plan(text=NEWER)
    assert (caller.stored, caller.written) == (theirs, ["setPolicyFile"])


def test_what_came_after_a_version_is_known_in_any_layout(laid_out: Caller) -> None:
    assert laid_out.difference().is_exact
    laid_out.somebody_else()
    assert not laid_out.difference().is_exact


def lost(caller: Caller, text: str) -> None:
    """Write a policy whose answer is lost, and that nothing tells of at first."""
    plan = caller.plan(text=text)
    caller.fault("setPolicyFile", "reset", when="after_apply")
    caller.fault("getPolicyFile", DENIED, times=20)
    assert caller.apply(plan).rollback == "offered"
    caller.tailnet.faults.clear()


def test_a_write_is_recognised_after_it_was_formatted(caller: Caller) -> None:
    lost(caller, OURS)
    caller.tailnet.tailnet.policy_text = formatted(OURS)
    assert caller.drift(NEWER).status == "pending"
    assert caller.open_changes() == [("setPolicyFile", "applied")]
    assert caller.open_changes() == []
    assert caller.apply(caller.plan_rollback()).ok
    assert caller.stored == POLICY


def test_what_was_only_to_be_laid_out_is_told_by_its_bytes(caller: Caller) -> None:
    plan = caller.plan(text=formatted(POLICY))
    caller.fault("setPolicyFile", "reset", when="before_apply", times=2)
    caller.fault("getPolicyFile", DENIED, times=20)
    assert caller.apply(plan).rollback == "offered"
    caller.tailnet.faults.clear()
    # The tag is the same with and without the change; nothing was written, and that is what is told.
    assert (caller.stored, caller.written) == (POLICY, [])
    assert caller.open_changes() == [("setPolicyFile", "not_applied")]


def test_an_edit_keeps_the_layout_somebody_else_gave(laid_out: Caller) -> None:
    before, bob = laid_out.stored, AddMember("group:ops", "bob@example.com")
    assert laid_out.change(edits=[bob]).ok
    assert laid_out.stored == edited(before, [bob])
    assert undoes(before, laid_out.stored, bob)


def undoes(before: str, after: str, edit: AddMember) -> bool:
    """Tell whether taking the edit back gives the very bytes there were."""
    return hujson.patch(after, undoing(before, operations_of(before, [edit]))) == before


@pytest.mark.parametrize("text", ["{", b"\xff{", "\ud800", "", b""])
def test_what_is_no_policy_has_a_hash_all_the_same(text: str | bytes) -> None:
    assert len(layout_hash(text)) == 64
    assert layout_hash(POLICY.encode()) == layout_hash(formatted(POLICY)) != layout_hash(text)
