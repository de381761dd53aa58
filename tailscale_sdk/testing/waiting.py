"""Retries without the waiting in between, for tests of programs that use the SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tailscale_sdk.transport.clock import skip_waits


@contextmanager
def no_sleep() -> Iterator[None]:
    """Let the clock of every client of the SDK jump where it would wait: before a retry, after a Retry-After.

    It holds for clients made before or inside it, synchronous and asynchronous, in every thread.
    To the clients the time has passed: what would reach its deadline does so here, at once.
    The clock is one for the whole process, so the waits of many threads at a time add up on it.
    """
    skip_waits(True)
    try:
        yield
    finally:
        skip_waits(False)
