"""Time and chance, in one place, so that a test can hold both in its hand."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import frozen


async def _asyncio_sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@frozen
class Clock:
    """Give monotonic seconds, two ways to wait, the wall clock and a random share of one."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    async_sleep: Callable[[float], Awaitable[None]] = _asyncio_sleep
    now: Callable[[], datetime] = _utc_now
    random: Callable[[], float] = random.random
