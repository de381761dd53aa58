"""Tests need not wait: the clock of the clients jumps over every wait, and only over those."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tailscale_sdk import AsyncTailscale, Tailscale
from tailscale_sdk.errors import APIStatusError, RateLimitError, ServerError
from tailscale_sdk.testing import FakeTailnet, no_sleep
from tailscale_sdk.testing.pytest_plugin import no_sleep as no_sleep_fixture
from tailscale_sdk.transport.clock import Clock

SLOW_DOWN = {"status": 429, "headers": {"Retry-After": "25"}}
SOON_SECONDS = 12.0
LONG_SECONDS = 1000.0

waitless = no_sleep_fixture


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    """Serve two devices; rules are added by the tests."""
    with FakeTailnet(devices=2, faults=[]) as running:
        yield running


@pytest.fixture
def begun() -> float:
    return time.monotonic()


def list_devices(tailnet: FakeTailnet) -> int:
    with Tailscale(api_key=tailnet.api_key, base_url=tailnet.base_url) as client:
        return len(client.devices.list())


async def list_devices_async(tailnet: FakeTailnet) -> int:
    async with AsyncTailscale(api_key=tailnet.api_key, base_url=tailnet.base_url) as client:
        return len(await client.devices.list())


def call(tailnet: FakeTailnet, twin: str) -> int:
    return list_devices(tailnet) if twin == "sync" else asyncio.run(list_devices_async(tailnet))


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_retries_come_at_once(tailnet: FakeTailnet, twin: str, begun: float) -> None:
    tailnet.faults.add({"fault": SLOW_DOWN, "times": 2})
    with no_sleep():
        assert call(tailnet, twin) == 2
    assert [seen.status for seen in tailnet.faults.requests] == [429, 429, 200]
    assert time.monotonic() - begun < SOON_SECONDS


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_backoff_is_jumped_over_and_the_error_stays(tailnet: FakeTailnet, twin: str) -> None:
    tailnet.faults.add({"fault": "500"})
    with no_sleep(), pytest.raises(ServerError) as failed:
        call(tailnet, twin)
    assert failed.value.attempts == len(tailnet.faults.requests) == 4


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_the_deadline_holds_in_the_clients_time(tailnet: FakeTailnet, twin: str, begun: float) -> None:
    tailnet.faults.add({"fault": {**SLOW_DOWN, "headers": {"Retry-After": "40"}}})
    with no_sleep(), pytest.raises(RateLimitError) as failed:
        call(tailnet, twin)
    assert len(tailnet.faults.requests) == 2, "a second wait of 40 s is beyond the 60 s of the call"
    assert isinstance(failed.value, APIStatusError)
    assert time.monotonic() - begun < SOON_SECONDS


def test_a_client_made_before_does_not_wait_either(tailnet: FakeTailnet, begun: float) -> None:
    tailnet.faults.add({"fault": SLOW_DOWN, "nth": 2})
    with Tailscale(api_key=tailnet.api_key, base_url=tailnet.base_url) as client:
        client.devices.list()
        with no_sleep():
            assert len(client.devices.list()) == 2
    assert time.monotonic() - begun < SOON_SECONDS


@pytest.mark.usefixtures("waitless")
def test_the_fixture_does_the_same(tailnet: FakeTailnet, begun: float) -> None:
    tailnet.faults.add({"fault": SLOW_DOWN, "nth": 1})
    assert list_devices(tailnet) == 2
    assert time.monotonic() - begun < SOON_SECONDS


def test_the_clock_jumps_and_never_back() -> None:
    clock = Clock()
    start = clock.monotonic()
    with no_sleep():
        clock.sleep(LONG_SECONDS)
        assert clock.monotonic() - start >= LONG_SECONDS
        asyncio.run(wait(clock))
        assert clock.monotonic() - start >= 2 * LONG_SECONDS
    assert 2 * LONG_SECONDS <= clock.monotonic() - start < 2 * LONG_SECONDS + SOON_SECONDS


async def wait(clock: Clock) -> None:
    await clock.async_sleep(LONG_SECONDS)


def test_tasks_wait_together() -> None:
    clock = Clock()

    async def many() -> None:
        await asyncio.gather(*(wait(clock) for _ in range(20)))

    start = clock.monotonic()
    with no_sleep():
        asyncio.run(many())
    assert LONG_SECONDS <= clock.monotonic() - start < LONG_SECONDS + SOON_SECONDS


def test_outside_it_waits_are_real(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waited = Clock(), list[tuple[str, float]]()

    async def sleep(seconds: float) -> None:
        waited.append(("async", seconds))

    with no_sleep(), no_sleep():
        pass
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", lambda seconds: waited.append(("sync", seconds)))
        patch.setattr(asyncio, "sleep", sleep)
        clock.sleep(1)
        asyncio.run(wait(clock))
    assert waited == [("sync", 1), ("async", LONG_SECONDS)]


def test_stretches_overlap_and_end_with_an_error_too() -> None:
    clock = Clock()
    with no_sleep():
        with pytest.raises(ValueError, match="inner"), no_sleep():
            raise ValueError("inner")
        start = clock.monotonic()
        clock.sleep(LONG_SECONDS)
        assert clock.monotonic() - start >= LONG_SECONDS
