"""Devices for resolvers and for SSH: hosts files, dnsmasq, CoreDNS, and a file to include in an SSH configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import define, field

from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.visible import visible

BEGIN: Final = "# BEGIN tailscale-sdk"
END: Final = "# END tailscale-sdk"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")


@define
class Skipped:
    """Collect what could not be written, with the reason."""

    sentences: list[str] = field(factory=list)

    def note(self, device: Device, why: str) -> None:
        """Keep one sentence."""
        self.sentences.append(f"{visible(device.label)} ({device.id}) is left out: {why}")


def _named(devices: Iterable[Device], skipped: Skipped) -> Iterator[tuple[Device, list[str]]]:
    """Yield devices with their names, the full one first; of several with one label the first has it."""
    labels: set[str] = set()
    for device in devices:
        if _NAME.fullmatch(device.name) is None:
            skipped.note(device, "its name is no name of a host")
            continue
        names = [device.name.lower()]
        label = device.label.lower()
        if label != names[0] and label not in labels:
            names.append(label)
        labels.add(label)
        yield device, names


def hosts_lines(devices: Iterable[Device], skipped: Skipped) -> Iterator[str]:
    """Yield lines of a hosts file, which CoreDNS reads too.

    Args:
        devices: to be listed.
        skipped: is told what is left out.
    """
    for device, names in _named(devices, skipped):
        for address in device.addresses:
            yield f"{address}\t{' '.join(names)}\n"


def dnsmasq_lines(devices: Iterable[Device], skipped: Skipped) -> Iterator[str]:
    """Yield lines of a dnsmasq configuration.

    Args:
        devices: to be listed.
        skipped: is told what is left out.
    """
    for device, names in _named(devices, skipped):
        if device.addresses:
            yield f"host-record={','.join([*names, *device.addresses])}\n"


def ssh_lines(
    devices: Iterable[Device], skipped: Skipped, *, users: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a file for ``Include`` in an SSH configuration: devices on which SSH is on; keys are checked as always.

    Args:
        devices: to be listed.
        skipped: is told what is left out.
        users: login on the device by tag.
    """
    for device, names in _named(devices, skipped):
        if device.fields.get("sshEnabled") is not True:
            continue
        yield f"Host {' '.join(reversed(names))}\n  HostName {names[0]}\n"
        user = next((users[tag] for tag in device.tags if users and tag in users), None)
        if user is not None and _USER.fullmatch(user):
            yield f"  User {user}\n"


def in_block(existing: str, lines: Iterable[str]) -> str:
    """Return a file whose managed block holds these lines; every byte outside it stays.

    Args:
        existing: the file as it is.
        lines: of the block.
    """
    block = f"{BEGIN}\n{''.join(lines)}{END}\n"
    pattern = re.compile(rf"^{re.escape(BEGIN)}\r?$.*?^{re.escape(END)}\r?$\n?", re.MULTILINE | re.DOTALL)
    found = pattern.search(existing)
    if found is None:
        return existing + ("" if not existing or existing.endswith("\n") else "\n") + block
    return existing[: found.start()] + block + existing[found.end() :]
