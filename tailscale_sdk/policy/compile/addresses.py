"""Address space cut into pieces that no rule and no route divides any further."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from attrs import frozen

from tailscale_sdk.policy.language import AddressRange, Definition, Policy, Selector, parse_addresses

BITS: Final = {4: 32, 6: 128}


def _network(text: str) -> AddressRange:
    network = ip_network(text)
    return AddressRange(network.version, int(network.network_address), int(network.broadcast_address))


_SHARED, _HOLE, _ULA = map(_network, ("100.64.0.0/10", "100.115.92.0/23", "fd7a:115c:a1e0::/48"))
TAILNET_RANGES: Final = (
    AddressRange(4, _SHARED.first, _HOLE.first - 1),
    AddressRange(4, _HOLE.last + 1, _SHARED.last),
    _ULA,
)
"""What ``*`` means among sources, beside the routes in force; the hole belongs to another operating system."""


@frozen
class AddressAtoms:
    """Hold the pieces of both families, numbered through: first those of IPv4, then those of IPv6.

    Attributes:
        starts: first address of each piece, by family.
        offsets: number of the first piece, by family.
    """

    starts: Mapping[int, tuple[int, ...]]
    offsets: Mapping[int, int]

    @classmethod
    def cut(cls, ranges: Iterable[AddressRange]) -> AddressAtoms:
        """Cut at the ends of every range."""
        cuts: dict[int, set[int]] = {4: {0}, 6: {0}}
        for each in ranges:
            cuts[each.version].add(each.first)
            if each.last + 1 < 1 << BITS[each.version]:
                cuts[each.version].add(each.last + 1)
        starts = {version: tuple(sorted(found)) for version, found in cuts.items()}
        return cls(starts, {4: 0, 6: len(starts[4])})

    @property
    def count(self) -> int:
        """Return how many pieces there are."""
        return len(self.starts[4]) + len(self.starts[6])

    def inside(self, addresses: AddressRange) -> range:
        """Return the numbers of the pieces of a range at whose ends the space is cut."""
        starts, offset = self.starts[addresses.version], self.offsets[addresses.version]
        return range(
            offset + bisect_left(starts, addresses.first), offset + bisect_right(starts, addresses.last)
        )

    def holding(self, version: int, address: int) -> int:
        """Return the number of the piece with this address."""
        return self.offsets[version] + bisect_right(self.starts[version], address) - 1

    def addresses(self, atom: int) -> AddressRange:
        """Return the addresses of a piece."""
        version = 4 if atom < self.offsets[6] else 6
        starts = self.starts[version]
        place = atom - self.offsets[version]
        last = starts[place + 1] - 1 if place + 1 < len(starts) else (1 << BITS[version]) - 1
        return AddressRange(version, starts[place], last)


def spelled(addresses: AddressRange) -> str:
    """Write a range as an address, a prefix or ``first-last``."""
    kind = IPv4Address if addresses.version == 4 else IPv6Address
    size = addresses.last - addresses.first + 1
    if size == 1:
        return str(kind(addresses.first))
    if size & (size - 1) == 0 and addresses.first % size == 0:
        return f"{kind(addresses.first)}/{BITS[addresses.version] - size.bit_length() + 1}"
    return f"{kind(addresses.first)}-{kind(addresses.last)}"


def ranges_of(policy: Policy, selector: Selector) -> tuple[AddressRange, ...]:
    """Return the addresses that a literal, a host or an IP set stands for; none for anything else."""
    if selector.kind == "address":
        return selector.addresses
    if selector.kind == "host":
        return _host(policy.hosts.get(selector.name))
    if selector.kind == "ipset":
        return _ipset(policy, selector.name, frozenset())
    return ()


def _host(definition: Definition | None) -> tuple[AddressRange, ...]:
    found = (parse_addresses(value) for value in definition.values) if definition else ()
    return tuple(addresses for addresses in found if addresses is not None)


def _ipset(policy: Policy, name: str, seen: frozenset[str]) -> tuple[AddressRange, ...]:
    """Add and remove the entries of an IP set in their order.

    Source: https://tailscale.com/kb/1387/ipsets; no answer of the service was there to compare with.
    """
    definition = policy.ipsets.get(name)
    found: list[AddressRange] = []
    if definition is None or name in seen:
        return ()
    for entry in definition.values:
        operation, _, operand = entry.strip().rpartition(" ")
        for each in _operand(policy, operand, seen | {name}):
            if operation.strip() == "remove":
                found = _without(found, each)
            else:
                found.append(each)
    return tuple(found)


def _operand(policy: Policy, text: str, seen: frozenset[str]) -> tuple[AddressRange, ...]:
    if text.startswith("ipset:"):
        return _ipset(policy, text, seen)
    literal = parse_addresses(text)
    return (literal,) if literal is not None else _host(policy.hosts.get(text.removeprefix("host:")))


def _without(ranges: list[AddressRange], hole: AddressRange) -> list[AddressRange]:
    left: list[AddressRange] = []
    for each in ranges:
        if each.version != hole.version or hole.last < each.first or each.last < hole.first:
            left.append(each)
            continue
        if each.first < hole.first:
            left.append(AddressRange(each.version, each.first, hole.first - 1))
        if hole.last < each.last:
            left.append(AddressRange(each.version, hole.last + 1, each.last))
    return left
