"""Time that a test holds in its hand: it stands still while anybody works and jumps when everybody waits.

Hours pass in milliseconds, and every measured second is exact to the nanosecond, whatever else the machine does.

On an event loop::

    async def outage(clock: Clock) -> float:
        async with AsyncTailscale(api_key="tskey-api-demo", _wire=wire, _clock=clock) as client:
            await asyncio.gather(*(client.devices.list() for _ in range(50)))
        return clock.monotonic()

    ended_at = run_virtual(outage)

``asyncio.sleep``, ``asyncio.timeout``, ``loop.time()``, aiolimiter and the clock handed over all tell the same
time. It starts at 1000.0. A wire answers late with ``await asyncio.sleep(seconds)``. Tasks that wait for each
other and nothing else end the run with an error. While real sockets are open, a jump is made only after
``SOCKET_PATIENCE`` real seconds of silence on them: then the time is virtual but no longer exact.

With threads::

    time = VirtualTime()
    client = Tailscale(api_key="tskey-api-demo", _wire=wire, _clock=time.clock())
    time.run(*[client.devices.list] * 8)          # eight threads, to their end
    assert time.now == 1001.0

A wire answers late with ``time.sleep(seconds)``. A thread counts as waiting in ``time.sleep`` and in a lock or
semaphore of ``time.threading``; put that in place of the ``threading`` of a module whose waits are long, before its
objects are made: ``monkeypatch.setattr(limits, "threading", time.threading)``. A thread that waits in a real lock
counts as busy, so time stands still meanwhile, which is right for locks that are held for a moment only. Outside
``run``, one thread alone may sleep: its time jumps at once.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

from attrs import define, field

from tailscale_sdk.transport.clock import Clock

T = TypeVar("T")
START = 1000.0
WALL_START = datetime(2026, 7, 1, 10, tzinfo=UTC)
NANOSECOND = 1e-9
SOCKET_PATIENCE = 0.02
DEADLOCK_PATIENCE = 2.0
STUCK = "everybody waits for somebody else: nothing can happen any more"


def virtual_clock(monotonic: Callable[[], float], **parts: Any) -> Clock:
    """Return a clock whose wall time follows the monotonic one; half of every jitter, numbered marks.

    Args:
        monotonic: the time.
        parts: further parts of the clock, or others in place of these.
    """
    numbers = itertools.count(1)
    usual: dict[str, Any] = {
        "monotonic": monotonic,
        "now": lambda: WALL_START + timedelta(seconds=monotonic() - START),
        "random": lambda: 0.5,
        "nonce": lambda: f"mark{next(numbers):04d}",
    }
    return Clock(**{**usual, **parts})


class VirtualLoop(asyncio.SelectorEventLoop):
    """Run tasks until all of them wait, then let time jump to the first that is due."""

    def __init__(self) -> None:
        self.now = START
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return virtual seconds."""
        return self.now

    def call_at(  # type: ignore[override]  # the base takes any number of typed arguments
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a moment, one that is over by now a nanosecond later.

        Without that nanosecond, whoever asks again and again whether a moment has come would ask for ever.
        """
        return super().call_at(max(when, self.now + NANOSECOND), callback, *args, context=context)

    def clock(self, **parts: Any) -> Clock:
        """Return a clock that tells this loop's time."""
        return virtual_clock(self.time, **{"async_sleep": asyncio.sleep, **parts})


class _JumpingSelector(selectors.DefaultSelector):
    """Take the loop's wish to sleep for the sign that time may jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            # No timer is set: a socket or another thread may still bring something.
            if not (ready := super().select(DEADLOCK_PATIENCE)):
                raise RuntimeError(STUCK)
            return ready
        # The loop's own wake-up pipe is always there.
        if len(self.get_map()) > 1 and (ready := super().select(SOCKET_PATIENCE)):
            return ready
        self._loop.now += timeout
        return []


def run_virtual(main: Callable[[Clock], Coroutine[Any, Any, T]], **parts: Any) -> T:
    """Run a coroutine function on a virtual loop and return what it returns.

    Args:
        main: called with the loop's clock.
        parts: parts of the clock that are not the usual ones.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(loop.clock(**parts)))


