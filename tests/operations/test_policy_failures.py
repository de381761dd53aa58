"""What goes wrong around a change of the policy, and that nothing is written then or that it is told."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk.changes import LocalState
from tailscale_sdk.changes.disk import Disk
from tailscale_sdk.changes.plan_store import SQLitePlanStore
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import (
    APIConnectionError,
    ChangeRefusedError,
    OutcomeUnknownError,
    PlanRefusedError,
    PolicyError,
    ServerError,
    StateError,
    TailscaleError,
)
from tailscale_sdk.operations import policies
from tailscale_sdk.policy.edits import AddMember, PatchText
from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.conftest import Clock
from tests.changes.engine.test_plans import tamper
from tests.changes.engine.test_policy_outcomes import StoringSomethingElse
from tests.operations.transactions import POLICY, Caller, calling

BOB = AddMember("group:ops", "bob@example.com")


class VersionDisk(Disk):
    """The real disk; while a version of the policy is kept, calls of one kind fail."""

    def __init__(self, name: str, code: int) -> None:
        self.armed, self.healed, self.code, self.failed = False, False, code, 0
        setattr(self, name, partial(self._failing, getattr(self, name)))

    def _failing(self, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        if self.armed and not self.healed:
            self.failed += 1
            raise OSError(self.code, os.strerror(self.code))
        return call(*arguments, **keywords)


class Arming:
    """Stands for the kept versions and lets the disk fail while one is kept."""

    def __init__(self, versions: Any, disk: VersionDisk) -> None:
        self._versions, self._disk = versions, disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._versions, name)

    def keep(self, *arguments: Any, **keywords: Any) -> Any:
        self._disk.armed = True
        try:
            return self._versions.keep(*arguments, **keywords)
        finally:
            self._disk.armed = False


CODES = [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS, errno.EMFILE]


@pytest.mark.parametrize("code", CODES, ids=[errno.errorcode[code] for code in CODES])
@pytest.mark.parametrize("name", ["open", "write", "fsync", "rename", "fsync_dir"])
def test_a_version_that_cannot_be_kept_lets_nothing_leave(scratch: Path, name: str, code: int) -> None:
    disk = VersionDisk(name, code)
    state = LocalState(StateDirectory(scratch / "state", disk=disk))
    with calling(scratch, state=state) as caller:
        state.__dict__["versions"] = Arming(state.versions, disk)
        plan = caller.plan(edits=[BOB])
        with pytest.raises(StateError):
            caller.apply(plan)
        assert disk.failed
        assert "setPolicyFile" not in caller.requests
        assert (caller.written, caller.stored) == ([], POLICY)
        assert caller.open_changes() == []
        disk.healed = True
        assert caller.change(edits=[BOB]).ok


VERDICTS: dict[str, tuple[Any, type[TailscaleError]]] = {
    "a failed test": (
        {"status": 200, "body": {"message": "test(s) failed", "data": [{"user": "x", "errors": ["no"]}]}},
        PolicyError,
    ),
    "a message alone": ({"status": 200, "body": {"message": "no"}}, PolicyError),
    "findings alone": ({"status": 200, "body": {"data": [{"user": "x", "errors": ["no"]}]}}, PolicyError),
    "a refusal": ({"status": 400, "body": {"message": "no"}}, TailscaleError),
    "500": ("500", ServerError),
    "503": ("503", ServerError),
    "no answer": ("reset", APIConnectionError),
    "a foreign page": ({"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"}, TailscaleError),
}  # fmt: skip


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("accepted", [False, True])
def test_a_policy_that_was_not_passed_is_not_planned(caller: Caller, verdict: str, accepted: bool) -> None:
    fault, error = VERDICTS[verdict]
    caller.fault("validateAndTestPolicyFile", fault, nth=None, when="before_apply")
    with pytest.raises(error):
        caller.plan(edits=[BOB], safeguards=policies.Safeguards(accept_warnings=accepted))
    assert "setPolicyFile" not in caller.requests
    assert (caller.written, caller.stored) == ([], POLICY)


@pytest.mark.parametrize("read", [1, 2])
@pytest.mark.parametrize("tag", [None, "", '""'])
def test_a_version_tag_that_was_stripped_anywhere_lets_nothing_leave(
    caller: Caller, read: int, tag: str | None
) -> None:
    headers = {"Content-Type": "application/hujson", **({} if tag is None else {"ETag": tag})}
    caller.fault("getPolicyFile", {"status": 200, "headers": headers, "body": POLICY}, nth=read)
    with pytest.raises(PolicyError, match="ETag"):
        caller.plan(edits=[BOB])
    assert "setPolicyFile" not in caller.requests
    assert caller.written == []


def test_every_write_carries_the_version_it_was_planned_on(caller: Caller) -> None:
    async def probe() -> str | None:
        return "it does not work"

    engine: Any = caller.engine
    kept, tags = engine._context, []

    def sending(call: Any) -> Any:
        if call.operation_id == "setPolicyFile":
            tags.append(dict(call.request.headers)["If-Match"])
        return (yield from kept.sending(call))

    engine._context = evolve(kept, sending=sending)
    caller.apply(caller.plan(edits=[BOB]), probe=probe)
    new = POLICY.replace('["alice@example.com"]', '["alice@example.com","bob@example.com"]')
    # The rollback's is that of what we wrote, not of whatever is there.
    assert tags == [f'"{policy_etag(POLICY)}"', f'"{policy_etag(new)}"']


def test_an_answer_without_an_effect_is_not_believed(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB])
    new = (plan.plan.items[0].call.body or b"").decode()
    headers = {"Content-Type": "application/hujson", "ETag": f'"{policy_etag(new)}"'}
    caller.fault("setPolicyFile", {"status": 200, "headers": headers, "body": new}, when="before_apply")
    report = caller.apply(plan)
    (item,) = report.report.items
    assert (report.ok, report.rollback, caller.stored) == (False, "offered", POLICY)
    assert isinstance(item.error, OutcomeUnknownError)
    assert item.error.recovered == "not_verified"
    with pytest.raises(ChangeRefusedError, match="nothing would change"):
        caller.plan_rollback()


def test_other_bytes_than_ours_are_not_rolled_back_by_themselves(caller: Caller) -> None:
    asked = []

    async def probe() -> str | None:
        asked.append(1)
        return "no"

    plan = caller.plan(edits=[BOB])
    storing: Any = StoringSomethingElse(caller)  # type: ignore[arg-type]  # it needs a tailnet, and has one
    with storing as other:
        report = caller.apply(plan, probe=probe)
    assert (report.rollback, asked, caller.stored) == ("offered", [], other)
    assert caller.written == ["setPolicyFile"]
    assert caller.apply(caller.plan_rollback()).ok
    assert caller.stored == POLICY


def refused(caller: Caller, plan: policies.PolicyPlan, **more: Any) -> None:
    """Apply a plan that is refused with nothing sent."""
    sent = len(caller.requests)
    with pytest.raises(PlanRefusedError):
        caller.apply(plan, **more)
    assert caller.requests[sent:] == []


def test_a_plan_ends_after_fifteen_minutes(caller: Caller) -> None:
    plan, clock = caller.plan(edits=[BOB]), Clock()
    caller.state.__dict__["plans"] = SQLitePlanStore(caller.state.database, clock=clock)
    clock.now = plan.plan.expires.timestamp()
    refused(caller, plan)
    clock.now -= 1
    assert caller.apply(plan).ok


@pytest.mark.parametrize("seal", [False, True], ids=["hash broken", "hash made to fit"])
def test_a_stored_plan_with_another_policy_is_refused(caller: Caller, seal: bool) -> None:
    plan = caller.plan(edits=[BOB])
    storing: Any = caller
    tamper(storing, lambda item: item["arguments"].update(policy=POLICY + "// hijacked\n"), seal=seal)
    refused(caller, plan)
    assert (caller.written, caller.stored) == ([], POLICY)


def test_of_two_who_apply_one_plan_at_once_one_writes(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB])

    async def both() -> list[Any]:
        given = caller._given({"plan_id": plan.plan.id})
        applying = [policies.apply_change(caller.client, **given) for _ in range(2)]
        return await asyncio.gather(*applying, return_exceptions=True)

    ended = caller.runner.run(both())
    assert sorted(type(each).__name__ for each in ended) == ["PlanRefusedError", "PolicyReport"]
    assert caller.written == ["setPolicyFile"]


def test_the_plan_of_another_change_is_refused_here_and_stays(caller: Caller) -> None:
    call = caller.client.prepare("setDeviceName", device_id="nDb", name="other")
    plan = caller.runner.run(caller.engine.plan([call], principal=caller.principal))
    with pytest.raises(PlanRefusedError):
        caller.runner.run(policies.apply_change(caller.client, **caller._given({"plan_id": plan.id})))
    assert caller.written == []
    assert caller.runner.run(caller.engine.apply(plan.id, principal=caller.principal)).ok


def test_whoever_may_not_read_devices_plans_by_the_texts_alone(caller: Caller) -> None:
    caller.fault("listTailnetDevices", {"status": 403, "body": {"message": "no"}}, nth=None)
    plan = caller.plan(edits=[BOB])
    assert plan.to_dict()["access"] is None
    assert "access: unknown, the devices or the stored policy cannot be read" in plan.plan.items[0].risk
    with pytest.raises(ChangeRefusedError, match="all-tests-removed"):
        caller.plan(edits=[PatchText([{"op": "remove", "path": "/tests"}])])
    assert caller.apply(plan).ok


def test_whoever_may_not_read_keys_plans_without_them(caller: Caller) -> None:
    caller.fault("listTailnetKeys", {"status": 403, "body": {"message": "no"}}, nth=None)
    assert caller.change(edits=[BOB]).ok


@pytest.mark.parametrize("operation", ["listTailnetDevices", "getPolicyFile"])
def test_what_cannot_be_read_for_another_reason_stops_the_plan(caller: Caller, operation: str) -> None:
    caller.fault(operation, "503", nth=None)
    with pytest.raises(TailscaleError):
        caller.plan(edits=[BOB])
    assert caller.written == []
