"""Devices in every format they are asked for, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.listing import USUAL, column_of
from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.reporting import ansible, hosts
from tailscale_sdk.operations.reporting.file_sd import NODE_EXPORTER, file_sd
from tailscale_sdk.operations.reporting.hosts import Skipped
from tailscale_sdk.operations.reporting.rows import ROW_FORMATS, export_rows
from tailscale_sdk.operations.reporting.terraform import import_blocks
from tailscale_sdk.snapshot import TailnetSnapshot


@frozen
class ExportOptions:
    """Hold what formats let one choose.

    Attributes:
        fields: columns of the row formats.
        strip_tag: leave ``tag_`` out of Ansible's group names.
        by_address: reach hosts by address in Ansible.
        ssh_users: login on a device by tag.
        port: of the exporter that Prometheus asks.
    """

    fields: Sequence[str] = USUAL
    strip_tag: bool = False
    by_address: bool = False
    ssh_users: Mapping[str, str] = field(factory=dict)
    port: int = NODE_EXPORTER


Make = Callable[[Fleet, Sequence[Device], datetime, ExportOptions, Skipped], Iterator[str]]


def export_devices(
    fleet: Fleet,
    devices: Sequence[Device],
    format: str,
    *,
    now: datetime,
    options: ExportOptions | None = None,
    skipped: Skipped | None = None,
) -> Iterator[str]:
    """Yield devices as text, piece by piece; keys of machines and secrets are in no format.

    Args:
        fleet: what they belong to; Terraform takes DNS, settings and the rest from it.
        devices: to be exported.
        format: one of ``FORMATS``.
        now: moment of asking, with a zone.
        options: what formats let one choose.
        skipped: is told what cannot be written.

    Raises:
        ConfigurationError: there is no such format or column.
    """
    chosen = options or ExportOptions()
    if format in ROW_FORMATS:
        columns = [(name, column_of(name)) for name in chosen.fields]
        rows = ({name: column(device, now) for name, column in columns} for device in devices)
        return export_rows(rows, format, chosen.fields)
    if format not in _FORMATS:
        raise ConfigurationError(f"there is no format {format!r}: {', '.join(FORMATS)}")
    return _FORMATS[format](fleet, devices, now, chosen, skipped if skipped is not None else Skipped())


def _terraform(
    fleet: Fleet, devices: Sequence[Device], now: datetime, options: ExportOptions, skipped: Skipped
) -> Iterator[str]:
    chosen = [dict(device.fields) for device in devices]
    content = {**fleet.snapshot.content, "devices": chosen}
    return import_blocks(Fleet(tuple(devices), TailnetSnapshot(content)))


_FORMATS: Final[Mapping[str, Make]] = {
    "ansible": lambda fleet, devices, now, options, skipped: ansible.static(
        devices, now=now, strip_tag=options.strip_tag, by_address=options.by_address
    ),
    "ansible-json": lambda fleet, devices, now, options, skipped: ansible.dynamic(
        devices, now=now, strip_tag=options.strip_tag, by_address=options.by_address
    ),
    "ssh-config": lambda fleet, devices, now, options, skipped: hosts.ssh_lines(
        devices, skipped, users=options.ssh_users
    ),
    "hosts": lambda fleet, devices, now, options, skipped: hosts.hosts_lines(devices, skipped),
    "dnsmasq": lambda fleet, devices, now, options, skipped: hosts.dnsmasq_lines(devices, skipped),
    "file-sd": lambda fleet, devices, now, options, skipped: file_sd(
        devices, port=options.port, tailnet=str(fleet.snapshot.content.get("tailnet") or "")
    ),
    "terraform": _terraform,
}
FORMATS: Final = (*ROW_FORMATS, *_FORMATS)
"""Formats of an export."""

BLOCKS: Final = frozenset({"hosts", "dnsmasq", "ssh-config"})
"""Formats that are written into a block of a file that holds other lines too."""
