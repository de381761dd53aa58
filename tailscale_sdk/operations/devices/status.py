"""How a fleet is: counts of what an admin looks for first, in one pass over the devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.operations.devices.listing import COLUMNS, days_until
from tailscale_sdk.operations.devices.predicates import StageOf
from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.values import Network, text_of

_EXPIRY_DAYS: Final = (1, 7, 30)
_EPHEMERAL_HOURS: Final = 48
_GROUPS: Final = 20


@frozen
class FleetStatus:
    """Hold counts of a fleet.

    Attributes:
        total: devices.
        groups: counts by os, version, tag, owner, exit state and stage, the most frequent first.
        counts: devices for which something holds.
        offline_routes: approved routes without a router that is online.
        observed_at: moment of the reading.
        coverage: why parts are missing.
    """

    total: int
    groups: dict[str, dict[str, int]]
    counts: dict[str, int]
    offline_routes: tuple[str, ...]
    observed_at: str | None
    coverage: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON data."""
        return {
            "total": self.total,
            **self.counts,
            "offline_routes": list(self.offline_routes),
            "by": self.groups,
            "observed_at": self.observed_at,
            **({"coverage": self.coverage} if self.coverage else {}),
        }


def fleet_status(fleet: Fleet, *, now: datetime, stage_of: StageOf | None = None) -> FleetStatus:
    """Count what an admin looks for first.

    Args:
        fleet: devices.
        now: moment of asking, with a zone.
        stage_of: stage of the lifecycle; none are counted when left out.
    """
    groups: dict[str, Counter[str]] = {}
    counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    routers: dict[Network, bool] = {}
    for device in fleet.devices:
        counts.update(_holds(device, now))
        for group, value in _values(device, stage_of):
            groups.setdefault(group, Counter())[value] += 1
        for network in device.approved_subnets:
            routers[network] = routers.get(network, False) or _serves(device, network)
    offline = sorted(str(network) for network, served in routers.items() if not served)
    return FleetStatus(
        len(fleet.devices),
        {name: dict(counter.most_common(_GROUPS)) for name, counter in groups.items()},
        dict(counts),
        tuple(offline),
        fleet.observed_at,
        dict(fleet.coverage),
    )


def _serves(device: Device, network: Network) -> bool:
    return device.is_connected and network in device.advertised_subnets


def _values(device: Device, stage_of: StageOf | None) -> Iterator[tuple[str, str]]:
    yield "os", device.os or "unknown"
    yield "version", text_of(device.fields, "clientVersion").partition("-")[0] or "unknown"
    yield from (("tag", tag) for tag in device.tags)
    if device.owner:
        yield "owner", device.owner
    yield "exit", device.exit_state
    if stage_of is not None:
        yield "stage", stage_of(device)


COUNTED: Final = (
    "online",
    "awaiting_approval",
    "expired",
    *(f"expires_in_{days}_days" for days in _EXPIRY_DAYS),
    "expiry_disabled_tagged",
    "expiry_disabled_user",
    "update_available",
    "lock_error",
    "cloned",
    "ssh",
    "unapproved_routes",
    "external",
    "old_ephemeral",
)


def _holds(device: Device, now: datetime) -> Iterator[str]:
    """Yield the names of the counts a device belongs to."""
    if device.is_connected:
        yield "online"
    if device.is_authorized is False:
        yield "awaiting_approval"
    yield from _expiry(device, now)
    for name, value in (
        ("update_available", device.fields.get("updateAvailable")),
        ("cloned", device.fields.get("multipleConnections")),
        ("ssh", device.fields.get("sshEnabled")),
        ("external", device.is_external),
    ):
        if value is True:
            yield name
    if text_of(device.fields, "tailnetLockError"):
        yield "lock_error"
    if device.advertised_subnets - device.approved_subnets:
        yield "unapproved_routes"
    if device.is_ephemeral and device.created and now - device.created > timedelta(hours=_EPHEMERAL_HOURS):
        yield "old_ephemeral"


def _expiry(device: Device, now: datetime) -> Iterator[str]:
    if device.is_key_expiry_disabled:
        yield "expiry_disabled_tagged" if device.tags else "expiry_disabled_user"
    if device.has_expired(now):
        yield "expired"
    elif device.expires is not None:
        yield from (
            f"expires_in_{days}_days" for days in _EXPIRY_DAYS if device.expires - now <= timedelta(days=days)
        )


def device_details(device: Device, *, now: datetime) -> dict[str, Any]:
    """Return everything that is known of a device, with what follows from it; keys of the machine are left out.

    Args:
        device: the device.
        now: moment of asking, with a zone.
    """
    subnets = {"approved": device.approved_subnets, "advertised": device.advertised_subnets}
    return {
        **{name: column(device, now) for name, column in COLUMNS.items()},
        "silent_days": None if (since := device.silent_since()) is None else -(days_until(since, now) or 0.0),
        "routes": {
            "serving": sorted(map(str, subnets["approved"] & subnets["advertised"]))
            if device.is_connected
            else [],
            "waiting": sorted(map(str, subnets["advertised"] - subnets["approved"])),
            "dormant": sorted(map(str, subnets["approved"] - subnets["advertised"])),
        },
    }
