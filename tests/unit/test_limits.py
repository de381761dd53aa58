"""How fast and how wide: the same rule for threads and for an event loop, measured to the millisecond."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk import AsyncTailscale, Tailscale
from tailscale_sdk.errors import APITimeoutError
from tailscale_sdk.transport import limits
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.limits import AsyncThrottle, LeakyBucket, LimitExceeded, Throttle, bulk_slots
from tests.virtual_time import START, VirtualTime, run_virtual

FOREVER = float("inf")

# --- the bucket ---------------------------------------------------------------------------------


def test_a_bucket_lets_so_many_through_at_once_and_the_rest_evenly() -> None:
    bucket = LeakyBucket(5, 0.5)
    assert [bucket.take(0.0, FOREVER) for _ in range(8)] == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3])
    assert bucket.take(10.0, FOREVER) == 0.0


def test_a_full_bucket_leaks_steadily() -> None:
    bucket = LeakyBucket(2, 1.0)
    assert [bucket.take(0.0, FOREVER) for _ in range(2)] == [0.0, 0.0]
    assert [bucket.take(0.5, FOREVER), bucket.take(0.5, FOREVER)] == [0.0, 0.5]
    assert bucket.take(1.5, FOREVER) == 0.0
    # Rest fills no more than one bucket.
    assert [bucket.take(60.0, FOREVER) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_a_place_that_comes_too_late_is_not_taken() -> None:
    bucket = LeakyBucket(1, 1.0)
    assert bucket.take(0.0, FOREVER) == 0.0
    before = evolve(bucket)
    for deadline in (0.5, 0.999, 1.0, 0.0, -5.0):
        assert bucket.take(0.0, deadline) is None
        assert bucket == before
    assert bucket.take(0.0, 1.001) == 1.0
    assert bucket.take(0.0, FOREVER) == 2.0


def test_a_call_without_time_takes_no_place() -> None:
    bucket = LeakyBucket(5, 0.5)
    assert bucket.take(3.0, 3.0) is None
    assert bucket == LeakyBucket(5, 0.5)
    assert bucket.take(3.0, 3.001) == 0.0


ARRIVALS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.7, 5.0]), st.sampled_from([0.05, 0.5, 3.0, FOREVER])),
    max_size=40,
)


@given(st.integers(1, 12), st.sampled_from([0.05, 0.5, 1.0, 60.0]), ARRIVALS)
def test_a_bucket_keeps_its_rate_in_every_window(
    requests: int, seconds: float, arrivals: list[tuple[float, float]]
) -> None:
    bucket, now, passed = LeakyBucket(requests, seconds), 0.0, list[float]()
    for pause, patience in arrivals:
        now += pause
        before = evolve(bucket)
        delay = bucket.take(now, now + patience)
        if delay is None:
            assert bucket == before
        else:
            assert 0 <= delay < patience
            passed.append(now + delay)
    # First come, first served.
    assert passed == sorted(passed)
    for first, last in itertools.combinations_with_replacement(range(len(passed)), 2):
        length = passed[last] - passed[first]
        assert last - first + 1 <= requests + requests * length / seconds + 1e-6


@given(st.integers(1, 12), st.sampled_from([0.05, 0.5, 1.0, 60.0]), st.integers(1, 40))
def test_nobody_waits_longer_than_the_rate_asks(requests: int, seconds: float, count: int) -> None:
    bucket = LeakyBucket(requests, seconds)
    delays = [bucket.take(0.0, FOREVER) for _ in range(count)]
    expected = [max(0, number - requests) * seconds / requests for number in range(1, count + 1)]
    assert delays == pytest.approx(expected)


@pytest.mark.parametrize("slots, bulk", [(1, 1), (2, 1), (3, 1), (10, 5), (11, 5), (1000, 500)])
def test_bulk_work_holds_half_of_the_slots_and_never_none(slots: int, bulk: int) -> None:
    assert bulk_slots(slots) == bulk


# --- both twins ---------------------------------------------------------------------------------

Job = tuple[float, float, bool]
"""When a call comes, how long it holds its slot, and whether it is bulk work."""


class Log:
    """Keep when each call came and went, and how many were under way at once."""

    def __init__(self) -> None:
        self.waited: dict[bool, list[float]] = {False: [], True: []}
        self.under_way = {False: 0, True: 0}
        self.most = {False: 0, True: 0}
        self.lock = threading.Lock()

    def enter(self, waited: float, bulk: bool) -> None:
        with self.lock:
            self.waited[bulk].append(waited)
            self.under_way[bulk] += 1
            self.most[bulk] = max(self.most[bulk], self.under_way[bulk])

    def leave(self, bulk: bool) -> None:
        with self.lock:
            self.under_way[bulk] -= 1


Work = Callable[[limits.RateLimit, int, list[list[Job]]], tuple[float, Log]]


def in_threads(rate: limits.RateLimit, slots: int, lines: list[list[Job]]) -> tuple[float, Log]:
    """Run each line of calls in a thread, one call after the other; return when the last one ended."""
    time, log = VirtualTime(), Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "threading", time.threading)
        throttle = Throttle(rate, slots, time.clock())

    def run(line: list[Job]) -> None:
        for due, held, bulk in line:
            time.sleep(START + due - time.now)
            came = time.now
            with throttle.admitted(FOREVER, bulk=bulk):
                log.enter(time.now - came, bulk)
                time.sleep(held)
                log.leave(bulk)

    time.run(*(lambda line=line: run(line) for line in lines))
    return time.now - START, log


def on_a_loop(rate: limits.RateLimit, slots: int, lines: list[list[Job]]) -> tuple[float, Log]:
    """Run each line of calls in a task, one call after the other; return when the last one ended."""
    throttle, log = AsyncThrottle(rate, slots), Log()

    async def main(clock: Clock) -> float:
        async def run(line: list[Job]) -> None:
            for due, held, bulk in line:
                await asyncio.sleep(START + due - clock.monotonic())
                came = clock.monotonic()
                async with throttle.admitted(bulk=bulk):
                    log.enter(clock.monotonic() - came, bulk)
                    await asyncio.sleep(held)
                    log.leave(bulk)

        await asyncio.gather(*(run(line) for line in lines))
        return clock.monotonic() - START

    return run_virtual(main), log


@pytest.fixture(params=["threads", "loop"])
def work(request: pytest.FixtureRequest) -> Work:
    return in_threads if request.param == "threads" else on_a_loop


@pytest.mark.parametrize("lines", [1, 8])
def test_forty_calls_at_twenty_a_second_take_one_second(work: Work, lines: int) -> None:
    took, log = work((20, 1.0), 50, [[(0.0, 0.0, False)] * (40 // lines)] * lines)
    assert took == pytest.approx(1.0, rel=0.05)
    assert len(log.waited[False]) == 40


def test_bulk_work_keeps_the_same_rate(work: Work) -> None:
    took, _ = work((20, 1.0), 50, [[(0.0, 0.0, True)] * 5] * 8)
    assert took == pytest.approx(1.0, rel=0.05)


def test_without_a_rate_nobody_waits(work: Work) -> None:
    took, log = work(None, 50, [[(0.0, 0.0, False)] * 20] * 8)
    assert (took, set(log.waited[False])) == (0.0, {0.0})


@pytest.mark.parametrize("slots, took", [(1, 8.0), (3, 3.0), (8, 1.0), (100, 1.0)])
def test_no_more_than_so_many_at_once(work: Work, slots: int, took: float) -> None:
    elapsed, log = work(None, slots, [[(0.0, 1.0, False)]] * 8)
    assert elapsed == took
    assert log.most[False] == min(slots, 8)


@pytest.mark.parametrize("slots, took", [(1, 8.0), (4, 4.0), (6, 3.0)])
def test_bulk_work_leaves_half_of_the_slots(work: Work, slots: int, took: float) -> None:
    elapsed, log = work(None, slots, [[(0.0, 1.0, True)]] * 8)
    assert elapsed == took
    assert log.most[True] == bulk_slots(slots)


@pytest.mark.parametrize("latency", [0.05, 0.25, 2.0])
def test_one_call_is_never_behind_a_thousand(work: Work, latency: float) -> None:
    requests, seconds = 5, 0.5
    lines = 50 if work is in_threads else 1000
    bulk = [[(0.0, latency, True)] * (1000 // lines)] * lines
    single = [[(due, 0.0, False)] for due in (3.0, 7.33, 21.05)]
    took, log = work((requests, seconds), 10, [*bulk, *single])
    assert took > 90
    assert (len(log.waited[True]), len(log.waited[False])) == (1000, 3)
    assert log.most[True] <= 5
    # One bulk call may be ahead of it, and then it is its own turn.
    assert max(log.waited[False]) <= 2 * seconds / requests + 1e-6
    assert 2 * seconds / requests < latency + seconds


def test_bulk_work_goes_on_beside_single_calls(work: Work) -> None:
    took, log = work((5, 0.5), 10, [[(0.0, 0.1, True)] * 25, *[[(0.0, 0.1, False)] * 25] * 2])
    assert took == pytest.approx(7.1, rel=0.05)
    assert max(log.waited[True]) <= 0.5


# --- threads: the deadline ----------------------------------------------------------------------


class Threads:
    """Hold a throttle for threads in virtual time."""

    def __init__(self, rate: limits.RateLimit, slots: int) -> None:
        self.time = VirtualTime()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "threading", self.time.threading)
            self.throttle = Throttle(rate, slots, self.time.clock())

    def refused(self, patience: float, *, bulk: bool = False) -> float:
        """Ask for a turn that does not come in time; return how long the refusal took."""
        came = self.time.now
        with pytest.raises(LimitExceeded), self.throttle.admitted(came + patience, bulk=bulk):
            raise AssertionError("let through")
        return self.time.now - came

    def hold(self, seconds: float, *, bulk: bool = False) -> float:
        """Take a turn; return how long it took to come."""
        came = self.time.now
        with self.throttle.admitted(FOREVER, bulk=bulk):
            waited = self.time.now - came
            self.time.sleep(seconds)
        return waited


def test_a_turn_that_comes_too_late_is_refused_at_once() -> None:
    threads = Threads((1, 1.0), 10)
    assert threads.hold(0.0) == 0.0
    assert threads.refused(0.5) == 0.0
    assert threads.refused(1.0) == 0.0
    # The refused took no place.
    assert threads.hold(0.0) == 1.0


@pytest.mark.parametrize("bulk", [False, True])
def test_a_slot_is_waited_for_until_the_deadline(bulk: bool) -> None:
    threads = Threads(None, 1)
    found = threads.time.run(
        lambda: threads.hold(10.0, bulk=bulk),
        lambda: (threads.time.sleep(1.0), threads.refused(4.0, bulk=bulk))[1],
        lambda: (threads.time.sleep(2.0), threads.hold(1.0, bulk=bulk))[1],
    )
    assert found == [0.0, 4.0, 8.0]


def test_bulk_work_waits_for_its_turn_until_the_deadline() -> None:
    threads = Threads((1, 10.0), 4)
    assert threads.hold(0.0) == 0.0
    found = threads.time.run(
        lambda: threads.hold(0.0, bulk=True),
        lambda: (threads.time.sleep(1.0), threads.refused(4.0, bulk=True))[1],
        # A single call is refused by the bucket: its place would come after that of the bulk call.
        lambda: (threads.time.sleep(2.0), threads.refused(12.0))[1],
    )
    assert found == [10.0, 4.0, 0.0]


@pytest.mark.parametrize("bulk", [False, True])
def test_nobody_is_let_through_after_the_deadline(bulk: bool) -> None:
    threads = Threads(None, 1)
    for patience in (0.0, -3.0):
        assert threads.refused(patience, bulk=bulk) == 0.0
    # Every place is free again.
    assert threads.hold(0.0, bulk=bulk) == 0.0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("bulk", [False, True])
def test_whoever_fails_gives_the_place_back(stop: type[BaseException], bulk: bool) -> None:
    threads = Threads((1000, 0.001), 2)
    for _ in range(5):
        with pytest.raises(stop), threads.throttle.admitted(FOREVER, bulk=bulk):
            raise stop
    assert threads.time.run(*[lambda: threads.hold(1.0)] * 2) == [0.0, 0.0]
    assert threads.hold(1.0, bulk=True) == 0.0


def test_without_a_deadline_a_real_lock_is_waited_for() -> None:
    throttle = Throttle(None, 1, Clock())
    with throttle.admitted(FOREVER):
        pass
    with throttle.admitted(FOREVER, bulk=True), pytest.raises(LimitExceeded), throttle.admitted(0.0):
        pass


# --- tasks: cancellation and loops --------------------------------------------------------------


@pytest.mark.parametrize("rate, slots", [((2, 1.0), 10), (None, 1), ((2, 1.0), 1)])
@pytest.mark.parametrize("bulk", [False, True])
def test_the_cancelled_free_their_place(rate: limits.RateLimit, slots: int, bulk: bool) -> None:
    throttle = AsyncThrottle(rate, slots)

    async def main(clock: Clock) -> tuple[int, float]:
        held: list[asyncio.Task[Any]] = []

        async def hold(seconds: float) -> float:
            async with throttle.admitted(bulk=bulk):
                moment = clock.monotonic() - START
                await asyncio.sleep(seconds)
            return moment

        first = asyncio.create_task(hold(3.0))
        await asyncio.sleep(0)
        held = [asyncio.create_task(hold(100.0)) for _ in range(20)]
        last = asyncio.create_task(hold(0.0))
        await asyncio.sleep(0.125)
        for task in held:
            task.cancel()
        gone = await asyncio.gather(*held, return_exceptions=True)
        await first
        moment = await last
        # Nothing is left behind: as many as there are slots go through together.
        await asyncio.gather(*(hold(1.0) for _ in range(slots)))
        return sum(isinstance(problem, asyncio.CancelledError) for problem in gone), moment

    cancelled, moment = run_virtual(main)
    assert cancelled == 20
    assert moment <= (3.0 if slots == 1 else 1.0)


def test_each_loop_has_limits_of_its_own() -> None:
    throttle = AsyncThrottle((1, 1000.0), 1)

    async def once(clock: Clock) -> float:
        async with throttle.admitted():
            return clock.monotonic()

    assert [run_virtual(once), run_virtual(once)] == [START, START]


# --- through both clients -----------------------------------------------------------------------


class SlowWire(httpx.BaseTransport):
    """Answer every request after some virtual seconds."""

    def __init__(self, sleep: Callable[[float], None], seconds: float) -> None:
        self._sleep, self._seconds = sleep, seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._sleep(self._seconds)
        return httpx.Response(200, json={})


class AsyncSlowWire(httpx.AsyncBaseTransport):
    """Answer every request after some virtual seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._seconds)
        return httpx.Response(200, json={})


