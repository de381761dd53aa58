"""Who gets in: nobody once the server is stopping, and not more at once than it can serve."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from attrs import define, field

from mcp_adapter.answers import refuse
from mcp_adapter.bodies import BadBody, check_length

MAX_REQUESTS = 512
OVERLOADED = "the server has too much to do: repeat this request later"
STOPPING = "the server is stopping: repeat this request later"
CUT_OFF = (
    "the server stopped before this request was done: what it had sent is in its journal; "
    "look at the state before repeating a change"
)
CUT_SECONDS = 0.5
"""In which a request that is cut off can say so."""

_RETRY_SECONDS = 5
_CLOSE = ((b"connection", b"close"),)


@define(eq=False)
class Admission:
    """Let requests in, know which are under way, and end them when the time is up.

    Args:
        app: serves them.
        limit: most requests at once.
    """

    app: Any
    limit: int = MAX_REQUESTS
    stopping: bool = field(default=False, init=False)
    _running: set[anyio.CancelScope] = field(factory=set, init=False)
    _change: asyncio.Event = field(factory=asyncio.Event, init=False)

    @property
    def running(self) -> int:
        """Return how many requests are under way."""
        return len(self._running)

    def stop(self) -> None:
        """Let nobody in from now on."""
        self.stopping = True

    async def drain(self, seconds: float, hurried: asyncio.Event) -> int:
        """Wait until what is under way has ended, and end what has not when the time is up.

        Args:
            seconds: how long to wait.
            hurried: set when there is no time left.

        Returns:
            How many requests were cut off.
        """
        self.stop()
        ended, rushed = asyncio.ensure_future(self._ended()), asyncio.ensure_future(hurried.wait())
        await asyncio.wait((ended, rushed), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        left = list(self._running)
        for scope in left:
            scope.cancel()
        await asyncio.wait((ended,), timeout=CUT_SECONDS)
        ended.cancel()
        rushed.cancel()
        return len(left)

    async def _ended(self) -> None:
        while self._running:
            self._change.clear()
            await self._change.wait()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, or say why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.stopping:
            await refuse(send, 503, STOPPING, retry_after=_RETRY_SECONDS, headers=_CLOSE)
            return
        if len(self._running) >= self.limit:
            await refuse(send, 503, OVERLOADED, retry_after=1)
            return
        try:
            check_length(scope)
        except BadBody as problem:
            await refuse(send, problem.status, str(problem), headers=_CLOSE)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        started = finished = False

        async def watched(message: Any) -> None:
            nonlocal started, finished
            started = True
            finished = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with anyio.CancelScope() as running:
            self._running.add(running)
            try:
                await self.app(scope, receive, watched)
            finally:
                self._running.discard(running)
                self._change.set()
        if running.cancelled_caught and not finished:
            if started:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await refuse(send, 503, CUT_OFF, retry_after=_RETRY_SECONDS, headers=_CLOSE)
