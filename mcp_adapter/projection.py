"""Cut an object down to columns: dotted paths into the API's JSON, and a few derived values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_MINUTE, _HOUR, _DAY = 60, 3600, 86400  # seconds

SOURCES: Mapping[str, str] = {"short_name": "name", "ipv4": "addresses", "owner": "user", "seen": "lastSeen"}
"""Derived columns, each with the field it is made from."""


def value_at(item: Any, path: str) -> Any:
    """Return the value a dotted path leads to; through a list it is the list of values."""
    for step in path.split("."):
        if isinstance(item, list):
            item = [element.get(step) for element in item if isinstance(element, Mapping)]
        elif isinstance(item, Mapping):
            item = item.get(step)
        else:
            return None
    return item


def own_domain(items: Iterable[Mapping[str, Any]]) -> str | None:
    """Find the tailnet's own mail domain: the one most owners of a list have."""
    owners = (item.get("user") for item in items)
    counted = Counter(owner.rsplit("@", 1)[1] for owner in owners if isinstance(owner, str) and "@" in owner)
    return min(counted, key=lambda domain: (-counted[domain], domain)) if counted else None


def short_name(item: Mapping[str, Any], domain: str | None) -> Any:
    """Return the first label of a device's name."""
    name = item.get("name") or item.get("hostname")
    return name.split(".")[0] if isinstance(name, str) else None


def ipv4(item: Mapping[str, Any], domain: str | None) -> Any:
    """Return the first IPv4 address."""
    addresses = item.get("addresses")
    if not isinstance(addresses, list):
        return None
    return next((address for address in addresses if isinstance(address, str) and ":" not in address), None)


def owner(item: Mapping[str, Any], domain: str | None) -> Any:
    """Return ``tag:a+b`` for a tagged device, else its user without the tailnet's own domain."""
    tags, user = item.get("tags"), item.get("user")
    if isinstance(tags, list) and tags:
        return "tag:" + "+".join(str(tag).removeprefix("tag:") for tag in tags)
    return user.removesuffix(f"@{domain}") if isinstance(user, str) and domain else user


def seen(item: Mapping[str, Any], domain: str | None) -> Any:
    """Return ``on`` for a connected device, else how long ago it was seen: ``5m``, ``3h``, ``12d``."""
    if item.get("connectedToControl") is True:
        return "on"
    last = item.get("lastSeen")
    if not isinstance(last, str) or last.startswith("0001-"):
        return None
    try:
        seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds())
    except (ValueError, TypeError):
        return None
    for length, unit in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= length:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds // _MINUTE:.0f}m"


DERIVED: Mapping[str, Callable[[Mapping[str, Any], str | None], Any]] = {
    "short_name": short_name,
    "ipv4": ipv4,
    "owner": owner,
    "seen": seen,
}


def column(item: Mapping[str, Any], name: str, domain: str | None = None) -> Any:
    """Return one column of an object, derived when the object has no such field."""
    if name in DERIVED and name not in item:
        return DERIVED[name](item, domain)
    return value_at(item, name)


def pick(item: Mapping[str, Any], names: Sequence[str], domain: str | None = None) -> dict[str, Any]:
    """Return the named columns as an object, without those that are absent."""
    found = {name: column(item, name, domain) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def source_field(name: str) -> str:
    """Return the field of the API that a column shows."""
    return SOURCES.get(name, name).split(".")[0]
