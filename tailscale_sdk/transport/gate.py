"""A shared "not before": what one call was told by a 429 holds for the others too."""

from __future__ import annotations

import threading

from attrs import define, field


@define
class Gate:
    """Remember until when calls wait, for everybody or for one operation; times are those of the clock."""

    _everybody: float = float("-inf")
    _operations: dict[str, float] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock, eq=False, repr=False)

    def shut(self, until: float, operation: str | None = None) -> None:
        """Let nobody through before a moment; an earlier moment changes nothing.

        Args:
            until: monotonic seconds.
            operation: id of the one operation that waits; None for all.
        """
        with self._lock:
            if operation is None:
                self._everybody = max(self._everybody, until)
            else:
                self._operations[operation] = max(self._operations.get(operation, until), until)

    def wait(self, operation: str, now: float) -> float:
        """Return how many seconds an operation has to wait from now."""
        until = self._everybody
        if self._operations:
            until = max(until, self._operations.get(operation, until))
        return max(until - now, 0.0) if until > now else 0.0
