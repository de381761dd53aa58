"""A policy change that is killed at every moment: what is stored, what is kept, what is known, and the way back."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.errors import PlanRefusedError
from tailscale_sdk.policy.edits import AddMember
from tests.changes.conftest import scratch_folder
from tests.changes.engine.dying import Dying
from tests.operations.dying import DyingWatch
from tests.operations.transactions import ME, POLICY, Caller, calling

pytestmark = pytest.mark.untraced


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with scratch_folder() as folder, calling(folder) as made:
        yield made


@pytest.fixture(scope="module")
def dying(caller: Caller, checkout: Path) -> Iterator[Dying]:
    with contextlib.closing(Dying(caller.tailnet.base_url, caller.tailnet.api_key, checkout)) as program:
        yield program


def test_killed_at_every_moment_of_a_policy_change(caller: Caller, dying: Dying) -> None:
    folder = caller.state.directory.path
    states, landed = set(), 0
    for moment in range(1, 100):
        caller.tailnet.tailnet.policy_text = POLICY
        versions, written = len(caller.history()), len(caller.written)
        plan = caller.plan(
            edits=[AddMember("group:ops", f"user{moment}@example.com")], reason=f"case {moment}"
        )
        ended = dying.run(folder, [plan.plan.id], moment=moment, principal=ME)
        new = (plan.plan.items[0].call.body or b"").decode()
        writes = len(caller.written) - written
        assert caller.stored == (new if writes else POLICY)
        assert writes <= 1
        kept = caller.history()[: len(caller.history()) - versions]
        if writes:
            # The old bytes were on the disk before the first byte of the new ones left.
            assert [
                caller.state.versions.read(k.version.name, caller.engine.policy_shelf).text for k in kept
            ] == [POLICY]
            assert kept[0].version.reason == f"case {moment}"
            landed += 1
        states |= {entry.state for entry in caller.state.journal.open_entries()}
        found = caller.runner.run(caller.engine.open_changes())
        assert {each.found for each in found} <= ({"applied"} if writes else {"never_sent", "not_applied"})
        if found or writes:
            with pytest.raises(PlanRefusedError):
                caller.apply(plan)
        assert len(caller.written) - written == writes
        if writes:
            rollback = caller.plan_rollback(version=kept[0].version.name)
            assert caller.apply(rollback).ok
            assert caller.stored == POLICY
        for entry in caller.state.journal.open_entries():
            if entry.state == "sending":
                caller.state.journal.advance(entry.id, "unknown")
            caller.state.journal.advance(entry.id, "refused")
        if ended["ended"] == 0:
            break
    else:
        pytest.fail("the change never came to its end")
    assert moment > 15
    assert landed > 4
    assert states >= {"planned", "snapshotted", "sending", "applied", "verified"}


@pytest.fixture(scope="module")
def dying_watch(caller: Caller, checkout: Path) -> Iterator[DyingWatch]:
    with contextlib.closing(DyingWatch(caller.tailnet.base_url, caller.tailnet.api_key, checkout)) as program:
        yield program


def test_killed_at_every_moment_of_a_watch_and_its_rollback(
    caller: Caller, dying_watch: DyingWatch, scratch: Path
) -> None:
    ends: set[tuple[int, tuple[str, ...]]] = set()
    for moment in range(1, 100):
        caller.tailnet.tailnet.policy_text = POLICY
        before = len(caller.written)
        with contextlib.closing(Caller(caller.tailnet, scratch / str(moment))) as mine:
            plan = mine.plan(edits=[AddMember("group:ops", f"user{moment}@example.com")])
            ended = dying_watch.run(scratch / str(moment), [plan.plan.id], moment=moment, principal=ME)
            if ended["ended"] == 0:
                assert (ended["reported"], caller.stored) == (["done"], POLICY)
                assert mine.open_changes() == []
                break
            assert ended["ended"] == -signal.SIGKILL
            writes = len(caller.written) - before
            new = (plan.plan.items[0].call.body or b"").decode()
            assert caller.stored == (new if writes == 1 else POLICY)
            # Looking settles and tells, and rewrites nothing.
            found = [each for _, each in mine.open_changes()]
            assert (len(caller.written) - before, caller.stored) == (writes, new if writes == 1 else POLICY)
            ends.add((writes, tuple(found)))
            if writes == 1:
                # A policy nobody watched to the end is in force: that is told, and one call goes back.
                assert "applied" in found
                assert mine.apply(mine.plan_rollback(version=mine.history()[-1].version.name)).ok
                assert caller.stored == POLICY
    else:
        pytest.fail("the change never came to its end")
    assert ends >= {(0, ()), (0, ("never_sent",)), (1, ("applied",)), (1, ("applied", "never_sent"))}
    assert {writes for writes, _ in ends} == {0, 1, 2}
