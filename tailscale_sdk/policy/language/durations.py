"""How long a login stays valid before it is checked again: durations as Go writes them.

Source: the format of https://pkg.go.dev/time#ParseDuration
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from tailscale_sdk.policy.language import refusals as refused

ALWAYS: Final = "always"
_LONGEST: Final = Fraction(168 * 3600)
_SECONDS: Final = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_UNIT: Final = "|".join(sorted(_SECONDS, key=len, reverse=True))
_PART: Final = re.compile(rf"([0-9]{{1,18}}(?:\.[0-9]{{0,18}})?|\.[0-9]{{1,18}})({_UNIT})")
_WHOLE: Final = re.compile(rf"[+-]?(?:0|(?:{_PART.pattern})+)")


def parse_check_period(text: str) -> str | None:
    """Return why a ``checkPeriod`` is refused, None for one that is taken: up to 168 hours, or ``always``."""
    if text == ALWAYS:
        return None
    if not _WHOLE.fullmatch(text) or text.startswith("-"):
        return refused.invalid_check_period(text)
    seconds = sum(
        (Fraction(_decimal(number)) * _SECONDS[unit] for number, unit in _PART.findall(text)), Fraction(0)
    )
    return refused.invalid_check_period(text) if seconds > _LONGEST else None


def _decimal(number: str) -> str:
    """Write ``.5`` and ``5.`` so that they can be read."""
    return f"0{number}0" if number.startswith(".") or number.endswith(".") else number
