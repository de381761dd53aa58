"""Whether a device could take part right now: authorised, key valid, connected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tailscale_sdk.policy.access.facts import Fact
from tailscale_sdk.policy.tailnet import Device

_SOON = timedelta(days=7)
_NEVER_YEAR = 1


def presence_facts(device: Device, now: datetime, *, receives: bool) -> Iterator[Fact]:
    """Yield what the snapshot tells of a device's present state.

    Args:
        device: the device.
        now: the moment that counts, with a time zone.
        receives: it is asked as a destination or router, not as a source.
    """
    yield from _authorised(device)
    yield from _key(device, now)
    yield from _connected(device)
    if receives and device.fields.get("blocksIncomingConnections") is True:
        yield Fact(
            "blocks-incoming",
            f"{device.label} blocks incoming connections (shields up)",
            "devices",
            "blocks",
            settle=f"allow incoming connections on {device.label} itself",
        )


def _authorised(device: Device) -> Iterator[Fact]:
    authorised = device.fields.get("authorized")
    if authorised is False:
        yield Fact(
            "not-authorised",
            f"{device.label} is not authorised",
            "devices",
            "blocks",
            settle=f"authorise {device.label} (devices.authorize)",
        )
    elif authorised is True:
        yield Fact("authorised", f"{device.label} is authorised", "devices")


def _key(device: Device, now: datetime) -> Iterator[Fact]:
    if device.fields.get("keyExpiryDisabled") is True:
        yield Fact("key-does-not-expire", f"the key of {device.label} does not expire", "devices")
        return
    expires = read_moment(device.fields.get("expires"))
    if expires is None:
        return
    day = expires.strftime("%Y-%m-%d %H:%M UTC")
    if expires <= now:
        yield Fact(
            "key-expired",
            f"the key of {device.label} expired at {day}",
            "devices",
            "blocks",
            settle=f"sign in again on {device.label}, or set a new key expiry",
        )
    elif expires <= now + _SOON:
        yield Fact("key-expires-soon", f"the key of {device.label} expires at {day}", "devices")


def _connected(device: Device) -> Iterator[Fact]:
    connected = device.fields.get("connectedToControl")
    seen = read_moment(device.fields.get("lastSeen"))
    when = f", last seen at {seen.strftime('%Y-%m-%d %H:%M UTC')}" if seen else ""
    if connected is True:
        yield Fact("connected", f"{device.label} is connected", "devices")
    elif connected is False:
        yield Fact(
            "not-connected",
            f"{device.label} is not connected{when}",
            "devices",
            "blocks",
            settle=f"bring {device.label} online",
        )


def read_moment(value: Any) -> datetime | None:
    """Read a moment of the API; an empty one, one of year 1 and one that cannot be read are none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    if found.year <= _NEVER_YEAR:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
