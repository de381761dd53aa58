"""What is written down about changes: one line each, no secret anywhere, and nothing where nothing can be written."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import StateError, TailscaleError
from tests.changes.disks import ChangedDisk
from tests.changes.engine.policies import edit
from tests.changes.engine.support import World, directly, is_change, keywords, world
from tests.changes.engine.test_plans import device
from tests.exercise import STEPS, Memory, Step

CANARY = "tskey-canary-demo-7f3a9c"


def test_each_change_has_one_line_whatever_became_of_it(scratch: Path) -> None:
    with world(scratch, max_retries=0) as made:
        outcomes = []
        for number, (fault, when) in enumerate(
            [(None, ""), ("403", "before_apply"), ("reset", "before_apply"), ("reset", "after_apply")]
        ):
            plan = made.plan("setDeviceName", {"device_id": device(made), "name": f"line-{number}"})
            if fault:
                made.tailnet.faults.add(
                    {"operation": "setDeviceName", "nth": 1, "when": when, "fault": fault}
                )
            report = made.apply(plan)
            made.tailnet.faults.clear()
            outcomes.append(report.items[0].outcome)
            line = json.loads(made.audited()[-1])
            assert (line["change"], line["outcome"]) == (report.change_id, outcomes[-1])
            assert line["target"] == f"device:{device(made)}"
            assert {"principal", "profile", "tailnet", "operation", "before", "requests", "time"} <= set(line)
            assert plan.id not in made.audited()[-1].decode()
        assert outcomes == ["ok", "failed", "unknown", "ok"]
        assert len(made.audited()) == 4
        assert made.state.audit.verify().ok


def test_what_was_refused_before_sending_has_no_line(here: World) -> None:
    plan = here.plan("setDeviceName", {"device_id": device(here), "name": "first"})
    here.call("setDeviceName", {"device_id": device(here), "name": "second"})
    assert here.apply(plan).items[0].outcome == "failed"
    assert here.audited() == []


@pytest.mark.parametrize("damage", ["delete", "edit"])
def test_a_line_taken_out_or_edited_breaks_the_chain(here: World, damage: str) -> None:
    for number in range(3):
        plan = here.plan("setDeviceName", {"device_id": device(here), "name": f"chain-{number}"})
        assert here.apply(plan).ok
    file = here.state.directory.path / "audit" / "audit.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    changed = lines[1].replace(b'"ok"', b'"failed"') if damage == "edit" else b""
    file.write_bytes(lines[0] + changed + lines[2])
    verdict = here.state.audit.verify()
    assert (verdict.ok, verdict.first_bad) == (False, 2)


def everything(folder: Path) -> bytes:
    """Return what is in every file, names included."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return b"\n".join(os.fsencode(file) + b"\n" + file.read_bytes() for file in files)


def with_canaries(step: Step, arguments: dict[str, Any], secret: tuple[str, ...]) -> dict[str, Any]:
    """Return arguments whose secrets are unmistakable."""
    return {name: CANARY if name in secret else value for name, value in arguments.items()}


def test_no_secret_is_kept_shown_or_logged(here: World, caplog: pytest.LogCaptureFixture) -> None:
    shown: list[str] = []
    made_secrets: set[str] = set()
    memory = Memory()
    handed = 0
    with caplog.at_level(logging.DEBUG):
        for step in STEPS:
            if not is_change(step.operation_id):
                directly(here.direct, step, memory)
                continue
            arguments = keywords(step, memory)
            secret = here.client.prepare(step.operation_id, **arguments).secret_fields
            if step.operation_id == "acceptDeviceInvite":
                secret = ()
            handed += len(secret)
            arguments = with_canaries(step, arguments, secret)
            plan = here.plan(step.operation_id, arguments)
            shown += [repr(plan), repr(plan.items[0].call.shown())]
            given = {name: arguments[name] for name in plan.items[0].call.secret_fields}
            with pytest.raises(TailscaleError) as refused:
                here.apply(plan, secrets={}, principal="os:none" if not given else None)
            shown.append(f"{refused.value!r} {refused.value}")
            report = here.apply(plan, secrets=given)
            shown += [repr(report), *(json.dumps(e) for e in map(str, here.state.journal.changes(1)))]
            answer = report.items[0].answer
            for name in ("key", "secret"):
                value = getattr(answer, name, None)
                made_secrets |= {str(getattr(value, "value", value))} if value else set()
            step.remember(memory, answer)
    made_secrets |= set(here.tailnet.tailnet.secrets.values())
    kept = everything(here.state.directory.path)
    assert handed >= 2
    assert len(made_secrets) >= 4
    for value in {CANARY, here.tailnet.api_key, *made_secrets}:
        assert len(value) > 8
        assert value.encode() not in kept, "kept"
        assert value not in " ".join(shown), "shown"
        assert value not in caplog.text, "logged"


def test_the_text_of_a_policy_lies_in_its_version_file_once_it_is_replaced(here: World) -> None:
    here.tailnet.tailnet.policy_text += "\n// canary-before\n"
    assert here.apply(here.plan("setPolicyFile", edit(here, "\n// canary-after\n"))).ok
    (version,) = here.state.directory.path.rglob("*.hujson")
    assert "canary-before" in version.read_text()
    rows = [here.state.database.read(f"SELECT * FROM {name}") for name in ("plans", "journal", "preimages")]  # noqa: S608
    assert rows[0] == []
    assert "canary" not in f"{rows}"
    assert b"canary" not in b"".join(here.audited())


def unwritable(*arguments: Any, **keywords: Any) -> Any:
    raise OSError(28, "no space left on device")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_blocks_writes_and_not_reads(scratch: Path, call: str) -> None:
    with world(scratch) as made:
        plan = made.plan("setDeviceName", {"device_id": device(made), "name": "full"})
        # The directory holds the disk; frozen, so the other one is put into its place.
        object.__setattr__(made.state.directory, "disk", ChangedDisk(call, unwritable))
        with pytest.raises(StateError):
            made.apply(plan)
        assert made.client.devices.get(device(made)).node_id == device(made)
        assert made.open_changes() == ()
        assert len(made.tailnet.ledger) == 0
        assert "setDeviceName" not in made.sent()


def test_an_audit_trail_that_cannot_be_written_blocks_writes(here: World) -> None:
    plan = here.plan("setDeviceName", {"device_id": device(here), "name": "x"})
    (here.state.directory.path / "audit").mkdir(mode=0o700)
    (here.state.directory.path / "audit" / "audit.jsonl").mkdir()
    with pytest.raises(StateError):
        here.apply(plan)
    assert len(here.tailnet.ledger) == 0
    (here.state.directory.path / "audit" / "audit.jsonl").rmdir()
    assert here.apply(plan).ok
