"""Three answers, and how they combine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Answer = Literal["yes", "no", "unknown"]


def sure(fact: bool) -> Answer:
    """Turn a known fact into an answer."""
    return "yes" if fact else "no"


def every(answers: Iterable[Answer]) -> Answer:
    """Say whether all hold: one "no" decides, else one "unknown" forbids "yes"."""
    given = set(answers)
    if "no" in given:
        return "no"
    return "unknown" if "unknown" in given else "yes"


def any_of(answers: Iterable[Answer]) -> Answer:
    """Say whether one holds: one "yes" decides, else one "unknown" forbids "no"."""
    given = set(answers)
    if "yes" in given:
        return "yes"
    return "unknown" if "unknown" in given else "no"
