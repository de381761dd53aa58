"""Each of the 53 writes and deletions through plan, apply and undo, by both kinds of client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen

from tailscale_sdk import OPERATIONS
from tailscale_sdk.changes import ChangeReport, Plan
from tailscale_sdk.changes.evidence import watched
from tailscale_sdk.changes.predictions import compared, is_predictable, is_removal, rule_of
from tailscale_sdk.changes.readings import as_state, readings_of
from tailscale_sdk.changes.states import same
from tailscale_sdk.errors import NotFoundError
from tailscale_sdk.testing import no_sleep
from tests.changes.conftest import scratch_folder
from tests.changes.engine.support import SHELLS, World, directly, is_change, keywords, world
from tests.exercise import STEPS, Memory, Step

WRITES = [(place, step) for place, step in enumerate(STEPS) if is_change(step.operation_id)]
IDS = [f"{step.operation_id}-{place}" for place, step in WRITES]
# What they leave is not one object with fields of their own: it is created, or it is done and over.
NOT_UNDONE = {
    "acceptDeviceInvite",
    "approveUser",
    "deleteDevice",
    "deleteDeviceInvite",
    "deleteKey",
    "deleteOAuthApp",
    "deletePostureIntegration",
    "deleteUser",
    "deleteUserInvite",
    "deleteWebhook",
    "disableLogStreaming",
    "expireDeviceKey",
    "getAwsExternalId",
    "resendContactVerificationEmail",
    "resendDeviceInvite",
    "resendUserInvite",
    "rotateWebhookSecret",
    "setLogStreamingConfiguration",
    "testWebhook",
}


@frozen
class Happened:
    """Holds what was seen of one step."""

    plan: Plan
    planned_with: list[str]
    report: ChangeReport
    written: list[str]
    journal: list[str]
    before: Any
    after: Any
    audited: int
    undo: Plan | None = None
    undone: ChangeReport | None = None
    restored: Any = None


def state_now(made: World, operation_id: str, arguments: dict[str, Any], *, afterwards: bool) -> Any:
    """Read what a write changes, past the engine; None where it is not there."""
    found: dict[str, Any] = {}
    for reading in readings_of(operation_id, arguments, afterwards=afterwards):
        try:
            answer = as_state(reading, made.call(reading.operation_id, dict(reading.arguments)))
        except NotFoundError:
            return None
        if reading.part is None:
            return answer
        found[reading.part] = answer
    return found


def walk(made: World, step: Step, memory: Memory) -> Happened:
    """Plan, apply and undo one step, and do it again so that the next ones find what they need."""
    operation_id, arguments = step.operation_id, keywords(step, memory)
    requests, written = len(made.tailnet.faults.requests), len(made.tailnet.ledger)
    before = state_now(made, operation_id, arguments, afterwards=False)
    plan = made.plan(operation_id, arguments)
    planned_with = made.sent(requests)
    assert len(made.tailnet.ledger) == written
    audited = len(made.audited())
    report = made.apply(plan, secrets={name: arguments[name] for name in plan.items[0].call.secret_fields})
    seen: dict[str, Any] = {
        "plan": plan,
        "planned_with": planned_with,
        "report": report,
        "written": [entry.operation for entry in made.tailnet.ledger.entries[written:]],
        "journal": made.journal(report.change_id),
        "before": before,
        "after": state_now(made, operation_id, arguments, afterwards=True),
        "audited": len(made.audited()) - audited,
    }
    step.remember(memory, report.items[0].answer)
    if plan.items[0].inverse is not None:
        seen["undo"] = made.plan_undo(report.change_id)
        seen["undone"] = made.apply(seen["undo"])
        seen["restored"] = state_now(made, operation_id, arguments, afterwards=False)
        directly(made.direct, step, memory)
    return Happened(**seen)


@pytest.fixture(scope="module", params=SHELLS)
def happened(request: pytest.FixtureRequest) -> Iterator[dict[int, Happened]]:
    """Walk through every step once, in order."""
    seen, memory = {}, Memory()
    with scratch_folder() as folder, no_sleep(), world(folder, request.param, devices=12) as made:
        for place, step in enumerate(STEPS):
            if is_change(step.operation_id):
                seen[place] = walk(made, step, memory)
            else:
                directly(made.direct, step, memory)
        yield seen


def test_the_steps_cover_every_write() -> None:
    assert {step.operation_id for _, step in WRITES} == {name for name in OPERATIONS if is_change(name)}
    assert len({step.operation_id for _, step in WRITES}) == 53


@pytest.mark.parametrize(("place", "step"), WRITES, ids=IDS)
def test_a_write_is_planned_with_reads_sent_once_and_verified(
    happened: dict[int, Happened], place: int, step: Step
) -> None:
    seen = happened[place]
    (item,) = seen.plan.items
    (done,) = seen.report.items
    assert {OPERATIONS[name].retry_class for name in seen.planned_with} <= {"SAFE"}
    assert seen.written == [step.operation_id]
    assert (done.outcome, done.verified, done.reason) == ("ok", True, None)
    assert seen.journal == ["closed"]
    assert seen.audited == 1
    assert item.target.kind
    assert item.target.id
    assert item.target == done.target
    assert item.call.operation_id == step.operation_id


@pytest.mark.parametrize(("place", "step"), WRITES, ids=IDS)
def test_what_was_predicted_is_what_is_there(happened: dict[int, Happened], place: int, step: Step) -> None:
    seen, name = happened[place], step.operation_id
    (item,) = seen.plan.items
    if name == "setPolicyFile":
        assert item.after == {"policy": seen.after["policy"]}
    elif item.after is not None:
        now = compared(name, seen.after)
        assert now is not None
        assert same(item.after, watched(name, item.after, now))
    elif is_removal(name):
        assert seen.after is None or seen.after.get("invalid") or seen.after.get("revoked")
    else:
        assert not is_predictable(name) or name in {"expireDeviceKey", "restoreUser", "approveUser"}
    if item.before is not None:
        assert same(item.before, compared(name, seen.before))


@pytest.mark.parametrize(("place", "step"), WRITES, ids=IDS)
def test_an_undo_names_its_change_and_brings_the_state_back(
    happened: dict[int, Happened], place: int, step: Step
) -> None:
    seen, name = happened[place], step.operation_id
    (item,) = seen.plan.items
    if name in NOT_UNDONE:
        assert (item.reversible, item.inverse, seen.undo) == ("no", None, None)
        return
    assert item.reversible in {"yes", "partly"}
    assert seen.undo is not None
    assert seen.undone is not None
    assert (seen.undo.kind, seen.undo.undoes) == ("undo", seen.report.change_id)
    assert [done.outcome for done in seen.undone.items] == ["ok"]
    (call,) = [planned.call for planned in seen.undo.items]
    if OPERATIONS[name].retry_class == "CREATE":
        answer = seen.report.items[0].answer
        made = answer[0] if isinstance(answer, list) else answer
        assert call.operation_id == rule_of(name).inverse
        assert (made.endpoint_id if name == "createWebhook" else made.id) in call.arguments.values()
    elif name == "updateContact":
        # Whether the address is confirmed does not come back with it.
        assert seen.restored["support"]["email"] == seen.before["support"]["email"]
    elif name == "setPolicyFile":
        assert seen.restored == seen.before
    elif is_predictable(name):
        assert same(compared(name, seen.before), compared(name, seen.restored))


def test_what_deletes_says_what_to_think_of(happened: dict[int, Happened]) -> None:
    silent = {
        step.operation_id
        for place, step in WRITES
        if OPERATIONS[step.operation_id].effect == "delete" and not happened[place].plan.items[0].risk
    }
    assert silent == set()


def test_rules_that_cannot_be_inverted_are_the_ones_that_say_so() -> None:
    without = Counter(rule_of(name).inverse == "none" for name in OPERATIONS if is_change(name))
    assert without[True] == len(NOT_UNDONE)
