"""What the calls of one client share: the purse that retries are paid from, and the gate that a 429 shuts."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk import AsyncTailscale, Tailscale
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.errors import APIConnectionError, RateLimitError
from tailscale_sdk.transport.budget import RetryBudget
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, operation_of, raw_reply
from tailscale_sdk.transport.gate import Gate
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.pacing import Pacing
from tailscale_sdk.transport.retry import Decision, Failure
from tailscale_sdk.transport.wire import AttemptFailed, Target

# --- the purse ----------------------------------------------------------------------------------


def test_a_purse_is_spent_and_filled_up_again() -> None:
    budget = RetryBudget(20)
    assert budget.tokens == 20
    assert budget.spend(14)
    assert budget.tokens == 6
    assert not budget.spend(14)
    assert budget.tokens == 6
    assert budget.spend(6)
    assert budget.tokens == 0
    assert not budget.spend(1)
    assert budget.spend(0)
    budget.earn(14)
    assert budget.tokens == 14
    budget.earn(14)
    assert budget.tokens == 20
    budget.earn(1)
    assert budget.tokens == 20


@pytest.mark.parametrize("size, first", [(0, False), (13, False), (14, True), (500, True)])
def test_a_small_purse_pays_nothing(size: int, first: bool) -> None:
    budget = RetryBudget(size)
    assert budget.spend(14) is first
    budget.earn(1000)
    assert budget.tokens == size


def test_no_purse_is_no_limit() -> None:
    budget = RetryBudget(None)
    for _ in range(100):
        assert budget.spend(10**9)
    budget.earn(5)
    assert budget.tokens == float("inf")


@given(st.integers(0, 60), st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60))
def test_a_purse_is_never_overdrawn_and_never_overfull(size: int, moves: list[tuple[bool, int]]) -> None:
    budget, expected = RetryBudget(size), size
    for spends, amount in moves:
        if spends:
            assert budget.spend(amount) is (amount <= expected)
            expected -= amount if amount <= expected else 0
        else:
            budget.earn(amount)
            expected = min(size, expected + amount)
        assert budget.tokens == expected


def test_eight_threads_never_overdraw_a_purse() -> None:
    budget = RetryBudget(500)
    lowest, paid, start = [], [], threading.Barrier(8)

    def spend() -> None:
        start.wait()
        paid.append(sum(budget.spend(5) for _ in range(200)))
        lowest.append(budget.tokens)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(paid) == 100
    assert budget.tokens == 0
    assert min(lowest) >= 0


# --- the gate -----------------------------------------------------------------------------------


def test_an_open_gate_keeps_nobody() -> None:
    assert Gate().wait("getDevice", 0.0) == 0.0


def test_a_gate_shut_for_everybody() -> None:
    gate = Gate()
    gate.shut(110.0)
    assert [gate.wait(name, 100.0) for name in ("getDevice", "createKey")] == [10.0, 10.0]
    assert [gate.wait("getDevice", now) for now in (109.5, 110.0, 111.0)] == [0.5, 0.0, 0.0]


def test_a_gate_shut_for_one_operation() -> None:
    gate = Gate()
    gate.shut(110.0, "resendUserInvite")
    assert gate.wait("resendUserInvite", 100.0) == 10.0
    assert gate.wait("resendDeviceInvite", 100.0) == 0.0
    assert gate.wait("resendUserInvite", 110.0) == 0.0


def test_the_later_of_two_moments_counts() -> None:
    gate = Gate()
    gate.shut(105.0)
    gate.shut(110.0, "testWebhook")
    assert (gate.wait("testWebhook", 100.0), gate.wait("getDevice", 100.0)) == (10.0, 5.0)
    gate.shut(120.0)
    assert (gate.wait("testWebhook", 100.0), gate.wait("getDevice", 100.0)) == (20.0, 20.0)
    # An operation of its own may open while everybody still waits, and the other way round.
    assert gate.wait("testWebhook", 115.0) == 5.0


OPERATIONS = st.sampled_from([None, "testWebhook", "deleteUser"])
MOMENTS = st.floats(0, 1000)


@given(st.lists(st.tuples(MOMENTS, OPERATIONS), max_size=20), MOMENTS)
def test_a_gate_never_moves_backwards(shuts: list[tuple[float, str | None]], now: float) -> None:
    gate, waits = Gate(), {"testWebhook": 0.0, "deleteUser": 0.0, "getDevice": 0.0}
    for until, operation in shuts:
        gate.shut(until, operation)
        for name, before in waits.items():
            waits[name] = gate.wait(name, now)
            assert waits[name] >= before
    for name, wait in waits.items():
        latest = max((until for until, operation in shuts if operation in {None, name}), default=0.0)
        assert wait == max(latest - now, 0.0)


@pytest.mark.parametrize("operation", [None, "testWebhook"])
def test_nobody_moves_a_gate_back_from_another_thread(operation: str | None) -> None:
    gate, comparing, shut = Gate(), threading.Event(), threading.Event()
    gate.shut(0.0, operation)

    class Slow(float):
        """Give another thread the time to come in between."""

        def __gt__(self, other: float) -> bool:
            comparing.set()
            shut.wait(0.05)
            return float(self) > other

    def shut_later() -> None:
        comparing.wait()
        gate.shut(100.0, operation)
        shut.set()

    other = threading.Thread(target=shut_later)
    other.start()
    gate.shut(Slow(50.0), operation)
    other.join()
    assert gate.wait("testWebhook", 0.0) == 100.0


# --- what a call does with both -----------------------------------------------------------------

NOW = 1000.0


class Call:
    """Hold one call whose first attempt failed, and what it shares with others."""

    def __init__(self, operation: str = "getDevice", *, tokens: int | None = 500, **options: Any) -> None:
        self.clock = Clock(monotonic=lambda: NOW, random=lambda: 0.5)
        self.pacing = Pacing(RetryBudget(tokens), Gate())
        self.context = CallContext(
            operation_of(operation),
            WireRequest("GET", "/"),
            Target("https://api.example.com"),
            Options(**options),
            raw_reply,
            NOW,
        )
        self.context.attempts = 1

    def fails(self, failure: Failure) -> Decision:
        failed = AttemptFailed(APIConnectionError("no answer"), failure)
        return self.context.next_step(failed, self.clock, self.pacing)

    def others_wait(self, operation: str = "listTailnetDevices") -> float:
        return self.pacing.gate.wait(operation, NOW)


def throttled(retry_after: float | None = None) -> Failure:
    return Failure("refused", status=429, retry_after=retry_after)


@pytest.mark.parametrize(
    "asked, options, ahead, again",
    [
        (5.0, {}, 5.0, True),
        (60.0, {"timeout": 100.0}, 60.0, True),
        # Who asks for more than is sat out gets as much, and the call itself gives up.
        (3600.0, {}, 60.0, False),
        (3600.0, {"max_retry_after": 7.0}, 7.0, False),
        (5.0, {"max_retries": 0}, 5.0, False),
        (5.0, {"timeout": 2.0}, 5.0, False),
        (None, {}, 0.125, True),
        (None, {"max_retries": 0}, 0.0, False),
    ],
)
def test_a_429_shuts_the_gate_for_everybody(
    asked: float | None, options: dict[str, Any], ahead: float, again: bool
) -> None:
    call = Call(**options)
    assert call.fails(throttled(asked)).again is again
    assert call.others_wait() == ahead


@pytest.mark.parametrize("operation", ["testWebhook", "resendUserInvite", "deleteUser"])
def test_the_429_of_an_effect_holds_back_that_operation_alone(operation: str) -> None:
    call = Call(operation)
    assert call.fails(throttled(30.0)).again
    assert (call.others_wait(operation), call.others_wait()) == (30.0, 0.0)


@pytest.mark.parametrize("operation", ["createKey", "setPolicyFile", "setDeviceTags"])
def test_the_429_of_any_other_write_holds_back_everybody(operation: str) -> None:
    call = Call(operation)
    call.fails(throttled(30.0))
    assert call.others_wait() == 30.0


@pytest.mark.parametrize(
    "failure",
    [
        Failure("refused", status=503, retry_after=30.0),
        Failure("ambiguous", status=500),
        Failure("ambiguous"),
        Failure("not_sent"),
        Failure("refused", status=401, replay=True),
    ],
)
def test_nothing_else_shuts_the_gate(failure: Failure) -> None:
    call = Call()
    assert call.fails(failure).again
    assert call.others_wait() == 0.0


def test_a_retry_is_paid_for_and_earned_back() -> None:
    call = Call()
    call.fails(Failure("ambiguous", status=502))
    assert call.pacing.budget.tokens == 486
    call.context.attempts = 2
    call.fails(throttled(1.0))
    assert call.pacing.budget.tokens == 481
    # The last retry's cost comes back.
    call.context.succeeded(call.pacing)
    assert call.pacing.budget.tokens == 486


def test_a_first_success_earns_one() -> None:
    call = Call()
    assert call.pacing.budget.spend(10)
    call.context.succeeded(call.pacing)
    assert call.pacing.budget.tokens == 491


@pytest.mark.parametrize(
    "failure, tokens, again",
    [(Failure("not_sent"), 13, False), (throttled(1.0), 13, True), (throttled(1.0), 4, False)],
)
def test_an_empty_purse_ends_the_call(failure: Failure, tokens: int, again: bool) -> None:
    call = Call(tokens=tokens)
    assert call.fails(failure).again is again
    assert call.pacing.budget.tokens == tokens - (5 if again else 0)


def test_a_purse_emptied_by_another_thread_meanwhile_ends_the_call() -> None:
    call = Call(tokens=20)

    class Race(RetryBudget):
        @property
        def tokens(self) -> float:
            seen = super().tokens
            self._tokens = 0
            return seen

    call.pacing = Pacing(Race(20), Gate())
    assert not call.fails(Failure("not_sent")).again


def test_a_replay_costs_nothing_and_is_not_counted() -> None:
    call = Call(max_retries=1)
    call.context.replayed = True
    assert call.fails(Failure("refused", status=401, replay=True)).again
    assert call.pacing.budget.tokens == 500
    call.context.attempts = 2
    assert call.fails(Failure("ambiguous", status=500)).again
    call.context.attempts = 3
    assert not call.fails(Failure("ambiguous", status=500)).again


def test_a_damaged_answer_is_remembered() -> None:
    call = Call()
    damaged = Failure("ambiguous", status=200, once=True)
    assert call.fails(damaged).again
    call.context.attempts = 2
    assert not call.fails(damaged).again


def test_what_may_have_been_carried_out_is_remembered() -> None:
    call = Call("setDeviceTags")
    call.fails(Failure("not_sent"))
    assert not call.context.unclear
    call.fails(Failure("ambiguous"))
    assert call.context.unclear
    call.fails(Failure("not_sent"))
    assert call.context.unclear


def test_copies_share_the_purse_and_the_gate_unless_they_set_their_own() -> None:
    for kind in (Tailscale, AsyncTailscale):
        client = kind(api_key="tskey-api-demo", retry_budget=30)
        pacing = client._channel.sender.pacing
        assert pacing.budget.size == 30
        copies: list[Any] = [client.with_options(timeout=5), client.with_options(rate_limit=None)]
        assert all(copy._channel.sender.pacing is pacing for copy in copies)
        own: Any = client.with_options(retry_budget=None)._channel.sender.pacing
        assert own.budget is not pacing.budget
        assert own.gate is pacing.gate


def test_a_call_held_back_says_for_how_long() -> None:
    call = Call("createKey")
    failed = call.context.held_back(12.5)
    assert isinstance(failed.error, RateLimitError)
    assert (failed.error.retry_after, failed.error.operation) == (12.5, "createKey")
    assert "not sent" in str(failed.error)
    assert not call.fails(failed.failure).again
    final = call.context.final(failed, call.clock)
    assert final is failed.error
    assert final.ambiguous is False
