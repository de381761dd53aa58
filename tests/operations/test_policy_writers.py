"""Two who change the policy at once, in every order: nobody's edit is overwritten, and the loser is shown it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations import policies
from tailscale_sdk.policy.edits import AddMember
from tailscale_sdk.testing.policy_text import policy_etag
from tests.operations.transactions import ME, OTHER, POLICY, Caller, calling

BOB = AddMember("group:ops", "bob@example.com")
THEIRS = "// theirs\n"
FACTS: dict[str, Any] = {
    "base": None,
    "digest": None,
    "nonce": None,
    "principal": ME,
    "profile": "default",
    "tailnet": "-",
}


class Round:
    """Holds one change during which somebody else writes before one of its requests."""

    def __init__(self, caller: Caller, number: int) -> None:
        self.caller, self.number = caller, number
        self.theirs: str | None = None
        self.written_before = 0
        caller.tailnet.tailnet.policy_text = POLICY
        caller.requests.clear()
        caller.before_request = self._requested
        self.start = len(caller.written)

    def _requested(self, number: int) -> None:
        if number == self.number:
            self.written_before = self.writes
            self.theirs = self.caller.somebody_else(THEIRS)

    @property
    def writes(self) -> int:
        """Return how many of our writes landed."""
        return len(self.caller.written) - self.start


def rounds(caller: Caller) -> Iterator[Round]:
    """Yield one round for each request there is; the last one is not disturbed."""
    for number in range(1, 100):
        made = Round(caller, number)
        yield made
        if made.theirs is None:
            return
    pytest.fail("the change never came to its end")


@pytest.mark.untraced
def test_a_second_writer_before_every_request_of_a_change(caller: Caller) -> None:
    seen: dict[str, set[str]] = {}
    for made in rounds(caller):
        try:
            report = caller.change(edits=[BOB])
        except policies.PolicyConflictError as error:
            how, conflict = "refused while planned", error.conflict
        else:
            how, conflict = report.rollback if report.conflict is None else "conflict", report.conflict
        if made.theirs is None:
            assert (how, made.writes) == ("not_needed", 1)
            break
        seen.setdefault(how, set()).add(caller.requests[made.number - 1])
        assert THEIRS in caller.stored
        if conflict is not None:
            assert (caller.stored, made.writes) == (made.theirs, 0)
            assert conflict.base == policy_etag(POLICY)
            assert conflict.theirs == policy_etag(made.theirs)
            assert len(conflict.mine) == 64
            assert f"+{THEIRS.strip()}" in conflict.text
        elif how == "offered":
            assert (caller.stored, made.writes) == (made.theirs, 1)
        else:
            # They were faster than our first read: ours stands on theirs.
            assert "bob@example.com" in caller.stored
    assert seen.keys() == {"not_needed", "refused while planned", "conflict", "offered"}
    assert seen["not_needed"] == {"getPolicyFile"}
    assert seen["conflict"] == {"validateAndTestPolicyFile", "setPolicyFile"}
    assert seen["offered"] == {"getPolicyFile"}
    assert seen["refused while planned"] >= {"listTailnetDevices", "listUsers", "getPolicyFile"}


@pytest.mark.untraced
def test_a_second_writer_before_every_request_of_a_rollback(caller: Caller) -> None:
    async def probe() -> str | None:
        return "it does not work"

    ends = set()
    for made in rounds(caller):
        with contextlib.suppress(policies.PolicyConflictError):
            report = caller.apply(caller.plan(edits=[BOB]), probe=probe)
            ends.add((report.rollback, made.writes))
        if made.theirs is None:
            assert (caller.stored, made.writes) == (POLICY, 2)
            break
        assert THEIRS in caller.stored
        if made.written_before == 1 and made.writes == 1:
            # Ours had landed, then they wrote: what they wrote is what is stored, to the byte.
            assert caller.stored == made.theirs
    assert ends >= {("done", 2), ("failed", 1), ("offered", 1), ("offered", 2), ("not_needed", 0)}


@pytest.mark.untraced
@pytest.mark.parametrize("order", ["aabb", "abab", "abba", "baba", "baab", "bbaa"])
def test_two_callers_in_every_order(scratch: Path, order: str) -> None:
    with (
        calling(scratch) as first,
        contextlib.closing(Caller(first.tailnet, scratch / "other", principal=OTHER)) as second,
    ):
        who = {"a": first, "b": second}
        plans: dict[str, policies.PolicyPlan] = {}
        ended: dict[str, policies.PolicyReport] = {}
        for name in order:
            if name not in plans:
                plans[name] = who[name].plan(edits=[AddMember("group:ops", f"{name}@example.com")])
            else:
                ended[name] = who[name].apply(plans[name])
        landed = [name for name in "ab" if f"{name}@example.com" in first.stored]
        assert [name for name in "ab" if ended[name].ok] == landed
        # Whoever planned before the other's write was there and applied after it is refused.
        assert len(landed) == (2 if order in {"aabb", "bbaa"} else 1)
        for name in {"a", "b"} - set(landed):
            winner = plans[landed[0]]
            conflict = ended[name].conflict
            assert conflict is not None
            assert (conflict.base, conflict.mine) == (plans[name].base, plans[name].sha256)
            assert conflict.theirs == policy_etag(first.stored)
            assert first.stored.encode() == winner.plan.items[0].call.body


def edited_elsewhere(caller: Caller) -> str:
    """Let somebody else edit, and return the tag of the version before."""
    before = policy_etag(caller.stored)
    caller.somebody_else(THEIRS)
    return before


@pytest.mark.parametrize("dress", ["{}", '"{}"', 'W/"{}"'])
def test_a_text_for_another_version_is_refused_with_what_changed(caller: Caller, dress: str) -> None:
    base = edited_elsewhere(caller)
    with pytest.raises(policies.PolicyConflictError) as refused:
        caller.plan(text=POLICY + "// mine\n", if_match=dress.format(base))
    conflict = refused.value.conflict
    assert (conflict.base, conflict.theirs) == (base, policy_etag(caller.stored))
    # The version it is based on was never kept here, so theirs is compared with mine.
    assert {"--- mine", "-// mine", "+// theirs"} <= set(conflict.text)
    assert caller.written == []


def test_where_the_version_is_kept_their_edit_alone_is_shown(caller: Caller) -> None:
    caller.change(edits=[BOB])
    caller.tailnet.tailnet.policy_text = POLICY + THEIRS
    with pytest.raises(policies.PolicyConflictError) as refused:
        caller.plan(text=POLICY + "// mine\n", if_match=policy_etag(POLICY))
    assert [line for line in refused.value.conflict.text if line[0] in "+-"] == [
        "--- base",
        "+++ theirs",
        "+// theirs",
    ]


def test_a_conflict_that_cannot_be_read_says_so(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB])
    caller.somebody_else()
    caller.fault("getPolicyFile", {"status": 403, "body": {"message": "no"}})
    report = caller.apply(plan)
    assert report.conflict is not None
    assert (report.conflict.theirs, report.conflict.text) == (None, ())
    assert report.to_dict()["conflict"]["mine"] == plan.sha256


@pytest.mark.untraced
def test_an_edit_from_outside_is_seen_whatever_else_was_changed_since(caller: Caller) -> None:
    caller.change(text=POLICY + "// ours\n")
    for number in range(600):
        caller.state.journal.begin(f"c{number}", "plan", 0, "setDeviceName", "device:nDb", **FACTS)
    caller.somebody_else()
    with pytest.raises(ChangeRefusedError, match="outside-edit"):
        caller.plan(text=POLICY)
