"""One scripted call of either client on an embedded tailnet in the same process, and all that is told of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from attrs import define, field, frozen

from tailscale_sdk import AsyncTailscale, Tailscale, TailscaleError
from tailscale_sdk.testing.clock import EPOCH
from tailscale_sdk.testing.policy_text import policy_etag
from tailscale_sdk.transport.again import STOPS
from tailscale_sdk.transport.clock import Clock
from tests.reliability.deeds import Deed
from tests.reliability.in_process import BASE, FINE, Hit, Line, Town
from tests.virtual_time import START, VirtualLoop, VirtualTime

WANTED = BASE.replace("// small", "// changed")


@frozen
class Stop:
    """Say where the caller stops the call.

    Attributes:
        request: at which request, from 1.
        late: when the tailnet has dealt with it, but the answer has not come.
    """

    request: int
    late: bool


@define
class Told:
    """Hold what one call came to.

    Attributes:
        value: what it returned.
        error: what it raised, a stop too.
        waits: how long the client waited, each time.
        elapsed: virtual seconds it took.
        requests: operation ids, in their order.
    """

    value: Any = None
    error: BaseException | None = None
    waits: list[float] = field(factory=list)
    elapsed: float = 0.0
    requests: list[str] = field(factory=list)

    @property
    def text(self) -> str:
        """All that a person reads of it."""
        notes = getattr(self.error, "__notes__", [])
        return "\n".join([str(self.error), *notes]) if self.error is not None else ""


def _nobody(request: int) -> None:
    """Do nothing meanwhile."""


@define(eq=False)
class _StoppingLine(Line):
    """Let the caller stop at one of the requests, and somebody else act before any of them."""

    stop: Stop | None = None
    meanwhile: Callable[[int], None] = _nobody
    raise_stop: Callable[[], Any] = lambda: None
    count: int = 0

    def _is_due(self, late: bool) -> bool:
        return self.stop is not None and (self.count, late) == (self.stop.request, self.stop.late)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        self.meanwhile(self.count)
        if self._is_due(late=False):
            self.raise_stop()
        try:
            return super().handle_request(request)
        finally:
            if self._is_due(late=True):
                self.raise_stop()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        self.meanwhile(self.count)
        if self._is_due(late=False):
            self.raise_stop()
            await asyncio.sleep(0)
        try:
            return await super().handle_async_request(request)
        finally:
            if self._is_due(late=True):
                self.raise_stop()
                await asyncio.sleep(0)


class Place:
    """Be to a deed on a town what a stage is to it elsewhere."""

    def __init__(self, town: Town) -> None:
        self.town, self.tailnet, self.pristine = town, town.fake, town.pristine
        self.device, self.hook = next(iter(town.pristine["devices"])), next(iter(town.pristine["webhooks"]))
        self.base, self.wanted, self.etag = BASE, WANTED, policy_etag(BASE)
        # No two keys share a mark, whichever client made them.
        self._numbers = itertools.count(1)

    def call(
        self,
        twin: str,
        deed: Deed,
        hits: Sequence[Hit] = (),
        stop: Stop | None = None,
        meanwhile: Callable[[int], None] = _nobody,
        **options: Any,
    ) -> Told:
        """Call once; what is on its way stays there.

        Args:
            twin: sync or async.
            deed: what is called.
            hits: what becomes of one request after the other; of all others nothing bad.
            stop: where the caller stops it.
            meanwhile: what somebody else does just before each request, given its number.
            options: of the client.
        """
        script, told = iter(hits), Told()
        given = {"api_key": self.tailnet.api_key, "rate_limit": None, "read_timeout": 4.0, **options}
        line = _StoppingLine(self.town, lambda operation: next(script, FINE), stop=stop, meanwhile=meanwhile)
        before = len(self.town.log)
        (self._sync if twin == "sync" else self._async)(deed, line, given, told)
        told.requests = [sent.operation for sent in self.town.log[before:]]
        return told

    def _sync(self, deed: Deed, line: _StoppingLine, options: dict[str, Any], told: Told) -> None:
        time = VirtualTime(now=self.town.now())

        def sleep(seconds: float) -> None:
            told.waits.append(seconds)
            time.sleep(seconds)

        def interrupt() -> None:
            raise KeyboardInterrupt

        line.sleep, line.raise_stop = time.sleep, interrupt
        self.town.now = lambda: time.now
        begun = time.now
        with Tailscale(**options, _wire=line, _clock=self._clock(time.clock, sleep=sleep)) as client:
            try:
                told.value = deed.call(client, self)  # type: ignore[arg-type]
            except (TailscaleError, *STOPS) as error:
                told.error = error
        told.elapsed = time.now - begun

    def _async(self, deed: Deed, line: _StoppingLine, options: dict[str, Any], told: Told) -> None:
        async def sleep(seconds: float) -> None:
            told.waits.append(seconds)
            await asyncio.sleep(seconds)

        async def main(clock: Clock) -> None:
            async with AsyncTailscale(**options, _wire=line, _clock=clock) as client:
                task = asyncio.ensure_future(deed.call(client, self))  # type: ignore[arg-type]
                line.raise_stop = task.cancel
                try:
                    told.value = await task
                except (TailscaleError, *STOPS) as error:
                    told.error = error

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, VirtualLoop)
            loop.now = begun = self.town.now()
            self.town.now = loop.time
            runner.run(main(self._clock(loop.clock, async_sleep=sleep)))
            told.elapsed = loop.now - begun
            self.town.now = lambda now=loop.now: now

    def _clock(self, make: Callable[..., Clock], **parts: Any) -> Clock:
        return make(now=lambda: EPOCH, nonce=lambda: f"mark{next(self._numbers):04d}", **parts)


def fresh(town: Town) -> Place:
    """Put a town back as it was, at the beginning of time."""
    town.reset(lambda: START)
    return Place(town)
