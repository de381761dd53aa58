"""What a value of a query is compared with: durations, dates, versions, patterns, yes and no."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tailscale_sdk.errors import ConfigurationError

_COMPARISON: Final = re.compile(r"(<=|>=|<|>|=)?(.*)", re.DOTALL)
_DURATION: Final = re.compile(r"(\d{1,6})([mhdwy])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
_LONGEST_PATTERN: Final = 200

Compare = Callable[[Any, Any], bool]
Texts = Callable[[str], bool]


def compared_with(text: str, usual: str = "=") -> tuple[Compare, str]:
    """Split a value such as ``>=1.84`` into its comparison and the rest.

    Args:
        text: the value.
        usual: comparison where none is written.
    """
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"{text!r} cannot be compared with")
    return _OPERATORS[match[1] or usual], match[2]


def read_duration(text: str) -> timedelta:
    """Read a duration such as ``48h``, ``30d``, ``2w``.

    Raises:
        ConfigurationError: it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"{text!r} is no duration: write 30m, 48h, 7d, 2w or 1y")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def read_date(text: str) -> datetime:
    """Read a date or a moment; without a zone it is UTC.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no date: write 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_flag(text: str) -> bool:
    """Read yes or no.

    Raises:
        ConfigurationError: it is neither.
    """
    known = {"yes": True, "true": True, "no": False, "false": False}
    if text.lower() not in known:
        raise ConfigurationError(f"{text!r} is neither yes nor no")
    return known[text.lower()]


def read_exact_pattern(text: str) -> Texts:
    """Return the test a pattern means where case counts: a glob, or what ``~`` begins, which is a regular expression.

    Raises:
        ConfigurationError: it is too long, or no regular expression.
    """
    if text.startswith("~") or len(text) > _LONGEST_PATTERN:
        return read_pattern(text)
    if not set(text) & set("*?["):
        return lambda value: value == text
    compiled = re.compile(fnmatch.translate(text))
    return lambda value: compiled.match(value) is not None


def read_pattern(text: str) -> Texts:
    """Return the test a pattern means: a glob, or with ``~`` before it a regular expression; case plays no part.

    Raises:
        ConfigurationError: it is too long, or no regular expression.
    """
    if len(text) > _LONGEST_PATTERN:
        raise ConfigurationError(
            f"a pattern of {len(text)} characters is too long: {_LONGEST_PATTERN} are enough"
        )
    if text.startswith("~"):
        try:
            found = re.compile(text[1:], re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as problem:
            raise ConfigurationError(f"{text[1:]!r} is no regular expression: {problem}") from None
        return lambda value: found.search(value) is not None
    wanted = text.lower()
    if not set(wanted) & set("*?["):
        return lambda value: value.lower() == wanted
    compiled = re.compile(fnmatch.translate(wanted))
    return lambda value: compiled.match(value.lower()) is not None
