"""A few faults in real time, beside the many in virtual time: both clocks have to tell the same story."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tailscale_sdk import APITimeoutError, AsyncTailscale, RateLimitError, Tailscale, TailscaleError
from tailscale_sdk.testing import FakeTailnet

SLACK_SECONDS, AT_ONCE_SECONDS = 0.25, 0.05
# A machine at work on other things too may be late now and then; a client that is late is so every time.
TRIES = 3
pytestmark = pytest.mark.realtime
twins = pytest.mark.parametrize("twin", ["sync", "async"])


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=1, faults=[]) as running:
        yield running


class Timed:
    """Make clients of a tailnet, and measure one call of each."""

    def __init__(self, tailnet: FakeTailnet) -> None:
        self.tailnet = tailnet

    def __call__(self, twin: str, **options: Any) -> tuple[Any, float]:
        """Return what a call of a new client came to, and how many seconds that took."""
        given = {"api_key": self.tailnet.api_key, "base_url": self.tailnet.base_url, **options}
        return self._sync(given) if twin == "sync" else asyncio.run(self._async(given))

    def _sync(self, options: dict[str, Any]) -> tuple[Any, float]:
        with Tailscale(**options) as client:
            client.contacts.get()
            begun = time.perf_counter()
            try:
                found: Any = client.devices.list()
            except TailscaleError as error:
                found = error
            return found, time.perf_counter() - begun

    async def _async(self, options: dict[str, Any]) -> tuple[Any, float]:
        async with AsyncTailscale(**options) as client:
            await client.contacts.get()
            begun = time.perf_counter()
            try:
                found: Any = await client.devices.list()
            except TailscaleError as error:
                found = error
            return found, time.perf_counter() - begun


def quickest(measure: Callable[[], tuple[Any, float]], limit: float) -> tuple[Any, float]:
    """Measure until it is quick enough, but not for ever."""
    for _ in range(TRIES):
        found, seconds = measure()
        if seconds <= limit:
            break
    return found, seconds


def until_asked(tailnet: FakeTailnet, operation: str) -> None:
    """Wait until a request of an operation has come."""
    while not tailnet.faults.of(operation):
        time.sleep(0.005)


@twins
@pytest.mark.parametrize("fault", ["drip", "drip_stall"])
def test_what_drips_ends_at_the_deadline(fault: str, twin: str, tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listTailnetDevices", "fault": fault})
    timeout = 0.7
    # A thread waits once more for as long as it might when the body began.
    limit = timeout + SLACK_SECONDS + (timeout if (fault, twin) == ("drip_stall", "sync") else 0)
    error, seconds = quickest(lambda: Timed(tailnet)(twin, timeout=timeout), limit)
    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.attempts) == ("total", 1)
    assert timeout <= seconds <= limit


@twins
def test_silence_ends_with_the_phase(twin: str, tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listTailnetDevices", "fault": "stall"})
    limit = 0.3 + SLACK_SECONDS
    error, seconds = quickest(lambda: Timed(tailnet)(twin, read_timeout=0.3, max_retries=0), limit)
    assert isinstance(error, APITimeoutError)
    assert error.phase == "read"
    assert 0.3 <= seconds <= limit


@twins
def test_a_wait_that_was_asked_for_is_kept(twin: str, tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listTailnetDevices", "fault": "429_s", "nth": 1})
    found, seconds = Timed(tailnet)(twin)
    assert len(found) == 1
    assert 1.0 <= seconds <= 1.1 + 5 * SLACK_SECONDS


@twins
def test_an_hour_is_not_waited_for(twin: str, tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listTailnetDevices", "fault": "429_3600"})
    error, seconds = quickest(lambda: Timed(tailnet)(twin), AT_ONCE_SECONDS)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 3600
    assert seconds <= AT_ONCE_SECONDS


@twins
def test_a_turn_that_comes_too_late_is_not_waited_for(twin: str, tailnet: FakeTailnet) -> None:
    limit = 0.3 + SLACK_SECONDS
    error, seconds = quickest(lambda: Timed(tailnet)(twin, timeout=0.3, rate_limit=(1, 10.0)), limit)
    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.ambiguous) == ("limiter", False)
    assert seconds <= limit
    assert tailnet.faults.of("listTailnetDevices") == []


def test_a_thread_waits_for_a_slot_until_its_deadline(tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listUsers", "delay": 0.8})
    options: dict[str, Any] = {"api_key": tailnet.api_key, "base_url": tailnet.base_url}
    with Tailscale(**options, max_concurrency=1) as client, ThreadPoolExecutor(1) as pool:
        client.contacts.get()
        held = pool.submit(client.users.list)
        until_asked(tailnet, "listUsers")
        begun = time.perf_counter()
        with pytest.raises(APITimeoutError) as caught:
            client.with_options(timeout=0.3).devices.list()
        seconds = time.perf_counter() - begun
        assert held.result()
    assert (caught.value.phase, caught.value.ambiguous) == ("limiter", False)
    assert 0.3 <= seconds < 0.8
    assert tailnet.faults.of("listTailnetDevices") == []


async def test_a_task_waits_for_a_slot_until_its_deadline(tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listUsers", "delay": 0.8})
    options: dict[str, Any] = {"api_key": tailnet.api_key, "base_url": tailnet.base_url}
    async with AsyncTailscale(**options, max_concurrency=1) as client:
        await client.contacts.get()
        held = asyncio.create_task(client.users.list())
        await asyncio.to_thread(until_asked, tailnet, "listUsers")
        begun = time.perf_counter()
        with pytest.raises(APITimeoutError) as caught:
            await client.with_options(timeout=0.3).devices.list()
        seconds = time.perf_counter() - begun
        assert await held
    assert (caught.value.phase, caught.value.ambiguous) == ("limiter", False)
    assert 0.3 <= seconds < 0.8
    assert tailnet.faults.of("listTailnetDevices") == []


async def test_a_cancelled_call_is_gone_at_once(tailnet: FakeTailnet) -> None:
    tailnet.faults.add({"operation": "listTailnetDevices", "fault": "stall"})
    options: dict[str, Any] = {"api_key": tailnet.api_key, "base_url": tailnet.base_url}
    async with AsyncTailscale(**options, max_concurrency=1) as client:
        call = asyncio.create_task(client.devices.list())
        await asyncio.to_thread(until_asked, tailnet, "listTailnetDevices")
        begun = time.perf_counter()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert time.perf_counter() - begun <= 2 * SLACK_SECONDS
        assert await client.users.list()
