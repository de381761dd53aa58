"""Subnet routes: who offers, may serve and serves them, where they overlap, and their approval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.network.four_via_six import from_four_via_six
from tailscale_sdk.operations.values import Network

RouterState = Literal["serving", "offline", "pending", "dormant"]


@frozen
class RouterOfRoute:
    """Hold one device of a route.

    Attributes:
        device: the device.
        state: serving; offline, where it is approved and offered but not connected; pending, where it waits for
            approval; dormant, where it is approved but not offered.
    """

    device: Device
    state: RouterState


@frozen
class Route:
    """Hold one route of the tailnet.

    Attributes:
        network: its prefix.
        routers: devices that offer it or may serve it.
        overlaps: other routes that contain it, or that it contains.
        four_via_six: site and IPv4 subnet it stands for, None for any other.
    """

    network: Network
    routers: tuple[RouterOfRoute, ...]
    overlaps: tuple[tuple[str, str], ...] = ()
    four_via_six: tuple[int, str] | None = None

    def devices(self, *states: RouterState) -> tuple[Device, ...]:
        """Return its devices in some states."""
        return tuple(each.device for each in self.routers if each.state in states)

    @property
    def status(self) -> str:
        """Return how the route is: redundant, served by one, without a router that is online, waiting, or dormant."""
        serving = len(self.devices("serving"))
        if serving:
            return "redundant" if serving > 1 else "single"
        if self.devices("offline"):
            return "offline"
        return "pending" if self.devices("pending") else "dormant"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        found: dict[str, Any] = {
            "route": str(self.network),
            "status": self.status,
            "routers": [
                {"id": each.device.id, "name": each.device.name, "state": each.state} for each in self.routers
            ],
        }
        if self.overlaps:
            found["overlaps"] = [{"route": route, "how": how} for route, how in self.overlaps]
        if self.four_via_six is not None:
            found["four_via_six"] = {"site": self.four_via_six[0], "subnet": self.four_via_six[1]}
        return found


def route_table(fleet: Fleet) -> tuple[Route, ...]:
    """Return every subnet route of the tailnet, in the order of addresses; exit routes are not among them.

    Args:
        fleet: devices.
    """
    by_network: dict[Network, list[RouterOfRoute]] = {}
    for device in fleet.devices:
        if device.is_external:
            continue
        for network in device.advertised_subnets | device.approved_subnets:
            by_network.setdefault(network, []).append(RouterOfRoute(device, _state(device, network)))
    networks = sorted(by_network, key=place_of)
    overlaps = _overlaps(networks)
    return tuple(
        Route(
            network,
            tuple(sorted(by_network[network], key=lambda each: (each.device.name, each.device.id))),
            tuple(overlaps.get(network, ())),
            from_four_via_six(network),
        )
        for network in networks
    )


def _state(device: Device, network: Network) -> RouterState:
    if network not in device.approved_subnets:
        return "pending"
    if network not in device.advertised_subnets:
        return "dormant"
    return "serving" if device.is_connected else "offline"


def place_of(network: Network) -> tuple[int, int, int]:
    """Return what routes are sorted by: family, address, and the wider before the narrower."""
    return network.version, int(network.network_address), network.prefixlen


def _overlaps(networks: Sequence[Network]) -> dict[Network, list[tuple[str, str]]]:
    """Find which routes lie inside others: of sorted prefixes the enclosing ones are a stack."""
    found: dict[Network, list[tuple[str, str]]] = {}
    outer: list[Network] = []
    for network in networks:
        while outer and not holds(outer[-1], network):
            outer.pop()
        for around in outer:
            found.setdefault(network, []).append((str(around), "inside"))
            found.setdefault(around, []).append((str(network), "contains"))
        outer.append(network)
    return found


def holds(outer: Network, inner: Network) -> bool:
    """Tell whether one prefix lies inside another, or is the same."""
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]
