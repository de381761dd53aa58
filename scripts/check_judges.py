"""Let others judge the MCP server: the official suite, the Inspector, the TypeScript SDKs, FastMCP's client.

They are installed from npm into .judges/ and run against the real command, on loopback. Where npm cannot
deliver, that is said loudly, and FastMCP's client judges alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.update(FASTMCP_LOG_ENABLED="false", FASTMCP_CHECK_FOR_UPDATES="off")

from scripts.judges.clients import judge_fastmcp, judge_typescript
from scripts.judges.conformance import HANDSHAKE, MODERN, judge_fixtures, judge_own
from scripts.judges.control import judge_judges
from scripts.judges.inspector import ERAS, judge_schemas
from scripts.judges.node import Unavailable, end_all, install
from scripts.judges.verdict import Verdict, judging

AT_ONCE = 2
"""Judges mostly wait for a process to start."""


def jobs_of(node: str | None) -> dict[str, Callable[[], list[Verdict]]]:
    """Return the judges there are, the longest first."""
    jobs: dict[str, Callable[[], list[Verdict]]] = {}
    if node is not None:
        for era in ERAS:
            jobs[f"inspector {era}"] = partial(judge_schemas, node, era)
        jobs["conformance"] = partial(judge_own, node)
        for version in (HANDSHAKE, MODERN):
            jobs[f"conformance {version}"] = partial(judge_fixtures, node, version)
        jobs["TypeScript SDK"] = partial(judge_typescript, node)
        jobs["positive controls"] = partial(judge_judges, node)
    jobs["FastMCP client"] = judge_fastmcp
    return jobs


def _heard(named: tuple[str, Callable[[], list[Verdict]]]) -> list[Verdict]:
    """Return what came of a job; one that could not even begin has failed."""
    verdicts: list[Verdict] = []
    with judging(named[0]) as verdict:
        verdicts = named[1]()
    return [*verdicts, *([verdict] if verdict.failed else [])]


def _report(verdict: Verdict) -> bool:
    """Print a verdict and tell whether it found a fault."""
    lines = [verdict.line, *(f"  FAILED {failure}" for failure in verdict.failed)]
    lines += [f"  expected: {name}: {reason}" for name, reason in verdict.expected.items()]
    print("\n".join(lines), flush=True)
    return bool(verdict.failed)


def main() -> int:
    """Hear every judge, print what they found, and return 1 when one of them found a fault."""
    # Whoever stops this stops the judges too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        node: str | None = install()
    except Unavailable as problem:
        node = None
        print(
            f"SKIPPED LOUDLY: {problem}; no conformance suite, no Inspector, no TypeScript SDK judged the server"
        )
    installed = time.monotonic() - started
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            failed = [
                _report(verdict) for found in pool.map(_heard, jobs_of(node).items()) for verdict in found
            ]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            return 130
    whole = time.monotonic() - started
    print(
        f"judges: {'FAILED' if any(failed) else 'all satisfied'} in {whole:.0f} s, {installed:.0f} s of them installing"
    )
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
