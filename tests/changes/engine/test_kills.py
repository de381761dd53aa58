"""Processes that end at every moment of a change: what is known afterwards, and that nothing is done twice."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import PlanRefusedError
from tailscale_sdk.testing import no_sleep
from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.conftest import scratch_folder
from tests.changes.engine.dying import Dying
from tests.changes.engine.support import ME, World, world
from tests.changes.engine.test_plans import device

pytestmark = pytest.mark.untraced

Call = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with scratch_folder() as folder, no_sleep(), world(folder, devices=8) as made:
        yield made


@pytest.fixture(scope="module")
def dying(made: World, checkout: Path) -> Iterator[Dying]:
    with contextlib.closing(Dying(made.tailnet.base_url, made.tailnet.api_key, checkout)) as program:
        yield program


def a_name(made: World, number: int) -> list[Call]:
    return [("setDeviceName", {"device_id": device(made), "name": f"kill-{number}"})]


def a_policy(made: World, number: int) -> list[Call]:
    text = made.tailnet.tailnet.policy_text
    return [("setPolicyFile", {"policy": f"{text}// {number}\n", "if_match": policy_etag(text)})]


def a_key(made: World, number: int) -> list[Call]:
    capabilities = {"devices": {"create": {"reusable": False, "tags": ["tag:server"]}}}
    named = {"key_type": "auth", "description": f"kill {number}", "capabilities": capabilities}
    return [("createKey", named)]


def attributes(made: World, number: int) -> list[Call]:
    nodes = {device(made, place): {"custom:kill": {"value": str(number)}} for place in range(2)}
    return [("batchUpdateCustomDevicePostureAttributes", {"nodes": nodes})]


def a_user(made: World, number: int) -> list[Call]:
    user = next(user for user in made.tailnet.tailnet.users.values() if user["role"] == "member")
    made.call("suspendUser", {"user_id": user["id"]})
    return [("restoreUser", {"user_id": user["id"]})]


def several(made: World, number: int) -> list[Call]:
    return [("setDeviceName", {"device_id": device(made, n), "name": f"many-{number}-{n}"}) for n in range(4)]


def moments(step: int = 1) -> Iterator[int]:
    yield from range(1, 200, step)


class Case:
    """Holds one change that was cut off: what the ledger has of it and what is known."""

    def __init__(self, made: World, dying: Dying, calls: list[Call], moment: int, how: int) -> None:
        self.made, self.written_before = made, len(made.tailnet.ledger)
        self.policy = made.tailnet.tailnet.policy_text
        self.plan = made.plan_all(calls, principal=ME)
        folder = made.state.directory.path
        self.ended = dying.run(folder, [self.plan.id], moment=moment, principal=ME, how=how)
        self.found = made.open_changes()

    @property
    def written(self) -> list[Any]:
        """Return what was written for it."""
        return self.made.tailnet.ledger.entries[self.written_before :]

    def check(self, unpredictable: bool) -> None:
        """Check that what is said agrees with the ledger, and that nothing was or will be written again."""
        planned = [(item.call.method, item.call.path) for item in self.plan.items]
        done = [(entry.method, entry.path) for entry in self.written]
        assert done == planned[: len(done)]
        assert len(self.found) <= 1
        for open_change in self.found:
            landed = len(done) > open_change.entry.item
            expected = {"applied"} if landed else {"never_sent", "not_applied"}
            assert open_change.found in (expected | ({"unknown"} if unpredictable else set()))
        with pytest.raises(PlanRefusedError):
            self.made.apply(self.plan, principal=ME)
        assert len(self.written) == len(done)
        again = self.made.open_changes()
        assert {one.found for one in again} <= {"not_applied", "unknown"}
        assert self.made.state.audit.verify().ok

    def close(self) -> None:
        """Note that what was never sent or is not known is done with, so that the next case stands alone."""
        journal = self.made.state.journal
        for entry in journal.open_entries():
            if entry.state == "sending":
                journal.advance(entry.id, "unknown")
            journal.advance(entry.id, "refused")


def cases(
    made: World, dying: Dying, calls: Callable[[World, int], list[Call]], how: int, step: int = 1
) -> Iterator[Case]:
    """Cut a change off at each moment in turn, until one is so late that it comes to its end."""
    for moment in moments(step):
        case = Case(made, dying, calls(made, moment), moment, how)
        if case.ended["ended"] == 0 and case.ended["reported"] not in ([], ["interrupted"]):
            assert {outcome for said in case.ended["reported"] for outcome in said} == {"ok"}
            assert case.found == ()
            return
        yield case
        case.close()


KINDS = {"name": a_name, "policy": a_policy, "key": a_key, "attributes": attributes, "user": a_user}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_moment(made: World, dying: Dying, kind: str) -> None:
    seen: set[tuple[str, str]] = set()
    taken = 0
    for case in cases(made, dying, KINDS[kind], signal.SIGKILL):
        assert case.ended["ended"] == -signal.SIGKILL
        taken += 1
        if not case.found and not case.written and taken <= 2:
            # Nothing was begun; where the plan was not yet used up, it can still be applied.
            continue
        seen |= {(one.entry.state, one.found) for one in case.found}
        case.check(unpredictable=kind == "key")
        if kind == "policy" and case.written:
            kept = made.state.directory.path / "policy"
            assert case.policy in [file.read_text() for file in kept.rglob("*.hujson")]
            undo = made.plan_undo(made.state.journal.changes(1)[0].change_id)
            assert made.apply(undo).ok
            assert made.tailnet.tailnet.policy_text == case.policy
    lost = "unknown" if kind == "key" else "not_applied"
    answered = "unknown" if kind == "key" else "applied"
    assert {
        ("planned", "never_sent"),
        ("snapshotted", "never_sent"),
        ("sending", lost),
        ("sending", answered),
        ("applied", "applied"),
        ("verified", "applied"),
    } <= seen


def test_killed_in_the_middle_of_many(made: World, dying: Dying) -> None:
    lengths = set()
    for case in cases(made, dying, several, signal.SIGKILL, step=5):
        lengths.add(len(case.written))
        if case.found or case.written:
            case.check(unpredictable=False)
    assert lengths == {0, 1, 2, 3, 4}


def test_two_processes_that_apply_at_once_write_once(made: World, dying: Dying) -> None:
    calls = [("setDeviceName", {"device_id": device(made, place), "name": f"n{place}"}) for place in range(2)]
    plans = [made.plan(*call, principal=ME).id for call in calls]
    written, folder = len(made.tailnet.ledger), made.state.directory.path
    said = dying.run(folder, plans, moment=0, principal=ME, processes=2)["said"]
    assert [sorted(each) for each in zip(*said, strict=True)] == [["PlanRefusedError", "ok"]] * 2
    assert [entry.operation for entry in made.tailnet.ledger.entries[written:]] == ["setDeviceName"] * 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_at_every_moment(made: World, dying: Dying, how: int) -> None:
    interrupted = 0
    for case in cases(made, dying, a_name, how, step=1 if how == signal.SIGINT else 3):
        if how == signal.SIGINT:
            assert case.ended == {**case.ended, "ended": 0, "reported": ["interrupted"]}
            interrupted += 1
        else:
            assert case.ended["ended"] == -how
        if case.found or case.written:
            case.check(unpredictable=False)
        for entry in made.state.journal.open_entries():
            assert entry.state in {"sending", "unknown"}
            assert case.written == []
    assert interrupted > 15 or how == signal.SIGTERM
