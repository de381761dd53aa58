"""Who reaches what: every rule is asked about every source, destination and address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from tests.policy.brute_force.addresses import Address, Span, contains, span_of_network
from tests.policy.brute_force.answers import Answer, any_of, every, sure
from tests.policy.brute_force.postures import posture_holds
from tests.policy.brute_force.rules import Access, Rule, read_rules
from tests.policy.brute_force.selectors import is_destination, is_own_source, is_source
from tests.policy.brute_force.world import Device, World, read_world

DRIVE = "tailscale.com/cap/drive"
DRIVE_SHARER = "tailscale.com/cap/drive-sharer"


def applies(
    policy: dict[str, Any],
    world: World,
    rule: Rule,
    selector: str,
    source: Address,
    device: Device,
    wanted: Span,
    *,
    route: bool,
) -> Answer:
    """Say whether a rule lets a source address in to a span of a device by one of its destinations."""
    holder = world.holder(source)
    posture = posture_holds(policy, list(rule.postures), world, holder)
    if selector == "autogroup:self":
        same_user = holder is not None and holder.user != "" and holder.user == device.user
        if holder is None or not same_user or route or rule.via:
            return "no"
        return every([is_own_source(policy, world, list(rule.sources), holder), posture])
    let_in = any_of(is_source(policy, world, name, source) for name in rule.sources)
    arrives = is_destination(policy, world, selector, list(rule.via), device, wanted, route=route)
    return every([let_in, arrives, posture])


def opened(
    policy: dict[str, Any], world: World, source: Address, device: Device, wanted: Span, *, route: bool
) -> Iterator[tuple[Access, Answer]]:
    """Yield what each rule opens from a source address to a span of a device, and how surely."""
    for rule in read_rules(policy):
        for selector, accesses in rule.destinations:
            answer = applies(policy, world, rule, selector, source, device, wanted, route=route)
            for access in accesses:
                yield access, answer


def allowed(
    policy: dict[str, Any],
    snapshot: dict[str, Any],
    source_address: str,
    destination_device: str,
    destination_address: str,
    protocol: int,
    port: int,
) -> Answer:
    """Say whether one packet may pass.

    Args:
        policy: a valid policy.
        snapshot: the tailnet.
        source_address: a device's address, or any other: that of a host behind a subnet router.
        destination_device: the nodeId of the device where the packet leaves the tailnet.
        destination_address: an own address of that device, or one inside a route in force of it.
        protocol: the number of the protocol.
        port: the destination port; 0 for protocols without.
    """
    world = read_world(snapshot)
    device = world.device(destination_device)
    source, wanted = ip_address(source_address), ip_address(destination_address)
    if source.version != wanted.version:
        return "no"
    places = []
    if wanted in device.addresses:
        places.append(False)
    if contains(device.route_spans(), wanted):
        places.append(True)
    return any_of(
        every([answer, sure(protocol in access.protocols and access.ports[0] <= port <= access.ports[1])])
        for route in places
        for access, answer in opened(policy, world, source, device, (wanted, wanted), route=route)
    )


def merged(accesses: list[Access]) -> list[dict[str, Any]]:
    """Write accesses in the form of the command: per range of ports the protocols, without overlaps."""
    by_ports: dict[tuple[int, int], list[int]] = {}
    for protocol in sorted({number for access in accesses for number in access.protocols}):
        ranges: list[tuple[int, int]] = []
        for first, last in sorted(access.ports for access in accesses if protocol in access.protocols):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], last))
            else:
                ranges.append((first, last))
        for ports in ranges:
            by_ports.setdefault(ports, []).append(protocol)
    return [{"proto": protocols, "ports": list(ports)} for ports, protocols in sorted(by_ports.items())]


def keys_of(device: Device) -> Iterator[tuple[str, int, Span, bool]]:
    """Yield the keys of a destination: name, family, span, whether it is a route."""
    for name, version in (("v4", 4), ("v6", 6)):
        address = device.own_address(version)
        if address is not None:
            yield name, version, (address, address), False
    for route in device.routes:
        span = span_of_network(route)
        yield route, span[0].version, span, True


def capabilities(
    policy: dict[str, Any], world: World, source: Device, destination: Device
) -> dict[str, list[Any]]:
    """Return the capabilities of a source on a destination, asked between their IPv4 addresses."""
    address, own = source.own_address(4), destination.own_address(4)
    found: dict[str, list[Any]] = {}
    if address is None or own is None:
        return found
    for rule in read_rules(policy):
        granted = any_of(
            applies(policy, world, rule, selector, address, destination, (own, own), route=False)
            for selector, _ in rule.destinations
        )
        if granted != "yes":
            continue
        for name, values in rule.capabilities.items():
            known = found.setdefault(name, [])
            known.extend(value for value in values if canonical(value) not in map(canonical, known))
    return found


def canonical(value: Any) -> str:
    """Write a value so that equal ones have equal texts."""
    return json.dumps(value, sort_keys=True)


def reach(policy: dict[str, Any], snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return what `policy reach` writes: all that is surely allowed; what is unknown is not in it."""
    world = read_world(snapshot)
    matrix: dict[str, Any] = {}
    for destination in world.devices:
        for source in world.devices:
            if source is destination:
                continue
            pair = reach_of_pair(policy, world, source, destination)
            if pair:
                matrix.setdefault(destination.node, {})[source.node] = pair
    return matrix


def reach_of_pair(
    policy: dict[str, Any], world: World, source: Device, destination: Device
) -> dict[str, Any]:
    """Return what one device reaches on another."""
    pair: dict[str, Any] = {}
    for key, version, span, route in keys_of(destination):
        address = source.own_address(version)
        if address is None:
            continue
        answers = opened(policy, world, address, destination, span, route=route)
        accesses = [access for access, answer in answers if answer == "yes"]
        if accesses:
            pair[key] = merged(accesses)
    caps = capabilities(policy, world, source, destination)
    # Who may use the drive of a device is known to it: the grant's other direction.
    if DRIVE in capabilities(policy, world, destination, source):
        caps.setdefault(DRIVE_SHARER, [])
    if caps:
        pair["caps"] = caps
    return pair
