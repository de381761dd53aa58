"""The tests' own time: it jumps when everybody waits, and not before."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tailscale_sdk.transport.clock import Clock
from tests.virtual_time import START, STUCK, VirtualTime, run_virtual


def test_a_loop_jumps_over_hours() -> None:
    async def main(clock: Clock) -> list[float]:
        seen = []
        await asyncio.gather(*(nap(clock, seconds, seen) for seconds in (7200.0, 3600.0, 0.25)))
        return [moment - START for moment in seen]

    async def nap(clock: Clock, seconds: float, seen: list[float]) -> None:
        await clock.async_sleep(seconds)
        seen.append(clock.monotonic())

    assert run_virtual(main) == [0.25, 3600.0, 7200.0]


def test_a_loop_times_out_in_its_own_time() -> None:
    async def main(clock: Clock) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(86_400 * 30):
                await asyncio.sleep(86_400 * 365)
        return clock.monotonic() - START

    assert run_virtual(main) == 86_400 * 30


def test_tasks_that_wait_for_each_other_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.virtual_time.DEADLOCK_PATIENCE", 0.01)

    async def main(clock: Clock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match=STUCK):
        run_virtual(main)


def test_a_socket_that_speaks_comes_before_a_jump() -> None:
    async def main(clock: Clock) -> tuple[bytes, float]:
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            theirs.send(b"hello")
            async with asyncio.timeout(5):
                said = await reader.readexactly(5)
            writer.close()
            return said, clock.monotonic() - START

    assert run_virtual(main) == (b"hello", 0.0)


def test_threads_jump_together() -> None:
    time = VirtualTime()

    def nap(seconds: float) -> list[float]:
        seen = []
        for _ in range(50):
            time.sleep(seconds)
            seen.append(time.now - START)
        return seen

    first, second = time.run(lambda: nap(0.5), lambda: nap(2.0))
    assert first == [0.5 * count for count in range(1, 51)]
    assert second == [2.0 * count for count in range(1, 51)]


def test_one_thread_alone_jumps_at_once() -> None:
    time = VirtualTime()
    clock = time.clock()
    clock.sleep(3600.0)
    assert clock.monotonic() == time.now == START + 3600.0
    assert [clock.nonce(), clock.nonce()] == ["mark0001", "mark0002"]


def test_a_semaphore_is_handed_on_in_order_and_times_out_in_virtual_time() -> None:
    time = VirtualTime()
    slot = time.threading.BoundedSemaphore(1)

    def hold(arrival: float, timeout: float) -> tuple[bool, float]:
        time.sleep(arrival)
        took = slot.acquire(timeout=timeout)
        at = time.now - START
        if took:
            time.sleep(10.0)
            slot.release()
        return took, at

    waits = [(0.0, -1), (0.125, -1), (0.25, 5.0), (0.5, 30.0), (0.75, 0)]
    found = time.run(*(lambda wait=wait: hold(*wait) for wait in waits))
    assert found == [(True, 0.0), (True, 10.0), (False, 5.25), (True, 20.0), (False, 0.75)]
    with pytest.raises(ValueError, match="released"):
        slot.release()


def test_threads_that_wait_for_each_other_end_the_run() -> None:
    time = VirtualTime()
    lock = time.threading.Lock()
    lock.acquire()
    with pytest.raises(RuntimeError, match=STUCK):
        time.run(lock.acquire, lambda: time.sleep(1.0))
    assert time.now == START + 1.0


def test_what_a_thread_raises_reaches_the_test() -> None:
    with pytest.raises(ZeroDivisionError):
        VirtualTime().run(lambda: 1 / 0, lambda: 2)
