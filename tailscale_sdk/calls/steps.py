"""Calls that take several requests, written once as steps, and carried out by either kind of channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

from attrs import evolve, frozen

from tailscale_sdk._constants import RECONCILE_SECONDS
from tailscale_sdk._generated.operations import Operation
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.errors import APITimeoutError, TailscaleError
from tailscale_sdk.transport.again import STOPS
from tailscale_sdk.transport.channel import AsyncChannel, Channel, reader
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.reply import Reply

T = TypeVar("T")


@frozen
class Ask:
    """Send one request; the step's value is what was read.

    Attributes:
        operation: operation id, or an operation whose class the caller judged by its arguments.
        parse: reads decoded JSON.
        parse_reply: reads the reply itself.
        nonce: mark of a creation.
        settling: it finds out what became of an unclear write, or repeats it, within a deadline of its own.
        answers: what was read is what the caller gets; as a whole response where whole responses are asked for.
        unbroken: once sent it is waited for, even by a call that was cancelled.
    """

    operation: str | Operation
    request: WireRequest
    parse: Callable[[Any], Any] | None = None
    parse_reply: Callable[[Reply], Any] | None = None
    nonce: str | None = None
    settling: bool = False
    answers: bool = False
    unbroken: bool = False


@frozen
class Wait:
    """Let some seconds pass."""

    seconds: float


@frozen
class Local:
    """Do something on this machine that may block, such as writing a file; the step's value is what it returns."""

    work: Callable[[], Any]


@frozen
class Together:
    """Carry out several chains of steps side by side; the step's value is what each returned, in their order.

    Attributes:
        chains: none of them raises an error of ours: what became of each is in its value.
        at_most: how many are under way at once; a synchronous client carries out one after the other.
    """

    chains: Sequence[Generator[Any, Any, Any]]
    at_most: int


Steps = Generator[Ask | Wait | Local | Together, Any, T]


class _Settling:
    """Give every settling step what is left of the one deadline they share."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._deadline = clock, float("inf")

    def left(self, step: Ask | Wait) -> float:
        """Return the seconds a step may take.

        Raises:
            APITimeoutError: it would end too late.
        """
        now = self._clock.monotonic()
        if self._deadline == float("inf"):
            self._deadline = now + RECONCILE_SECONDS
        left = self._deadline - now
        if left <= (step.seconds if isinstance(step, Wait) else 0.0):
            raise APITimeoutError("not settled in time", phase="total")
        return left


def _narrowed(channel: Any, step: Ask, seconds: float) -> Any:
    options = evolve(channel.options, timeout=max(seconds, 0.001), timeout_chosen=True)
    return evolve(channel, raw=channel.raw and step.answers, options=options)


@contextlib.contextmanager
def in_doubt(unclear: TailscaleError | str) -> Iterator[None]:
    """Note on whatever stops the steps from outside what a write before it has left behind, or may have."""
    try:
        yield
    except STOPS as stop:
        stop.add_note(str(unclear))
        raise


def run(channel: Channel, steps: Steps[T]) -> T:
    """Carry out the steps one after the other.

    Raises:
        TailscaleError: as the steps decide.
    """
    clock = channel.sender.connection.clock
    settling = _Settling(clock)
    answer, problem = None, None
    while True:
        try:
            step = steps.throw(problem) if problem is not None else steps.send(answer)
        except StopIteration as done:
            value: T = done.value
            return value
        answer, problem = None, None
        try:
            if isinstance(step, Local):
                answer = step.work()
            elif isinstance(step, Together):
                answer = [run(channel, chain) for chain in step.chains]
            elif isinstance(step, Wait):
                settling.left(step)
                clock.sleep(step.seconds)
            else:
                used = _narrowed(channel, step, settling.left(step)) if step.settling else channel
                answer = used.call(
                    step.operation,
                    step.request,
                    parse_reply=reader(step.parse, step.parse_reply),
                    nonce=step.nonce,
                )
        except TailscaleError as error:
            problem = error
        except STOPS as stop:
            _stop(steps, stop)
            raise


async def run_async(channel: AsyncChannel, steps: Steps[T]) -> T:
    """Carry out the steps one after the other.

    Raises:
        TailscaleError: as the steps decide.
    """
    clock = channel.sender.connection.clock
    settling = _Settling(clock)
    answer, problem = None, None
    while True:
        try:
            step = steps.throw(problem) if problem is not None else steps.send(answer)
        except StopIteration as done:
            value: T = done.value
            return value
        answer, problem = None, None
        try:
            if isinstance(step, Local):
                answer = await asyncio.to_thread(step.work)
            elif isinstance(step, Together):
                answer = await _side_by_side(channel, step)
            elif isinstance(step, Wait):
                settling.left(step)
                await clock.async_sleep(step.seconds)
            else:
                used = _narrowed(channel, step, settling.left(step)) if step.settling else channel
                call = used.call(
                    step.operation,
                    step.request,
                    parse_reply=reader(step.parse, step.parse_reply),
                    nonce=step.nonce,
                )
                answer = await (_unbroken(call) if step.unbroken else call)
        except TailscaleError as error:
            problem = error
        except STOPS as stop:
            _stop(steps, stop)
            raise


def _stop(steps: Steps[Any], stop: BaseException) -> None:
    """Let the steps note what was under way when their caller stopped waiting; they cannot go on."""
    with contextlib.suppress(StopIteration, *STOPS):
        steps.throw(stop)


async def _side_by_side(channel: AsyncChannel, step: Together) -> list[Any]:
    """Carry out chains, begun in their order; a caller who stops waiting stops each of them where it is."""
    waiting = list(enumerate(step.chains))[::-1]
    answers: list[Any] = [None] * len(waiting)

    async def work() -> None:
        while waiting:
            place, chain = waiting.pop()
            answers[place] = await run_async(channel, chain)

    tasks = [asyncio.ensure_future(work()) for _ in range(min(step.at_most, len(waiting)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return answers


async def _unbroken(call: Any) -> Any:
    """Wait for a call to its end, and be cancelled only then."""
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
