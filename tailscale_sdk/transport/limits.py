"""How fast and how wide: a leaky bucket and slots, for threads and for an event loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from aiolimiter import AsyncLimiter

from tailscale_sdk.transport.clock import Clock


class LimitExceeded(Exception):
    """Say that waiting for the limiter or a slot would outlast the deadline."""


class Throttle:
    """Bound rate and concurrency for threads: the same rule as the asynchronous twin.

    Args:
        rate_limit: (requests, seconds): so many at once, refilled over so many seconds; None for no limit.
        max_concurrency: requests under way at once.
    """

    def __init__(self, rate_limit: tuple[int, float] | None, max_concurrency: int, clock: Clock) -> None:
        self.rate_limit, self.max_concurrency, self._clock = rate_limit, max_concurrency, clock
        self._slots = threading.BoundedSemaphore(max_concurrency)
        self._lock = threading.Lock()
        self._level, self._checked = 0.0, clock.monotonic()

    def wait(self, deadline: float) -> None:
        """Take one token of the bucket, waiting for it in line.

        Raises:
            LimitExceeded: it would not come before the deadline; nothing was taken.
        """
        if self.rate_limit is None:
            return
        requests, seconds = self.rate_limit
        rate = requests / seconds
        with self._lock:
            now = self._clock.monotonic()
            level = max(0.0, self._level - (now - self._checked) * rate) + 1.0
            delay = max(0.0, (level - requests) / rate)
            if now + delay >= deadline:
                raise LimitExceeded
            self._level, self._checked = level, now
        if delay > 0:
            self._clock.sleep(delay)

    @contextmanager
    def slot(self, deadline: float) -> Iterator[None]:
        """Hold one of the slots.

        Raises:
            LimitExceeded: none became free before the deadline.
        """
        if not self._slots.acquire(timeout=max(0.0, deadline - self._clock.monotonic())):
            raise LimitExceeded
        try:
            if self._clock.monotonic() >= deadline:
                raise LimitExceeded
            yield
        finally:
            self._slots.release()


class AsyncThrottle:
    """Bound rate and concurrency on an event loop; a limiter belongs to one loop and goes with it.

    Args:
        rate_limit: (requests, seconds), or None for no limit.
        max_concurrency: requests under way at once.
    """

    def __init__(self, rate_limit: tuple[int, float] | None, max_concurrency: int) -> None:
        self.rate_limit, self.max_concurrency = rate_limit, max_concurrency
        self._per_loop: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[AsyncLimiter | None, asyncio.Semaphore]
        ] = weakref.WeakKeyDictionary()

    def _own(self) -> tuple[AsyncLimiter | None, asyncio.Semaphore]:
        loop = asyncio.get_running_loop()
        own = self._per_loop.get(loop)
        if own is None:
            limiter = AsyncLimiter(*self.rate_limit) if self.rate_limit is not None else None
            own = self._per_loop[loop] = (limiter, asyncio.Semaphore(self.max_concurrency))
        return own

    async def wait(self) -> None:
        """Take one token of the bucket, waiting for it in line; the deadline is the caller's."""
        limiter, _ = self._own()
        if limiter is not None:
            await limiter.acquire()

    def slot(self) -> asyncio.Semaphore:
        """Return the slots, to be held with ``async with``; the deadline is the caller's."""
        return self._own()[1]
