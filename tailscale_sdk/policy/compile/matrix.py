"""Every pair of a tailnet and what is allowed between them, destination by destination."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from tailscale_sdk.policy.compile.bits import members
from tailscale_sdk.policy.compile.compiled import DRIVE, DRIVE_SHARER, App, CompiledPolicy, add_values
from tailscale_sdk.policy.compile.parts import Part
from tailscale_sdk.policy.compile.traffic import Intervals
from tailscale_sdk.policy.tailnet import Device

Selected = Callable[[Device], bool]
_Classes = dict[tuple[Any, ...], int]


def items_of(ports: Mapping[int, Intervals]) -> list[dict[str, Any]]:
    """Write ports by protocol as the command does: protocols by range of ports."""
    found: dict[tuple[int, int], list[int]] = {}
    for protocol, intervals in ports.items():
        for interval in intervals:
            found.setdefault(interval, []).append(protocol)
    return [{"proto": protocols, "ports": list(interval)} for interval, protocols in sorted(found.items())]


def reach_rows(
    compiled: CompiledPolicy, *, sources: int | None = None, destinations: Selected | None = None
) -> Iterator[tuple[str, str]]:
    """Yield nodeIds of destinations, each with a JSON object of the sources that reach it.

    Args:
        compiled: the policy.
        sources: devices asked about, bit *d* for device *d*; all when left out.
        destinations: which to tell of.
    """
    writer = _Writer(compiled, sources)
    for device in compiled.tailnet.devices:
        if destinations is None or destinations(device):
            text = writer.row(device)
            if text is not None:
                yield device.id, text


class _Writer:
    """Write rows; sources that are treated alike share one text."""

    def __init__(self, compiled: CompiledPolicy, sources: int | None) -> None:
        self._compiled = compiled
        size = compiled.universe.size
        self._asked = (1 << size) - 1 if sources is None else sources
        self._names = [json.dumps(identifier) for identifier in compiled.universe.ids]
        self._order = [compiled.number(device) for device in compiled.tailnet.devices]
        self._items = lru_cache(maxsize=None)(self._write_items)

    def row(self, destination: Device) -> str | None:
        number = self._compiled.number(destination)
        classes: _Classes = {(): self._asked & ~(1 << number)}
        keys = []
        for key, version, places in self._compiled.keys_of(destination):
            keys.append(json.dumps(key))
            classes = _split(classes, self._traffic_classes(version, places))
        classes = _split(classes, self._capability_classes(destination))
        texts: dict[int, str] = {}
        for signature, sources in classes.items():
            text = self._write(keys, signature)
            if text is not None:
                texts |= dict.fromkeys(members(sources), text)
        if not texts:
            return None
        pairs = (f"{self._names[number]}: {texts[number]}" for number in self._order if number in texts)
        return "{" + ", ".join(pairs) + "}"

    def _traffic_classes(self, version: int, places: tuple[int, ...]) -> _Classes:
        """Part the devices by the traffic they may send to all of some places."""
        universe = self._compiled.universe
        by_traffic: dict[int, int] = {}
        for part in self._compiled.parts_at(places[0]):
            if part.traffic and all(part.places.yes >> place & 1 for place in places):
                sources = self._devices(self._compiled.sources_at(part, places[0]).yes, version)
                by_traffic[part.traffic] = by_traffic.get(part.traffic, 0) | sources
        classes: dict[int, int] = {0: (1 << universe.size) - 1}
        for traffic, sources in by_traffic.items():
            parted: dict[int, int] = {}
            for known, members_ in classes.items():
                for found, bits in ((known | traffic, members_ & sources), (known, members_ & ~sources)):
                    if bits:
                        parted[found] = parted.get(found, 0) | bits
            classes = parted
        return {(traffic,): sources for traffic, sources in classes.items()}

    def _devices(self, sources: int, version: int) -> int:
        size = self._compiled.universe.size
        return (sources if version == 4 else sources >> size) & ((1 << size) - 1)

    def _capability_classes(self, destination: Device) -> _Classes:
        """Part the devices by the grants of capabilities that let them in."""
        classes: dict[tuple[Any, ...], int] = {(): (1 << self._compiled.universe.size) - 1}
        for number, (sources, _) in enumerate(self._granted(destination)):
            parted: _Classes = {}
            for known, bits in classes.items():
                for found, inside in (((*known, number), bits & sources), (known, bits & ~sources)):
                    if inside:
                        parted[found] = parted.get(found, 0) | inside
            classes = parted
        self._apps = [app for _, app in self._granted(destination)]
        return {(tuple(known),): bits for known, bits in classes.items()}

    def _granted(self, destination: Device) -> list[tuple[int, App]]:
        if destination.v4 is None:
            return []
        compiled, place = self._compiled, self._compiled.number(destination)
        found = [
            (self._devices(compiled.sources_at(part, place).yes, 4), part.app)
            for part in compiled.parts_at(place)
            if part.app
        ]
        sharers = 0
        for part in compiled.parts:
            if DRIVE in part.app and part.sources.yes >> place & 1:
                sharers |= self._shared_with(part, place)
        return [*found, *([(sharers, {DRIVE_SHARER: ()})] if sharers else [])]

    def _shared_with(self, part: Part, source: int) -> int:
        """Return the devices on which a source may use the drive, by one part."""
        places = part.places.yes & ((1 << self._compiled.universe.size) - 1)
        if not part.same_owner:
            return places
        device = self._compiled.device(source)
        owned = self._compiled.selection.owned
        return places & owned.get(device.user, 0) if device is not None else 0

    def _write(self, keys: list[str], signature: tuple[Any, ...]) -> str | None:
        *traffic, granted = signature
        members_ = [f"{key}: {self._items(bits)}" for key, bits in zip(keys, traffic, strict=True) if bits]
        if granted:
            caps: dict[str, list[Any]] = {}
            for number in granted:
                add_values(caps, self._apps[number])
            members_.append(f'"caps": {json.dumps(caps)}')
        return "{" + ", ".join(members_) + "}" if members_ else None

    def _write_items(self, traffic: int) -> str:
        return json.dumps(items_of(self._compiled.universe.traffic.intervals(traffic)))


def _split(classes: _Classes, others: _Classes) -> _Classes:
    """Part classes by others, which together hold everything."""
    return {
        (*known, *found): both
        for known, bits in classes.items()
        for found, mask in others.items()
        if (both := bits & mask)
    }
