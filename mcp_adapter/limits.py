"""How much one caller may ask of the server: a rate and a number of calls at once, in tables that cannot grow."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from attrs import define, field, frozen

MAX_CALLERS = 1024
BURST_SECONDS = 4.0
DEFAULT_RATE = 500.0
DEFAULT_CONCURRENCY = 64
WAITING_PER_SLOT = 4
MAX_WAIT_SECONDS = 10.0
STRANGER_RATE = 10.0
STRANGER_BURST = 120.0
_V4_BLOCK, _V6_BLOCK = 24, 56


class Busy(Exception):
    """Say after how many seconds a caller may come again."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


@frozen
class Allowance:
    """Hold what every caller of a kind may do.

    Attributes:
        rate: requests in a second.
        burst: requests at once after a quiet time.
        concurrency: requests that are worked on at once.
        waiting: further ones that wait for their turn.
    """

    rate: float = DEFAULT_RATE
    burst: float = DEFAULT_RATE * BURST_SECONDS
    concurrency: int = DEFAULT_CONCURRENCY
    waiting: int = DEFAULT_CONCURRENCY * WAITING_PER_SLOT

    @classmethod
    def of(cls, rate: float, concurrency: int) -> Allowance:
        """Return the allowance of authenticated callers."""
        return cls(rate, max(1.0, rate * BURST_SECONDS), concurrency, concurrency * WAITING_PER_SLOT)


STRANGERS = Allowance(STRANGER_RATE, STRANGER_BURST)
"""Of everybody without a valid token who comes from the same block of addresses."""


@define
class Caller:
    """Count what one caller does."""

    allowance: Allowance
    slots: asyncio.Semaphore
    tokens: float
    seen: float
    present: int = 0

    def take(self, now: float) -> None:
        """Count one request.

        Raises:
            Busy: it comes too soon after the others.
        """
        rate, burst = self.allowance.rate, self.allowance.burst
        self.tokens = min(burst, self.tokens + (now - self.seen) * rate)
        self.seen = now
        if self.tokens < 1.0:
            raise Busy("too many requests: wait, then repeat this one", (1.0 - self.tokens) / rate)
        self.tokens -= 1.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it.

        Raises:
            Busy: too many wait already, or the wait is too long.
        """
        if self.present >= self.allowance.concurrency + self.allowance.waiting:
            raise Busy("too many requests at once: wait for some to end, then repeat this one", 1.0)
        self.present += 1
        try:
            try:
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    await self.slots.acquire()
            except TimeoutError:
                raise Busy(
                    "too many requests at once: wait for some to end, then repeat this one", 1.0
                ) from None
            try:
                yield
            finally:
                self.slots.release()
        finally:
            self.present -= 1


@define
class Callers:
    """Know the callers that came last; who was not seen for the longest time is forgotten first.

    Args:
        allowance: of each.
        monotonic: clock, in seconds.
        size: how many are known at most.
    """

    allowance: Allowance
    monotonic: Callable[[], float] = time.monotonic
    size: int = MAX_CALLERS
    _known: OrderedDict[str, Caller] = field(factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return len(self._known)

    def enter(self, name: str) -> Caller:
        """Return a caller whose request was counted.

        Raises:
            Busy: it asks too much, or everybody in the table is being served right now.
        """
        now = self.monotonic()
        caller = self._known.get(name)
        if caller is None:
            self._make_room()
            slots = asyncio.Semaphore(self.allowance.concurrency)
            caller = self._known[name] = Caller(self.allowance, slots, self.allowance.burst, now)
        self._known.move_to_end(name)
        caller.take(now)
        return caller

    def _make_room(self) -> None:
        if len(self._known) < self.size:
            return
        idle = next((name for name, caller in self._known.items() if not caller.present), None)
        if idle is None:
            raise Busy("too many callers at once: repeat this request later", 1.0)
        del self._known[idle]


def address_block(client: tuple[str, int] | None) -> str:
    """Return the block of addresses a request comes from.

    Args:
        client: peer as ASGI names it; None where it has no address.
    """
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = _V4_BLOCK if address.version == 4 else _V6_BLOCK
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
