"""What each selector of a policy selects in a tailnet, as sets; each is made once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Final

from attrs import define, field

from tailscale_sdk.policy.compile.addresses import TAILNET_RANGES, ranges_of
from tailscale_sdk.policy.compile.bits import NOTHING, TriState, set_of, union
from tailscale_sdk.policy.compile.postures import holds
from tailscale_sdk.policy.compile.universe import Universe
from tailscale_sdk.policy.language import AddressRange, Policy, Selector
from tailscale_sdk.policy.tailnet import Device, Tailnet

KNOWN_ROLES: Final = frozenset({"owner", "admin"})
"""Roles of which it is known that exactly the users with this role are meant."""

SELF: Final = "autogroup:self"
_ROLES: Final = frozenset({*KNOWN_ROLES, "it-admin", "network-admin", "billing-admin", "auditor"})


@define(eq=False)
class Selection:
    """Answer for one policy and tailnet what is selected, over the numbers of a universe."""

    policy: Policy
    tailnet: Tailnet
    universe: Universe
    _sources: dict[tuple[str, str], TriState] = field(factory=dict)
    _places: dict[tuple[str, str], TriState] = field(factory=dict)
    _devices: dict[str, TriState] = field(factory=dict)
    _postures: dict[tuple[str, ...], TriState] = field(factory=dict)

    def devices(self, selector: Selector) -> TriState:
        """Return the devices a user, group, tag or autogroup selects: bit *d* for device *d*."""
        found = self._devices.get(selector.name)
        if found is None:
            found = self._devices[selector.name] = self._select_devices(selector)
        return found

    def sources(self, selector: Selector) -> TriState:
        """Return the sources a selector lets in."""
        key = selector.kind, selector.name
        found = self._sources.get(key)
        if found is None:
            found = self._sources[key] = self._select_sources(selector)
        return found

    def places(self, selector: Selector) -> TriState:
        """Return the places a destination means; ``autogroup:self`` means every place it can mean."""
        key = selector.kind, selector.name
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = self._select_places(selector)
        return found

    def meeting(self, postures: tuple[str, ...]) -> TriState:
        """Return the sources that meet one of some conditions; a host that is no device is always in doubt."""
        found = self._postures.get(postures)
        if found is None:
            found = self._postures[postures] = self._meet(postures)
        return found

    @cached_property
    def people(self) -> int:
        """Return the devices that belong to a user."""
        return self._set(lambda device: device.user != "")

    @cached_property
    def owned(self) -> Mapping[str, int]:
        """Return each user's devices."""
        numbers: dict[str, list[int]] = {}
        for device in self.tailnet.devices:
            if device.user:
                numbers.setdefault(device.user, []).append(self.universe.numbers[device.id])
        return {user: set_of(found) for user, found in numbers.items()}

    @cached_property
    def tagged(self) -> Mapping[str, int]:
        """Return the devices with each tag."""
        numbers: dict[str, list[int]] = {}
        for device in self.tailnet.devices:
            for tag in device.tags:
                numbers.setdefault(tag, []).append(self.universe.numbers[device.id])
        return {tag: set_of(found) for tag, found in numbers.items()}

    @cached_property
    def own_addresses(self) -> int:
        """Return every own address that a device has."""
        number, universe = self.universe.numbers, self.universe
        return set_of(
            universe.source(number[device.id], version)
            for device in self.tailnet.devices
            for version in (4, 6)
            if device.own(version) is not None
        )

    def both_families(self, devices: int) -> int:
        """Return the own addresses of some devices."""
        return (devices | devices << self.universe.size) & self.own_addresses

    def routed_by(self, devices: int) -> int:
        """Return the places that some routers deliver to."""
        return self._routed(lambda number, atom: bool(devices >> number & 1))

    def _set(self, wanted: Callable[[Device], bool]) -> int:
        return set_of(self.universe.numbers[each.id] for each in self.tailnet.devices if wanted(each))

    def _select_devices(self, selector: Selector) -> TriState:
        name = selector.name
        if selector.kind == "user":
            return TriState(self.owned.get(name, 0))
        if selector.kind == "tag":
            return TriState(self.tagged.get(name, 0))
        if selector.kind == "group":
            definition = self.policy.groups.get(name)
            return union(
                TriState(self.owned.get(login, 0)) for login in set(definition.values if definition else ())
            )
        if name == "autogroup:member":
            return TriState(self.people)
        if name == "autogroup:tagged":
            return TriState(self._set(lambda device: bool(device.tags)))
        if name == "autogroup:shared":
            return TriState(0, self._set(lambda device: device.external))
        role = name.removeprefix("autogroup:")
        return self._with_role(role) if selector.kind == "autogroup" and role in _ROLES else NOTHING

    def _with_role(self, role: str) -> TriState:
        yes = maybe = 0
        for login, devices in self.owned.items():
            found = self.tailnet.roles.get(login)
            if found == role and role in KNOWN_ROLES:
                yes |= devices
            elif found in {role, None}:
                maybe |= devices
        return TriState(yes, maybe)

    def _select_sources(self, selector: Selector) -> TriState:
        if selector.name == "autogroup:danger-all":
            return TriState(self.own_addresses | self._all_hosts)
        if selector.kind == "any":
            return TriState(self._addressed((*TAILNET_RANGES, *self._subnets)))
        ranges = ranges_of(self.policy, selector)
        if ranges:
            return TriState(self._addressed(ranges))
        devices = self.devices(selector)
        return TriState(self.both_families(devices.yes), self.both_families(devices.maybe))

    def _select_places(self, selector: Selector) -> TriState:
        if selector.kind == "any":
            return TriState(self.own_addresses | self._all_routed)
        if selector.name == SELF:
            return TriState(self.both_families(self.people))
        ranges = ranges_of(self.policy, selector)
        if ranges:
            atoms = frozenset(atom for each in ranges for atom in self.universe.atoms.inside(each))
            routed = self._routed(lambda number, atom: atom in atoms)
            return TriState(self._holding(ranges) | routed)
        devices = self.devices(selector)
        return TriState(self.both_families(devices.yes), self.both_families(devices.maybe))

    @cached_property
    def _subnets(self) -> tuple[AddressRange, ...]:
        routes = {route for device in self.tailnet.devices for route in device.routes if not route.is_exit}
        return tuple({route.addresses for route in routes})

    @cached_property
    def _all_hosts(self) -> int:
        first = 2 * self.universe.size
        return ((1 << self.universe.atoms.count) - 1) << first

    @cached_property
    def _in_force(self) -> frozenset[tuple[int, int]]:
        """Return router and piece of every route in force in this tailnet."""
        numbers, atoms = self.universe.numbers, self.universe.atoms
        return frozenset(
            (numbers[device.id], atom)
            for device in self.tailnet.devices
            for route in device.routes
            for atom in atoms.inside(route.addresses)
        )

    @cached_property
    def _all_routed(self) -> int:
        return self._routed(lambda number, atom: True)

    def _routed(self, wanted: Callable[[int, int], bool]) -> int:
        numbers = self.universe.routed_numbers
        return set_of(numbers[place] for place in self._in_force if wanted(*place))

    def _addressed(self, ranges: Iterable[AddressRange]) -> int:
        """Return devices and other hosts with an address in one of some ranges."""
        ranges = tuple(ranges)
        first = 2 * self.universe.size
        hosts = set_of(first + atom for each in ranges for atom in self.universe.atoms.inside(each))
        return self._holding(ranges) | hosts

    def _holding(self, ranges: Iterable[AddressRange]) -> int:
        """Return own addresses inside some ranges."""
        found: list[int] = []
        for each in ranges:
            addresses, holders = self._by_address[each.version]
            found += holders[bisect_left(addresses, each.first) : bisect_right(addresses, each.last)]
        return set_of(found)

    @cached_property
    def _by_address(self) -> Mapping[int, tuple[list[int], list[int]]]:
        """Return own addresses in order, and beside them whose they are, by family."""
        found = {}
        for version in (4, 6):
            pairs = sorted(
                (own, self.universe.source(self.universe.numbers[device.id], version))
                for device in self.tailnet.devices
                if (own := device.own(version)) is not None
            )
            found[version] = [own for own, _ in pairs], [number for _, number in pairs]
        return found

    def _meet(self, postures: tuple[str, ...]) -> TriState:
        conditions = [self.policy.postures[name].values for name in postures if name in self.policy.postures]
        yes: list[int] = []
        maybe: list[int] = []
        for device in self.tailnet.devices:
            answer = self._meets(device, conditions)
            if answer is not False:
                (yes if answer else maybe).append(self.universe.numbers[device.id])
        return TriState(self.both_families(set_of(yes)), self.both_families(set_of(maybe)) | self._all_hosts)

    def _meets(self, device: Device, postures: list[tuple[str, ...]]) -> bool | None:
        attributes = self.tailnet.attributes.get(device.id)
        if attributes is None:
            return None
        doubtful = False
        for conditions in postures:
            answers = [holds(condition, attributes) for condition in conditions]
            if all(answers):
                return True
            doubtful = doubtful or (None in answers and False not in answers)
        return None if doubtful else False
