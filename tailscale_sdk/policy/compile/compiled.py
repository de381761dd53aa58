"""A policy compiled for a tailnet: packet filters as lazy views over sets, never a table of pairs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from attrs import define, field, frozen

from tailscale_sdk.policy.compile.bits import TriState, members, union
from tailscale_sdk.policy.compile.parts import Part, build_parts, rules_of
from tailscale_sdk.policy.compile.selecting import Selection
from tailscale_sdk.policy.compile.traffic import Intervals
from tailscale_sdk.policy.compile.universe import Universe
from tailscale_sdk.policy.language import Policy, Rule
from tailscale_sdk.policy.tailnet import Device, Route, Tailnet

DRIVE: Final = "tailscale.com/cap/drive"
DRIVE_SHARER: Final = "tailscale.com/cap/drive-sharer"
App = Mapping[str, Sequence[Any]]


@frozen
class PairAccess:
    """Hold what one device may do with another.

    Attributes:
        allowed: ports by protocol, by ``v4``, ``v6`` or a route in force of the destination.
        unknown: the same for what may be allowed, where a fact is missing.
        caps: application capabilities, each with its values.
        unknown_caps: capabilities it may have.
    """

    allowed: Mapping[str, Mapping[int, Intervals]]
    unknown: Mapping[str, Mapping[int, Intervals]]
    caps: App
    unknown_caps: App

    def __bool__(self) -> bool:
        """Tell whether anything is surely allowed."""
        return bool(self.allowed or self.caps)


@frozen
class FilterEntry:
    """Hold one line of a device's packet filter.

    Attributes:
        key: ``v4``, ``v6`` or a route in force: where the packets are for.
        rule: the entry of the policy it comes from.
        sources: who may send them, over the numbers of the universe.
        ports: by protocol.
    """

    key: str
    rule: Rule
    sources: TriState
    ports: Mapping[int, Intervals]


@define(eq=False)
class CompiledPolicy:
    """Answer what a policy allows in a tailnet.

    Attributes:
        policy, tailnet: what was compiled.
        universe: the numbers its sets are made of.
        selection: what its selectors select.
        parts: what lets somebody in, in the order of the text.
    """

    policy: Policy
    tailnet: Tailnet
    universe: Universe
    selection: Selection
    parts: tuple[Part, ...] = field(repr=False)
    _by_traffic: dict[int, tuple[Part, ...]] = field(factory=dict, init=False, repr=False)

    def number(self, device: Device) -> int:
        """Return the number of a device in the sets."""
        return self.universe.numbers[device.id]

    def device(self, number: int) -> Device | None:
        """Return the device with a number, None where this tailnet has none."""
        return self.tailnet.by_id.get(self.universe.ids[number])

    def devices(self, bits: int) -> tuple[Device, ...]:
        """Return the devices of a set with one bit for each."""
        found = (self.device(number) for number in members(bits))
        return tuple(device for device in found if device is not None)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Return what lets somebody in, the rule behind a missing one included."""
        return rules_of(self.policy)

    def parts_of(self, rule: Rule) -> tuple[Part, ...]:
        """Return the parts of a rule."""
        return tuple(part for part in self.parts if part.rule is rule)

    def rule_sources(self, rule: Rule) -> TriState:
        """Return the devices that a rule lets in: bit *d* for device *d*."""
        return self._as_devices(union(part.sources for part in self.parts_of(rule)))

    def rule_destinations(self, rule: Rule) -> TriState:
        """Return the devices that receive something by a rule, on an own address or behind it."""
        return union(self._receivers(part.places) for part in self.parts_of(rule))

    def parts_at(self, place: int) -> Iterator[Part]:
        """Yield the parts that may let somebody in at a place."""
        bit = 1 << place
        return (part for part in self.parts if part.places.yes & bit or part.places.maybe & bit)

    def let_in(self, part: Part, place: int) -> TriState:
        """Return whom a part lets in at one of its places, a device itself and both families included."""
        found = part.sources
        if part.same_owner:
            found = found.within(self._fellows(self.universe.place_of(place)[0]))
        return found if part.places.yes >> place & 1 else TriState(0, found.possible)

    def sources_at(self, part: Part, place: int) -> TriState:
        """Return whom a part lets in at one of its places: sources of the place's family."""
        number, atom = self.universe.place_of(place)
        mask = self.universe.sources_of[self.universe.version_of(place)]
        if atom is None:
            # Nobody needs a rule to reach itself.
            mask &= ~self.universe.device_bits(number)
        return self.let_in(part, place).within(mask)

    def traffic(self, source: int, place: int) -> TriState:
        """Return which pieces of traffic one source may send to one place."""
        yes = maybe = 0
        for part in self.parts_at(place):
            answer = self.sources_at(part, place).answer(source)
            if answer == "yes":
                yes |= part.traffic
            elif answer == "unknown":
                maybe |= part.traffic
        return TriState(yes, maybe & ~yes)

    def sources_to(self, place: int, traffic: int) -> TriState:
        """Return who may send any of some traffic to a place."""
        bit = 1 << place
        return union(
            self.sources_at(part, place)
            for part in self._parts_with(traffic)
            if part.places.yes & bit or part.places.maybe & bit
        )

    def _parts_with(self, traffic: int) -> tuple[Part, ...]:
        """Return the parts with any of some traffic: the same is asked of one place after another."""
        if traffic not in self._by_traffic:
            self._by_traffic[traffic] = tuple(part for part in self.parts if part.traffic & traffic)
        return self._by_traffic[traffic]

    def keys_of(self, destination: Device) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Yield what a device receives for: name, family, places; a route has one place for each piece."""
        number = self.number(destination)
        for version in (4, 6):
            if destination.own(version) is not None:
                yield f"v{version}", version, (self.universe.source(number, version),)
        for route in destination.routes:
            yield route.text, route.addresses.version, self.route_places(number, route)

    def packet_filter(self, destination: Device) -> Iterator[FilterEntry]:
        """Yield the packet filter of a device, made while it is looked at; a part of a route is told of too."""
        for key, _, places in self.keys_of(destination):
            seen: dict[int, TriState] = {}
            for place in places:
                for part in self.parts_at(place):
                    if part.traffic:
                        known = seen.get(id(part), TriState())
                        seen[id(part)] = known | self.sources_at(part, place)
            for part in self.parts:
                if seen.get(id(part)):
                    ports = self.universe.traffic.intervals(part.traffic)
                    yield FilterEntry(key, part.rule, seen[id(part)], ports)

    def route_places(self, number: int, route: Route) -> tuple[int, ...]:
        """Return the places behind a router that make up one of its routes."""
        atoms = self.universe.atoms.inside(route.addresses)
        return tuple(self.universe.routed_numbers[number, atom] for atom in atoms)

    def between(self, source: Device, destination: Device) -> PairAccess:
        """Return what one device may do with another; nothing for a device and itself."""
        allowed, unknown = {}, {}
        for key, version, places in self.keys_of(destination) if source is not destination else ():
            if source.own(version) is None:
                continue
            found = self._whole(self.universe.source(self.number(source), version), places)
            if found.yes:
                allowed[key] = self.universe.traffic.intervals(found.yes)
            if found.maybe:
                unknown[key] = self.universe.traffic.intervals(found.maybe)
        caps, doubtful = self.capabilities(source, destination)
        return PairAccess(allowed, unknown, caps, doubtful)

    def capabilities(self, source: Device, destination: Device) -> tuple[App, App]:
        """Return the capabilities of a device on another, and those it may have; by their IPv4 addresses."""
        found = self._granted(source, destination)
        back = self._granted(destination, source)
        answers: dict[str, dict[str, list[Any]]] = {"yes": {}, "unknown": {}}
        for answer, app in found:
            add_values(answers[answer], app)
        if any(DRIVE in app for answer, app in back if answer == "yes"):
            answers["yes"].setdefault(DRIVE_SHARER, [])
        elif any(DRIVE in app for _, app in back):
            answers["unknown"].setdefault(DRIVE_SHARER, [])
        return answers["yes"], answers["unknown"]

    def _granted(self, source: Device, destination: Device) -> list[tuple[str, App]]:
        if source.v4 is None or destination.v4 is None or source is destination:
            return []
        bit, place = self.number(source), self.number(destination)
        with_app = (part for part in self.parts_at(place) if part.app)
        answers = ((self.sources_at(part, place).answer(bit), part.app) for part in with_app)
        granted: dict[int, tuple[str, App]] = {}
        for answer, app in answers:
            # Several destinations of one grant give it once.
            if answer != "no" and granted.get(id(app), ("", app))[0] != "yes":
                granted[id(app)] = answer, app
        return list(granted.values())

    def _whole(self, source: int, places: Sequence[int]) -> TriState:
        """Return the traffic of the parts that cover all of some places."""
        yes = maybe = 0
        for part in self.parts_at(places[0]) if places else ():
            answers = {
                self.sources_at(part, place).answer(source) if part.places.possible >> place & 1 else "no"
                for place in places
            }
            if answers == {"yes"}:
                yes |= part.traffic
            elif "no" not in answers:
                maybe |= part.traffic
        return TriState(yes, maybe & ~yes)

    def _fellows(self, number: int) -> int:
        """Return the own addresses of the devices of a device's owner."""
        device = self.device(number)
        if device is None or not device.user:
            return 0
        return self.selection.both_families(self.selection.owned[device.user])

    def _as_devices(self, sources: TriState) -> TriState:
        yes = self.universe.devices_in(sources.yes & self.universe.own)
        maybe = self.universe.devices_in(sources.maybe & self.universe.own)
        return TriState(yes, maybe & ~yes)

    def _receivers(self, places: TriState) -> TriState:
        yes, maybe = self._devices_at(places.yes), self._devices_at(places.maybe)
        return TriState(yes, maybe & ~yes)

    def _devices_at(self, places: int) -> int:
        found = self.universe.devices_in(places & self.universe.own)
        for routed in members(places >> 2 * self.universe.size):
            found |= 1 << self.universe.routed[routed][0]
        return found


