"""Addresses, prefixes and ranges as they are written in a policy."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from tailscale_sdk.policy.language.model import AddressRange

_BITS: Final = {4: 32, 6: 128}
_PREFIX_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,2}")
# A name is told from an address by one look at its characters: most selectors are names.
_ADDRESS_LIKE: Final = re.compile(r"[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*(?:/[0-9]+|-[0-9a-fA-F:.]+)?")


@lru_cache(maxsize=4096)
def parse_addresses(text: str) -> AddressRange | None:
    """Read an address, a prefix such as ``10.0.0.0/8`` or a range ``a-b``; None for anything else."""
    if not _ADDRESS_LIKE.fullmatch(text):
        return None
    base, slash, length = text.partition("/")
    if slash:
        return _prefix(base, length)
    begin, dash, end = text.partition("-")
    first, last = _address(begin), _address(end) if dash else _address(begin)
    if first is None or last is None or first.version != last.version or int(first) > int(last):
        return None
    return AddressRange(first.version, int(first), int(last))


def _prefix(base: str, length: str) -> AddressRange | None:
    address = _address(base)
    if address is None or not _PREFIX_LENGTH.fullmatch(length) or int(length) > _BITS[address.version]:
        return None
    host_bits = _BITS[address.version] - int(length)
    first = int(address) >> host_bits << host_bits
    return AddressRange(address.version, first, first + (1 << host_bits) - 1)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
