"""A purse for retries: an outage empties it, so that a failing service is not asked three times as often."""

from __future__ import annotations

import threading


class RetryBudget:
    """Hold the tokens that retries of one client cost; shared by its threads, tasks and copies.

    Args:
        size: tokens of a full purse; None for no limit.
    """

    def __init__(self, size: int | None) -> None:
        self.size, self._tokens, self._lock = size, size or 0, threading.Lock()

    @property
    def tokens(self) -> float:
        """Return what is left."""
        return float("inf") if self.size is None else self._tokens

    def spend(self, cost: int) -> bool:
        """Take the cost of a retry; False when there is not enough, and nothing is taken."""
        if self.size is None:
            return True
        with self._lock:
            if cost > self._tokens:
                return False
            self._tokens -= cost
            return True

    def earn(self, amount: int) -> None:
        """Give back for a call that succeeded, up to a full purse."""
        if self.size is None or self._tokens >= self.size:
            return
        with self._lock:
            self._tokens = min(self.size, self._tokens + amount)
