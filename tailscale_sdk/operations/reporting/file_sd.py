"""Devices as targets of Prometheus: the JSON of file_sd and http_sd."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.operations.values import text_of

NODE_EXPORTER: Final = 9100


def targets(
    devices: Sequence[Device], *, port: int = NODE_EXPORTER, by_name: bool = False, tailnet: str = ""
) -> list[dict[str, Any]]:
    """Return one target per device that has an address.

    Args:
        devices: to be watched.
        port: of the exporter.
        by_name: reach devices by name rather than by address.
        tailnet: its name.
    """
    return [
        {"targets": [_target(device, port, by_name)], "labels": _labels(device, tailnet)}
        for device in devices
        if device.addresses
    ]


def _target(device: Device, port: int, by_name: bool) -> str:
    if by_name and device.name:
        return f"{device.name}:{port}"
    address = device.ipv4 or device.addresses[0]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _labels(device: Device, tailnet: str) -> dict[str, str]:
    """Return labels as Prometheus' own discoveries name theirs; commas around let an expression match whole tags."""
    values = {
        "device_id": device.id,
        "device_name": device.name,
        "device_hostname": device.hostname,
        "device_os": device.os,
        "device_user": device.owner,
        "device_version": text_of(device.fields, "clientVersion"),
        "device_tags": f",{','.join(device.tags)}," if device.tags else "",
        "device_authorized": str(device.is_authorized is not False).lower(),
        "device_external": str(device.is_external).lower(),
        "device_online": str(device.is_connected).lower(),
        "tailnet": tailnet,
    }
    return {f"__meta_tailscale_{name}": value for name, value in values.items()}


def file_sd(
    devices: Sequence[Device], *, port: int = NODE_EXPORTER, by_name: bool = False, tailnet: str = ""
) -> Iterator[str]:
    """Yield the JSON of file_sd, which http_sd answers too."""
    found = targets(devices, port=port, by_name=by_name, tailnet=tailnet)
    yield json.dumps(found, indent=1, ensure_ascii=False) + "\n"
