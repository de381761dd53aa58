"""Answers kept for a moment: equal reads ask the API once, whether they come one after the other or together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field, frozen

TTL_SECONDS = 5.0
MAX_ENTRIES = 64


@frozen
class _Kept:
    answer: Any
    until: float


@frozen(eq=False)
class _Failed:
    error: BaseException


@define
class SharedReads:
    """Share the answer of equal reads for a few seconds; whoever writes forgets them.

    Args:
        monotonic: clock, in seconds.
    """

    monotonic: Callable[[], float] = time.monotonic
    _kept: dict[str, _Kept] = field(factory=dict, init=False)
    _pending: dict[tuple[int, str], asyncio.Task[Any]] = field(factory=dict, init=False)
    _generation: int = field(default=0, init=False)

    async def get(self, key: str, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return a kept answer, join a read that is under way, or read.

        Args:
            key: everything the answer depends on: profile, principal, operation, arguments.
            read: asks the API.
        """
        kept = self._kept.get(key)
        if kept is not None and self.monotonic() < kept.until:
            return kept.answer
        place = (self._generation, key)
        task = self._pending.get(place)
        if task is None:
            task = self._pending[place] = asyncio.ensure_future(self._read(place, read))
        outcome = await asyncio.shield(task)
        if isinstance(outcome, _Failed):
            raise outcome.error
        return outcome

    async def _read(self, place: tuple[int, str], read: Callable[[], Awaitable[Any]]) -> Any:
        """Carry the failure as a value: what a task raises ends the loop, or complains where nobody waits any more."""
        try:
            answer = await read()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # raised again by everybody who waits for it
            return _Failed(error)
        finally:
            self._pending.pop(place, None)
        if place[0] == self._generation:
            self._keep(place[1], answer)
        return answer

    def _keep(self, key: str, answer: Any) -> None:
        now = self.monotonic()
        self._kept = {name: kept for name, kept in self._kept.items() if now < kept.until and name != key}
        while len(self._kept) >= MAX_ENTRIES:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = _Kept(answer, now + TTL_SECONDS)

    def forget(self) -> None:
        """Drop every answer: something was written, and a read under way may be of the state before."""
        self._generation += 1
        self._kept.clear()
