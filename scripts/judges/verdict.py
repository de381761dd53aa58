"""What a judge found, in one line and, where something failed, in as many as it takes to act on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Verdict:
    """Hold what one judge found.

    Attributes:
        judge: who judged what.
        passed: how many checks passed.
        failed: what did not, each with what is needed to act on it.
        expected: failures that are known, by name, with the reason.
        seconds: how long it took.
    """

    judge: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def line(self) -> str:
        """Return the summary."""
        return (
            f"{self.judge}: {self.passed} passed, {len(self.failed)} failed, "
            f"{len(self.expected)} expected failures ({self.seconds:.0f} s)"
        )

    def check(self, fine: bool, what: str) -> None:
        """Count one check."""
        if fine:
            self.passed += 1
        else:
            self.failed.append(what)


@contextmanager
def judging(name: str) -> Iterator[Verdict]:
    """Give a verdict to fill in; whatever goes wrong meanwhile becomes a failure in it."""
    started, verdict = time.monotonic(), Verdict(name)
    try:
        yield verdict
    except Exception as problem:  # noqa: BLE001  # whatever it was, the other judges still speak
        verdict.failed.append(f"{type(problem).__name__}: {problem}")
    finally:
        verdict.seconds = time.monotonic() - started