def add_values(found: dict[str, list[Any]], app: App) -> None:
    """Add capabilities to others, equal values once."""
    for name, values in app.items():
        known = found.setdefault(name, [])
        texts = {json.dumps(value, sort_keys=True) for value in known}
        for value in values:
            text = json.dumps(value, sort_keys=True)
            if text not in texts:
                texts.add(text)
                known.append(value)


def compile_policy(policy: Policy, tailnet: Tailnet, *, universe: Universe | None = None) -> CompiledPolicy:
    """Compile a policy for a tailnet.

    Args:
        policy: what ``read_policy`` returns.
        tailnet: what ``read_tailnet`` returns.
        universe: numbers shared with other policies or tailnets it is compared with.
    """
    universe = universe or Universe.over([policy], [tailnet])
    selection = Selection(policy, tailnet, universe)
    return CompiledPolicy(policy, tailnet, universe, selection, tuple(build_parts(selection)))


def compile_together(pairs: Iterable[tuple[Policy, Tailnet]]) -> list[CompiledPolicy]:
    """Compile several policies over common numbers, so that their sets can be compared."""
    pairs = list(pairs)
    universe = Universe.over([policy for policy, _ in pairs], [tailnet for _, tailnet in pairs])
    return [compile_policy(policy, tailnet, universe=universe) for policy, tailnet in pairs]