@define(eq=False)
class _Waiter:
    """Hold one thread that waits: until when, and whether somebody woke it."""

    until: float
    counted: bool
    call: threading.Condition
    woken: bool = False
    granted: bool = False


@define(eq=False)
class VirtualTime:
    """Let time jump to the first thread that is due as soon as all threads of a run wait.

    Attributes:
        now: virtual seconds.
    """

    now: float = START
    _lock: threading.Lock = field(factory=threading.Lock)
    _members: set[int] = field(factory=set)
    _busy: int = 0
    _waiting: list[_Waiter] = field(factory=list)
    _stuck: bool = False

    def clock(self, **parts: Any) -> Clock:
        """Return a clock that tells this time."""
        return virtual_clock(lambda: self.now, **{"sleep": self.sleep, **parts})

    @property
    def threading(self) -> Any:
        """Return what stands for the module ``threading``: locks and semaphores that wait in this time."""
        return SimpleNamespace(
            Lock=lambda: VirtualSemaphore(self, 1),
            BoundedSemaphore=lambda value: VirtualSemaphore(self, value),
            Semaphore=lambda value=1: VirtualSemaphore(self, value),
            TIMEOUT_MAX=threading.TIMEOUT_MAX,
        )

    def run(self, *functions: Callable[[], Any]) -> list[Any]:
        """Run each function in a thread of its own, to the end, and return what they return.

        Raises:
            BaseException: what the first of them raised.
        """
        futures: list[Future[Any]] = [Future() for _ in functions]
        threads = [
            threading.Thread(target=self._work, args=(function, future), daemon=True)
            for function, future in zip(functions, futures, strict=True)
        ]
        self._busy += len(threads)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [future.result() for future in futures]

    def _work(self, function: Callable[[], Any], future: Future[Any]) -> None:
        me = threading.get_ident()
        with self._lock:
            self._members.add(me)
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # it is raised where the run was asked for
            future.set_exception(error)
        finally:
            with self._lock:
                self._members.discard(me)
                self._busy -= 1
                self._jump()

    def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        with self._lock:
            self._wait(self.now + max(seconds, 0.0), [])

    def _wait(self, until: float, queue: list[_Waiter]) -> bool:
        """Wait for a moment or, in a queue, for somebody's grant; tell whether it was granted."""
        waiter = _Waiter(until, threading.get_ident() in self._members, threading.Condition(self._lock))
        queue.append(waiter)
        self._waiting.append(waiter)
        self._busy -= waiter.counted
        self._jump()
        while not waiter.woken:
            waiter.call.wait()
        queue.remove(waiter)
        if self._stuck:
            raise RuntimeError(STUCK)
        return waiter.granted

    def _wake(self, waiter: _Waiter) -> None:
        # The thread counts as busy from here on, long before the machine lets it run.
        self._waiting.remove(waiter)
        self._busy += waiter.counted
        waiter.woken = True
        waiter.call.notify()

    def _jump(self) -> None:
        if self._busy or not self._waiting:
            return
        soonest = min(waiter.until for waiter in self._waiting)
        self._stuck = soonest == float("inf")
        self.now = self.now if self._stuck else max(self.now, soonest)
        for waiter in [waiter for waiter in self._waiting if self._stuck or waiter.until <= self.now]:
            self._wake(waiter)


class VirtualSemaphore:
    """Do what a lock or a semaphore does, first come, first served, in virtual time."""

    def __init__(self, time: VirtualTime, value: int) -> None:
        self._time, self._free, self._most = time, value, value
        self._queue: list[_Waiter] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take one place, or tell that none came in time."""
        time = self._time
        with time._lock:
            if self._free:
                self._free -= 1
                return True
            if not blocking or timeout == 0:
                return False
            endless = timeout < 0 or timeout >= threading.TIMEOUT_MAX
            return time._wait(float("inf") if endless else time.now + timeout, self._queue)

    def release(self) -> None:
        """Give one place back, to whoever waits longest."""
        time = self._time
        with time._lock:
            due = next((waiter for waiter in self._queue if not waiter.woken), None)
            if due is not None:
                due.granted = True
                time._wake(due)
            elif self._free == self._most:
                raise ValueError("released more often than taken")
            else:
                self._free += 1

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()
