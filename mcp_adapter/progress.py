"""Notices of progress: a plain call for whoever works, a notification for whoever waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field

EVERY_SECONDS = 0.5

_log = logging.getLogger("mcp_adapter")


@define(eq=False)
class Progress:
    """Tell a client how far a call is, now and then; a client that does not listen costs nothing.

    Args:
        send: reports items done and items in all; None where nobody listens.
        monotonic: clock, in seconds.
    """

    send: Callable[[int, int], Any] | None = None
    monotonic: Callable[[], float] = time.monotonic
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _next: float = field(default=0.0, init=False)
    _sent: set[asyncio.Future[Any]] = field(factory=set, init=False)

    @classmethod
    def towards(cls, context: Any) -> Progress:
        """Return the progress of the call a context is of; None has nobody to tell."""
        return cls(None if context is None else context.report_progress)

    def __call__(self, done: int, total: int) -> None:
        """Note that some of the items are done; may be called from any thread."""
        now = self.monotonic()
        if self.send is None or (now < self._next and done < total):
            return
        self._next = now + EVERY_SECONDS
        self._loop.call_soon_threadsafe(self._start, done, total)

    def _start(self, done: int, total: int) -> None:
        if self.send is not None:
            notice = asyncio.ensure_future(self.send(done, total))
            self._sent.add(notice)
            notice.add_done_callback(self._left)

    def _left(self, notice: asyncio.Future[Any]) -> None:
        self._sent.discard(notice)
        # A notice is a courtesy: that a client is gone is no reason to stop the work.
        if not notice.cancelled() and (problem := notice.exception()) is not None:
            _log.debug("a notice of progress did not reach the client", exc_info=problem)

    async def settle(self) -> None:
        """Wait until what was told has left: nothing may follow the answer."""
        await asyncio.sleep(0)
        if self._sent:
            await asyncio.wait(self._sent)
