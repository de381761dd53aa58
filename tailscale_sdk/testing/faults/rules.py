"""One fault rule: which requests meet the fault, and how many have."""

from __future__ import annotations

from fnmatch import fnmatchcase
from random import Random

from attrs import define, field

from tailscale_sdk.testing.faults.messages import Answer
from tailscale_sdk.testing.faults.table import Fault, When


@define
class Rule:
    """Decide which requests meet a fault, and count them.

    Attributes:
        operation: operation id the rule is for, None for any.
        path: glob over the path below ``/api/v2``, None for any.
        nth: which of the matching requests; a number begins a row of ``times``, a tuple lists them.
        probability: share of the matching requests.
        times: how often it is played at most.
        fault: what is played; an answer of the caller's own, or None to be slow only.
        when: when it strikes.
        delay: seconds.
        matched: matching requests so far.
        played: how often it was played.
    """

    operation: str | None
    path: str | None
    nth: int | tuple[int, ...] | None
    probability: float | None
    times: int | None
    fault: Fault | Answer | None
    when: When
    delay: float
    random: Random = field(repr=False)
    matched: int = 0
    played: int = 0

    @property
    def name(self) -> str:
        """Return what is played in a word: the row, ``status 503`` or ``delay``."""
        if isinstance(self.fault, Fault):
            return self.fault.name
        return "delay" if self.fault is None else f"status {self.fault.status}"

    @property
    def late(self) -> bool:
        """Tell whether the request is carried out after the fault was played."""
        spoils = self.fault is None or (isinstance(self.fault, Fault) and self.fault.needs_answer)
        return self.delay > 0 and self.when == "after_apply" and not spoils

    @property
    def before_body(self) -> bool:
        """Tell whether it strikes while the client may still be writing."""
        return self.name == "wreset" and self.when == "before_apply"

    def is_due(self, operation: str | None, path: str) -> bool:
        """Count a request and tell whether it is one to play for."""
        if self.operation not in {None, operation}:
            return False
        if self.path is not None and not fnmatchcase(path, self.path):
            return False
        self.matched += 1
        if isinstance(self.nth, int):
            return self.nth <= self.matched < self.nth + (self.times or 1)
        hit = self.nth is None or self.matched in self.nth
        if self.probability is not None:
            hit = self.random.random() < self.probability
        return hit and (self.times is None or self.played < self.times)
