"""Processes that change a policy, watch it and put it back, and are killed in the middle of it.

``python -m tests.operations.dying URL KEY`` reads one JSON line per case, as ``tests.changes.engine.dying`` does.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tailscale_sdk import AsyncTailscale
from tailscale_sdk.changes import AsyncChanges, LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.operations import policies
from tests.changes.engine.dying import Dying, at, watch
from tests.changes.killed import run_case


class DyingWatch(Dying):
    """Lets processes apply a policy plan whose probe fails, and die at a moment of it."""

    def __init__(self, url: str, key: str, checkout: Path) -> None:
        command = [sys.executable, "-m", "tests.operations.dying", url, key]
        self.process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )


def apply_and_die(url: str, key: str, case: dict[str, Any]) -> Callable[[StateDirectory, Any], None]:
    """Return what a child does: apply a plan, let its probe fail, and send itself a signal at a moment."""

    async def applying(directory: StateDirectory, report: Callable[[Any], None]) -> None:
        state = LocalState(directory)
        moment = at(case["moment"], lambda: os.kill(os.getpid(), case["signal"]))
        watch(state, moment)

        async def probe() -> str | None:
            moment()
            return "it does not work"

        async with AsyncTailscale(api_key=key, base_url=url, rate_limit=None) as client:
            done = await policies.apply_change(
                client,
                now=datetime.now(UTC),
                progress=lambda done, total: None,
                plan_id=case["plans"][0],
                changes=AsyncChanges(client, state=state),
                principal=case["principal"],
                probe=probe,
            )
            report(done.rollback)

    return lambda directory, report: asyncio.run(applying(directory, report))


def main() -> None:
    """Run the cases that come on standard input."""
    url, key = sys.argv[1:]
    for line in sys.stdin:
        case = json.loads(line)
        print(json.dumps(run_case(Path(case["folder"]), apply_and_die(url, key, case))), flush=True)


if __name__ == "__main__":
    main()
