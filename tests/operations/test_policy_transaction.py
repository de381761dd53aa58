"""A change of the policy from the edit to the rollback: what is on the wire, on the disk and in the tailnet."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.errors import (
    ChangeRefusedError,
    HuJSONError,
    OutcomeUnknownError,
    PlanRefusedError,
    PolicyError,
    PreconditionFailedError,
    StateError,
)
from tailscale_sdk.operations import policies
from tailscale_sdk.policy.edits import AddGrant, AddMember, PatchText
from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.engine.support import other_writer
from tests.operations.transactions import OTHER, POLICY, Caller, calling

BOB = AddMember("group:ops", "bob@example.com")


def test_an_edit_is_applied_and_every_other_byte_stays(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB], reason="bob is on call")
    assert caller.written == []
    report = caller.apply(plan)
    assert (report.ok, report.rollback, caller.written) == (True, "not_needed", ["setPolicyFile"])
    assert caller.stored == POLICY.replace('["alice@example.com"]', '["alice@example.com","bob@example.com"]')
    assert hashlib.sha256(caller.stored.encode()).hexdigest() == plan.sha256


def test_the_plan_shows_access_text_and_risks_before_anything_is_sent(caller: Caller) -> None:
    grant = {"src": ["*"], "dst": ["tag:db"], "ip": ["tcp:5432"]}
    with pytest.raises(PolicyError, match=r"test\(s\) failed"):
        caller.plan(edits=[AddGrant(grant)])
    plan = caller.plan(
        edits=[BOB, AddGrant({**grant, "ip": ["tcp:9000"]})],
        safeguards=policies.Safeguards(protect=["tag:db"]),
    )
    shown = plan.to_dict()
    assert [row["what"] for row in shown["access"]["gained"]] == ["tcp 22", "tcp 9000"]
    assert {risk["risk"] for risk in shown["risks"]} >= {"open-source", "protected-tag"}
    assert any(line.startswith("+") and "bob@example.com" in line for line in shown["text"])
    (item,) = plan.plan.items
    assert "access: 2 gained, 0 lost, 0 rights changed" in item.risk
    assert any("open-source" in sentence or "lets in *" in sentence for sentence in item.risk)
    assert caller.written == []


def test_what_the_service_validates_are_the_very_bytes(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB])
    requests = [
        seen for seen in caller.tailnet.faults.requests if seen.operation == "validateAndTestPolicyFile"
    ]
    assert len(requests) == 1
    caller.apply(plan)
    assert caller.stored.encode() == plan.plan.items[0].call.body


@pytest.mark.parametrize(
    "edits, text, error, words",
    [
        ([AddMember("group:none", "x@example.com")], None, PolicyError, "there is no group:none"),
        ([PatchText([{"op": "remove", "path": "/grants/9"}])], None, HuJSONError, "patch operation"),
        ((), "{", HuJSONError, "hujson"),
        ((), '{"acls": [{"action": "deny"}]}', PolicyError, '"deny" is not a valid action'),
        ((), POLICY, ChangeRefusedError, "nothing would change"),
    ],
)
def test_what_cannot_be_planned_sends_nothing(
    caller: Caller, edits: Any, text: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        caller.plan(edits=edits, text=text)
    assert caller.written == []


def play(caller: Caller, operation: str, fault: dict[str, Any]) -> None:
    """Let the next call of an operation be answered like this."""
    caller.tailnet.faults.add({"operation": operation, "nth": 1, "fault": fault})


def test_without_a_version_tag_nothing_is_planned(caller: Caller) -> None:
    headers = {"Content-Type": "application/hujson"}
    play(caller, "getPolicyFile", {"status": 200, "headers": headers, "body": POLICY})
    with pytest.raises(PolicyError, match="no ETag"):
        caller.plan(edits=[BOB])
    assert caller.written == []


WARNING = {"message": "warning(s) found", "data": [{"user": "bob@example.com", "warnings": ["not synced"]}]}


def test_warnings_of_the_service_block_unless_they_are_accepted(caller: Caller) -> None:
    for accepted in (False, True):
        play(caller, "validateAndTestPolicyFile", {"status": 200, "body": WARNING})
        if accepted:
            guarded = policies.Safeguards(accept_warnings=True)
            assert caller.change(edits=[BOB], safeguards=guarded).ok
        else:
            with pytest.raises(PolicyError, match=r"warning\(s\) found"):
                caller.plan(edits=[BOB])
            assert caller.written == []


@pytest.mark.parametrize("step", [1, 3])
def test_a_second_writer_while_it_is_planned_wins(caller: Caller, step: int) -> None:
    theirs: list[str] = []
    caller.at[step] = lambda: theirs.append(caller.somebody_else())
    with pytest.raises(PreconditionFailedError):
        caller.plan(edits=[BOB])
    assert (caller.stored, caller.written) == (theirs[0], [])


def test_a_second_writer_between_plan_and_apply_wins_and_is_shown(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB])
    theirs = caller.somebody_else()
    report = caller.apply(plan)
    assert (report.ok, caller.stored, caller.written) == (False, theirs, [])
    assert report.conflict is not None
    told = report.to_dict()["conflict"]
    assert told["base"] == policy_etag(POLICY)
    assert told["mine"] == plan.sha256
    assert told["theirs"] == policy_etag(theirs)
    assert "+// theirs" in told["text"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_second_writer_around_the_write_is_never_overwritten(caller: Caller, moment: str) -> None:
    plan = caller.plan(edits=[BOB])
    theirs: list[str] = []
    engine: Any = caller.engine
    kept = engine._context

    def sending(call: Any) -> Any:
        if call.operation_id != "setPolicyFile":
            return (yield from kept.sending(call))
        if moment == "before":
            theirs.append(caller.somebody_else())
        answer = yield from kept.sending(call)
        if moment == "after":
            theirs.append(caller.somebody_else())
        return answer

    engine._context = evolve(kept, sending=sending)
    report = caller.apply(plan)
    assert caller.stored == theirs[0]
    if moment == "before":
        assert report.conflict is not None
        assert caller.written == []
    else:
        assert report.rollback == "offered"
        assert isinstance(report.report.items[0].error, OutcomeUnknownError)
        assert report.report.items[0].error.recovered == "not_verified"


def test_a_failed_probe_puts_the_old_policy_back(caller: Caller) -> None:
    async def probe() -> str | None:
        assert "bob@example.com" in caller.stored
        return "the monitoring no longer reaches tag:server"

    report = caller.apply(caller.plan(edits=[BOB]), probe=probe)
    assert (report.ok, report.rollback) == (False, "done")
    assert report.reason == "the monitoring no longer reaches tag:server"
    assert caller.stored == POLICY
    assert caller.written == ["setPolicyFile", "setPolicyFile"]


def test_a_probe_that_is_content_changes_nothing(caller: Caller) -> None:
    async def probe() -> str | None:
        return None

    assert caller.apply(caller.plan(edits=[BOB]), probe=probe).ok


def test_after_a_failed_probe_somebody_elses_edit_is_not_overwritten(caller: Caller) -> None:
    theirs: list[str] = []

    async def probe() -> str | None:
        theirs.append(caller.somebody_else())
        return "it does not work"

    report = caller.apply(caller.plan(edits=[BOB]), probe=probe)
    assert (report.rollback, caller.stored) == ("failed", theirs[0])
    assert "was not put back" in str(report.reason)


def test_nothing_is_rolled_back_where_our_bytes_were_not_seen(caller: Caller) -> None:
    asked = []

    async def probe() -> str | None:
        asked.append(True)
        return "no"

    plan = caller.plan(edits=[BOB])
    caller.at = {}
    stored = caller.tailnet.tailnet
    with other_writer_after(caller):
        report = caller.apply(plan, probe=probe)
    assert (report.rollback, asked) == ("offered", [])
    assert stored.policy_text.endswith("// theirs\n")


def other_writer_after(caller: Caller) -> Any:
    """Let somebody else write right after our write."""
    made: Any = type("Made", (), {})()
    made.changes = caller.engine
    made.call = lambda operation, arguments: caller.somebody_else()
    return other_writer(made, "setPolicyFile", {}, moment="after")


def test_a_text_based_on_another_version_is_not_planned(caller: Caller) -> None:
    with pytest.raises(PreconditionFailedError):
        caller.plan(text=POLICY + "// mine\n", if_match="0" * 64)
    assert caller.written == []
    etag = policy_etag(POLICY)
    assert caller.change(text=POLICY + "// mine\n", if_match=f'"{etag}"').ok


def test_only_the_untouched_policy_is_replaced_where_that_is_asked_for(caller: Caller) -> None:
    plan = caller.plan(text=POLICY + "// mine\n", if_match="ts-default")
    assert not caller.apply(plan).ok
    assert (caller.stored, caller.written) == (POLICY, [])


def test_a_plan_is_for_one_use_by_its_principal(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB])
    with pytest.raises(PlanRefusedError):
        caller.apply(plan, principal=OTHER)
    assert caller.apply(plan).ok
    with pytest.raises(PlanRefusedError):
        caller.apply(plan)
    assert caller.written == ["setPolicyFile"]


def test_a_plan_is_bound_to_the_arguments_it_was_made_from(caller: Caller) -> None:
    plan = caller.plan(edits=[BOB], digest="a" * 64)
    with pytest.raises(PlanRefusedError):
        caller.apply(plan, digest="b" * 64)
    assert caller.apply(plan, digest="a" * 64).ok


def test_a_disk_that_keeps_nothing_lets_nothing_leave(scratch: Path) -> None:
    with calling(scratch) as caller:
        plan = caller.plan(edits=[BOB])
        versions = type(caller.state.versions)
        keep = versions.keep

        def full(*arguments: Any, **keywords: Any) -> Any:
            raise StateError("no space left on the device", code="ENOSPC")

        versions.keep = full  # type: ignore[method-assign]
        try:
            with pytest.raises(StateError, match="no space left"):
                caller.apply(plan)
        finally:
            versions.keep = keep  # type: ignore[method-assign]
        assert (caller.written, caller.stored) == ([], POLICY)


def test_the_version_that_is_replaced_is_a_file_with_actor_and_reason(caller: Caller) -> None:
    caller.change(edits=[BOB], reason="bob is on call")
    (entry,) = caller.history()
    assert (entry.version.actor, entry.version.reason) == ("os:1000", "bob is on call")
    assert entry.change is not None
    assert entry.change.state == "closed"
    file = next(caller.state.directory.path.rglob(f"{entry.version.name}.hujson"))
    assert file.read_text() == POLICY
    assert file.stat().st_mode & 0o777 == 0o600
    lines = (caller.state.directory.path / "audit" / "audit.jsonl").read_text()
    assert '"reason":"bob is on call"' in lines.replace('": "', '":"')


def test_one_call_goes_back_to_any_kept_version(caller: Caller) -> None:
    caller.change(edits=[BOB], reason="first")
    second = caller.stored
    caller.change(edits=[AddMember("group:ops", "carol@example.com")], reason="second")
    assert [entry.version.reason for entry in caller.history()] == ["second", "first"]
    caller.apply(caller.plan_rollback())
    assert caller.stored == second
    first = caller.history()[-1].version
    plan = caller.plan_rollback(version=first.sha256[:12], reason="start again")
    assert plan.reason == "start again"
    assert [row["what"] for row in plan.to_dict()["access"]["lost"]] == ["tcp 22"]
    assert caller.apply(plan).ok
    assert caller.stored == POLICY
    assert caller.history()[0].version.reason == "start again"
    assert len(caller.history()) == 4


@pytest.mark.parametrize("version", ["previous", "abc", "ffffffffffff"])
def test_a_version_that_is_not_kept_is_said(caller: Caller, version: str) -> None:
    with pytest.raises(StateError, match="no kept version"):
        caller.plan_rollback(version=version)


def test_drift_compares_three(caller: Caller) -> None:
    assert caller.drift(POLICY).status == "in_sync"
    assert caller.drift(POLICY.replace("  ", "    ")).status == "in_sync"
    mine = POLICY.replace("tcp:22", "tcp:22-23")
    assert caller.drift(mine).status == "unknown"
    caller.change(text=mine)
    assert caller.drift(mine).status == "in_sync"
    newer = POLICY.replace("tcp:22", "tcp:2222")
    assert caller.drift(newer).status == "pending"
    caller.tailnet.tailnet.policy_text = mine.replace("tcp:5432", "tcp:5433")
    outside = caller.drift(mine)
    assert (outside.status, outside.is_outside_edit) == ("outside_edit", True)
    assert '-    {"src": ["tag:server"], "dst": ["tag:db"], "ip": ["tcp:5433"]},' in outside.text
    assert caller.drift(newer).status == "conflict"


def test_a_whole_text_does_not_take_back_an_edit_from_outside(caller: Caller) -> None:
    caller.change(text=POLICY + "// ours\n")
    caller.somebody_else()
    with pytest.raises(ChangeRefusedError, match=r"somebody edited it elsewhere.*outside-edit"):
        caller.plan(text=POLICY)
    # An edit by intent keeps what they wrote.
    assert caller.change(edits=[BOB]).ok
    assert "// theirs" in caller.stored
    caller.somebody_else("// more\n")
    plan = caller.plan(text=POLICY, safeguards=policies.Safeguards(override=["outside-edit"]))
    assert any("overridden lock-out outside-edit" in sentence for sentence in plan.plan.items[0].risk)
    assert caller.apply(plan).ok


def test_a_stored_policy_nobody_can_read_can_be_replaced(scratch: Path) -> None:
    with calling(scratch, policy='{"acls": [{"action": "deny"}]}') as caller:
        plan = caller.plan(text=POLICY)
        assert plan.to_dict()["access"] is None
        assert caller.apply(plan).ok


def test_the_engine_of_the_platform_is_used_where_none_is_given(
    caller: Caller, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCALE_SDK_STATE", str(scratch / "other"))
    plan = caller.plan(edits=[BOB], changes=None)
    assert caller.apply(plan, changes=None).ok
    assert policies.history(AsyncChanges(caller.client))[0].version.actor == "os:1000"
