"""The tailnet as a policy sees it: devices with addresses and routes, users with roles, posture attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.language import AddressRange
from tailscale_sdk.snapshot import TailnetSnapshot

_MISSING: Final[Mapping[str, Any]] = {}


@frozen
class Route:
    """Hold a subnet or exit route: as it is spelled, and what it covers."""

    text: str
    addresses: AddressRange

    @property
    def is_exit(self) -> bool:
        """Tell whether this is one of the two routes that make an exit node."""
        return self.addresses.first == 0 and self.addresses.last == (1 << _BITS[self.addresses.version]) - 1


_BITS: Final = {4: 32, 6: 128}


@frozen
class Device:
    """Hold one device.

    Attributes:
        index: place in the tailnet's tuple.
        id: its nodeId.
        name: its name in the tailnet, such as ``web.example.ts.net``.
        user: login name of its owner; empty for tagged devices and those of other tailnets.
        v4, v6: its own addresses as integers, None where it has none.
        advertised, approved: routes; ``advertised`` is None where nobody asked for them.
        routes: those in force, which are advertised and approved.
        external: it belongs to another tailnet and is shared into this one.
        fields: everything the API says of it.
    """

    index: int
    id: str
    name: str
    hostname: str
    user: str
    tags: tuple[str, ...]
    v4: int | None
    v6: int | None
    advertised: tuple[Route, ...] | None
    approved: tuple[Route, ...]
    external: bool = False
    fields: Mapping[str, Any] = field(default=_MISSING, repr=False, eq=False)

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """Return the routes in force: an approved one waits until it is advertised."""
        if self.advertised is None:
            return self.approved
        advertised = {route.addresses for route in self.advertised}
        return tuple(route for route in self.approved if route.addresses in advertised)

    @property
    def label(self) -> str:
        """Return what people call it: the first part of its name."""
        return self.name.split(".", 1)[0] or self.hostname or self.id

    @property
    def identity(self) -> str:
        """Return what rules know it by: its tags, or its owner."""
        return ", ".join(self.tags) or self.user or "a device of another tailnet"

    def is_named(self, name: str) -> bool:
        """Tell whether people may call it so; the name is in lower case."""
        full = self.name.lower()
        return full.startswith(f"{name}.") or name in {full, self.hostname.lower(), self.fields.get("id")}

    def own(self, version: int) -> int | None:
        """Return its own address of a family."""
        return self.v4 if version == 4 else self.v6


@frozen
class Tailnet:
    """Hold the devices and users of a tailnet.

    Attributes:
        devices: in the order of the snapshot.
        roles: role by login name, None where the API did not say.
        attributes: posture attributes by nodeId, of devices whose attributes were read.
        shared: login names of people of other tailnets to whom something of this one is shared.
        services: names of services with their addresses.
        dns: what was read of it.
        taken: moment of the snapshot, as it was noted.
    """

    devices: tuple[Device, ...]
    roles: Mapping[str, str | None] = field(factory=dict)
    attributes: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    shared: frozenset[str] = frozenset()
    services: Mapping[str, tuple[str, ...]] = field(factory=dict)
    dns: Mapping[str, Any] = field(factory=dict)
    taken: str | None = None

    @cached_property
    def by_id(self) -> Mapping[str, Device]:
        """Return devices by nodeId."""
        return {device.id: device for device in self.devices}

    @cached_property
    def by_address(self) -> Mapping[tuple[int, int], Device]:
        """Return devices by family and own address."""
        found: dict[tuple[int, int], Device] = {}
        for device in self.devices:
            for version in (4, 6):
                own = device.own(version)
                if own is not None:
                    found.setdefault((version, own), device)
        return found

    def named(self, text: str) -> tuple[Device, ...]:
        """Return the devices a person may mean by a name, an id or an address."""
        address = parse_address(text)
        if address is not None:
            holder = self.by_address.get(address)
            return (holder,) if holder else ()
        if text in self.by_id:
            return (self.by_id[text],)
        wanted = text.strip().rstrip(".").lower()
        found = tuple(device for device in self.devices if wanted and device.is_named(wanted))
        return tuple(device for device in found if device.name.lower() == wanted) or found

    def owned_by(self, login: str) -> tuple[Device, ...]:
        """Return a user's untagged devices."""
        return tuple(device for device in self.devices if device.user == login)


