"""Read what the API may send in one value: null, nothing, text in place of numbers, dates of year 1."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from tailscale_sdk.policy.access.presence import read_moment

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return a text, empty where there is none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def texts_of(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the texts of a list, none where there is no list; what is no text in it is left out."""
    value = fields.get(name)
    return tuple(item for item in value if isinstance(item, str) and item) if isinstance(value, list) else ()


def flag_of(fields: Mapping[str, Any], name: str) -> bool | None:
    """Return true or false, None where the API does not say."""
    value = fields.get(name)
    return value if isinstance(value, bool) else None


def number_of(fields: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number, which may arrive as text; None for anything else."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def mapping_of(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object, an empty one where there is none."""
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def moment_of(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return a moment with a zone; None for null, empty text, year 1 and what cannot be read."""
    return read_moment(fields.get(name))


@lru_cache(maxsize=65536)
def network_of(text: str) -> Network | None:
    """Return a route or an address as a network, host bits cleared; None for anything else."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
