"""Whether, when and at what cost a failed attempt is repeated: tables and properties of the pure decisions."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, get_args

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk import OPERATIONS
from tailscale_sdk import _constants as defaults
from tailscale_sdk.transport.context import operation_of
from tailscale_sdk.transport.retry import (
    GIVE_UP,
    Decision,
    Failure,
    Nature,
    RetryClass,
    backoff,
    decide,
    may_repeat,
    nature_of_status,
    parse_retry_after,
)

CLASSES: tuple[RetryClass, ...] = get_args(RetryClass)
NATURES: tuple[Nature, ...] = get_args(Nature)
REPEATABLE = {"SAFE", "IDEM"}
LOST = Failure("ambiguous")
REFUSED = Failure("refused", status=429)
UNREACHABLE = Failure("not_sent")


def judge(failure: Failure, **changes: Any) -> Decision:
    """Decide on the first failed attempt of a read that has a minute left, with half of every jitter."""
    usual: dict[str, Any] = {
        "retry_class": "SAFE",
        "attempt": 1,
        "max_retries": 3,
        "remaining": 60.0,
        "chance": 0.5,
    }
    return decide(failure, **{**usual, **changes})


# --- classes ------------------------------------------------------------------------------------


def test_every_operation_has_a_class() -> None:
    counts = Counter(operation.retry_class for operation in OPERATIONS.values())
    assert counts == {"SAFE": 37, "IDEM": 38, "COND": 1, "CREATE": 7, "EFFECT": 7}
    assert set(counts) == set(CLASSES)


def test_a_read_is_safe_and_nothing_else_is() -> None:
    for operation in OPERATIONS.values():
        assert operation.http_method != "GET" or operation.retry_class == "SAFE", operation
        assert (operation.retry_class == "SAFE") == (operation.effect == "read"), operation
    posts = {
        name for name, found in OPERATIONS.items() if found.http_method == "POST" and found.effect == "read"
    }
    assert posts == {"previewRuleMatches", "validateAndTestPolicyFile", "validateAwsExternalId"}


@pytest.mark.parametrize(
    "retry_class, expected",
    [
        ("COND", {"setPolicyFile"}),
        (
            "CREATE",
            {
                "createKey",
                "createWebhook",
                "createOAuthApp",
                "createPostureIntegration",
                "createDeviceInvites",
                "createUserInvites",
                "getAwsExternalId",
            },
        ),
        (
            "EFFECT",
            {
                "resendUserInvite",
                "resendDeviceInvite",
                "acceptDeviceInvite",
                "resendContactVerificationEmail",
                "testWebhook",
                "rotateWebhookSecret",
                "deleteUser",
            },
        ),
    ],
)
def test_what_is_never_repeated_blindly(retry_class: str, expected: set[str]) -> None:
    assert {name for name, found in OPERATIONS.items() if found.retry_class == retry_class} == expected


def test_every_put_and_delete_is_repeatable() -> None:
    for operation in OPERATIONS.values():
        if operation.http_method in {"PUT", "DELETE", "PATCH"}:
            assert operation.retry_class == "IDEM", operation


# --- what a status says -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 500, 502, 504, 505, 507, 511, 520, 522, 530, 599])
@pytest.mark.parametrize("retry_class", CLASSES)
def test_a_failing_service_may_have_acted(status: int, retry_class: RetryClass) -> None:
    assert nature_of_status(status, retry_class) == "ambiguous"


@pytest.mark.parametrize("retry_class", CLASSES)
def test_429_and_503(retry_class: RetryClass) -> None:
    assert nature_of_status(429, retry_class) == "refused"
    repeated = retry_class in {"SAFE", "IDEM", "COND"}
    assert nature_of_status(503, retry_class) == ("refused" if repeated else "ambiguous")


@given(st.sampled_from([*range(100, 200), *range(300, 500), 501]), st.sampled_from(CLASSES))
def test_any_other_status_is_final(status: int, retry_class: RetryClass) -> None:
    expected = {429: "refused", 408: "ambiguous"}.get(status, "permanent")
    assert nature_of_status(status, retry_class) == expected


@pytest.mark.parametrize(
    "status, throttled", [(429, True), (503, True), (500, False), (401, False), (None, False)]
)
def test_what_counts_as_throttled(status: int | None, throttled: bool) -> None:
    assert Failure("refused", status=status).throttled is throttled


# --- what may be repeated -----------------------------------------------------------------------


@pytest.mark.parametrize("retry_class", CLASSES)
@pytest.mark.parametrize(
    "failure, repeated",
    [
        (UNREACHABLE, set(CLASSES)),
        (Failure("refused", status=401), set(CLASSES)),
        (REFUSED, set(CLASSES)),
        (Failure("refused", status=503), set(CLASSES)),
        (LOST, REPEATABLE),
        (Failure("ambiguous", status=503), REPEATABLE),
        (Failure("ambiguous", status=200, once=True), REPEATABLE),
        (Failure("ambiguous", at_once=True), REPEATABLE),
        (Failure("permanent"), set()),
        (Failure("permanent", status=404), set()),
    ],
)
def test_may_repeat(failure: Failure, repeated: set[str], retry_class: RetryClass) -> None:
    assert may_repeat(failure, retry_class) is (retry_class in repeated)
    assert judge(failure, retry_class=retry_class).again is (retry_class in repeated)
    final = evolve(failure, repeatable=False)
    assert may_repeat(final, retry_class) is False
    assert judge(final, retry_class=retry_class) == GIVE_UP


@pytest.mark.parametrize("retry_class", CLASSES)
def test_writes_may_be_kept_from_repeating_after_a_429(retry_class: RetryClass) -> None:
    kept = retry_class not in {"CREATE", "EFFECT"}
    assert may_repeat(REFUSED, retry_class, retry_429_writes=False) is kept
    assert judge(REFUSED, retry_class=retry_class, retry_429_writes=False).again is kept
    for other in (UNREACHABLE, Failure("refused", status=401, replay=True)):
        assert judge(other, retry_class=retry_class, retry_429_writes=False).again


# --- how often, and what it costs ---------------------------------------------------------------


@pytest.mark.parametrize("max_retries", [0, 1, 3, 20])
def test_so_many_attempts_and_no_more(max_retries: int) -> None:
    again = [judge(LOST, attempt=attempt, max_retries=max_retries).again for attempt in range(1, 30)]
    assert again == [attempt <= max_retries for attempt in range(1, 30)]


@pytest.mark.parametrize(
    "failure, cost",
    [(LOST, 14), (UNREACHABLE, 14), (REFUSED, 5), (Failure("refused", status=503), 5)]
    + [(Failure("ambiguous", status=status), 14) for status in (408, 500, 502, 504)]
    + [(Failure("ambiguous", status=503), 5)],
)
def test_a_retry_costs_tokens_and_is_not_made_without(failure: Failure, cost: int) -> None:
    assert judge(failure, tokens=cost).cost == judge(failure).cost == cost
    assert judge(failure, tokens=cost).again
    assert judge(failure, tokens=cost - 1) == GIVE_UP
    assert judge(failure, tokens=0) == GIVE_UP


def test_a_replay_with_a_new_token_is_no_retry() -> None:
    replay = Failure("refused", status=401, replay=True)
    for retry_class in CLASSES:
        decision = judge(
            replay, retry_class=retry_class, attempt=9, max_retries=0, tokens=0, retry_429_writes=False
        )
        assert decision == Decision(again=True, wait=0.0, cost=0)
    assert judge(replay, remaining=0.0) == GIVE_UP


def test_a_damaged_answer_is_asked_for_once_more() -> None:
    damaged = Failure("ambiguous", status=200, once=True)
    assert judge(damaged).again
    assert judge(damaged, once_spent=True) == GIVE_UP
    assert judge(LOST, once_spent=True).again


def test_a_stale_connection_is_replaced_at_once_and_only_once() -> None:
    stale = Failure("ambiguous", at_once=True)
    assert judge(stale) == Decision(again=True, wait=0.0, cost=14)
    assert judge(stale, attempt=2).wait == 0.25
    assert judge(stale, retry_class="CREATE") == GIVE_UP


# --- how long -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attempt, bound",
    [
        (1, 0.25),
        (2, 0.5),
        (3, 1.0),
        (4, 2.0),
        (5, 4.0),
        (6, 8.0),
        (7, 16.0),
        (8, 20.0),
        (9, 20.0),
        (20, 20.0),
        (5000, 20.0),
    ],
)
def test_backoff_doubles_up_to_a_cap(attempt: int, bound: float) -> None:
    assert backoff(attempt, 1.0) == bound
    assert backoff(attempt, 0.5) == bound / 2
    assert backoff(attempt, 0.0) == 0.0
    assert judge(LOST, attempt=attempt, max_retries=5000).wait == bound / 2


CHANCES = st.floats(0, 1, exclude_max=True)
FAILURES = st.builds(
    Failure,
    st.sampled_from(NATURES),
    status=st.sampled_from([None, 200, 401, 408, 429, 500, 501, 502, 503, 504]),
    retry_after=st.none() | st.floats(0.001, 1e9),
    at_once=st.booleans(),
    replay=st.booleans(),
    once=st.booleans(),
    repeatable=st.booleans(),
)
SITUATIONS = st.fixed_dictionaries(
    {
        "retry_class": st.sampled_from(CLASSES),
        "attempt": st.integers(1, 25),
        "max_retries": st.integers(0, 20),
        "remaining": st.floats(-5, 1e5),
        "chance": CHANCES,
        "tokens": st.integers(0, 500) | st.just(float("inf")),
        "max_retry_after": st.floats(0, 3600),
        "retry_429_writes": st.booleans(),
        "once_spent": st.booleans(),
    }
)


@given(FAILURES, SITUATIONS)
def test_no_decision_breaks_a_promise(failure: Failure, given_: dict[str, Any]) -> None:
    decision = decide(failure, **given_)
    if not decision.again:
        assert decision == GIVE_UP
        return
    assert failure.repeatable
    assert failure.nature != "permanent"
    assert failure.nature != "ambiguous" or given_["retry_class"] in REPEATABLE
    assert 0 <= decision.wait < given_["remaining"]
    assert decision.cost <= given_["tokens"]
    if failure.replay:
        assert decision.wait == decision.cost == 0
        return
    assert given_["attempt"] <= given_["max_retries"]
    assert decision.cost == (5 if failure.status in {429, 503} else 14)
    asked = failure.retry_after
    if asked is None:
        assert decision.wait <= 20
    else:
        assert asked <= given_["max_retry_after"]
        assert asked <= decision.wait <= asked + min(asked * 0.1, 1.0) + 1e-9


@given(st.floats(0.001, 60), CHANCES, st.floats(0.01, 200))
def test_what_the_service_asks_is_never_shortened(asked: float, chance: float, remaining: float) -> None:
    decision = judge(evolve(REFUSED, retry_after=asked), chance=chance, remaining=remaining)
    assert decision.again is (asked < remaining)
    if decision.again:
        jitter = chance * min(0.1 * asked, 1.0)
        assert decision.wait == (asked + jitter if asked + jitter < remaining else asked)


@pytest.mark.parametrize(
    "asked, chance, wait", [(2.0, 0.0, 2.0), (2.0, 0.5, 2.1), (2.0, 1.0, 2.2), (40.0, 1.0, 41.0)]
)
def test_jitter_goes_upwards_and_is_bounded(asked: float, chance: float, wait: float) -> None:
    assert judge(evolve(REFUSED, retry_after=asked), chance=chance).wait == pytest.approx(wait)


@pytest.mark.parametrize("remaining, wait", [(2.3, 2.2), (2.15, 2.0), (2.001, 2.0)])
def test_jitter_gives_way_to_the_deadline(remaining: float, wait: float) -> None:
    decision = judge(evolve(REFUSED, retry_after=2.0), chance=1.0, remaining=remaining)
    assert decision.wait == pytest.approx(wait)


def test_a_longer_wait_than_is_sat_out_is_given_up_at_once() -> None:
    hour = evolve(REFUSED, retry_after=3600.0)
    assert judge(hour, remaining=1e6) == GIVE_UP
    assert judge(hour, remaining=1e6, max_retry_after=3600.0).again
    assert judge(evolve(REFUSED, retry_after=60.0), remaining=100.0).again
    assert judge(evolve(REFUSED, retry_after=60.001), remaining=100.0) == GIVE_UP


@pytest.mark.parametrize("remaining", [0.0, -1.0, 0.125])
def test_nobody_sleeps_past_the_deadline(remaining: float) -> None:
    assert judge(LOST, remaining=remaining) == GIVE_UP
    assert judge(evolve(REFUSED, retry_after=0.125), remaining=remaining, chance=0.0) == GIVE_UP
    assert judge(LOST, remaining=0.126).wait == 0.125
    # Even a repeat that need not wait needs time.
    assert judge(Failure("ambiguous", at_once=True), remaining=0.001).again


# --- Retry-After --------------------------------------------------------------------------------

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)
IMF = "Wed, 01 Jul 2026 10:01:30 GMT"
RFC_850 = "Wednesday, 01-Jul-26 10:01:30 GMT"
ASCTIME = "Wed Jul  1 10:01:30 2026"


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("\t5", 5.0),
        ("05", 5.0),
        ("1.5", 1.5),
        ("0.25", 0.25),
        ("999999999", 999999999.0),
        (IMF, 90.0),
        (f" {IMF} ", 90.0),
        (RFC_850, 90.0),
        (ASCTIME, 90.0),
        ("Wed Jul 01 10:01:30 2026", 90.0),
        # The day of the week is not compared with the date.
        ("Mon, 01 Jul 2026 10:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 2288008800.0),
    ],
)
def test_what_a_service_may_ask(value: str, seconds: float) -> None:
    assert parse_retry_after({"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "0",
        "0.0",
        "-1",
        "+5",
        "inf",
        "nan",
        "1e3",
        "0x10",
        "5s",
        "1,5",
        "5.",
        ".5",
        "1_000",
        "9" * 400,
        "9" * 10,
        "0." + "1" * 400,
        "5, 7",
        f"{IMF}, {IMF}",
        f"5, {IMF}",
        "soon",
        "５",
        "²",
        "Wed, 01 Jul 2026 09:59:59 GMT",
        "Wed, 01 Jul 2026 10:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Sun, 31 Feb 2027 10:00:00 GMT",
        "Wed, 01 Jul 2026 25:00:00 GMT",
        "Wed, 01 Jul 2026 10:61:30 GMT",
        "Wed, 01 Foo 2026 10:01:30 GMT",
        "Wed, 01 Jul 2026 10:01:30 +0200",
        "Wed, 01 Jul 2026 10:01:30 CEST",
        "Wed, 01 Jul 2026 10:01:30",
        "2026-07-01T10:01:30Z",
        "Wed, 00 Jul 0000 00:00:00 GMT",
        f"{IMF}\n",
        f"X{IMF}",
        f"{IMF} X",
    ],
)
def test_what_asks_for_nothing(value: str) -> None:
    assert parse_retry_after({"retry-after": value}, NOW) is None


def test_no_header_asks_for_nothing() -> None:
    assert parse_retry_after({}, NOW) is None
    assert parse_retry_after({"date": IMF}, NOW) is None


@pytest.mark.parametrize("form", [IMF, RFC_850, ASCTIME])
def test_a_date_is_compared_with_the_answers_own(form: str) -> None:
    sent = format_datetime(LATER - timedelta(seconds=7), usegmt=True)
    for skew in (timedelta(days=-1), timedelta(0), timedelta(days=1)):
        assert parse_retry_after({"retry-after": form, "date": sent}, NOW + skew) == 7.0
    assert parse_retry_after({"retry-after": form, "date": IMF}, NOW) is None
    assert parse_retry_after({"retry-after": form, "date": "yesterday"}, NOW) == 90.0


@given(st.text(max_size=60), st.text(max_size=40), st.datetimes(timezones=st.just(UTC)))
def test_no_header_breaks_the_reading(value: str, date: str, now: datetime) -> None:
    found = parse_retry_after({"retry-after": value, "date": date}, now)
    assert found is None or found > 0


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2068, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
)
def test_every_date_is_read_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"):
        headers = {"retry-after": moment.strftime(form)}
        assert parse_retry_after(headers, moment - timedelta(seconds=30)) == 30.0
        assert parse_retry_after(headers, moment + timedelta(seconds=30)) is None


def test_the_figures_are_those_the_documentation_gives() -> None:
    assert (defaults.MAX_RETRIES, defaults.MAX_RETRY_AFTER_SECONDS, defaults.RETRY_BUDGET) == (3, 60.0, 500)
    assert operation_of("getDevice").retry_class == "SAFE"
