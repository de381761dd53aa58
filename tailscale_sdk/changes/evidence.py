"""What a state that was read tells of a write: that it was done, that it was not, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tailscale_sdk._generated.endpoints import ENDPOINTS
from tailscale_sdk.changes.predictions import Arguments, State, compared, is_removal
from tailscale_sdk.changes.states import same


def is_done(
    operation_id: str,
    arguments: Arguments,
    *,
    before: State | None,
    after: State | None,
    found: State | None,
    at: datetime,
) -> bool | None:
    """Tell whether a write led to what was found; None where that tells nothing. Policies are judged apart.

    Args:
        operation_id: the write.
        arguments: keywords of the SDK's method; secrets may be masked.
        before: the state it was based on.
        after: the state it was to leave; None where that could not be predicted.
        found: the object as it was read.
        at: the time of reading, with a zone.
    """
    if is_removal(operation_id):
        return is_gone(operation_id, found)
    if after is None:
        return is_reached(operation_id, found, at)
    now = compared(operation_id, found)
    if now is None or not same(after, watched(operation_id, after, now)):
        return False
    # No read shows a secret: where nothing else was to change, its being as before says nothing of it.
    unmoved = before is not None and same(after, watched(operation_id, after, before))
    return None if unmoved and _sends_a_secret(operation_id, arguments) else True


def _sends_a_secret(operation_id: str, arguments: Arguments) -> bool:
    known = ENDPOINTS[operation_id].arguments
    return any(known[name].secret for name, value in arguments.items() if name in known and value is not None)


def watched(operation_id: str, after: State, now: State) -> dict[str, Any]:
    """Return the part of a state that a prediction speaks of.

    Args:
        operation_id: the write.
        after: the prediction.
        now: the state that was read.
    """
    if operation_id in _WHOLE:
        return dict(now)
    if operation_id != "updateContact":
        return {name: now.get(name) for name in after}
    # A changed address is to be confirmed, which the service notes beside it.
    return {kind: {"email": (now.get(kind) or {}).get("email")} for kind in after}


# These predict every name there will be: one that should have gone, or that somebody added, counts too.
_WHOLE = frozenset({"setSplitDns", "updateSplitDns"})


def is_gone(operation_id: str, found: State | None) -> bool:
    """Tell whether what was to be removed is gone: not there, or there only as a revoked record."""
    return found is None or bool(found.get("invalid")) or bool(found.get("revoked"))


def is_reached(operation_id: str, found: State | None, at: datetime) -> bool | None:
    """Tell whether a write that cannot be predicted in full has led where it leads; None where nothing tells.

    Args:
        operation_id: the write.
        found: the object as it was read.
        at: the time of reading, with a zone.
    """
    tells = _REACHED.get(operation_id)
    return None if tells is None or found is None else tells(found, at)


def _has_expired(found: State, at: datetime) -> bool | None:
    """Tell that a node key has expired; a date to come, or one that does not count, tells nothing."""
    try:
        expires = datetime.fromisoformat(str(found.get("expires")))
        past = expires <= at + _CLOCKS_APART
    except (TypeError, ValueError):
        return None
    return True if past and not found.get("keyExpiryDisabled") else None


def _left(status: str) -> Callable[[State, datetime], bool | None]:
    return lambda found, at: found["status"] != status if found.get("status") else None


# A renewed key lasts for days, so that a clock that is wrong by minutes does not matter.
_CLOCKS_APART = timedelta(hours=1)
_REACHED: Mapping[str, Callable[[State, datetime], bool | None]] = {
    "approveUser": _left("needs-approval"),
    "restoreUser": _left("suspended"),
    "expireDeviceKey": _has_expired,
}
