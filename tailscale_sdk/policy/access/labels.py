"""Name sets of devices by what people know them by: selectors, owners, tags, routes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.policy.compile import CompiledPolicy, members, set_of
from tailscale_sdk.policy.compile.addresses import spelled
from tailscale_sdk.policy.language import AddressRange

_SHOWN: Final = 8


@frozen
class Named:
    """Hold a set of sources or places in words.

    Attributes:
        names: selectors, owners, devices or ranges that make it up, the largest first.
        devices: how many devices are in it.
    """

    names: tuple[str, ...]
    devices: int

    @property
    def text(self) -> str:
        """Write it in one line."""
        shown = ", ".join(self.names[:_SHOWN])
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        return f"{shown}{more}" or "nobody"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"names": list(self.names), "devices": self.devices}


class Naming:
    """Name sets of one policy and tailnet; the same set has the same names every time."""

    def __init__(self, compiled: CompiledPolicy) -> None:
        """Gather the selectors that name devices."""
        self._compiled = compiled
        self._selectors = sorted(
            _selectors(compiled), key=lambda pair: (-pair[1].bit_count(), _rank(pair[0]), pair[0])
        )
        self.devices = lru_cache(maxsize=None)(self._name_devices)

    def sources(self, bits: int) -> Named:
        """Name a set of sources: devices, and hosts that are none."""
        universe = self._compiled.universe
        devices = universe.devices_in(bits & universe.own)
        hosts = self._ranges(members(bits >> 2 * universe.size))
        found: Named = self.devices(devices)
        names = (*found.names, *(f"hosts in {each}" for each in hosts))
        return Named(names, found.devices)

    def places(self, bits: int) -> Named:
        """Name a set of places: devices, and what is behind routers."""
        universe = self._compiled.universe
        devices = universe.devices_in(bits & universe.own)
        behind: dict[int, list[int]] = {}
        for number in members(bits >> 2 * universe.size):
            router, atom = universe.routed[number]
            behind.setdefault(router, []).append(atom)
        routes = [
            f"{spelled_} behind {self._label(router)}"
            for router, atoms in sorted(behind.items())
            for spelled_ in self._ranges(iter(sorted(atoms)))
        ]
        found: Named = self.devices(devices)
        routers = devices | sum(1 << router for router in behind)
        return Named((*found.names, *routes), routers.bit_count())

    def _name_devices(self, bits: int) -> Named:
        """Cover a set by selectors that are wholly inside it, the largest first, then by single devices."""
        left, names = bits, []
        if bits and bits == self._everything:
            return Named(("every device",), bits.bit_count())
        for name, selected in self._selectors:
            # A selector that adds little beside others says less than what is left of it.
            adds = (selected & left).bit_count() * 2 >= selected.bit_count() if left else False
            if adds and selected and not selected & ~bits:
                names.append(name)
                left &= ~selected
        names += [self._label(number) for number in members(left)]
        return Named(tuple(names), bits.bit_count())

    @cached_property
    def _everything(self) -> int:
        numbers = self._compiled.universe.numbers
        return set_of(numbers[device.id] for device in self._compiled.tailnet.devices)

    def _label(self, number: int) -> str:
        device = self._compiled.device(number)
        return device.label if device is not None else self._compiled.universe.ids[number]

    def _ranges(self, atoms: Iterator[int]) -> list[str]:
        """Write pieces of the address space that touch each other as one range."""
        merged: list[AddressRange] = []
        for atom in atoms:
            piece = self._compiled.universe.atoms.addresses(atom)
            last = merged[-1] if merged else None
            if last is not None and last.version == piece.version and last.last + 1 == piece.first:
                merged[-1] = AddressRange(piece.version, last.first, piece.last)
            else:
                merged.append(piece)
        return [spelled(each) for each in merged]


def _rank(name: str) -> int:
    """Return the order of names for one set: the most telling first."""
    if name.startswith("autogroup:"):
        return 2
    return 1 if name.startswith("group:") else 0


def _selectors(compiled: CompiledPolicy) -> Iterator[tuple[str, int]]:
    selection = compiled.selection
    yield from selection.tagged.items()
    yield from selection.owned.items()
    for name, group in compiled.policy.groups.items():
        bits = 0
        for login in group.values:
            bits |= selection.owned.get(login, 0)
        yield name, bits
    yield "autogroup:member", selection.people
    tagged = 0
    for bits in selection.tagged.values():
        tagged |= bits
    yield "autogroup:tagged", tagged
