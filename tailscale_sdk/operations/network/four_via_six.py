"""4via6: equal IPv4 subnets of several sites, told apart by a site id inside an IPv6 prefix."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.values import Network, network_of

_PREFIX: Final = int(IPv6Network("fd7a:115c:a1e0:b1a::/64").network_address)
_OUTER: Final = IPv6Network("fd7a:115c:a1e0:b1a::/64")
_LARGEST_SITE: Final = 0xFFFF


def to_four_via_six(site: int, subnet: str) -> str:
    """Return the IPv6 prefix that stands for an IPv4 subnet of a site.

    Args:
        site: id of the site, 0 to 65535.
        subnet: IPv4 prefix, such as ``10.1.1.0/24``.

    Raises:
        ConfigurationError: one of them is out of range.

    Source: https://tailscale.com/kb/1201/4via6-subnets
    """
    network = network_of(subnet)
    if not isinstance(network, IPv4Network):
        raise ConfigurationError(f"{subnet!r} is no IPv4 prefix such as 10.1.1.0/24")
    if not 0 <= site <= _LARGEST_SITE:
        raise ConfigurationError(f"{site} is no site: 0 to {_LARGEST_SITE}")
    number = _PREFIX | site << 32 | int(network.network_address)
    return str(IPv6Network((number, 96 + network.prefixlen)))


def from_four_via_six(prefix: Network | str) -> tuple[int, str] | None:
    """Return site and IPv4 subnet of a 4via6 prefix; None for any other.

    Args:
        prefix: IPv6 prefix.
    """
    network = network_of(prefix) if isinstance(prefix, str) else prefix
    if not isinstance(network, IPv6Network) or network.prefixlen < 96 or not network.subnet_of(_OUTER):
        return None
    number = int(network.network_address)
    return (number >> 32) & 0xFFFFFFFF, str(IPv4Network((number & 0xFFFFFFFF, network.prefixlen - 96)))
