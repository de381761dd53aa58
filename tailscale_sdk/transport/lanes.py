"""Asynchronous connections that a cancelled call cannot lose.

A pool of httpcore whose caller is cancelled at some awaits keeps the request, and the connection with it, for ever
(encode/httpcore#1093 and #1115). So every connection is a lane of its own here, with a pool of its own: after anything
but an answer that was read to its end the lane is closed, and nothing else is touched.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
from attrs import define


@define(eq=False)
class _Lane:
    """Hold one connection.

    Attributes:
        wire: its transport.
        socket: what the connection runs over, once it is opened.
        idle_since: monotonic seconds.
        closed: it is not to be used any more.
    """

    wire: httpx.AsyncBaseTransport
    socket: Any = None
    idle_since: float = 0.0
    closed: bool = False

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Note the socket: inside the TLS handshake it belongs to nothing that could be closed."""
        if event == "connection.connect_tcp.complete":
            self.socket = info["return_value"]
            if self.closed:
                await self.socket.aclose()

    async def close(self) -> None:
        """Close the connection, one that is only being opened too."""
        self.closed = True
        try:
            await self.wire.aclose()
        finally:
            if self.socket is not None:
                await self.socket.aclose()


class Lanes(httpx.AsyncBaseTransport):
    """Send each request over an idle lane, or over a new one.

    Args:
        open_lane: makes a transport for one connection.
        keep_seconds: how long an idle lane is kept.
    """

    def __init__(self, open_lane: Callable[[], httpx.AsyncBaseTransport], keep_seconds: float) -> None:
        self._open_lane, self._keep_seconds = open_lane, keep_seconds
        # The longest idle first; the last one is taken, so that the others may grow old.
        self._idle = deque([_Lane(open_lane(), idle_since=time.monotonic())])
        self._busy: set[_Lane] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer gives its lane back when it is closed."""
        await self._close_old()
        lane = self._idle.pop() if self._idle else _Lane(self._open_lane())
        self._busy.add(lane)
        if lane.socket is None:
            request.extensions = {**request.extensions, "trace": lane.trace}
        try:
            response = await lane.wire.handle_async_request(request)
        except GeneratorExit:
            raise
        except BaseException:
            await self.give_up(lane)
            raise
        response.stream = _Body(cast("httpx.AsyncByteStream", response.stream), lane, self)
        return response

    async def _close_old(self) -> None:
        oldest = time.monotonic() - self._keep_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            await self.give_up(self._idle.popleft())

    def give_back(self, lane: _Lane) -> None:
        """Keep a lane whose answer was read to its end."""
        self._busy.discard(lane)
        lane.idle_since = time.monotonic()
        self._idle.append(lane)

    async def give_up(self, lane: _Lane) -> None:
        """Close a lane; its caller may be cancelled meanwhile, it is closed all the same."""
        self._busy.discard(lane)
        task = asyncio.get_running_loop().create_task(lane.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        await asyncio.shield(task)

    async def aclose(self) -> None:
        """Close every lane, those of answers that are still coming too."""
        lanes = [*self._idle, *self._busy]
        self._idle.clear()
        for lane in lanes:
            await self.give_up(lane)
        if self._closing:
            await asyncio.wait(self._closing)


class _Body(httpx.AsyncByteStream):
    """Read the body of an answer, and know whether it came to its end."""

    def __init__(self, body: httpx.AsyncByteStream, lane: _Lane, lanes: Lanes) -> None:
        self._body, self._lane, self._lanes = body, lane, lanes
        self._whole, self._closed = False, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            yield piece
        self._whole = True

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._whole:
                await self._body.aclose()
        except BaseException:
            self._whole = False
            raise
        finally:
            if self._whole:
                self._lanes.give_back(self._lane)
            else:
                await self._lanes.give_up(self._lane)
