"""The tailnet as the evaluator sees it: devices, users, routes in force, posture attributes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from attrs import field, frozen

from tests.policy.brute_force.addresses import Address, Span, is_exit_route, span_of_network


@frozen
class Device:
    """One device.

    Attributes:
        node: its nodeId.
        addresses: its own addresses.
        tags: its tags.
        user: the login name of its owner; "" when tagged or of another tailnet.
        external: whether it belongs to another tailnet.
        routes: the routes in force, as spelled among the approved ones.
    """

    node: str
    addresses: tuple[Address, ...]
    tags: tuple[str, ...]
    user: str
    external: bool
    routes: tuple[str, ...]

    def own_address(self, version: int) -> Address | None:
        """Return the device's own address of a family."""
        return next((address for address in self.addresses if address.version == version), None)

    def route_spans(self) -> list[Span]:
        """Return the addresses behind the device."""
        return [span_of_network(route) for route in self.routes]


@frozen
class World:
    """What the snapshot tells."""

    devices: tuple[Device, ...]
    roles: dict[str, str | None]
    attributes: dict[str, dict[str, Any]]
    _holders: dict[Address, Device] = field(init=False, repr=False, eq=False)

    @_holders.default
    def _held(self) -> dict[Address, Device]:
        return {address: device for device in reversed(self.devices) for address in device.addresses}

    def device(self, node: str) -> Device:
        """Find a device by its nodeId."""
        return next(device for device in self.devices if device.node == node)

    def holder(self, address: Address) -> Device | None:
        """Find the device that has an address of its own."""
        return self._holders.get(address)

    def subnet_spans(self) -> list[Span]:
        """Return every route in force but those of exit nodes."""
        return [
            span_of_network(route)
            for device in self.devices
            for route in device.routes
            if not is_exit_route(route)
        ]


def read_device(record: dict[str, Any]) -> Device:
    """Read a device as the API returns it."""
    tags = tuple(record.get("tags") or [])
    external = bool(record.get("isExternal"))
    approved = record.get("enabledRoutes") or []
    advertised = record.get("advertisedRoutes")
    # A route that is approved before it is advertised waits; where nobody asked what is advertised, it counts.
    in_force = approved if advertised is None else [route for route in approved if route in advertised]
    return Device(
        node=record.get("nodeId") or record["id"],
        addresses=tuple(ip_address(text) for text in record.get("addresses") or []),
        tags=tags,
        user="" if tags or external else record.get("user") or "",
        external=external,
        routes=tuple(in_force),
    )


def read_world(snapshot: dict[str, Any]) -> World:
    """Read a snapshot."""
    records = snapshot.get("attributes") or {}
    return World(
        devices=tuple(read_device(record) for record in snapshot["devices"]),
        roles={user["loginName"]: user.get("role") for user in snapshot.get("users") or []},
        attributes={
            node: record["attributes"]
            for node, record in records.items()
            if record and record.get("attributes") is not None
        },
    )
