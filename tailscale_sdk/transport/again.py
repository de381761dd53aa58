"""The one exception tenacity repeats on, so that nothing else, a cancellation least of all, is ever repeated."""

from __future__ import annotations

import asyncio

from tenacity import RetryCallState

from tailscale_sdk.transport.retry import Decision
from tailscale_sdk.transport.wire import AttemptFailed

# What ends a call from outside. It passes through; a write under way gets a note that says so.
STOPS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)


class Again(Exception):
    """Ask for another attempt after the wait that was decided."""

    def __init__(self, failed: AttemptFailed, decision: Decision) -> None:
        super().__init__(str(failed))
        self.failed, self.wait = failed, decision.wait


def wait_of(state: RetryCallState) -> float:
    """Return the seconds that were decided with the failure."""
    error = state.outcome.exception() if state.outcome is not None else None
    return error.wait if isinstance(error, Again) else 0.0
