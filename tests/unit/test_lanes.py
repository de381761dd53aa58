"""Asynchronous connections: reused, given up whole, never lost to a cancelled call."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from tailscale_sdk import AsyncTailscale
from tailscale_sdk.errors import APIConnectionError, APITimeoutError
from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.transport.lanes import Lanes

PATIENCE_SECONDS = 5.0


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=5, faults=[]) as running:
        yield running


@pytest.fixture
async def client(tailnet: FakeTailnet) -> AsyncIterator[AsyncTailscale]:
    made = AsyncTailscale(api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None, max_retries=0)
    async with made:
        yield made


def connections(tailnet: FakeTailnet) -> list[int]:
    """Return the connection of every request."""
    return [seen.connection for seen in tailnet.faults.requests]


class Hangup:
    """Accept connections, say nothing, and know how many are open."""

    def __init__(self) -> None:
        self.open, self.seen = 0, 0
        self.changed = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open, self.seen = self.open + 1, self.seen + 1
        self.changed.set()
        with suppress(OSError):
            while await reader.read(1024):
                pass
        self.open -= 1
        writer.close()
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def silent() -> AsyncIterator[tuple[Hangup, int]]:
    hangup = Hangup()
    server = await asyncio.start_server(hangup.talk, "127.0.0.1", 0)
    yield hangup, server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


# --- reuse --------------------------------------------------------------------------------------


async def test_calls_one_after_the_other_share_a_connection(
    tailnet: FakeTailnet, client: AsyncTailscale
) -> None:
    for _ in range(3):
        await client.devices.list()
    assert connections(tailnet) == [1, 1, 1]


async def test_calls_at_a_time_have_a_connection_each(tailnet: FakeTailnet, client: AsyncTailscale) -> None:
    await asyncio.gather(*(client.devices.list() for _ in range(4)))
    await client.devices.list()
    assert len(set(connections(tailnet)[:4])) == 4
    assert len(set(connections(tailnet))) == 4


@pytest.mark.parametrize("fault", ["404", "503", "html200"])
async def test_an_answer_read_to_its_end_leaves_its_connection(
    tailnet: FakeTailnet, client: AsyncTailscale, fault: str
) -> None:
    tailnet.faults.add({"nth": 1, "fault": fault})
    with suppress(Exception):
        await client.devices.delete("nNOBODYCNTRL")
    for _ in range(2):
        await client.devices.list()
    assert connections(tailnet) == [1, 1, 1]


@pytest.mark.parametrize("fault", ["reset", "noreply", "garbage", "chunk_trunc", "bomb"])
async def test_a_connection_that_failed_is_not_used_again(
    tailnet: FakeTailnet, client: AsyncTailscale, fault: str
) -> None:
    await client.devices.list()
    tailnet.faults.add({"nth": 1, "fault": fault})
    with suppress(Exception):
        await client.devices.list()
    tailnet.faults.clear()
    await client.devices.list()
    assert connections(tailnet) == [1, 1, 2]


async def test_idle_connections_are_closed_in_time(
    tailnet: FakeTailnet, client: AsyncTailscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(client.devices.list() for _ in range(4)))
    wire = client._channel.sender.connection.open()
    assert isinstance(wire, Lanes)
    assert len(wire._idle) == 4
    later = time.monotonic() + 3600
    monkeypatch.setattr("tailscale_sdk.transport.lanes.time.monotonic", lambda: later)
    await client.devices.list()
    assert len(wire._idle) == 1
    assert connections(tailnet)[-1] == 5


# --- cancelled ----------------------------------------------------------------------------------

Leave = Callable[[AsyncTailscale], Awaitable[object]]


@pytest.mark.parametrize(
    "leave",
    [
        lambda c: c.devices.list(fields="all"),
        lambda c: c.keys.create(capabilities={}),
        lambda c: c.policy.get(),
    ],
    ids=["read", "creation", "policy"],
)
@pytest.mark.parametrize("warm", [True, False], ids=["kept connection", "new connection"])
async def test_a_call_cancelled_at_any_await_keeps_nothing(
    tailnet: FakeTailnet, client: AsyncTailscale, leave: Leave, warm: bool
) -> None:
    wire = client._channel.sender.connection.open()
    assert isinstance(wire, Lanes)
    for steps in range(400):
        if warm:
            await client.devices.list()
        else:
            await empty(wire)
        task = asyncio.ensure_future(leave(client))
        for _ in range(steps):
            await asyncio.sleep(0)
            if task.done():
                break
        task.cancel()
        await asyncio.wait([task])
        assert (wire._busy, wire._closing) == (set(), set())
        assert len(wire._idle) <= 1
        if not task.cancelled():
            break
    assert steps > 5
    assert len(await client.devices.list()) == 5
    assert open_sockets(tailnet) == 1


def open_sockets(tailnet: FakeTailnet) -> int:
    """Count this process's ends of connections to the service."""
    port = int(tailnet.base_url.rpartition(":")[2])
    return sum(isinstance(item, socket.socket) and peer_port(item) == port for item in gc.get_objects())


