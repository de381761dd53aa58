"""The virtual clock of an embedded tailnet: it stands still until somebody advances it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 6, 30, 12, 0, 0, tzinfo=UTC)
LATEST = datetime(9998, 12, 31, tzinfo=UTC)


def to_text(moment: datetime) -> str:
    """Return RFC 3339 text in UTC, whole seconds, as the service writes it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def parse_time(text: str) -> datetime:
    """Read RFC 3339 text.

    Raises:
        ValueError: when it is no date and time with an offset.
    """
    if len(text) < 20 or text[10] not in "Tt":
        raise ValueError(f"{text!r} is not an RFC 3339 date and time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset: end it with Z or +00:00")
    return moment.astimezone(UTC)


class VirtualClock:
    """Tell the time of the tailnet.

    Time passes only through ``advance``, so that two runs with one seed give equal bytes.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the current moment, UTC."""
        return self._now

    def text(self, *, plus_seconds: float = 0) -> str:
        """Return the current moment as RFC 3339 text, shifted by some seconds."""
        return to_text(self._now + timedelta(seconds=plus_seconds))

    def timestamp(self) -> float:
        """Return the current moment as Unix seconds."""
        return self._now.timestamp()

    def advance(self, seconds: float) -> datetime:
        """Let time pass.

        Args:
            seconds: how much, finite and not negative.

        Raises:
            ValueError: for a negative or absurd number.
        """
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError("seconds must be a finite number of at least 0: time does not run backwards")
        if seconds > (LATEST - self._now).total_seconds():
            raise ValueError("seconds is too large: the clock ends in the year 9998")
        self._now += timedelta(seconds=seconds)
        return self._now

    def is_past(self, text: str | None) -> bool:
        """Tell whether a date of the API lies in the past; empty, year 1 and unreadable ones do not."""
        if not text or text.startswith("0001-"):
            return False
        try:
            return parse_time(text) <= self._now
        except ValueError:
            return False
