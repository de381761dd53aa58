"""A device by whatever a person calls it: id, name, MagicDNS name or address, as long as it is one device."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tailscale_sdk.visible import visible

_ID = re.compile(r"n[A-Za-z0-9]+CNTRL|[0-9]{1,20}")
SHOWN_MATCHES = 10


class UnclearName(ValueError):
    """Say why a name is not one device, and which ids it may mean."""


def is_device_id(value: str) -> bool:
    """Tell whether a value is an id already."""
    return _ID.fullmatch(value) is not None


def resolve_device(value: str, devices: Sequence[Mapping[str, Any]]) -> str:
    """Return the node id of the one device a value names.

    Args:
        value: name, MagicDNS name, host name or Tailscale address.
        devices: the devices of the tailnet as the API returns them.

    Raises:
        UnclearName: none or several devices answer to it; the ids are listed.
    """
    wanted = value.strip().rstrip(".").casefold()
    found = [device for device in devices if wanted in _exact(device)] or [
        device for device in devices if wanted in _loose(device)
    ]
    ids = [str(device.get("nodeId") or device.get("id")) for device in found]
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise UnclearName("no device has this id, name or address: find it with devices_read list")
    more = f" and {len(ids) - SHOWN_MATCHES} more" if len(ids) > SHOWN_MATCHES else ""
    shown = ", ".join(visible(identifier) for identifier in ids[:SHOWN_MATCHES])
    raise UnclearName(f"{len(ids)} devices answer to this name, use the id of one: {shown}{more}")


def _exact(device: Mapping[str, Any]) -> set[str]:
    """Return what belongs to one device only: ids, full name, addresses."""
    names = [device.get("nodeId"), device.get("id"), device.get("name")]
    addresses = device.get("addresses")
    return _folded([*names, *(addresses if isinstance(addresses, list) else [])])


def _loose(device: Mapping[str, Any]) -> set[str]:
    """Return what several devices may share: first label and host name."""
    name = device.get("name")
    label = name.partition(".")[0] if isinstance(name, str) else None
    return _folded([label, device.get("hostname")])


def _folded(values: Sequence[Any]) -> set[str]:
    return {value.rstrip(".").casefold() for value in values if isinstance(value, str) and value}
