"""Devices as rows: chosen, sorted, cut and projected to columns."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.language import Node
from tailscale_sdk.operations.devices.predicates import StageOf, Surroundings, compile_query
from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.values import mapping_of, text_of

Column = Callable[[Device, datetime], Any]
USUAL: Final = ("name", "id", "os", "owner", "tags", "address", "version", "online", "last_seen")
"""Columns where none are asked for."""


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def days_until(moment: datetime | None, now: datetime) -> float | None:
    """Return the days until a moment, negative where it has passed; None where there is none."""
    return None if moment is None else round((moment - now).total_seconds() / 86400, 1)


COLUMNS: Final[Mapping[str, Column]] = {
    "name": lambda device, now: device.name,
    "label": lambda device, now: device.label,
    "id": lambda device, now: device.id,
    "hostname": lambda device, now: device.hostname,
    "os": lambda device, now: device.os,
    "distribution": lambda device, now: text_of(mapping_of(device.fields, "distro"), "name"),
    "owner": lambda device, now: device.owner,
    "user": lambda device, now: device.user,
    "tags": lambda device, now: list(device.tags),
    "address": lambda device, now: device.ipv4 or next(iter(device.addresses), ""),
    "addresses": lambda device, now: list(device.addresses),
    "version": lambda device, now: text_of(device.fields, "clientVersion"),
    "update": lambda device, now: device.fields.get("updateAvailable") is True,
    "online": lambda device, now: device.is_connected,
    "last_seen": lambda device, now: _stamp(device.last_seen),
    "created": lambda device, now: _stamp(device.created),
    "expires": lambda device, now: _stamp(device.expires),
    "expires_in_days": lambda device, now: days_until(device.expires, now),
    "expired": lambda device, now: device.has_expired(now),
    "expiry_disabled": lambda device, now: device.is_key_expiry_disabled,
    "authorized": lambda device, now: device.is_authorized,
    "external": lambda device, now: device.is_external,
    "ephemeral": lambda device, now: device.is_ephemeral,
    "ssh": lambda device, now: device.fields.get("sshEnabled") is True,
    "blocks_incoming": lambda device, now: device.fields.get("blocksIncomingConnections") is True,
    "advertised": lambda device, now: list(device.advertised),
    "approved": lambda device, now: list(device.approved),
    "unapproved": lambda device, now: sorted(map(str, device.advertised_subnets - device.approved_subnets)),
    "exit": lambda device, now: device.exit_state,
    "lock_error": lambda device, now: text_of(device.fields, "tailnetLockError"),
    "cloned": lambda device, now: device.fields.get("multipleConnections") is True,
    "serial_numbers": lambda device, now: list(device.serial_numbers),
}
"""What a row may hold, by name; keys of the machine are not among it."""


@frozen
class DeviceList:
    """Hold devices as rows.

    Attributes:
        devices: that matched, in order.
        rows: their columns.
        matched: how many matched before they were cut.
        total: how many there are.
    """

    devices: tuple[Device, ...]
    rows: tuple[Mapping[str, Any], ...]
    matched: int
    total: int


def list_devices(
    fleet: Fleet,
    query: Node | str = "",
    *,
    now: datetime,
    fields: Sequence[str] = USUAL,
    sort: Sequence[str] = ("name",),
    limit: int | None = None,
    stage_of: StageOf | None = None,
) -> DeviceList:
    """Return the devices a query matches as rows.

    Args:
        fleet: devices.
        query: as text or as read; every device when left out.
        now: moment of asking, with a zone.
        fields: columns, as in ``COLUMNS``.
        sort: columns to sort by, the first before the second; ``-`` before a name turns it round.
        limit: most rows.
        stage_of: stage of the lifecycle, for ``stage:``.

    Raises:
        ConfigurationError: a field or a column does not exist, or a value cannot be understood.
    """
    test = compile_query(query, Surroundings(now, fleet, stage_of))
    found = [device for device in fleet.devices if test(device)]
    for name in reversed(sort):
        column = column_of(name.removeprefix("-"))
        found.sort(key=lambda device: _sortable(column(device, now)), reverse=name.startswith("-"))
    shown = tuple(found if limit is None else found[: max(limit, 0)])
    columns = [(name, column_of(name)) for name in fields]
    rows = tuple({name: column(device, now) for name, column in columns} for device in shown)
    return DeviceList(shown, rows, len(found), len(fleet.devices))


def column_of(name: str) -> Column:
    """Return a column by its name.

    Raises:
        ConfigurationError: there is none; the text names the nearest.
    """
    if name not in COLUMNS:
        near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.0)
        raise ConfigurationError(f"there is no column {name!r}; did you mean {near[0]!r}?")
    return COLUMNS[name]


def _sortable(value: Any) -> tuple[int, Any]:
    """Return what a cell is sorted by: nothing comes last, numbers and flags as such, everything else as text."""
    if value is None or value == "":
        return (2, "")
    if isinstance(value, bool | int | float):
        return (0, float(value))
    return (1, ";".join(map(str, value)).lower() if isinstance(value, list) else str(value).lower())
