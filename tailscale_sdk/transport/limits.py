"""How fast and how wide: a leaky bucket and slots, for threads and for an event loop.

Bulk work queues for the bucket one call at a time and holds at most half of the slots, so that an interactive
call is never behind ten thousand reads.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiolimiter import AsyncLimiter
from attrs import define

from tailscale_sdk._constants import BULK_SHARE
from tailscale_sdk.transport.clock import Clock

RateLimit = tuple[int, float] | None


class LimitExceeded(Exception):
    """Say that waiting for the limiter or a slot would outlast the deadline."""


def bulk_slots(max_concurrency: int) -> int:
    """Return how many slots bulk work may hold; never none."""
    return max(int(max_concurrency * BULK_SHARE), 1)


@define
class LeakyBucket:
    """Count what went through lately: so many at once, leaking at a steady rate.

    Args:
        requests: how many fit in.
        seconds: how long a full bucket takes to leak out.
    """

    requests: int
    seconds: float
    level: float = 0.0
    checked: float = 0.0

    def take(self, now: float, deadline: float) -> float | None:
        """Reserve the next place in line.

        Args:
            now: monotonic seconds.
            deadline: the latest moment the place may come up.

        Returns:
            Seconds until the place comes up; None when that is too late, and nothing is taken.
        """
        rate = self.requests / self.seconds
        level = max(0.0, self.level - (now - self.checked) * rate) + 1.0
        delay = max(0.0, (level - self.requests) / rate)
        if now + delay >= deadline:
            return None
        self.level, self.checked = level, now
        return delay


class Throttle:
    """Bound rate and concurrency for threads: the same rule as the asynchronous twin.

    Args:
        rate_limit: (requests, seconds): so many at once, refilled over so many seconds; None for no limit.
        max_concurrency: requests under way at once.
    """

    def __init__(self, rate_limit: RateLimit, max_concurrency: int, clock: Clock) -> None:
        self.rate_limit, self.max_concurrency, self._clock = rate_limit, max_concurrency, clock
        self._bucket = LeakyBucket(*rate_limit, checked=clock.monotonic()) if rate_limit is not None else None
        self._slots = threading.BoundedSemaphore(max_concurrency)
        self._bulk = threading.BoundedSemaphore(bulk_slots(max_concurrency))
        self._lock, self._bulk_turn = threading.Lock(), threading.Lock()

    @contextmanager
    def admitted(self, deadline: float, *, bulk: bool = False) -> Iterator[None]:
        """Wait for a token of the bucket and for a slot, and hold the slot.

        Raises:
            LimitExceeded: one of them would not come before the deadline.
        """
        if bulk:
            with self._held(self._bulk, deadline):
                with self._held(self._bulk_turn, deadline):
                    self._wait(deadline)
                with self._held(self._slots, deadline):
                    yield
        else:
            self._wait(deadline)
            with self._held(self._slots, deadline):
                yield

    def _wait(self, deadline: float) -> None:
        if self._bucket is None:
            return
        with self._lock:
            delay = self._bucket.take(self._clock.monotonic(), deadline)
        if delay is None:
            raise LimitExceeded
        if delay > 0:
            self._clock.sleep(delay)

    @contextmanager
    def _held(self, lock: threading.Semaphore | threading.Lock, deadline: float) -> Iterator[None]:
        left = min(max(0.0, deadline - self._clock.monotonic()), threading.TIMEOUT_MAX)
        if not lock.acquire(timeout=left):
            raise LimitExceeded
        try:
            if self._clock.monotonic() >= deadline:
                raise LimitExceeded
            yield
        finally:
            lock.release()


@define
class _Own:
    """Hold what belongs to one event loop."""

    limiter: AsyncLimiter | None
    slots: asyncio.Semaphore
    bulk: asyncio.Semaphore
    bulk_turn: asyncio.Lock


class AsyncThrottle:
    """Bound rate and concurrency on an event loop; a limiter belongs to one loop and goes with it.

    Args:
        rate_limit: (requests, seconds), or None for no limit.
        max_concurrency: requests under way at once.
    """

    def __init__(self, rate_limit: RateLimit, max_concurrency: int) -> None:
        self.rate_limit, self.max_concurrency = rate_limit, max_concurrency
        self._per_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Own] = (
            weakref.WeakKeyDictionary()
        )

    def _own(self) -> _Own:
        loop = asyncio.get_running_loop()
        own = self._per_loop.get(loop)
        if own is None:
            own = self._per_loop[loop] = _Own(
                AsyncLimiter(*self.rate_limit) if self.rate_limit is not None else None,
                asyncio.Semaphore(self.max_concurrency),
                asyncio.Semaphore(bulk_slots(self.max_concurrency)),
                asyncio.Lock(),
            )
        return own

    @asynccontextmanager
    async def admitted(self, *, bulk: bool = False) -> AsyncIterator[None]:
        """Wait for a token of the bucket and for a slot, and hold the slot; the deadline is the caller's."""
        own = self._own()
        if bulk:
            async with own.bulk:
                async with own.bulk_turn:
                    if own.limiter is not None:
                        await own.limiter.acquire()
                async with own.slots:
                    yield
        else:
            if own.limiter is not None:
                await own.limiter.acquire()
            async with own.slots:
                yield
