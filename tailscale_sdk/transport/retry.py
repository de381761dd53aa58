"""Whether and when to try again: pure decisions, without clock, sleep or chance of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from attrs import frozen

from tailscale_sdk import _constants as defaults

RetryClass = Literal["SAFE", "IDEM", "COND", "CREATE", "EFFECT"]
# not_sent: the service never saw it. refused: it saw it and did not act. ambiguous: it may have acted.
# permanent: another try would end the same way.
Nature = Literal["not_sent", "refused", "ambiguous", "permanent"]

_SECONDS = re.compile(r"[ \t]*([0-9]{1,9}(?:\.[0-9]{1,9})?)[ \t]*")
# The three forms of RFC 9110, 5.6.7; the general parser behind it would also read half a list of dates.
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
)
_AMBIGUOUS_STATUSES = frozenset({408, 500, 502, 503, 504})


@frozen
class Failure:
    """Describe why an attempt brought no usable answer.

    Attributes:
        nature: what the failure says about the request having been carried out.
        status: HTTP status, None without a complete answer.
        retry_after: seconds the service asked to wait, if it did.
        at_once: the connection was closed before any answer; the first repeat need not wait.
        replay: the token was not accepted and another one can be had.
        once: a damaged answer, which is asked for one more time only.
        repeatable: another attempt may end otherwise.
    """

    nature: Nature
    status: int | None = None
    retry_after: float | None = None
    at_once: bool = False
    replay: bool = False
    once: bool = False
    repeatable: bool = True

    @property
    def throttled(self) -> bool:
        """Tell whether the service said that it is asked too much."""
        return self.status in {429, 503}


@frozen
class Decision:
    """Say whether to try again, after how many seconds, and what it costs of the retry budget."""

    again: bool
    wait: float = 0.0
    cost: int = 0


GIVE_UP = Decision(again=False)


def nature_of_status(status: int, retry_class: RetryClass) -> Nature:
    """Judge what an error status says about the request having been carried out."""
    if status == 429:
        return "refused"
    if status == 503 and retry_class in {"SAFE", "IDEM", "COND"}:
        return "refused"
    return "ambiguous" if status in _AMBIGUOUS_STATUSES or status > 504 else "permanent"


def may_repeat(failure: Failure, retry_class: RetryClass, *, retry_429_writes: bool = True) -> bool:
    """Tell whether an operation may be sent again after a failure."""
    if not failure.repeatable:
        return False
    if failure.nature == "refused" and failure.status == 429 and retry_class in {"CREATE", "EFFECT"}:
        return retry_429_writes
    if failure.nature in {"not_sent", "refused"}:
        return True
    return failure.nature == "ambiguous" and retry_class in {"SAFE", "IDEM"}


def decide(
    failure: Failure,
    *,
    retry_class: RetryClass,
    attempt: int,
    max_retries: int,
    remaining: float,
    chance: float,
    tokens: float = float("inf"),
    max_retry_after: float = defaults.MAX_RETRY_AFTER_SECONDS,
    retry_429_writes: bool = True,
    once_spent: bool = False,
) -> Decision:
    """Decide what follows a failed attempt.

    Args:
        failure: why it failed.
        retry_class: class of the operation.
        attempt: number of the attempt that failed, from 1; a replay with a renewed token does not count.
        max_retries: how many further attempts are allowed in all.
        remaining: seconds to the deadline of the call.
        chance: a random share of one, for the jitter.
        tokens: what is left of the retry budget.
        max_retry_after: the longest wait asked for that is sat out.
        retry_429_writes: whether creations and effects are repeated after a 429.
        once_spent: a damaged answer was asked for again already.
    """
    if remaining <= 0 or not may_repeat(failure, retry_class, retry_429_writes=retry_429_writes):
        return GIVE_UP
    if failure.replay:
        return Decision(again=True)
    cost = defaults.RETRY_COST_WHEN_THROTTLED if failure.throttled else defaults.RETRY_COST
    if attempt > max_retries or cost > tokens or (failure.once and once_spent):
        return GIVE_UP
    wait = _wait(failure, attempt, remaining, chance, max_retry_after)
    return Decision(again=True, wait=wait, cost=cost) if wait is not None and wait < remaining else GIVE_UP


def _wait(
    failure: Failure, attempt: int, remaining: float, chance: float, max_retry_after: float
) -> float | None:
    """Return the seconds to wait; None when the service asks for more than is sat out."""
    asked = failure.retry_after
    if asked is not None:
        if asked > max_retry_after:
            return None
        jitter = chance * min(
            defaults.RETRY_AFTER_JITTER_SHARE * asked, defaults.RETRY_AFTER_JITTER_CAP_SECONDS
        )
        return asked + jitter if asked + jitter < remaining else asked
    if failure.at_once and attempt == 1:
        return 0.0
    return backoff(attempt, chance)


def backoff(attempt: int, chance: float) -> float:
    """Return the seconds to wait after an attempt: full jitter under a doubling, capped bound."""
    exponent = min(attempt - 1, 30)
    return chance * min(defaults.BACKOFF_CAP_SECONDS, defaults.BACKOFF_FIRST_SECONDS * 2.0**exponent)


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3) as seconds; None when it asks for nothing usable.

    A date is compared with the answer's own Date where there is one, so a wrong local clock does no harm.
    Zero, a negative number, a past date, several values and anything else ask for nothing.

    Args:
        headers: response headers, names in lower case.
        now: the local wall clock, with a zone.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    if found := _SECONDS.fullmatch(value):
        seconds = float(found[1])
        return seconds if seconds > 0 else None
    moment = _parse_http_date(value)
    if moment is None:
        return None
    seconds = (moment - (_parse_http_date(headers.get("date", "")) or now)).total_seconds()
    return seconds if seconds > 0 else None


def _parse_http_date(value: str) -> datetime | None:
    value = value.strip(" \t")
    if _HTTP_DATE.fullmatch(value) is None:
        return None
    try:
        # All three forms are in UTC; the third one does not say so.
        return parsedate_to_datetime(value).replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
