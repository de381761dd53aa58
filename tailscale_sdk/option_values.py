"""What an option of a client may be: each is checked once, and a refusal names option, value and range."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypedDict
from urllib.parse import urlsplit

from attrs import evolve

from tailscale_sdk import _constants as defaults
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.transport.hooks import Hooks
from tailscale_sdk.transport.loopback import is_loopback
from tailscale_sdk.transport.options import Options

# An origin as people write it: no blank, backslash or control character that URL parsers drop or turn.
_ORIGIN = re.compile(r"[A-Za-z]+://[A-Za-z0-9.:\[\]_-]+/?")


def build_base_url(value: str) -> str:
    """Check an origin: https, or http on loopback; nothing but scheme, host and port.

    Raises:
        ConfigurationError: it is anything else.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"base_url must be text, not {type(value).__name__}")
    if "@" in value:
        raise ConfigurationError("base_url must not hold a user name or password")
    if not _ORIGIN.fullmatch(value):
        raise ConfigurationError(
            "base_url is an origin only, such as https://api.tailscale.com: no path (the client adds /api/v2), "
            "query or fragment"
        )
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError("base_url has a host or port that cannot be") from None
    if not host or port == 0:
        raise ConfigurationError("base_url has a host or port that cannot be")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(f"base_url is {value!r}; it must be https, plain http is for loopback only")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def build_max_concurrency(value: int) -> int:
    """Check how many requests may be under way at once."""
    return _count("max_concurrency", value, 1, defaults.CONCURRENCY_LIMIT)


def build_rate_limit(value: tuple[int, float] | None) -> tuple[int, float] | None:
    """Check a rate limit of (requests, seconds); None switches it off."""
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ConfigurationError(
            f"rate_limit is {value!r}; it must be (requests, seconds), such as (5, 0.5), or None"
        )
    return (
        _count("rate_limit requests", value[0], 1, 10_000),
        _number("rate_limit seconds", value[1], 0.001, 3600.0),
    )


def build_retry_budget(value: int | None) -> int | None:
    """Check the size of the retry budget; None switches it off."""
    return None if value is None else _count("retry_budget", value, 0, defaults.RETRY_BUDGET_LIMIT)


class FurtherOptions(TypedDict, total=False):
    """Name the options that few callers need; ``Tailscale`` says what each means."""

    connect_timeout: float
    read_timeout: float
    write_timeout: float
    idle_timeout: float
    max_retry_after: float
    retry_429_writes: bool
    retry_budget: int | None
    max_response_bytes: int
    max_record_bytes: int
    bulk: bool


def _seconds(high: float) -> Callable[[str, Any], float]:
    return lambda name, value: _number(name, value, 0.001, high)


def _amount(low: int, high: int) -> Callable[[str, Any], int]:
    return lambda name, value: _count(name, value, low, high)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}; it must be True or False")
    return value


def _choice(name: str, value: Any) -> str:
    if value not in ("raise", "recreate"):
        raise ConfigurationError(f"{name} is {value!r}; it must be 'raise' or 'recreate'")
    return str(value)


def _hooks(name: str, value: Any) -> Hooks | None:
    if value is not None and not isinstance(value, Hooks):
        raise ConfigurationError(f"{name} must be Hooks(on_request=, on_response=, on_retry=) or None")
    return value


_OPTION_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "timeout": _seconds(defaults.MAX_TIMEOUT_SECONDS),
    "connect_timeout": _seconds(defaults.MAX_TIMEOUT_SECONDS),
    "read_timeout": _seconds(defaults.MAX_TIMEOUT_SECONDS),
    "write_timeout": _seconds(defaults.MAX_TIMEOUT_SECONDS),
    "idle_timeout": _seconds(defaults.MAX_TIMEOUT_SECONDS),
    "max_retry_after": lambda name, value: _number(name, value, 0.0, defaults.RETRY_AFTER_LIMIT_SECONDS),
    "max_retries": _amount(0, defaults.RETRIES_LIMIT),
    "max_response_bytes": _amount(1024, 2**31),
    "max_record_bytes": _amount(1024, 2**31),
    "retry_429_writes": _switch,
    "mark_creation": _switch,
    "bulk": _switch,
    "on_ambiguous": _choice,
    "hooks": _hooks,
}
# These are no part of a call's options, but whoever mistypes one wants to see it.
_OPTIONS_OF_A_CLIENT = ("headers", "max_concurrency", "rate_limit", "retry_budget")


def evolve_options(options: Options, **changes: Any) -> Options:
    """Return options with some of them changed.

    Raises:
        ConfigurationError: a value is out of range, or there is no such option; the text names both.
    """
    unknown = sorted(set(changes) - set(_OPTION_CHECKS))
    if unknown:
        known = sorted({*_OPTION_CHECKS, *_OPTIONS_OF_A_CLIENT})
        raise ConfigurationError(f"unknown option {unknown[0]!r}; known are {', '.join(known)}")
    checked = {name: _OPTION_CHECKS[name](name, value) for name, value in changes.items()}
    return evolve(options, **checked, timeout_chosen=options.timeout_chosen or "timeout" in changes)


def build_tailnet(value: str) -> str:
    """Check a tailnet id or name."""
    valid = isinstance(value, str) and value.isprintable() and " " not in value
    if not valid or value in {"", ".", ".."}:
        raise ConfigurationError(
            f"tailnet is {value!r}; it must be an id such as T1234CNTRL, a name such as example.com, "
            "or - for the credential's own"
        )
    return value


def _number(name: str, value: float, low: float, high: float) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    if not valid or not low <= value <= high:
        raise ConfigurationError(
            f"{name} is {value!r}; it must be a number of seconds from {low:g} to {high:g}"
        )
    return float(value)


def _count(name: str, value: int, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{name} is {value!r}; it must be a whole number from {low} to {high}")
    return value