def parse_address(text: str) -> tuple[int, int] | None:
    """Read an address as its family and number; None for anything else."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return address.version, int(address)


def read_tailnet(snapshot: TailnetSnapshot) -> Tailnet:
    """Read what a policy needs to know of a tailnet.

    Args:
        snapshot: devices and, where they were read, users and posture attributes.

    Raises:
        ConfigurationError: the text names the path of a value that cannot be read.
    """
    content = snapshot.content
    users = content.get("users") or ()
    devices = tuple(_device(index, record) for index, record in enumerate(snapshot.devices))
    return Tailnet(
        devices=devices,
        roles={str(user["loginName"]): user.get("role") for user in users if user.get("loginName")},
        attributes=dict(_attributes(content.get("attributes") or {})),
        shared=frozenset(str(user.get("loginName")) for user in users if user.get("type") == "shared"),
        services=dict(_services(content.get("services") or ())),
        dns=content.get("dns") or {},
        taken=content.get("taken"),
    )


def _device(index: int, record: Mapping[str, Any]) -> Device:
    where = f"devices[{index}]"
    tags = tuple(_texts(record, "tags", where))
    external = record.get("isExternal") is True
    own: dict[int, int] = {}
    for place, text in enumerate(_texts(record, "addresses", where)):
        version, number = _address(text, f"{where}.addresses[{place}]")
        own.setdefault(version, number)
    advertised = record.get("advertisedRoutes")
    return Device(
        index=index,
        id=str(record["nodeId"]),
        name=record.get("name") or "",
        hostname=record.get("hostname") or "",
        user="" if tags or external else record.get("user") or "",
        tags=tags,
        v4=own.get(4),
        v6=own.get(6),
        advertised=None if advertised is None else _routes(record, "advertisedRoutes", where),
        approved=_routes(record, "enabledRoutes", where),
        external=external,
        fields=record,
    )


def _texts(record: Mapping[str, Any], name: str, where: str) -> Iterator[str]:
    value = record.get(name)
    if value is None:
        return
    if not isinstance(value, list):
        raise ConfigurationError(f"{where}.{name}: must be a list of texts")
    for place, text in enumerate(value):
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            raise ConfigurationError(f"{where}.{name}[{place}]: must be text")
        yield text


def _address(text: str, where: str) -> tuple[int, int]:
    # Most addresses of a tailnet are of this form; the library's reader is many times slower.
    parts = text.split(".")
    if len(parts) == 4 and all(part.isdecimal() and len(part) <= 3 and part.isascii() for part in parts):
        numbers = [int(part) for part in parts]
        if max(numbers) <= 255 and not any(len(part) > 1 and part[0] == "0" for part in parts):
            return 4, (numbers[0] << 24) | (numbers[1] << 16) | (numbers[2] << 8) | numbers[3]
    try:
        address = ip_address(text)
    except ValueError:
        raise ConfigurationError(f"{where}: {text!r} is no IP address") from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ConfigurationError(f"{where}: {text!r} names an interface, which no address of a tailnet does")
    return address.version, int(address)


def _routes(record: Mapping[str, Any], name: str, where: str) -> tuple[Route, ...]:
    return tuple(
        Route(text, _route_range(text, f"{where}.{name}[{place}]"))
        for place, text in enumerate(_texts(record, name, where))
    )


def _route_range(text: str, where: str) -> AddressRange:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ConfigurationError(f"{where}: {text!r} is no route such as 10.0.0.0/16") from None
    return AddressRange(network.version, int(network.network_address), int(network.broadcast_address))


def _attributes(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for node, record in content.items():
        attributes = record.get("attributes") if isinstance(record, Mapping) else None
        if isinstance(attributes, Mapping):
            yield node, attributes


def _services(records: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for record in records:
        if isinstance(record.get("name"), str):
            yield record["name"], tuple(text for text in record.get("addrs") or () if isinstance(text, str))
