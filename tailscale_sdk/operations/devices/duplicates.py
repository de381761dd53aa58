"""Devices that are there twice, were renamed or registered again, each with its evidence and how certain that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from attrs import frozen

from tailscale_sdk.operations.devices.actions import delete_devices, left_alone
from tailscale_sdk.operations.fleet import Device, Fleet, LeftAlone, Proposal
from tailscale_sdk.operations.values import text_of

Confidence = Literal["certain", "high", "medium", "info"]
Finding = Literal[
    "cloned", "same-machine", "reinstalled", "suffixed", "renamed", "renamed-since", "registered-again"
]
_ORDER: Final[Sequence[Confidence]] = ("certain", "high", "medium", "info")
# What an operating system calls itself unless somebody says otherwise.
_COMMON_NAMES: Final = frozenset(
    {
        "",
        "localhost",
        "iphone",
        "ipad",
        "raspberrypi",
        "ubuntu",
        "debian",
        "android",
        "macbook",
        "desktop",
        "linux",
    }
)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Duplicate:
    """Hold one finding.

    Attributes:
        kind: what was found.
        confidence: how certain it is that this is one machine.
        devices: that it is about; the one that would be kept is first.
        evidence: what it follows from, one sentence.
    """

    kind: Finding
    confidence: Confidence
    devices: tuple[Device, ...]
    evidence: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "kind": self.kind,
            "confidence": self.confidence,
            "evidence": self.evidence,
            "devices": [
                {"id": d.id, "name": d.name, "online": d.is_connected, "owner": d.owner, "tags": list(d.tags)}
                for d in self.devices
            ],
        }


def find_duplicates(fleet: Fleet) -> tuple[Duplicate, ...]:
    """Return what is there twice, the most certain first.

    Args:
        fleet: devices.
    """
    own = [device for device in fleet.devices if not device.is_external]
    found = [*_cloned(own), *_same_machine(own), *_reinstalled(own), *_named(own)]
    return tuple(sorted(found, key=lambda each: _ORDER.index(each.confidence)))


def _best_first(devices: Iterable[Device]) -> tuple[Device, ...]:
    """Return devices with the one to keep first: what is online, then what joined last."""
    return tuple(sorted(devices, key=lambda d: (d.is_connected, d.created or _LONG_AGO, d.id), reverse=True))


def _cloned(devices: Iterable[Device]) -> Iterator[Duplicate]:
    for device in devices:
        if device.fields.get("multipleConnections") is True:
            evidence = "several machines use its node key at this moment: its state was copied"
            yield Duplicate("cloned", "certain", (device,), evidence)


def _same_machine(devices: Sequence[Device]) -> Iterator[Duplicate]:
    seen: set[frozenset[str]] = set()
    readers: tuple[tuple[str, Callable[[Device], Iterable[str]]], ...] = (
        ("machine key", lambda device: [text_of(device.fields, "machineKey")]),
        ("serial number", lambda device: device.serial_numbers),
    )
    for what, read in readers:
        for group in _grouped(devices, read):
            ids = frozenset(device.id for device in group)
            if ids not in seen:
                seen.add(ids)
                yield Duplicate("same-machine", "high", _best_first(group), f"they have the same {what}")


def _grouped(devices: Iterable[Device], read: Callable[[Device], Iterable[Any]]) -> Iterator[list[Device]]:
    """Yield the devices that share a value; nobody shares an empty one."""
    by_value: dict[Any, list[Device]] = {}
    for device in devices:
        for value in dict.fromkeys(read(device)):
            if value:
                by_value.setdefault(value, []).append(device)
    yield from (group for group in by_value.values() if len(group) > 1)


def _reinstalled(devices: Iterable[Device]) -> Iterator[Duplicate]:
    def identity(device: Device) -> Iterable[Any]:
        if device.owner and device.hostname.lower() not in _COMMON_NAMES:
            yield (device.owner, device.hostname.lower(), device.os.lower())

    for group in _grouped(devices, identity):
        online = [device for device in group if device.is_connected]
        newest = max(device.created or _LONG_AGO for device in group)
        if len(online) == 1 and (online[0].created or _LONG_AGO) == newest:
            evidence = (
                f"one owner, the host name {group[0].hostname} and {group[0].os}; one is online and newer"
            )
            yield Duplicate("reinstalled", "medium", _best_first(group), evidence)


_SUFFIX: Final = re.compile(r"(.+)-(\d{1,4})")
_UNCLEAN: Final = re.compile(r"[^a-z0-9-]+")


def cleaned(hostname: str) -> str:
    """Return the label the service makes of a host name."""
    return _UNCLEAN.sub("-", hostname.partition(".")[0].lower()).strip("-")


def _named(devices: Sequence[Device]) -> Iterator[Duplicate]:
    by_label = {device.label.lower(): device for device in devices if device.name}
    for device in devices:
        label, hostname = device.label.lower(), cleaned(device.hostname)
        if not device.name or not hostname or label == hostname:
            continue
        suffix = _SUFFIX.fullmatch(label)
        if suffix is not None and suffix[1] == hostname:
            bare = by_label.get(hostname)
            if bare is not None and hostname not in _COMMON_NAMES:
                evidence = f"its name is that of {bare.name} with a number behind it"
                yield Duplicate("suffixed", "medium", _best_first((bare, device)), evidence)
        else:
            yield Duplicate("renamed", "info", (device,), f"its operating system calls it {device.hostname}")


@frozen
class FleetChanges:
    """Say how a fleet differs from what it was.

    Attributes:
        added, removed: devices that are new, or gone.
        renamed: the same device under another name, with the name it had.
        registered_again: a machine that is a new device now, with the one it was.
    """

    added: tuple[Device, ...]
    removed: tuple[Device, ...]
    renamed: tuple[tuple[Device, str], ...]
    registered_again: tuple[tuple[Device, Device], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "added": [_brief(device) for device in self.added],
            "removed": [_brief(device) for device in self.removed],
            "renamed": [{**_brief(device), "was": was} for device, was in self.renamed],
            "registered_again": [{**_brief(new), "was": _brief(old)} for new, old in self.registered_again],
        }


def _brief(device: Device) -> dict[str, Any]:
    return {"id": device.id, "name": device.name}


def compare_fleets(old: Fleet, new: Fleet) -> FleetChanges:
    """Return how a fleet differs from an earlier one.

    Args:
        old: devices as they were.
        new: devices as they are.
    """
    added = tuple(device for device in new.devices if device.id not in old.by_id)
    removed = tuple(device for device in old.devices if device.id not in new.by_id)
    renamed = tuple(
        (device, old.by_id[device.id].name)
        for device in new.devices
        if device.id in old.by_id and device.name != old.by_id[device.id].name
    )
    return FleetChanges(added, removed, renamed, tuple(_again(old, added)))


def _again(old: Fleet, added: Iterable[Device]) -> Iterator[tuple[Device, Device]]:
    known: dict[str, Device] = {}
    for device in old.devices:
        known.update(dict.fromkeys(_machine(device), device))
    for device in added:
        before = next((known[mark] for mark in _machine(device) if mark in known), None)
        if before is not None:
            yield device, before


def _machine(device: Device) -> list[str]:
    marks = [text_of(device.fields, "machineKey"), *(f"serial {number}" for number in device.serial_numbers)]
    return [mark for mark in marks if mark]


def clean_up(fleet: Fleet, *, confidence: Confidence = "high", reason: str | None = None) -> Proposal:
    """Propose to remove what is surely a left-over: of each machine the online or newest device stays.

    Args:
        fleet: devices.
        confidence: the least certain kind of finding that is acted on.
        reason: why.
    """
    accepted = _ORDER[: _ORDER.index(confidence) + 1]
    findings = [found for found in find_duplicates(fleet) if len(found.devices) > 1]
    keepers = {found.devices[0].id for found in findings}
    doomed: dict[str, Device] = {}
    kept: dict[str, LeftAlone] = {}
    for found in findings:
        for device in found.devices[1:]:
            if found.confidence not in accepted or found.kind == "suffixed":
                why = f"{found.evidence}: {found.confidence} confidence only"
            elif device.is_connected or device.id in keepers:
                why = "it is online" if device.is_connected else "it is the one to keep of others"
            else:
                doomed[device.id] = device
                continue
            kept.setdefault(device.id, left_alone(device, why))
    proposal = delete_devices(doomed.values(), population=len(fleet.devices), reason=reason)
    more = tuple(each for node, each in kept.items() if node not in doomed)
    return Proposal(
        proposal.steps, proposal.population, (*proposal.left_alone, *more), proposal.notes, reason
    )
