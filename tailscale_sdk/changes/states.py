"""The part of an object a write is about, and a hash by which it is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy import hujson

# What moves by itself, or on every contact; it says nothing about somebody else's change.
_VOLATILE = frozenset(
    {
        "clientConnectivity",
        "connectedToControl",
        "currentlyConnected",
        "lastSeen",
        "lastEmailSentAt",
        "updateAvailable",
        "clientVersion",
        "deviceCount",
        "status.lastSync",
        "status.error",
    }
)

# A name is looked up in one domain after the other; tags, routes, scopes and the like are sets.
_IN_ORDER = frozenset({"searchPaths"})


def state_of(fields: tuple[str, ...], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields a write changes; all that is stable where it changes the object as a whole.

    Args:
        fields: of the change rule; ``*`` or none for the whole object.
        found: the object as the API returns it.
    """
    if fields and "*" not in fields:
        return {name: found.get(name) for name in fields}
    return {name: value for name, value in found.items() if name not in _VOLATILE}


def hash_of(state: Mapping[str, Any] | None) -> str:
    """Return the hash that a plan is bound to; an absent object has one too."""
    canonical = orjson.dumps(_unordered(_comparable(state)), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def layout_hash(policy: str | bytes) -> str:
    """Return the SHA-256 of a policy's canonical layout, which stays where a service only formats what it is sent."""
    try:
        canonical = hujson.format(policy)
    except HuJSONError:
        canonical = policy.decode(errors="replace") if isinstance(policy, bytes) else policy
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _comparable(value: Any) -> Any:
    """Drop what the API leaves out or fills with nothing at will: null, empty text, empty lists."""
    if isinstance(value, Mapping):
        kept = {str(name): _comparable(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_comparable(inner) for inner in value]
    return value


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Tell whether two states say the same; the order of names counts only where it means something."""
    return bool(_unordered(_comparable(one)) == _unordered(_comparable(other)))


def _unordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: inner if name in _IN_ORDER else _unordered(inner) for name, inner in value.items()}
    if isinstance(value, list):
        parts = [_unordered(inner) for inner in value]
        return sorted(parts, key=str) if all(isinstance(part, str) for part in parts) else parts
    return value


def moved(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """Name the fields in which two states differ."""
    one, other = before or {}, now or {}
    return sorted(name for name in {*one, *other} if not same({name: one.get(name)}, {name: other.get(name)}))
