"""How much of a tailnet the names in a policy stand for, whichever way they are spelled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from attrs import frozen

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.addresses import TAILNET_RANGES, ranges_of
from tailscale_sdk.policy.compile.bits import members
from tailscale_sdk.policy.language import AddressRange, Policy, Selector, Traffic

HANDFUL: Final = 5
"""Up to so many users, tags or devices, naming all of them one by one is no way to say everybody."""

_PORTED: Final = (6, 17)
# 1-65535 and 22-65535 are all that matters, 1024-65535 is a choice.
_NEARLY_ALL_PORTS: Final = 65_000


@frozen
class Width:
    """Say which halves of a tailnet are meant as a whole.

    Attributes:
        members: the devices of every user.
        tagged: every tagged device.
    """

    members: bool = False
    tagged: bool = False

    @property
    def is_everything(self) -> bool:
        """Tell whether it is the whole tailnet."""
        return self.members and self.tagged

    @property
    def is_wide(self) -> bool:
        """Tell whether one of the halves is meant as a whole."""
        return self.members or self.tagged


_EVERYTHING: Final = Width(members=True, tagged=True)


def width_of(compiled: CompiledPolicy, selectors: Iterable[Selector], people: frozenset[str]) -> Width:
    """Return how much some selectors stand for together.

    Args:
        compiled: the policy in its tailnet.
        selectors: of one side of a rule.
        people: login names of the users who can sign in, none where they are not known.
    """
    selectors = tuple(selectors)
    names = {selector.name for selector in selectors}
    if any(selector.kind == "any" for selector in selectors) or "autogroup:danger-all" in names:
        return _EVERYTHING
    ranges = [addresses for selector in selectors for addresses in ranges_of(compiled.policy, selector)]
    if ranges and (covers_tailnet(ranges) or _hold_every_device(compiled, ranges)):
        return _EVERYTHING
    return Width(
        members="autogroup:member" in names or _are_all(logins_of(compiled.policy, selectors), people),
        tagged="autogroup:tagged" in names or _are_all(names, _tags(compiled)),
    )


def covers_tailnet(ranges: Iterable[AddressRange]) -> bool:
    """Tell whether some ranges together hold every address a device may have in one of the families."""
    ranges = list(ranges)
    return any(
        all(_covered(part, ranges) for part in TAILNET_RANGES if part.version == version)
        for version in (4, 6)
    )


def _covered(wanted: AddressRange, ranges: Iterable[AddressRange]) -> bool:
    first = wanted.first
    for each in sorted(each for each in ranges if each.version == wanted.version):
        if each.first <= first <= each.last:
            first = each.last + 1
    return first > wanted.last


def _hold_every_device(compiled: CompiledPolicy, ranges: Sequence[AddressRange]) -> bool:
    own = [device.v4 for device in compiled.tailnet.devices if device.v4 is not None]
    if len(own) <= HANDFUL:
        return False
    inside = [each for each in ranges if each.version == 4]
    return all(any(each.first <= address <= each.last for each in inside) for address in own)


def _are_all(named: Iterable[str], all_of_them: frozenset[str]) -> bool:
    return len(all_of_them) > HANDFUL and all_of_them <= {name.lower() for name in named}


def _tags(compiled: CompiledPolicy) -> frozenset[str]:
    return frozenset(compiled.policy.tag_owners) | frozenset(compiled.selection.tagged)


def logins_of(policy: Policy, selectors: Iterable[Selector]) -> frozenset[str]:
    """Return the login names that users and groups stand for."""
    found: set[str] = set()
    for selector in selectors:
        if selector.kind == "user":
            found.add(selector.name)
        elif selector.kind == "group" and selector.name in policy.groups:
            found.update(policy.groups[selector.name].values)
    return frozenset(found)


@lru_cache(maxsize=4096)
def are_all_ports(traffic: tuple[Traffic, ...]) -> bool:
    """Tell whether some traffic is every port of TCP or UDP, or all but a few.

    Args:
        traffic: of one destination.
    """
    return any(_ports_of(traffic, protocol) >= _NEARLY_ALL_PORTS for protocol in _PORTED)


def _ports_of(traffic: Iterable[Traffic], protocol: int) -> int:
    ranges = sorted(ports for each in traffic if protocol in each.protocols for ports in each.ports)
    count, next_port = 0, 0
    for first, last in ranges:
        count += max(0, last + 1 - max(first, next_port))
        next_port = max(next_port, last + 1)
    return count


def tagged_devices(compiled: CompiledPolicy, devices: int) -> tuple[str, ...]:
    """Return the names of the devices of a set that have a tag.

    Args:
        compiled: the policy in its tailnet.
        devices: bit *d* for device *d*.
    """
    found = (compiled.device(number) for number in members(devices))
    return tuple(device.label for device in found if device is not None and device.tags)