@pytest.mark.parametrize("options", [{"rate_limit": (1, 60.0)}, {"rate_limit": None, "max_concurrency": 1}])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_call_without_a_turn_in_time_was_never_sent(options: dict[str, Any], bulk: bool) -> None:
    errors = [threads_late(options, bulk), loop_late(options, bulk)]
    for error, took in errors:
        assert (error.phase, error.ambiguous, error.attempts) == ("limiter", False, 0)
        assert "waiting for its turn" in str(error)
        assert took <= 2.25


def threads_late(options: dict[str, Any], bulk: bool) -> tuple[APITimeoutError, float]:
    """Let a write wait for its turn for two seconds while another one is under way for ten."""
    time = VirtualTime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "threading", time.threading)
        wire = SlowWire(time.sleep, 10.0)
        client = Tailscale(api_key="tskey-api-demo", _wire=wire, _clock=time.clock(), **options)
    late = client.with_options(timeout=2.0, bulk=bulk)

    def second() -> tuple[APITimeoutError, float]:
        time.sleep(1.0)
        with pytest.raises(APITimeoutError) as caught:
            late.devices.delete("nDEVICE")
        return caught.value, time.now - START - 1.0

    _, found = time.run(lambda: client.request("GET", "/device/nDEVICE"), second)
    return found  # type: ignore[no-any-return]


