"""A forecast as a calendar file (iCalendar, RFC 5545), for whoever has to renew what expires."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from tailscale_sdk.operations.keys.forecast import Expiry, Forecast
from tailscale_sdk.visible import visible

_LINE_BYTES: Final = 75
_ESCAPED: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def calendar_of(forecast: Forecast, *, now: datetime) -> str:
    """Return one entry of a day for each thing that expires.

    Args:
        forecast: what expires when.
        now: moment of asking, with a zone.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tailscale-sdk//expiry forecast//EN"]
    for expiry in forecast.expiries:
        lines += _event(expiry, now)
    return "".join(piece + "\r\n" for line in (*lines, "END:VCALENDAR") for piece in _folded(line))


def _event(expiry: Expiry, now: datetime) -> list[str]:
    day = expiry.expires.astimezone(UTC)
    name = expiry.name or expiry.id
    owner = f" Owner: {expiry.owner}." if expiry.owner else ""
    return [
        "BEGIN:VEVENT",
        f"UID:{_text(expiry.kind)}-{_text(expiry.id)}-{day:%Y%m%d}@tailscale-sdk",
        f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        f"DTSTART;VALUE=DATE:{day:%Y%m%d}",
        f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}",
        f"SUMMARY:{_text(f'{expiry.kind} {name} expires')}",
        f"DESCRIPTION:{_text(f'Stops: {expiry.breaks}.{owner} Id: {expiry.id}')}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


def _text(text: str) -> str:
    return visible(text, limit=None).translate(_ESCAPED)


def _folded(line: str) -> Iterator[str]:
    """Yield a line in pieces a reader must take, none of which cuts a character."""
    piece, room = "", _LINE_BYTES
    for character in line:
        size = len(character.encode())
        if size > room:
            yield piece
            piece, room = " ", _LINE_BYTES - 1
        piece += character
        room -= size
    yield piece
