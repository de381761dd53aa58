"""Log streams while they are iterated over: one chunk at a time, one slot held, all of it let go at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from attrs import evolve

from tailscale_sdk._constants import DEADLINE_GRACE_SECONDS
from tailscale_sdk.calls.log_attempt import BREAKS, StreamAttempt, StreamPlan
from tailscale_sdk.transport.asynchronous import AsyncOpenStream
from tailscale_sdk.transport.channel import AsyncChannel, Channel
from tailscale_sdk.transport.context import CallContext
from tailscale_sdk.transport.log_records import Record
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.sync import OpenStream
from tailscale_sdk.transport.wire import DeadlinePassed

T = TypeVar("T")
Over = Callable[[Record], T]


class LogStream(Iterator[T]):
    """Iterate over the records of a log; the request is sent when the first one is asked for.

    As a context manager it is closed on leaving; so it is when it ends, fails or is forgotten.

    Attributes:
        envelope: what the answer says beside the records, as far as it was read: for audit logs ``version``
            and ``tailnetId`` or ``tailnet``.
    """

    def __init__(self, channel: Channel, plan: StreamPlan, over: Over[T]) -> None:
        self.envelope: dict[str, Any] = {}
        self._connection = channel.sender.connection
        self._records = _records(_as_bulk(channel), plan, over, self.envelope)

    def __next__(self) -> T:
        self._connection.open()
        return next(self._records)

    def close(self) -> None:
        """Close the connection and give its slot back; a second time does nothing."""
        self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncLogStream(AsyncIterator[T], Generic[T]):
    """Iterate over the records of a log, as ``LogStream`` does, on the client's event loop."""

    def __init__(self, channel: AsyncChannel, plan: StreamPlan, over: Over[T]) -> None:
        self.envelope: dict[str, Any] = {}
        self._connection = channel.sender.connection
        self._records = _async_records(_as_bulk(channel), plan, over, self.envelope)

    def __anext__(self) -> Awaitable[T]:
        self._connection.open()
        return self._records.__anext__()

    async def aclose(self) -> None:
        """Close the connection and give its slot back; a second time does nothing."""
        await self._records.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


C = TypeVar("C", Channel, AsyncChannel)


def _as_bulk(channel: C) -> C:
    return evolve(channel, options=evolve(channel.options, bulk=True))


def _records(
    channel: Channel, plan: StreamPlan, over: Over[T], envelope: dict[str, Any]
) -> Generator[T, None, None]:
    """Hand out record after record; the next chunk is read when the last one is used up."""
    clock = channel.sender.connection.clock

    def begin(
        call: CallContext[Reply], stream: OpenStream
    ) -> tuple[StreamAttempt, OpenStream, Generator[bytes, None, None], Record | None]:
        attempt = StreamAttempt(plan, call, stream.status, stream.headers, clock)
        chunks = stream.chunks()
        try:
            return attempt, stream, chunks, _next_record(attempt, chunks)
        except BREAKS as problem:
            raise attempt.failure(problem) from problem.__cause__

    attempt, stream, chunks, record = channel.open_stream(plan.kind.operation, plan.request, begin)
    try:
        envelope.update(attempt.reader.envelope)
        while record is not None:
            yield over(record)
            record = _next_record(attempt, chunks)
        envelope.update(attempt.reader.envelope)
    except BREAKS as problem:
        broken = attempt.broken(problem)
        raise broken from broken.__cause__
    finally:
        chunks.close()
        stream.close()


def _next_record(attempt: StreamAttempt, chunks: Generator[bytes, None, None]) -> Record | None:
    while (record := attempt.take()) is None:
        chunk = next(chunks, None)
        if chunk is None:
            attempt.reader.finish()
            return None
        attempt.feed(chunk)
    return record


async def _async_records(
    channel: AsyncChannel, plan: StreamPlan, over: Over[T], envelope: dict[str, Any]
) -> AsyncGenerator[T, None]:
    """Hand out record after record; the next chunk is read when the last one is used up."""
    clock = channel.sender.connection.clock

    async def begin(
        call: CallContext[Reply], stream: AsyncOpenStream
    ) -> tuple[StreamAttempt, AsyncOpenStream, AsyncGenerator[bytes, None], Record | None]:
        attempt = StreamAttempt(plan, call, stream.status, stream.headers, clock)
        chunks = stream.chunks()
        try:
            return attempt, stream, chunks, await _next_async_record(attempt, chunks)
        except BREAKS as problem:
            await chunks.aclose()
            raise attempt.failure(problem) from problem.__cause__

    attempt, stream, chunks, record = await channel.open_stream(plan.kind.operation, plan.request, begin)
    try:
        envelope.update(attempt.reader.envelope)
        while record is not None:
            yield over(record)
            record = await _next_async_record(attempt, chunks)
        envelope.update(attempt.reader.envelope)
    except BREAKS as problem:
        broken = attempt.broken(problem)
        raise broken from broken.__cause__
    finally:
        try:
            await chunks.aclose()
        finally:
            await stream.aclose()


async def _next_async_record(attempt: StreamAttempt, chunks: AsyncGenerator[bytes, None]) -> Record | None:
    while (record := attempt.take()) is None:
        chunk = await _next_chunk(attempt, chunks)
        if chunk is None:
            attempt.reader.finish()
            return None
        attempt.feed(chunk)
    return record


async def _next_chunk(attempt: StreamAttempt, chunks: AsyncGenerator[bytes, None]) -> bytes | None:
    deadline = attempt.call.deadline
    if deadline == float("inf"):
        return await anext(chunks, None)
    left = deadline - attempt.clock.monotonic()
    if left <= 0:
        raise DeadlinePassed
    async with asyncio.timeout(left + DEADLINE_GRACE_SECONDS):
        return await anext(chunks, None)
