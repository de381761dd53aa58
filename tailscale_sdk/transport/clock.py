"""Time and chance, in one place, so that a test can hold both in its hand."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import frozen

from tailscale_sdk._constants import NONCE_CHARACTERS

# Letters and digits that a key's description may hold and that are hard to mistake.
_NONCE_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class _Skipping:
    """Let time jump where somebody would wait; it never jumps back, so that deadlines keep their order."""

    stretches = 0
    seconds_ahead = 0.0
    lock = threading.Lock()


def skip_waits(skip: bool) -> None:
    """Begin or end a stretch in which default clocks jump over every wait; stretches may overlap."""
    with _Skipping.lock:
        _Skipping.stretches += 1 if skip else -1


def _monotonic() -> float:
    return time.monotonic() + _Skipping.seconds_ahead


def _jump_to(moment: float) -> None:
    with _Skipping.lock:
        _Skipping.seconds_ahead = max(_Skipping.seconds_ahead, moment - time.monotonic())


def _sleep(seconds: float) -> None:
    if _Skipping.stretches:
        _jump_to(_monotonic() + seconds)
    else:
        time.sleep(seconds)


async def _asyncio_sleep(seconds: float) -> None:
    import asyncio

    if _Skipping.stretches:
        moment = _monotonic() + seconds
        await asyncio.sleep(0)  # tasks that wait at the same time wait together
        _jump_to(moment)
    else:
        await asyncio.sleep(seconds)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nonce() -> str:
    import secrets

    return "".join(secrets.choice(_NONCE_ALPHABET) for _ in range(NONCE_CHARACTERS))


@frozen
class Clock:
    """Give monotonic seconds, two ways to wait, the wall clock, a random share of one and a fresh mark."""

    monotonic: Callable[[], float] = _monotonic
    sleep: Callable[[float], None] = _sleep
    async_sleep: Callable[[float], Awaitable[None]] = _asyncio_sleep
    now: Callable[[], datetime] = _utc_now
    random: Callable[[], float] = random.random
    nonce: Callable[[], str] = _nonce
