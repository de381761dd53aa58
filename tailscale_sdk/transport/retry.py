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
class Decision:
    """Say whether to try again, and after how many seconds."""

    again: bool
    wait: float = 0.0


GIVE_UP = Decision(again=False)


def nature_of_status(status: int, retry_class: RetryClass) -> Nature:
    """Judge what an error status says about the request having been carried out."""
    if status == 429:
        return "refused"
    if status == 503 and retry_class in {"SAFE", "IDEM", "COND"}:
        return "refused"
    return "ambiguous" if status in _AMBIGUOUS_STATUSES or status > 504 else "permanent"


def may_repeat(nature: Nature, retry_class: RetryClass) -> bool:
    """Tell whether an operation may be sent again after a failure of this nature."""
    if nature in {"not_sent", "refused"}:
        return True
    return nature == "ambiguous" and retry_class in {"SAFE", "IDEM"}


def decide(
    *,
    nature: Nature,
    retry_class: RetryClass,
    attempt: int,
    max_retries: int,
    remaining: float,
    chance: float,
    retry_after: float | None = None,
    at_once: bool = False,
    replay: bool = False,
) -> Decision:
    """Decide what follows a failed attempt.

    Args:
        nature: what the failure says about the request having been carried out.
        retry_class: class of the operation.
        attempt: number of the attempt that failed, from 1; a replay with a renewed token does not count.
        max_retries: how many further attempts are allowed in all.
        remaining: seconds to the deadline of the call.
        chance: a random share of one, for the jitter.
        retry_after: seconds the service asked to wait, if it did.
        at_once: the connection was closed before any answer; the first repeat need not wait.
        replay: the token was not accepted and another one can be had; neither waits nor counts as a retry.
    """
    if remaining <= 0 or not may_repeat(nature, retry_class):
        return GIVE_UP
    if replay:
        return Decision(again=True)
    if attempt > max_retries:
        return GIVE_UP
    if retry_after is not None:
        if retry_after > defaults.MAX_RETRY_AFTER_SECONDS or retry_after >= remaining:
            return GIVE_UP
        wait = retry_after + chance * min(
            defaults.RETRY_AFTER_JITTER_SHARE * retry_after, defaults.RETRY_AFTER_JITTER_CAP_SECONDS
        )
        return Decision(again=True, wait=wait if wait < remaining else retry_after)
    if at_once and attempt == 1:
        return Decision(again=True)
    wait = backoff(attempt, chance)
    return Decision(again=True, wait=wait) if wait < remaining else GIVE_UP


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
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
