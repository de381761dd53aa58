"""The approval of subnet routes: added to and taken from what a device may serve, and nothing else cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.actions import left_alone, step_for
from tailscale_sdk.operations.fleet import EXIT_ROUTES, Device, Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.network.routes import holds, place_of
from tailscale_sdk.operations.values import Network, network_of

_RESERVED: Final = ("100.64.0.0/10", "fd7a:115c:a1e0::/48")
_FOUR_VIA_SIX: Final = "fd7a:115c:a1e0:b1a::/64"


def read_prefixes(texts: Iterable[str], *, insist: bool = False) -> tuple[Network, ...]:
    """Read subnet routes; what can only be a mistake is refused.

    Args:
        texts: prefixes.
        insist: also take prefixes of the tailnet's own addresses.

    Raises:
        ConfigurationError: one is no prefix, an exit route, or of the tailnet's own addresses.
    """
    found = []
    for text in texts:
        network = network_of(text)
        if network is None:
            raise ConfigurationError(f"{text!r} is no prefix such as 10.0.0.0/16")
        if not network.prefixlen:
            raise ConfigurationError(f"{text} makes an exit node: approve it as one")
        if not insist and _is_reserved(network):
            raise ConfigurationError(f"{text} lies in the tailnet's own addresses: insist if it is meant")
        found.append(network)
    return tuple(dict.fromkeys(found))


def _is_reserved(network: Network) -> bool:
    own = [outer for outer in map(network_of, _RESERVED) if outer is not None]
    sites = network_of(_FOUR_VIA_SIX)
    if sites is not None and holds(sites, network):
        return False
    return any(holds(outer, network) or holds(network, outer) for outer in own)


def approve_routes(
    device: Device, prefixes: Iterable[str], *, insist: bool = False, reason: str | None = None
) -> Proposal:
    """Propose to approve subnet routes of a device; everything that is approved stays, exit routes included.

    Args:
        device: the router.
        prefixes: routes to approve.
        insist: also take prefixes of the tailnet's own addresses.
        reason: why.

    Raises:
        ConfigurationError: a prefix can only be a mistake.
    """
    approved, risks = _approved(device, device.approved, prefixes, insist)
    return _set(device, approved, risks, reason)


def _approved(
    device: Device, routes: Sequence[str], prefixes: Iterable[str], insist: bool
) -> tuple[list[str], list[str]]:
    wanted = read_prefixes(prefixes, insist=insist)
    new = [str(network) for network in wanted if network not in device.approved_subnets]
    silent = [str(network) for network in wanted if network not in device.advertised_subnets]
    risks = [f"{route} is approved before {device.label} offers it: it stays dormant" for route in silent]
    risks += [f"{device.label} becomes a router for {route}" for route in new if route not in silent]
    return [*routes, *new], risks


def change_routes(
    fleet: Fleet,
    device: Device,
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    insist: bool = False,
    reason: str | None = None,
) -> Proposal:
    """Propose to approve subnet routes of a device and to take the approval of others back; all others stay.

    Args:
        fleet: all devices, so that the last router of a route is known.
        device: the router.
        add: routes to approve.
        remove: routes whose approval ends.
        insist: also what can usually only be a mistake.
        reason: why.

    Raises:
        ConfigurationError: a prefix can only be a mistake, or nobody else serves one that would go.
    """
    kept, alone = _revoked(fleet, device, remove, insist)
    routes, risks = _approved(device, kept, add, insist)
    return _set(device, routes, [*risks, *(f"nobody serves {route} any more" for route in alone)], reason)


def revoke_routes(
    fleet: Fleet, device: Device, prefixes: Iterable[str], *, insist: bool = False, reason: str | None = None
) -> Proposal:
    """Propose to take the approval of subnet routes back; all others stay, exit routes included.

    Args:
        fleet: all devices, so that the last router of a route is known.
        device: the router.
        prefixes: routes whose approval ends.
        insist: also where nobody else serves the route.
        reason: why.

    Raises:
        ConfigurationError: a prefix is none, or nobody else serves it.
    """
    return change_routes(fleet, device, remove=prefixes, insist=insist, reason=reason)


def _revoked(
    fleet: Fleet, device: Device, prefixes: Iterable[str], insist: bool
) -> tuple[list[str], list[str]]:
    gone = set(read_prefixes(prefixes, insist=True))
    alone = [str(network) for network in sorted(gone, key=place_of) if _serves_alone(fleet, device, network)]
    if alone and not insist:
        raise ConfigurationError(
            f"{device.label} is the last router that serves {', '.join(alone)}: insist if it is meant"
        )
    return [text for text in device.approved if network_of(text) not in gone], alone


def set_routes(
    fleet: Fleet, device: Device, prefixes: Iterable[str], *, insist: bool = False, reason: str | None = None
) -> Proposal:
    """Propose all subnet routes a device may serve; exit routes stay as they are.

    Args:
        fleet: all devices, so that the last router of a route is known.
        device: the router.
        prefixes: all routes it may serve.
        insist: also take the last router of a route away, or prefixes of the tailnet's own addresses.
        reason: why.

    Raises:
        ConfigurationError: a prefix can only be a mistake, or nobody else serves one that would go.
    """
    wanted = read_prefixes(prefixes, insist=insist)
    gone = device.approved_subnets - set(wanted)
    alone = [str(network) for network in sorted(gone, key=place_of) if _serves_alone(fleet, device, network)]
    if alone and not insist:
        raise ConfigurationError(
            f"{device.label} is the last router that serves {', '.join(alone)}: insist if it is meant"
        )
    exits = [text for text in device.approved if text in EXIT_ROUTES]
    risks = [f"{device.label} is no router for {network} any more" for network in sorted(gone, key=place_of)]
    return _set(device, [*map(str, wanted), *exits], risks, reason)


def _serves_alone(fleet: Fleet, device: Device, network: Network) -> bool:
    if network not in device.approved_subnets or network not in device.advertised_subnets:
        return False
    return not any(
        network in other.approved_subnets and network in other.advertised_subnets and other.is_connected
        for other in fleet.devices
        if other.id != device.id
    )


def _set(device: Device, routes: Sequence[str], risks: Sequence[str], reason: str | None) -> Proposal:
    new = list(dict.fromkeys(routes))
    if set(new) == set(device.approved):
        return Proposal(
            (), None, (left_alone(device, "its approved routes are these already"),), reason=reason
        )
    return Proposal((set_step(device, new, risks),), reason=reason)


def set_step(device: Device, routes: Sequence[str], risks: Sequence[str] = ()) -> Step:
    """Return the call that gives a device these approved routes: the whole list, as the API replaces it."""
    return step_for(device, "setDeviceRoutes", routes=list(routes), risks=tuple(risks))


def approve_pending(fleet: Fleet, allowed: Iterable[str], *, reason: str | None = None) -> Proposal:
    """Propose to approve every offered subnet that lies inside allowed prefixes; of one device in one call.

    Args:
        fleet: devices.
        allowed: prefixes that may be approved.
        reason: why.

    Raises:
        ConfigurationError: one of them is no prefix.
    """
    outer = read_prefixes(allowed, insist=True)
    steps: list[Step] = []
    left: list[LeftAlone] = []
    for device in fleet.devices:
        waiting = sorted(device.advertised_subnets - device.approved_subnets, key=place_of)
        if device.is_external or not waiting:
            continue
        good = [network for network in waiting if any(holds(around, network) for around in outer)]
        left += [
            left_alone(device, f"{network} is not inside what is allowed")
            for network in waiting
            if network not in good
        ]
        if good:
            proposal = approve_routes(device, map(str, good), insist=True)
            steps += proposal.steps
    return Proposal(tuple(steps), len(fleet.devices), tuple(left), reason=reason)


def pending(fleet: Fleet) -> Iterator[tuple[Device, Network]]:
    """Yield what waits for approval.

    Args:
        fleet: devices.
    """
    for device in fleet.devices:
        if not device.is_external:
            for network in sorted(device.advertised_subnets - device.approved_subnets, key=place_of):
                yield device, network
