"""A log stream that is left early holds nothing any more, and is no hindrance to other calls."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tailscale_sdk import APITimeoutError, AsyncTailscale, ClientLoopError, Tailscale
from tailscale_sdk.testing import FakeTailnet
from tests.contract.log_reading import AT_ONCE_SECONDS, BODY, KEY, WINDOW, place_of
from tests.contract.log_server import LogServer, silent, whole


@pytest.mark.realtime
@pytest.mark.parametrize("way", ["with", "close", "forgotten", "error"])
def test_leaving_a_stream_early_frees_socket_and_slot(way: str) -> None:
    with (
        LogServer(silent(BODY, place_of(9)), whole(BODY)) as server,
        Tailscale(api_key=KEY, base_url=server.url, max_concurrency=1) as client,
    ):
        stream = client.logging.iter_network_logs(**WINDOW)
        assert next(stream).node_id == "nDEMO0CNTRL"
        if way == "with":
            with stream:
                pass
        elif way == "error":
            with pytest.raises(ZeroDivisionError), stream:
                raise ZeroDivisionError
        elif way == "close":
            stream.close()
            stream.close()
        left = time.monotonic()
        del stream
        assert server.gone.get(timeout=5) - left < AT_ONCE_SECONDS
        again = client.with_options(timeout=2).logging.iter_network_logs(**WINDOW)
        assert len(list(again)) == 40


@pytest.mark.realtime
@pytest.mark.parametrize("way", ["with", "close", "forgotten", "cancelled", "cancelled reading"])
async def test_leaving_an_asynchronous_stream_early_frees_socket_and_slot(way: str) -> None:
    with LogServer(silent(BODY, place_of(20)), whole(BODY)) as server:
        async with AsyncTailscale(api_key=KEY, base_url=server.url, max_concurrency=1) as client:
            stream = client.logging.iter_network_logs(**WINDOW)
            if way == "with":
                async with stream:
                    await anext(stream)
            elif way == "close":
                await anext(stream)
                await stream.aclose()
                await stream.aclose()
            elif way == "forgotten":
                await anext(stream)
            else:
                await _cancel_half_way(stream, reading=way == "cancelled reading")
            left = time.monotonic()
            del stream
            gone = await asyncio.to_thread(server.gone.get, timeout=5)
            assert gone - left < AT_ONCE_SECONDS
            again = client.with_options(timeout=2).logging.iter_network_logs(**WINDOW)
            assert len([record async for record in again]) == 40
            own = client._channel.sender.throttle._own()
            assert not own.slots.locked()
            assert not own.bulk.locked()


async def _cancel_half_way(stream: Any, *, reading: bool) -> None:
    half = asyncio.Event()

    async def consume() -> None:
        count = 0
        async with stream:
            async for _ in stream:
                count += 1
                if count == 20:
                    half.set()
                    if not reading:
                        await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await half.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_stream_that_was_never_begun_needs_no_closing() -> None:
    client, other = Tailscale(api_key=KEY), AsyncTailscale(api_key=KEY)
    client.logging.iter_network_logs(**WINDOW).close()
    other.logging.iter_network_logs(**WINDOW)
    gc.collect()
    client.close()


def test_after_the_client_was_closed_there_is_nothing_more() -> None:
    with LogServer(silent(BODY, place_of(20))) as server:
        with Tailscale(api_key=KEY, base_url=server.url) as client:
            stream = client.logging.iter_network_logs(**WINDOW)
            next(stream)
        with pytest.raises(ClientLoopError):
            next(stream)
        with pytest.raises(ClientLoopError):
            next(client.logging.iter_network_logs(**WINDOW))
        assert len(server.requests) == 1


async def test_after_an_asynchronous_client_was_closed_there_is_nothing_more() -> None:
    with LogServer(silent(BODY, place_of(20))) as server:
        async with AsyncTailscale(api_key=KEY, base_url=server.url) as client:
            stream = client.logging.iter_network_logs(**WINDOW)
            await anext(stream)
        with pytest.raises(ClientLoopError):
            await anext(stream)
        await stream.aclose()
        assert len(server.requests) == 1


def test_a_stream_belongs_to_the_loop_it_began_on() -> None:
    with LogServer(silent(BODY, place_of(20))) as server:
        client = AsyncTailscale(api_key=KEY, base_url=server.url)
        stream = client.logging.iter_network_logs(**WINDOW)
        loops = [asyncio.new_event_loop(), asyncio.new_event_loop()]

        async def read() -> str | None:
            return (await anext(stream)).node_id

        try:
            assert loops[0].run_until_complete(read()) == "nDEMO0CNTRL"
            with pytest.raises(ClientLoopError):
                loops[1].run_until_complete(read())
            assert loops[0].run_until_complete(read()) == "nDEMO1CNTRL"
            loops[0].run_until_complete(stream.aclose())
            loops[0].run_until_complete(client.aclose())
        finally:
            for loop in loops:
                loop.close()


def test_streams_hold_half_of_the_slots_and_leave_the_rest_to_other_calls() -> None:
    with (
        LogServer(silent(BODY, place_of(20)), whole(BODY)) as server,
        Tailscale(api_key=KEY, base_url=server.url, max_concurrency=2) as client,
    ):
        stream = client.logging.iter_network_logs(**WINDOW)
        next(stream)
        with pytest.raises(APITimeoutError) as caught:
            next(client.with_options(timeout=0.05).logging.iter_network_logs(**WINDOW))
        assert caught.value.phase == "limiter"
        assert len(client.with_options(timeout=5).logging.list_network_logs(**WINDOW)) == 40
        stream.close()


def test_both_clients_have_the_same_two_methods() -> None:
    client, other = Tailscale(api_key=KEY), AsyncTailscale(api_key=KEY)
    for name in ("iter_audit_logs", "iter_network_logs"):
        one, two = getattr(client.logging, name), getattr(other.logging, name)
        assert (
            str(inspect.signature(one)).partition(" -> ")[0]
            == str(inspect.signature(two)).partition(" -> ")[0]
        )
        assert one.__doc__ == two.__doc__
        assert not hasattr(client.with_raw_response.logging, name)
        assert not hasattr(other.with_raw_response.logging, name)


def test_a_month_is_read_day_by_day(fake: FakeTailnet) -> None:
    first = datetime(2026, 6, 1, tzinfo=UTC)
    days = [first + timedelta(days=day) for day in range(31)]
    with Tailscale(api_key=fake.api_key, base_url=fake.base_url, rate_limit=None) as client:
        found = [
            record.to_dict()
            for start, end in itertools.pairwise(days)
            for record in client.logging.iter_audit_logs(start=start, end=end - timedelta(microseconds=1))
        ]
        listed = client.logging.list_audit_logs(start=days[0], end=days[-1] - timedelta(microseconds=1))
    assert found == [record.to_dict() for record in listed]
