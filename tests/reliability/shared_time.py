"""One time for a client and the fault server it talks to over real sockets.

Time stands still while anybody works. It goes on when the client waits between its attempts, and when it waits for
a server that is asleep or silent: by as much as the first of the two would wait. So a minute of silence costs
milliseconds, every moment is exact, and a machine that is slow changes nothing.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpcore
import httpx
from attrs import define, field, frozen

from tailscale_sdk.testing import FakeTailnet, SeenRequest
from tailscale_sdk.testing.clock import EPOCH
from tailscale_sdk.testing.faults.playing import DRIPS_BEFORE_SILENCE
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.wire import AsyncWire, Wire
from tests.virtual_time import START, VirtualLoop, virtual_clock

# Real seconds: between two looks, for bytes on their way from a server that has gone silent, and at most.
LOOK_SECONDS = 0.01
LAST_BYTES_SECONDS = 0.003
HANGING_SECONDS = 30.0
SILENT = frozenset({"stall", "drip_stall"})
HANGING = "the server is neither asleep nor silent, and yet nothing comes"


@define(eq=False)
class SharedTime:
    """Tell the time, let it pass, and end the naps of the server when they are over.

    Attributes:
        now: virtual seconds.
        waits: how long the client waited, each time, between its attempts or for its turn.
        sent: requests the client handed to its wire.
        waiting: requests whose answer is not at its end.
        at_a_wait: called whenever a thread is about to wait, for time or for the network.
    """

    now: float = START
    waits: list[float] = field(factory=list)
    sent: int = 0
    waiting: int = 0
    tailnet: FakeTailnet | None = None
    at_a_wait: Callable[[], None] = lambda: None
    _naps: list[tuple[float, asyncio.Future[None]]] = field(factory=list)
    _napped: Counter[int] = field(factory=Counter)
    _awake: bool = False
    _lock: threading.Lock = field(factory=threading.Lock)

    def begin(self) -> None:
        """Start over."""
        self.now, self.sent, self.waiting, self._awake = START, 0, 0, False
        self.at_a_wait = lambda: None
        self.waits.clear()
        self._napped.clear()

    def end(self) -> None:
        """Let nobody sleep any more, so that what is left of a fault comes to its end."""
        self._awake = True
        self._wake(float("inf"))

    def clock(self, **parts: Any) -> Clock:
        """Return a clock that tells this time."""
        usual = {"sleep": self._sleep, "async_sleep": self._async_sleep, "now": self._wall}
        return virtual_clock(lambda: self.now, **{**usual, **parts})

    def _wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now - START)

    def _sleep(self, seconds: float) -> None:
        self.at_a_wait()
        self.waits.append(seconds)
        self.now += seconds

    async def _async_sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(seconds)

    async def server_sleep(self, seconds: float) -> None:
        """Wait as the server does: until a client that waits for it lets the time pass."""
        if self._awake:
            return
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._naps.append((self.now + seconds, nap))
            self._napped[len(self._seen)] += 1
        await nap

    def _wake(self, until: float) -> None:
        with self._lock:
            over = [nap for nap in self._naps if nap[0] <= until]
            self._naps = [nap for nap in self._naps if nap[0] > until]
        for _, nap in over:
            nap.get_loop().call_soon_threadsafe(nap.set_result, None)

    def pass_on(self, until: float, patience: Callable[[float], Any]) -> Any:
        """Wait for the server no longer than until a moment, and let the time pass that it sleeps.

        Args:
            until: the moment at which the client gives up.
            patience: waits so many real seconds for something from the socket and returns what came, if anything.

        Returns:
            What came; nothing when time has passed.
        """
        for _ in range(int(HANGING_SECONDS / LOOK_SECONDS)):
            nap, silent = min((nap for nap, _ in self._naps), default=None), self._is_silent()
            if ready := patience(0):
                return ready
            if nap is not None and nap <= until:
                self.now = nap
                self._wake(nap)
                return None
            if nap is not None or silent:
                if ready := patience(LAST_BYTES_SECONDS):
                    return ready
                self.now = max(self.now, until)
                return None
            if ready := patience(LOOK_SECONDS):
                return ready
        raise AssertionError(HANGING)

    @property
    def _seen(self) -> list[SeenRequest]:
        return self.tailnet.faults.requests if self.tailnet is not None else []

    def _is_silent(self) -> bool:
        """Tell whether the request under way has met a fault that says nothing more."""
        seen = self._seen
        if not seen or len(seen) < self.sent or seen[-1].fault not in SILENT:
            return False
        if seen[-1].fault == "drip_stall":
            return self._napped[len(seen)] >= DRIPS_BEFORE_SILENCE
        return seen[-1].when == "before_apply" or seen[-1].forwarded

    def wire(self, inner: Wire) -> Wire:
        """Return a transport over real sockets, whose reads end in this time."""
        inner._pool._network_backend = _Backend(self, httpcore.SyncBackend())  # type: ignore[attr-defined]
        return _Counting(self, inner)

    def async_wire(self, inner: AsyncWire) -> AsyncWire:
        """Return a transport over real sockets for a ``SharedLoop`` of this time."""
        return _AsyncCounting(self, inner)


@frozen
class _Backend(httpcore.NetworkBackend):
    time: SharedTime
    real: httpcore.NetworkBackend

    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        self.time.at_a_wait()
        return _Stream(self.time, self.real.connect_tcp(*arguments, **options))


@frozen
class _Stream(httpcore.NetworkStream):
    time: SharedTime
    real: httpcore.NetworkStream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.time.at_a_wait()
        until = float("inf") if timeout is None else self.time.now + timeout
        socket = self.real.get_extra_info("socket")
        while not self.time.pass_on(until, lambda seconds: select.select([socket], [], [], seconds)[0]):
            if self.time.now >= until:
                raise httpcore.ReadTimeout("timed out")
        return self.real.read(max_bytes, HANGING_SECONDS)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.time.at_a_wait()
        self.real.write(buffer, HANGING_SECONDS)

    def close(self) -> None:
        self.real.close()

    def start_tls(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        return self.real.start_tls(*arguments, **options)

    def get_extra_info(self, info: str) -> Any:
        return self.real.get_extra_info(info)


@frozen
class _Counting(httpx.BaseTransport):
    time: SharedTime
    inner: Wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.time.sent += 1
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


@frozen
class _AsyncCounting(httpx.AsyncBaseTransport):
    time: SharedTime
    inner: AsyncWire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.time.sent += 1
        self.time.waiting += 1
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException:
            self.time.waiting -= 1
            raise
        response.stream = _Body(self.time, response.stream)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@define(eq=False)
class _Body(httpx.AsyncByteStream):
    _time: SharedTime
    _real: Any
    _open: bool = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._real:
            yield chunk

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._time.waiting -= 1
        await self._real.aclose()


class SharedLoop(VirtualLoop):
    """Run tasks in a shared time: a jump waits for the server as long as an answer is due."""

    def __init__(self, time: SharedTime) -> None:
        self.shared = time
        asyncio.SelectorEventLoop.__init__(self, _SharedSelector(self))

    @property
    def now(self) -> float:  # type: ignore[override]  # the base keeps its time itself
        """The shared time."""
        return self.shared.now

    @now.setter
    def now(self, moment: float) -> None:
        self.shared.now = moment


class _SharedSelector(selectors.DefaultSelector):
    def __init__(self, loop: SharedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready, time = super().select(0), self._loop.shared
        if ready or (timeout is not None and timeout <= 0):
            return ready
        until = float("inf") if timeout is None else time.now + timeout
        if time.waiting or timeout is None:
            return time.pass_on(until, super().select) or []
        time.now = until
        return []
