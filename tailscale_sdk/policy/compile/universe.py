"""The numbers that sets are made of: sources, places and traffic, common to all policies that are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from tailscale_sdk.policy.compile.addresses import TAILNET_RANGES, AddressAtoms, ranges_of
from tailscale_sdk.policy.compile.bits import set_of
from tailscale_sdk.policy.compile.traffic import TrafficAtoms
from tailscale_sdk.policy.language import AddressRange, Policy, Selector
from tailscale_sdk.policy.tailnet import Tailnet


@frozen
class Universe:
    """Number everything that access is about.

    Sources: bit *d* is device *d* with its own IPv4 address, bit *n + d* with its IPv6 address, bit *2n + a*
    a host in piece *a* of the address space that is no device. Places: likewise a device's own addresses, then
    what routers deliver, one bit for each router and piece behind it.

    Attributes:
        ids: nodeId of each device, in the order of their numbers.
        atoms: pieces of the address space.
        traffic: pieces of protocols and ports.
        routed: router and piece of each place after the devices' own.
    """

    ids: tuple[str, ...]
    atoms: AddressAtoms
    traffic: TrafficAtoms
    routed: tuple[tuple[int, int], ...]
    numbers: Mapping[str, int] = field(repr=False)
    routed_numbers: Mapping[tuple[int, int], int] = field(repr=False)

    @classmethod
    def over(cls, policies: Sequence[Policy], tailnets: Sequence[Tailnet]) -> Universe:
        """Number what some policies and tailnets speak of."""
        numbers: dict[str, int] = {}
        for tailnet in tailnets:
            for device in tailnet.devices:
                numbers.setdefault(device.id, len(numbers))
        atoms = AddressAtoms.cut(_ranges(policies, tailnets))
        routed: dict[tuple[int, int], int] = {}
        first = 2 * len(numbers)
        for tailnet in tailnets:
            for device in tailnet.devices:
                for route in device.routes:
                    for atom in atoms.inside(route.addresses):
                        routed.setdefault((numbers[device.id], atom), first + len(routed))
        traffic = TrafficAtoms.cut(
            traffic
            for policy in policies
            for rule in policy.rules
            for destination in rule.destinations
            for traffic in destination.traffic
        )
        return cls(tuple(numbers), atoms, traffic, tuple(routed), numbers, routed)

    @property
    def size(self) -> int:
        """Return the number of devices."""
        return len(self.ids)

    @cached_property
    def own(self) -> int:
        """Return the set of devices' own addresses, among sources and places alike."""
        return (1 << 2 * self.size) - 1

    def device_bits(self, number: int) -> int:
        """Return both own addresses of a device."""
        return 1 << number | 1 << (self.size + number)

    def source(self, number: int, version: int) -> int:
        """Return the number of a device's own address."""
        return number if version == 4 else self.size + number

    def host(self, atom: int) -> int:
        """Return the number of a source that is no device."""
        return 2 * self.size + atom

    def devices_in(self, bits: int) -> int:
        """Return the devices of a set of sources or of own places: bit *d* for device *d*."""
        return (bits | bits >> self.size) & ((1 << self.size) - 1)

    @cached_property
    def sources_of(self) -> Mapping[int, int]:
        """Return all sources of a family."""
        return {
            version: self._own(version)
            | set_of(self.host(self.atoms.offsets[version] + place) for place in range(len(starts)))
            for version, starts in self.atoms.starts.items()
        }

    @cached_property
    def places_of(self) -> Mapping[int, int]:
        """Return all places of a family."""
        boundary = self.atoms.offsets[6]
        routed = {
            4: set_of(number for (_, atom), number in self.routed_numbers.items() if atom < boundary),
            6: set_of(number for (_, atom), number in self.routed_numbers.items() if atom >= boundary),
        }
        return {version: self._own(version) | bits for version, bits in routed.items()}

    def _own(self, version: int) -> int:
        ones = (1 << self.size) - 1
        return ones if version == 4 else ones << self.size

    def place_of(self, number: int) -> tuple[int, int | None]:
        """Return the device of a place, and the piece behind it that is meant, None for its own address."""
        if number < 2 * self.size:
            return number % self.size, None
        device, atom = self.routed[number - 2 * self.size]
        return device, atom

    def version_of(self, place: int) -> int:
        """Return the family of a place."""
        if place < 2 * self.size:
            return 4 if place < self.size else 6
        return 4 if self.routed[place - 2 * self.size][1] < self.atoms.offsets[6] else 6


def _ranges(policies: Sequence[Policy], tailnets: Sequence[Tailnet]) -> Iterable[AddressRange]:
    yield from TAILNET_RANGES
    for tailnet in tailnets:
        for device in tailnet.devices:
            yield from (route.addresses for route in device.routes)
    for policy in policies:
        for rule in policy.rules:
            for selector in (*rule.sources, *(each.selector for each in rule.destinations)):
                yield from _named_ranges(policy, selector)
        for entry in policy.ssh:
            for selector in entry.sources:
                yield from _named_ranges(policy, selector)


def _named_ranges(policy: Policy, selector: Selector) -> Iterable[AddressRange]:
    return ranges_of(policy, selector)
