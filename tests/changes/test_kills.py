"""Real processes, killed by SIGKILL at every statement and every file call, and racing for the same things."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.changes.audit_trail import AuditTrail
from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.journal import Journal
from tailscale_sdk.changes.plan_store import SQLitePlanStore
from tailscale_sdk.changes.policy_versions import PolicyVersions
from tailscale_sdk.changes.preimages import PreimageStore
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import PlanRefusedError
from tests.changes.conftest import scratch_folder
from tests.changes.killed import OWN, PATHS, plan

pytestmark = pytest.mark.untraced

Happened = dict[str, Any]


@pytest.fixture(scope="module")
def happened(checkout: Path) -> Iterator[Happened]:
    """Let every process run and die, once, and return what is known of each by its group."""
    with scratch_folder() as folder:
        command = [sys.executable, "-m", "tests.changes.killed", str(folder)]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        found: Happened = {"folder": folder}
        for line in done.stdout.splitlines():
            group, case = json.loads(line)
            found.setdefault(group, []).append(case)
        yield found


def killed(happened: Happened, group: str) -> list[dict[str, Any]]:
    """Return the cases of a group; each but the last of a series was killed."""
    assert {case["ended"] for case in happened[group]} == {-signal.SIGKILL, 0}
    return happened[group]


def test_the_journal_never_lags_behind_what_was_reported_nor_runs_ahead(happened: Happened) -> None:
    ends = set()
    for case in killed(happened, "journal"):
        path = ["planned", *PATHS[int(Path(case["folder"]).name[4])]]
        reported = [step for step in case["reported"] if isinstance(step, str)]
        with Database(StateDirectory(case["folder"])) as database:
            entries = Journal(database).entries("c")
            images = [image.id for image in PreimageStore(database).for_change("c")]
        steps = [step for step, _ in entries[0].steps] if entries else []
        ends.add(tuple(steps))
        assert steps == path[: len(steps)]
        assert len(reported) <= len(steps) <= len(reported) + 1
        assert not entries or entries[0].state == steps[-1]
        assert images or "snapshotted" not in steps
        assert {step["image"] for step in case["reported"] if isinstance(step, dict)} <= set(images)
    assert ends == {tuple(["planned", *path][:length]) for path in PATHS for length in range(len(path) + 2)}


def test_a_killed_process_leaves_each_plan_whole_used_or_not_there(happened: Happened) -> None:
    whole = set()
    for case in killed(happened, "plans"):
        with Database(StateDirectory(case["folder"])) as database:
            store = SQLitePlanStore(database)
            for name in ("one", "two"):
                reported = [what for what, which in case["reported"] if which == name]
                try:
                    assert store.take(name, **OWN) == plan(name)
                    whole.add((name, *reported))
                    assert "taken" not in reported
                except PlanRefusedError:
                    pass
                with pytest.raises(PlanRefusedError):
                    store.take(name, **OWN)
    assert {("one", "put"), ("two", "put")} <= whole


def test_a_process_killed_from_outside_had_all_it_reported_on_the_disk(happened: Happened) -> None:
    for case in happened["outside"]:
        assert case["ended"] == -signal.SIGKILL
        with Database(StateDirectory(case["folder"])) as database:
            entries = Journal(database).entries("c")
        steps = [[entry.item, step] for entry in entries for step, _ in entry.steps]
        assert steps[: len(case["reported"])] == case["reported"]
        assert len(steps) <= len(case["reported"]) + 1


def test_files_of_a_killed_process_are_whole_or_not_there(happened: Happened) -> None:
    for case in killed(happened, "files"):
        state = StateDirectory(case["folder"])
        versions, trail = PolicyVersions(state), AuditTrail(state, max_bytes=300)
        names = [value for kind, value in case["reported"] if kind == "policy"]
        heads = [value for kind, value in case["reported"] if kind == "audit"]
        secrets = [Path(value).read_text() for kind, value in case["reported"] if kind == "secret"]
        texts = [versions.read(version.name, "t").text for version in reversed(versions.list("t"))]
        assert texts == ["1", "2"][: len(texts)]
        assert len(names) <= len(texts) <= len(names) + 1
        assert set(names) <= {version.name for version in versions.list("t")}
        verdict = trail.verify(head=heads[-1] if heads else None)
        assert verdict.ok
        assert len(heads) <= verdict.lines <= len(heads) + 1
        assert secrets in ([], ["whole secret"])
        trail.append({"event": "after"})
        versions.keep("3", etag=None, tailnet="t", actor="os:1000", reason="after")
        versions.purge("t")
        assert trail.verify().lines == verdict.lines + 1
        assert len(versions.list("t")) == len(texts) + 1
        assert list((state.path / "policy" / "t").glob(".*.tmp")) == []
    assert len(happened["files"]) > 100


def test_two_processes_share_plans_audit_and_the_making_of_the_file(happened: Happened) -> None:
    plans, audit, first = happened["races"]
    one, other = plans["taken"]
    assert sorted([*one, *other], key=int) == [str(number) for number in range(40)]

    trail = AuditTrail(StateDirectory(happened["folder"] / "audit"))
    verdict = trail.verify(head=audit["heads"][0][-1])
    assert (verdict.ok, verdict.lines) == (True, 60)
    assert verdict.head in {heads[-1] for heads in audit["heads"]}
    assert len({head for heads in audit["heads"] for head in heads}) == 60

    assert [sorted(ids) for ids in first["begun"]] == [[1, 2, 3]] * 8


def test_a_forked_process_goes_on_with_a_file_of_its_own(happened: Happened) -> None:
    (case,) = happened["fork"]
    assert case["reported"] == [[0, ["again", "child", "last", "parent"]]]
    assert case["ended"] == 0
