"""How far log streams read ahead, how long they may take, and what a cancellation leaves: in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from attrs import define

from tailscale_sdk import APITimeoutError, AsyncTailscale, IncompleteStreamError, Tailscale
from tailscale_sdk.transport.clock import Clock
from tests.virtual_time import START, VirtualTime, run_virtual

KEY = "tskey-api-demo"
WINDOW: dict[str, Any] = {"start": "2026-07-01T10:00:00Z", "end": "2026-07-02T10:00:00Z"}
RECORDS = [json.dumps({"nodeId": f"nDEMO{number}CNTRL"}).encode() for number in range(12)]
# One record to a chunk, each complete with the chunk it is in.
CHUNKS = [b'{"logs":[' + RECORDS[0], *(b"," + record for record in RECORDS[1:]), b"]}"]


@define
class Slow(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Give chunk after chunk, each after a wait unless it is None, and know how many were taken."""

    chunks: list[bytes]
    wait: float | None = 0.0
    sleep: Callable[[float], None] = lambda seconds: None
    taken: int = 0
    handed_over: bool = False
    closed: bool = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.sleep(self.wait or 0.0)
            self.taken += 1
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if self.wait is not None:
                await asyncio.sleep(self.wait)
            self.taken += 1
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True
        await asyncio.sleep(0)


def client_over(stream: Slow, **options: Any) -> Tailscale:
    wire = httpx.MockTransport(lambda request: httpx.Response(200, stream=stream))
    return Tailscale(api_key=KEY, _wire=wire, **options)


def async_client_over(stream: Slow, **options: Any) -> AsyncTailscale:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        stream.handed_over = True
        return httpx.Response(200, stream=stream)

    return AsyncTailscale(api_key=KEY, _wire=httpx.MockTransport(answer), **options)


def test_no_chunk_is_read_before_the_last_one_is_used_up() -> None:
    stream = Slow(CHUNKS)
    with client_over(stream) as client:
        ahead = [stream.taken for _ in client.logging.iter_network_logs(**WINDOW)]
    assert ahead == list(range(1, 13))
    assert (stream.taken, stream.closed) == (13, True)


async def test_no_chunk_is_read_ahead_asynchronously() -> None:
    stream, ahead = Slow(CHUNKS), []
    async with async_client_over(stream) as client:
        async for _ in client.logging.iter_network_logs(**WINDOW):
            for _ in range(5):
                await asyncio.sleep(0)
            ahead.append(stream.taken)
    assert ahead == list(range(1, 13))
    assert (stream.taken, stream.closed) == (13, True)


def test_records_of_one_chunk_wait_for_their_reader() -> None:
    stream = Slow([b"".join(CHUNKS), b" "])
    with client_over(stream) as client:
        assert [stream.taken for _ in client.logging.iter_network_logs(**WINDOW)] == [1] * 12


def test_a_stream_has_no_deadline_of_its_own() -> None:
    time = VirtualTime()
    stream = Slow(CHUNKS, 29.0, time.sleep)
    client = client_over(stream, _clock=time.clock())
    assert len(time.run(lambda: list(client.logging.iter_network_logs(**WINDOW)))[0]) == 12
    assert time.now == START + 13 * 29.0

    async def main(clock: Clock) -> tuple[int, float]:
        async with async_client_over(Slow(CHUNKS, 29.0), _clock=clock) as other:
            return len(
                [record async for record in other.logging.iter_network_logs(**WINDOW)]
            ), clock.monotonic()

    assert run_virtual(main) == (12, START + 13 * 29.0)


def test_a_chosen_timeout_ends_a_dripping_stream() -> None:
    time = VirtualTime()
    stream = Slow(CHUNKS, 29.0, time.sleep)
    client, found = client_over(stream, _clock=time.clock(), timeout=100), []
    with pytest.raises(IncompleteStreamError) as caught:
        time.run(lambda: found.extend(client.logging.iter_network_logs(**WINDOW)))
    # The clock is looked at between two chunks.
    assert (len(found), caught.value.phase, time.now) == (4, "total", START + 116)
    assert (caught.value.count, caught.value.elapsed, stream.closed) == (4, 116.0, True)


def test_a_chosen_timeout_cuts_an_asynchronous_wait_short() -> None:
    stream, found = Slow(CHUNKS, 29.0), []

    async def main(clock: Clock) -> None:
        async with async_client_over(stream, _clock=clock, timeout=100) as client:
            with pytest.raises(IncompleteStreamError) as caught:
                found.extend([record async for record in client.logging.iter_network_logs(**WINDOW)])
            assert (caught.value.count, caught.value.phase) == (3, "total")
            assert clock.monotonic() == pytest.approx(START + 100.1)
            assert isinstance(caught.value.__cause__, APITimeoutError)

    run_virtual(main)
    assert stream.closed


@pytest.mark.parametrize("wait", [None, 0.0])
def test_a_slow_reader_is_late_as_well(wait: float | None) -> None:
    stream = Slow(CHUNKS, wait)

    async def main(clock: Clock) -> None:
        async with async_client_over(stream, _clock=clock, timeout=100) as client:
            records = client.logging.iter_network_logs(**WINDOW)
            await anext(records)
            await asyncio.sleep(101)
            with pytest.raises(IncompleteStreamError):
                await anext(records)

    run_virtual(main)
    assert (stream.taken, stream.closed) == (1, True)


def test_a_deadline_before_the_first_record() -> None:
    time = VirtualTime()
    drip = [b'{"logs":[', *[b" "] * 50]
    client = client_over(Slow(drip, 29.0, time.sleep), _clock=time.clock(), timeout=100)
    with pytest.raises(APITimeoutError) as caught:
        time.run(lambda: list(client.logging.iter_network_logs(**WINDOW)))
    assert (caught.value.phase, caught.value.attempts, time.now) == ("total", 1, START + 116)

    async def main(clock: Clock) -> None:
        async with async_client_over(Slow(drip, 29.0), _clock=clock, timeout=100) as other:
            with pytest.raises(APITimeoutError) as caught:
                await anext(other.logging.iter_network_logs(**WINDOW))
            assert caught.value.phase == "total"
            assert clock.monotonic() == pytest.approx(START + 100.1)

    run_virtual(main)


def test_a_cancellation_at_any_step_leaves_nothing_behind() -> None:
    async def cancelled_after(steps: int) -> bool:
        stream = Slow(CHUNKS)
        async with async_client_over(stream, max_concurrency=2) as client:

            async def read() -> int:
                async with client.logging.iter_network_logs(**WINDOW) as records:
                    return len([record async for record in records])

            task = asyncio.create_task(read())
            for _ in range(steps):
                await asyncio.sleep(0)
            ended = task.done()
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            assert outcome == 12 if ended else isinstance(outcome, asyncio.CancelledError)
            assert stream.closed == stream.handed_over
            own = client._channel.sender.throttle._own()
            assert (own.slots._value, own.bulk._value) == (2, 1)
            return ended

    steps = 0
    while not asyncio.run(cancelled_after(steps)):
        steps += 1
    assert steps > len(CHUNKS)


async def test_two_tasks_cannot_read_one_stream_at_once() -> None:
    stream = Slow(CHUNKS)
    async with async_client_over(stream) as client, client.logging.iter_network_logs(**WINDOW) as records:
        one, two = await asyncio.gather(anext(records), anext(records), return_exceptions=True)
    assert getattr(one, "node_id", None) == "nDEMO0CNTRL"
    assert isinstance(two, RuntimeError)
    assert stream.closed