def loop_late(options: dict[str, Any], bulk: bool) -> tuple[APITimeoutError, float]:
    """Do the same on an event loop."""

    async def main(clock: Clock) -> tuple[APITimeoutError, float]:
        wire = AsyncSlowWire(10.0)
        client = AsyncTailscale(api_key="tskey-api-demo", _wire=wire, _clock=clock, **options)
        async with client:
            first = asyncio.create_task(client.request("GET", "/device/nDEVICE"))
            await asyncio.sleep(1.0)
            with pytest.raises(APITimeoutError) as caught:
                await client.with_options(timeout=2.0, bulk=bulk).devices.delete("nDEVICE")
            took = clock.monotonic() - START - 1.0
            await first
            return caught.value, took

    return run_virtual(main)


WINDOW = {"start": "2026-07-01T00:00:00Z", "end": "2026-07-02T00:00:00Z"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_that_comes_a_moment_after_the_deadline_is_not_used(stream: bool) -> None:
    sent: list[str] = []

    async def main(clock: Clock) -> APITimeoutError:
        wire = httpx.MockTransport(
            lambda request: sent.append(request.method) or httpx.Response(200, json={})
        )
        client = AsyncTailscale(api_key="tskey-api-demo", rate_limit=(1, 2.0625), _wire=wire, _clock=clock)
        late = client.with_options(timeout=2.0)
        await client.request("GET", "/device/nDEVICE")
        records = late.logging.iter_network_logs(**WINDOW)
        with pytest.raises(APITimeoutError) as caught:
            await (anext(records) if stream else late.devices.delete("nDEVICE"))
        return caught.value

    error = run_virtual(main)
    assert (error.phase, error.ambiguous, error.attempts) == ("limiter", False, 0)
    assert sent == ["GET"]
