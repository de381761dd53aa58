"""Sets of addresses as lists of spans, each of one family: first and last address, both inside."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Span = tuple[Address, Address]

TAILNET_SPANS: list[Span] = [
    (ip_address("100.64.0.0"), ip_address("100.115.91.255")),
    (ip_address("100.115.94.0"), ip_address("100.127.255.255")),
    (ip_address("fd7a:115c:a1e0::"), ip_address("fd7a:115c:a1e0:ffff:ffff:ffff:ffff:ffff")),
]


def span_of_network(text: str) -> Span:
    """Read a CIDR, whose address may have bits set behind the prefix."""
    network = ip_network(text, strict=False)
    return network[0], network[-1]


def read_span(text: str) -> Span | None:
    """Read an address, a CIDR or a range; None for anything else."""
    try:
        if "-" in text:
            first, last = text.split("-")
            return ip_address(first.strip()), ip_address(last.strip())
        return span_of_network(text.strip("[]"))
    except ValueError:
        return None


def contains(spans: list[Span], address: Address) -> bool:
    """Tell whether an address is in the set."""
    return any(
        first.version == address.version and int(first) <= int(address) <= int(last) for first, last in spans
    )


def covers(spans: list[Span], wanted: Span) -> bool:
    """Tell whether a whole span is in the set, be it by several spans that touch."""
    rest = [wanted]
    for span in spans:
        rest = remove(rest, span)
    return not rest


def remove(spans: list[Span], hole: Span) -> list[Span]:
    """Take a span out of a set."""
    left: list[Span] = []
    for first, last in spans:
        if first.version != hole[0].version or int(hole[1]) < int(first) or int(last) < int(hole[0]):
            left.append((first, last))
            continue
        if int(first) < int(hole[0]):
            left.append((first, hole[0] - 1))
        if int(hole[1]) < int(last):
            left.append((hole[1] + 1, last))
    return left


def is_exit_route(text: str) -> bool:
    """Tell whether a route is one of the two that make an exit node."""
    return ip_network(text, strict=False).prefixlen == 0


def spans_of_entry(policy: dict[str, Any], entry: str) -> list[Span]:
    """Return the addresses that an address, CIDR, range, host alias or IP set stands for; none if it is no such thing."""
    if entry.startswith("ipset:"):
        return spans_of_ipset(policy, entry)
    hosts = policy.get("hosts") or {}
    name = entry.removeprefix("host:")
    span = read_span(hosts.get(name, name))
    return [] if span is None else [span]


def spans_of_ipset(policy: dict[str, Any], name: str) -> list[Span]:
    """Add and remove the entries of an IP set in their order."""
    spans: list[Span] = []
    for entry in policy["ipsets"][name]:
        operation, _, operand = entry.rpartition(" ")
        for span in spans_of_entry(policy, operand):
            if operation.strip() == "remove":
                spans = remove(spans, span)
            else:
                spans.append(span)
    return spans
