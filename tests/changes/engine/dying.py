"""Processes that apply plans and end in the middle of it, by a signal they send themselves.

``python -m tests.changes.engine.dying URL KEY`` reads one JSON line per case from standard input and answers each with
how the process ended and what it said. A moment is right before or right after something became durable.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailscale_sdk import Tailscale
from tailscale_sdk.changes import Changes, LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import PlanRefusedError, StateError
from tests.changes.killed import racing, run_case

DURABLE = {
    "plans": ("take",),
    "journal": ("begin", "advance"),
    "preimages": ("put", "set_inverse"),
    "versions": ("keep",),
    "audit": ("append",),
}


class Counted:
    """Stands for a store and tells when one of its durable calls begins and ends."""

    def __init__(self, store: Any, names: tuple[str, ...], moment: Callable[[], None]) -> None:
        self._store, self._names, self._moment = store, names, moment

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in self._names:
            return found

        def counted(*arguments: Any, **keywords: Any) -> Any:
            self._moment()
            done = found(*arguments, **keywords)
            self._moment()
            return done

        return counted


def watch(state: LocalState, moment: Callable[[], None]) -> None:
    """Call a function right before and right after everything that becomes durable."""
    for store, names in DURABLE.items():
        state.__dict__[store] = Counted(getattr(state, store), names, moment)


def at(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Return a moment that does something when it comes for that time."""
    seen = [0]

    def moment() -> None:
        seen[0] += 1
        if seen[0] == number:
            act()

    return moment


def apply_and_die(url: str, key: str, case: dict[str, Any]) -> Callable[[StateDirectory, Any], None]:
    """Return what a child does: apply plans, and send itself a signal at a moment."""

    def work(directory: StateDirectory, report: Callable[[Any], None]) -> None:
        # Where the suite runs in the background of a shell, the shell has it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        state = LocalState(directory)
        watch(state, at(case["moment"], lambda: os.kill(os.getpid(), case["signal"])))
        with Tailscale(api_key=key, base_url=url, rate_limit=None) as client:
            changes = Changes(client, state=state)
            for plan_id in case["plans"]:
                try:
                    done = changes.apply(plan_id, principal=case["principal"])
                    report([item.outcome for item in done.items])
                except KeyboardInterrupt:
                    report("interrupted")
                except (PlanRefusedError, StateError) as error:
                    report(type(error).__name__)

    return work


class Dying:
    """Lets processes apply plans and die, from a program that can fork because it has one thread.

    Args:
        url: of the tailnet.
        key: to ask with.
        checkout: root of the repository.
    """

    def __init__(self, url: str, key: str, checkout: Path) -> None:
        command = [sys.executable, "-m", "tests.changes.engine.dying", url, key]
        self.process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(
        self,
        folder: Path,
        plans: list[str],
        *,
        moment: int,
        principal: str,
        how: int = signal.SIGKILL,
        processes: int = 1,
    ) -> dict[str, Any]:
        """Apply plans in a process of its own that ends at a moment, 0 lets it live; or in several that race."""
        case = {
            "folder": str(folder),
            "plans": plans,
            "moment": moment,
            "principal": principal,
            "signal": int(how),
            "processes": processes,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """Let the program end."""
        self.process.communicate()


def main() -> None:
    """Run the cases that come on standard input."""
    url, key = sys.argv[1:]
    for line in sys.stdin:
        case = json.loads(line)
        folder, work = Path(case["folder"]), apply_and_die(url, key, case)
        answer = run_case(folder, work) if case["processes"] == 1 else race(folder, work, case["processes"])
        print(json.dumps(answer), flush=True)


def race(folder: Path, work: Callable[[StateDirectory, Any], None], processes: int) -> dict[str, Any]:
    """Let processes apply the same plans at once, and return what each says of each."""

    def all_said(directory: StateDirectory) -> list[str]:
        said: list[str] = []
        work(directory, lambda value: said.append(value[0] if isinstance(value, list) else value))
        return said

    return {"said": racing(folder, all_said, processes)}


if __name__ == "__main__":
    main()
