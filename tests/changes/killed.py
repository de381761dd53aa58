"""Programs that are killed: each case runs in a process of its own and dies by SIGKILL where it was told to.

``python -m tests.changes.killed FOLDER`` prints one JSON line per case: its group, and then where its state is, what
the process reported before it died, and how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tailscale_sdk.changes.audit_trail import AuditTrail
from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.disk import Disk
from tailscale_sdk.changes.journal import Journal
from tailscale_sdk.changes.plan_store import PlanRecord, SQLitePlanStore
from tailscale_sdk.changes.policy_versions import PolicyVersions
from tailscale_sdk.changes.preimages import PreimageStore
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import PlanRefusedError
from tests.changes.disks import CALLS

FACTS: dict[str, Any] = {
    "base": "b",
    "digest": "d",
    "nonce": None,
    "principal": "os:1000",
    "profile": "default",
    "tailnet": "example.com",
}
OWN = {"principal": "os:1000", "profile": "default"}
PATHS = (
    ["snapshotted", "sending", "applied", "verified", "closed"],
    ["snapshotted", "sending", "unknown", "not_verified", "closed"],
    ["snapshotted", "sending", "refused"],
)
Report = Callable[[Any], None]
Work = Callable[[StateDirectory, Report], None]


def die() -> None:
    """End this process at once, as a power switch or the system's memory manager does."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_case(folder: Path, work: Work, *, kill_after: int | None = None) -> dict[str, Any]:
    """Run one case in a child and return what it reported; the parent kills it after so many reports."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        work(StateDirectory(folder), lambda value: _tell(writing, value))
        os._exit(0)
    os.close(writing)
    reported = []
    with os.fdopen(reading) as pipe:
        for line in pipe:
            reported.append(json.loads(line))
            if len(reported) == kill_after:
                os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    ended = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return {"folder": str(folder), "reported": reported, "ended": ended}


def _tell(descriptor: int, value: Any) -> None:
    os.write(descriptor, json.dumps(value).encode() + b"\n")


def dying_at_statement(database: Database, number: int) -> None:
    """Kill this process before it runs the statement of that number."""
    seen = [0]

    def count(statement: str) -> None:
        seen[0] += 1
        if seen[0] == number:
            die()

    with database.write() as connection:
        pass
    connection.set_trace_callback(count)


class DyingDisk(Disk):
    """The real disk; this process is killed before the call of that number."""

    def __init__(self, number: int) -> None:
        self.made, self.number = 0, number
        for name in CALLS:
            setattr(self, name, self._counted(getattr(self, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **keywords: Any) -> Any:
            self.made += 1
            if self.made == self.number:
                die()
            return call(*arguments, **keywords)

        return counted


def journal_steps(path: list[str], number: int) -> Work:
    """Walk an entry through its states and die at a statement."""

    def work(state: StateDirectory, report: Report) -> None:
        database = Database(state)
        dying_at_statement(database, number)
        journal, images = Journal(database), PreimageStore(database)
        entry = journal.begin("c", "plan", 0, "setDeviceTags", "device:n1", **FACTS)
        report("planned")
        for step in path:
            if step == "snapshotted":
                report({"image": images.put("c", 0, "setDeviceTags", "device:n1", {"tags": ["tag:web"]})})
            journal.advance(entry, step)  # type: ignore[arg-type]
            report(step)

    return work


def plan_use(number: int) -> Work:
    """Store plans, take them, and die at a statement."""

    def work(state: StateDirectory, report: Report) -> None:
        database = Database(state)
        dying_at_statement(database, number)
        store = SQLitePlanStore(database)
        for name in ("one", "two"):
            store.put(plan(name))
            report(["put", name])
            report(["taken", store.take(name, **OWN).id])

    return work


def plan(name: str) -> PlanRecord:
    """Return a plan that never expires."""
    return PlanRecord(name, {"n": name}, **OWN, tailnet="t", digest="d", created=0.0, expires=9e9)


def endless_journal(state: StateDirectory, report: Report) -> None:
    """Write entries until killed from outside."""
    journal = Journal(Database(state))
    for item in range(1000):
        entry = journal.begin("c", "plan", item, "setDeviceTags", "device:n1", **FACTS)
        report([item, "planned"])
        for step in PATHS[item % 3]:
            journal.advance(entry, step)  # type: ignore[arg-type]
            report([item, step])


def file_calls(number: int) -> Work:
    """Keep a policy, add a line of audit and keep a secret, and die at a file call."""

    def work(state: StateDirectory, report: Report) -> None:
        dying = StateDirectory(state.path, disk=DyingDisk(number))
        trail = AuditTrail(dying, max_bytes=300)
        for text in ("1", "2"):
            version = PolicyVersions(dying).keep(text, etag=None, tailnet="t", actor="os:1000", reason="test")
            report(["policy", version.name])
            report(["audit", trail.append({"event": text})])
        report(["secret", str(dying.keep_secret("auth-key", "k1", "whole secret").path)])

    return work


def until_it_lives(folder: Path, name: str, make: Callable[[int], Work]) -> Iterator[dict[str, Any]]:
    """Run a case with each number in turn until one is so high that nobody dies."""
    for number in range(1, 1000):
        case = run_case(folder / f"{name}-{number}", make(number))
        yield case
        if case["ended"] == 0:
            return


def racing(folder: Path, work: Callable[[StateDirectory], Any], processes: int) -> list[Any]:
    """Run the same work in several processes that start together, and return what each says."""
    start_reading, start_writing = os.pipe()
    pipes = []
    for _ in range(processes):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(start_writing)
            os.read(start_reading, 1)
            _tell(writing, work(StateDirectory(folder)))
            os._exit(0)
        os.close(writing)
        pipes.append(reading)
    os.close(start_writing)
    os.close(start_reading)
    said = []
    for reading in pipes:
        with os.fdopen(reading) as pipe:
            said.append(json.loads(pipe.read() or "null"))
    for _ in pipes:
        os.wait()
    return said


def take_all(state: StateDirectory) -> list[str]:
    """Take every plan there is to be had."""
    got = []
    with Database(state) as database:
        store = SQLitePlanStore(database)
        for number in range(40):
            try:
                got.append(store.take(str(number), **OWN).id)
            except PlanRefusedError:
                continue
    return got


def add_lines(state: StateDirectory) -> list[str]:
    """Add lines to the trail that others add to as well."""
    trail = AuditTrail(state, max_bytes=4000)
    return [trail.append({"process": os.getpid(), "number": number}) for number in range(30)]


def first_use(state: StateDirectory) -> int:
    """Be one of those who make the file."""
    with Database(state) as database:
        return Journal(database).begin(str(os.getpid()), "plan", 0, "setDeviceTags", "device:n1", **FACTS)


def use_after_fork(state: StateDirectory, report: Report) -> None:
    """Go on in a child with what its parent opened, and in the parent after the child ended."""
    database = Database(state)
    journal = Journal(database)
    journal.begin("parent", "plan", 0, "setDeviceTags", "device:n1", **FACTS)
    child = os.fork()
    journal.begin("child" if child == 0 else "again", "plan", 0, "setDeviceTags", "device:n1", **FACTS)
    if child == 0:
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    journal.begin("last", "plan", 0, "setDeviceTags", "device:n1", **FACTS)
    report([os.WEXITSTATUS(status), sorted(summary.change_id for summary in journal.changes())])


def races(folder: Path) -> Iterator[Any]:
    """Let processes race for plans, for lines of audit and for the making of the file."""
    with Database(StateDirectory(folder / "plans")) as database:
        for number in range(40):
            SQLitePlanStore(database).put(plan(str(number)))
    yield {"taken": racing(folder / "plans", take_all, 2)}
    yield {"heads": racing(folder / "audit", add_lines, 2)}
    yield {"begun": [racing(folder / f"first-{number}", first_use, 3) for number in range(8)]}


def journals(folder: Path) -> Iterator[Any]:
    """Walk each path through the states, killed at each statement."""
    for place, path in enumerate(PATHS):
        yield from until_it_lives(folder, f"path{place}", partial(journal_steps, path))


GROUPS: dict[str, Callable[[Path], Iterator[Any]]] = {
    "journal": journals,
    "plans": lambda folder: until_it_lives(folder, "plans", plan_use),
    "files": lambda folder: until_it_lives(folder, "files", file_calls),
    "outside": lambda folder: (
        run_case(folder / f"outside-{count}", endless_journal, kill_after=count) for count in range(1, 40, 3)
    ),
    "fork": lambda folder: iter([run_case(folder / "fork", use_after_fork)]),
    "races": races,
}


if __name__ == "__main__":
    for group, cases in GROUPS.items():
        for case in cases(Path(sys.argv[1])):
            print(json.dumps([group, case]), flush=True)
