"""The rules of `acls` and `grants` in one form."""

from __future__ import annotations

from typing import Any

from attrs import frozen

ALL_PORTS = (0, 65535)
DEFAULT_PROTOCOLS = (1, 6, 17, 58)
PROTOCOL_NUMBERS = {
    "icmp": 1,
    "igmp": 2,
    "ipv4": 4,
    "ip-in-ip": 4,
    "tcp": 6,
    "egp": 8,
    "igp": 9,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "sctp": 132,
}


@frozen
class Access:
    """Some protocols over one range of ports."""

    protocols: tuple[int, ...]
    ports: tuple[int, int]


@frozen
class Rule:
    """One rule: sources, and destinations each with what is opened on it."""

    sources: tuple[str, ...]
    destinations: tuple[tuple[str, tuple[Access, ...]], ...]
    via: tuple[str, ...]
    postures: tuple[str, ...]
    capabilities: dict[str, list[Any]]


def read_rules(policy: dict[str, Any]) -> list[Rule]:
    """Read all rules; a policy with neither `acls` nor `grants` allows everything."""
    if "acls" not in policy and "grants" not in policy:
        everything = Access(DEFAULT_PROTOCOLS, ALL_PORTS)
        return [Rule(("*",), (("*", (everything,)),), (), (), {})]
    default = policy.get("defaultSrcPosture") or []
    return [read_acl(entry, default) for entry in policy.get("acls") or []] + [
        read_grant(entry, default) for entry in policy.get("grants") or []
    ]


def today(selector: str) -> str:
    """Return the present spelling of a selector."""
    return "autogroup:member" if selector == "autogroup:members" else selector


def read_acl(entry: dict[str, Any], default_posture: list[str]) -> Rule:
    """Read an entry of `acls`, `users` and `ports` being the older names of `src` and `dst`."""
    protocols = read_protocols(entry.get("proto") or "")
    destinations = []
    for text in entry.get("dst", entry.get("ports")) or []:
        selector, _, ports = text.rpartition(":")
        opened = tuple(Access(protocols, read_ports(part)) for part in ports.split(","))
        destinations.append((today(selector), opened))
    return Rule(
        sources=tuple(today(source) for source in entry.get("src", entry.get("users")) or []),
        destinations=tuple(destinations),
        via=(),
        postures=tuple(entry.get("srcPosture") or default_posture),
        capabilities={},
    )


def read_grant(entry: dict[str, Any], default_posture: list[str]) -> Rule:
    """Read an entry of `grants`."""
    opened = tuple(read_ip(text) for text in entry.get("ip") or [])
    return Rule(
        sources=tuple(today(source) for source in entry.get("src") or []),
        destinations=tuple((today(destination), opened) for destination in entry.get("dst") or []),
        via=tuple(entry.get("via") or []),
        postures=tuple(entry.get("srcPosture") or default_posture),
        capabilities={name: values or [] for name, values in (entry.get("app") or {}).items()},
    )


def read_ip(text: str) -> Access:
    """Read an element of a grant's `ip`: a bare number is a port."""
    protocol, _, ports = text.rpartition(":")
    return Access(read_protocols(protocol), read_ports(ports))


def read_protocols(text: str) -> tuple[int, ...]:
    """Read a protocol's name or number; none means the default ones."""
    if text in ("", "*"):
        return DEFAULT_PROTOCOLS
    return (int(text) if text.isdigit() else PROTOCOL_NUMBERS[text],)


def read_ports(text: str) -> tuple[int, int]:
    """Read `*`, a port or a range."""
    if text.strip() == "*":
        return ALL_PORTS
    first, _, last = text.strip().partition("-")
    return int(first), int(last or first)