def peer_port(item: socket.socket) -> int | None:
    if item.family != socket.AF_INET or item.fileno() < 0:
        return None
    try:
        return int(item.getpeername()[1])
    except OSError:
        return None


async def empty(wire: Lanes) -> None:
    while wire._idle:
        await wire.give_up(wire._idle.popleft())


async def test_a_deadline_closes_the_connection(silent: tuple[Hangup, int]) -> None:
    hangup, port = silent
    base_url = f"http://127.0.0.1:{port}"
    async with AsyncTailscale(
        api_key="tskey-api-demo", base_url=base_url, timeout=0.05, max_retries=0
    ) as client:
        with pytest.raises(APITimeoutError):
            await client.devices.list()
        await hangup.until(lambda: hangup.seen == 1 and hangup.open == 0)


async def test_a_call_cancelled_within_the_handshake_closes_the_connection(
    silent: tuple[Hangup, int],
) -> None:
    hangup, port = silent
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with AsyncTailscale(api_key="tskey-api-demo", base_url=f"https://127.0.0.1:{port}") as client:
            task = asyncio.create_task(client.devices.list())
            await hangup.until(lambda: hangup.open == 1)
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            del task
            await hangup.until(lambda: hangup.open == 0)
        gc.collect()


async def test_a_second_cancellation_does_not_stop_the_closing() -> None:
    closing, may_close = asyncio.Event(), asyncio.Event()

    class SlowLane(httpx.AsyncBaseTransport):
        closed = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

        async def aclose(self) -> None:
            closing.set()
            await may_close.wait()
            SlowLane.closed += 1

    wire = Lanes(SlowLane, 5.0)
    task = asyncio.create_task(wire.handle_async_request(httpx.Request("GET", "http://127.0.0.1:1/")))
    await asyncio.sleep(0)
    task.cancel()
    await closing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_close.set()
    await wire.aclose()
    assert SlowLane.closed == 1


# --- closed -------------------------------------------------------------------------------------


async def test_closing_the_client_ends_what_is_under_way(silent: tuple[Hangup, int]) -> None:
    hangup, port = silent
    client = AsyncTailscale(
        api_key="tskey-api-demo", base_url=f"http://127.0.0.1:{port}", max_retries=0, read_timeout=30
    )
    task = asyncio.create_task(client.devices.list())
    await hangup.until(lambda: hangup.open == 1)
    await client.aclose()
    await hangup.until(lambda: hangup.open == 0)
    with pytest.raises(APIConnectionError):
        await task


async def test_a_body_that_is_left_gives_its_connection_up(
    tailnet: FakeTailnet, client: AsyncTailscale
) -> None:
    await client.settings.update(network_flow_logging_on=True)
    start, end = "2026-06-29T12:00:00Z", "2026-06-30T12:00:00Z"
    async with client.logging.iter_network_logs(start=start, end=end) as records:
        async for _record in records:
            break
    wire = client._channel.sender.connection.open()
    assert isinstance(wire, Lanes)
    assert (len(wire._busy), len(wire._closing)) == (0, 0)
    assert len(await client.devices.list()) == 5


async def test_a_lane_whose_closing_fails_is_given_up_too() -> None:
    class Stubborn(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{}"

        async def aclose(self) -> None:
            raise httpx.ReadError("gone")

    class OneLane(httpx.AsyncBaseTransport):
        closed = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Stubborn())

        async def aclose(self) -> None:
            OneLane.closed += 1

    wire = Lanes(OneLane, 5.0)
    response = await wire.handle_async_request(httpx.Request("GET", "http://127.0.0.1:1/"))
    assert [piece async for piece in response.stream] == [b"{}"]  # type: ignore[union-attr]
    with pytest.raises(httpx.ReadError):
        await response.aclose()
    assert (len(wire._idle), len(wire._busy), OneLane.closed) == (0, 0, 1)
