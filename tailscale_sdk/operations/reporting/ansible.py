"""Devices as an Ansible inventory: static YAML, and the JSON of the dynamic-inventory protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.listing import COLUMNS
from tailscale_sdk.operations.fleet import Device

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_]")
_VARIABLES: Final = ("id", "os", "owner", "tags", "addresses", "version", "online")


def inventory(
    devices: Sequence[Device], *, now: datetime, strip_tag: bool = False, by_address: bool = False
) -> dict[str, Any]:
    """Return the answer to ``--list``: groups by tag, system and presence, and the variables of every host.

    Args:
        devices: to be listed.
        now: moment of asking, with a zone.
        strip_tag: leave ``tag_`` out of group names.
        by_address: reach hosts by address rather than by name.

    Raises:
        ConfigurationError: two tags or systems would become one group.
    """
    groups: dict[str, list[str]] = {}
    sources: dict[str, str] = {}
    variables: dict[str, dict[str, Any]] = {}
    for device in devices:
        host = device.name or device.id
        if host in variables:
            host = device.id
        variables[host] = _variables(device, now, by_address)
        for source, name in _groups(device, strip_tag):
            if sources.setdefault(name, source) != source:
                raise ConfigurationError(f"{source} and {sources[name]} would both become the group {name}")
            groups.setdefault(name, []).append(host)
    listed: dict[str, Any] = {name: {"hosts": hosts} for name, hosts in sorted(groups.items())}
    return {**listed, "_meta": {"hostvars": variables}}


def _groups(device: Device, strip_tag: bool) -> Iterator[tuple[str, str]]:
    for tag in device.tags:
        yield tag, _group(tag.removeprefix("tag:") if strip_tag else tag)
    if device.os:
        yield f"os {device.os.lower()}", _group(f"os_{device.os.lower()}")
    state = "online" if device.is_connected else "offline"
    yield f"state {state}", state


def _group(name: str) -> str:
    found = _UNSAFE.sub("_", name)
    return f"_{found}" if found[:1].isdigit() else found


def _variables(device: Device, now: datetime, by_address: bool) -> dict[str, Any]:
    address = device.ipv4 or next(iter(device.addresses), "")
    reached = address if by_address or not device.name else device.name
    # A variable that Ansible evaluates must not hold what somebody else wrote as a template.
    found = {f"tailscale_{name}": _plain(COLUMNS[name](device, now)) for name in _VARIABLES}
    return {"ansible_host": _plain(reached), **found}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #")
    return [_plain(each) for each in value] if isinstance(value, list) else value


def dynamic(devices: Sequence[Device], *, now: datetime, **options: Any) -> Iterator[str]:
    """Yield the JSON that Ansible asks an inventory script for with ``--list``."""
    yield json.dumps(inventory(devices, now=now, **options), indent=1) + "\n"


def static(devices: Sequence[Device], *, now: datetime, **options: Any) -> Iterator[str]:
    """Yield a static inventory as YAML; every text is quoted as JSON, which YAML reads too."""
    found = inventory(devices, now=now, **options)
    variables = found.pop("_meta")["hostvars"]
    yield "all:\n  hosts:\n" if variables else "all:\n  hosts: {}\n"
    for host, values in variables.items():
        yield f"    {_scalar(host)}:\n"
        yield "".join(f"      {name}: {_scalar(value)}\n" for name, value in values.items())
    if found:
        yield "  children:\n"
    for name, group in found.items():
        yield f"    {_scalar(name)}:\n      hosts:\n"
        yield "".join(f"        {_scalar(host)}: {{}}\n" for host in group["hosts"])


def _scalar(value: Any) -> str:
    return json.dumps(value)
