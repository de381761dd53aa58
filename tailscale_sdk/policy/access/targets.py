"""Where packets to an address leave the tailnet: at the device that has it, or at routers."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from tailscale_sdk.policy.access.ends import End
from tailscale_sdk.policy.access.facts import Fact
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.addresses import spelled
from tailscale_sdk.policy.language import AddressRange
from tailscale_sdk.policy.tailnet import Device, Route


@frozen
class Target:
    """Hold one place an end stands for.

    Attributes:
        place: its number in the sets.
        version: its family.
        device: the device itself, or the router.
        route: the router's most specific route that covers the address; None for a device's own.
    """

    place: int
    version: int
    device: Device
    route: Route | None = None

    @property
    def is_exit(self) -> bool:
        """Tell whether the address is reached through an exit node alone."""
        return self.route is not None and self.route.is_exit


def targets_of(compiled: CompiledPolicy, end: End) -> list[Target]:
    """Return where packets to an end may be delivered, the most specific routes first."""
    universe = compiled.universe
    if end.device is not None:
        number = compiled.number(end.device)
        return [Target(universe.source(number, version), version, end.device) for version, _ in end.addresses]
    found = []
    for version, address in end.addresses:
        atom = universe.atoms.holding(version, address)
        for device in compiled.tailnet.devices if atom in _routed_atoms(compiled) else ():
            routes = [route for route in device.routes if covers(route, version, address)]
            if routes:
                best = min(routes, key=_size)
                place = universe.routed_numbers[compiled.number(device), atom]
                found.append(Target(place, version, device, best))
    # A subnet route wins over an exit node: the longest prefix does.
    found.sort(key=lambda target: _size(target.route) if target.route else 0)
    subnets = [target for target in found if not target.is_exit]
    return subnets or found


def covers(route: Route, version: int, address: int) -> bool:
    """Tell whether an address is behind a route."""
    return route.addresses.version == version and route.addresses.first <= address <= route.addresses.last


def _size(route: Route) -> int:
    return route.addresses.last - route.addresses.first


def _routed_atoms(compiled: CompiledPolicy) -> frozenset[int]:
    return frozenset(atom for _, atom in compiled.universe.routed)


def route_facts(compiled: CompiledPolicy, end: End) -> Iterator[Fact]:
    """Yield what stands between an address behind routers and its delivery."""
    for version, address in end.addresses if end.device is None else ():
        shown = spelled(AddressRange(version, address, address))
        told = False
        for device in compiled.tailnet.devices:
            for fact in _waiting(device, version, address, shown):
                told = True
                yield fact
        if not told and all(target.is_exit for target in targets_of(compiled, end)):
            yield Fact(
                "no-route",
                f"no device has the address {shown} and no router advertises a route to it",
                "routes",
                "blocks",
                settle="advertise a route to it on a subnet router and approve it, or check the address",
            )


def _waiting(device: Device, version: int, address: int, shown: str) -> Iterator[Fact]:
    approved = {route.addresses for route in device.approved}
    advertised = {route.addresses for route in device.advertised or ()}
    for route in device.advertised or ():
        if route.addresses not in approved and covers(route, version, address) and not route.is_exit:
            yield Fact(
                "route-not-approved",
                f"{device.label} advertises the route {route.text} to {shown}, but it is not approved",
                "routes",
                "blocks",
                settle=f"approve {route.text} on {device.label} (devices.set_routes)",
            )
    for route in device.approved:
        waits = device.advertised is not None and route.addresses not in advertised
        if waits and covers(route, version, address) and not route.is_exit:
            yield Fact(
                "route-not-advertised",
                f"the route {route.text} is approved on {device.label}, but {device.label} does not advertise it",
                "routes",
                "blocks",
                settle=f"advertise {route.text} on {device.label}",
            )


def router_fact(target: Target) -> Fact | None:
    """Say through whom a place is reached, None for a device's own address."""
    if target.route is None:
        return None
    kind = "exit node" if target.is_exit else "router"
    return Fact(
        "routed", f"{target.device.label} is the {kind} for it, by its route {target.route.text}", "routes"
    )
