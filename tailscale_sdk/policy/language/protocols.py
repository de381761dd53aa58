"""Protocols by name or number, and ports.

Source: types/ipproto and tailcfg/proto_port_range.go of https://github.com/tailscale/tailscale.
"""

from __future__ import annotations

import re
from typing import Final

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.model import Traffic

PortRanges = tuple[tuple[int, int], ...]
DEFAULT_PROTOCOLS: Final = (1, 6, 17, 58)
"""ICMP, TCP, UDP and ICMPv6: what a rule without a protocol is about."""

ALL_PORTS: Final[PortRanges] = ((0, 65535),)
PROTOCOLS_WITH_PORTS: Final = frozenset({6, 17, 132})
PROTOCOLS: Final = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "fc": 133,
    "gre": 47,
    "icmp": 1,
    "icmpv4": 1,
    "icmpv6": 58,
    "igmp": 2,
    "igp": 9,
    "ip-in-ip": 4,
    "ipv4": 4,
    "ipv6-icmp": 58,
    "sctp": 132,
    "tcp": 6,
    "tsmp": 99,
    "udp": 17,
}
_HIGHEST_PROTOCOL: Final = 255
_HIGHEST_PORT: Final = 65535
_NUMBER: Final = re.compile(r"[0-9]+")


class UnreadablePorts(ValueError):
    """Say in the service's words why ports or a protocol cannot be read."""


def parse_protocol(text: str) -> tuple[int, ...]:
    """Read a protocol by name or decimal number; empty or ``0`` are the default ones.

    Raises:
        UnreadablePorts: no protocol has this name.
    """
    if text == "":
        return DEFAULT_PROTOCOLS
    number = _number(text, _HIGHEST_PROTOCOL)
    if number is None:
        number = PROTOCOLS.get(text.lower())
    if number is None:
        raise UnreadablePorts(refused.unknown_protocol(text))
    return (number,) if number else DEFAULT_PROTOCOLS


def parse_ports(text: str) -> PortRanges:
    """Read ``*``, a port, a range, or several of them with commas.

    Raises:
        UnreadablePorts: one of them cannot be read.
    """
    if text == "*":
        return ALL_PORTS
    if text == "":
        raise UnreadablePorts(refused.no_ports(text))
    return tuple(_port_range(part) for part in text.split(","))


def parse_ip(text: str) -> tuple[tuple[int, ...], PortRanges]:
    """Read an element of a grant's ``ip``: ports, or a protocol, a colon and ports.

    Raises:
        UnreadablePorts: it cannot be read.
    """
    if text == "":
        raise UnreadablePorts(refused.EMPTY_IP)
    protocol, colon, ports = text.rpartition(":")
    ranges = parse_ports(ports) if "," not in ports else (_port_range(ports),)
    if colon and not protocol:
        raise UnreadablePorts(refused.EMPTY_PROTOCOL)
    return parse_protocol("" if protocol == "*" else protocol), ranges


def build_traffic(protocols: tuple[int, ...], ports: PortRanges) -> tuple[Traffic, ...]:
    """Put protocols and ports together, each kind of traffic by itself."""
    return (Traffic(protocols, ports),)


def _port_range(text: str) -> tuple[int, int]:
    if text == "*":
        return ALL_PORTS[0]
    if text == "":
        raise UnreadablePorts(refused.no_ports(text))
    if text.count("-") > 1:
        raise UnreadablePorts(refused.port_range(text, refused.TOO_MANY_DASHES))
    begin, dash, end = text.partition("-")
    first = _number(begin, _HIGHEST_PORT)
    if first is None:
        raise UnreadablePorts(refused.port_range(text, refused.FIRST_INTEGER))
    last = _number(end, _HIGHEST_PORT) if dash else first
    if last is None:
        raise UnreadablePorts(refused.port_range(text, refused.LAST_INTEGER))
    if first == 0:
        raise UnreadablePorts(refused.port_range(text, refused.FIRST_IS_ZERO))
    if first > last:
        raise UnreadablePorts(refused.port_range(text, refused.FIRST_AFTER_LAST))
    return first, last


def _number(text: str, highest: int) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= len(str(highest)) and int(digits) <= highest else None
