"""Judge of subnet routes that take in more than anybody means, or what others route or have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Json, Outcome, Subject, fact, of_device
from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.operations.fleet.facts import EXIT_ROUTES
from tailscale_sdk.operations.network.routes import Route, route_table
from tailscale_sdk.operations.values import network_of

_DEVICES: Final = "listTailnetDevices"
_WIDE: Final = {4: 8, 6: 32}
_OWN: Final = tuple(network_of(text) for text in ("100.64.0.0/10", "fd7a:115c:a1e0::/48"))


def routes_too_wide(audited: Audited) -> Iterator[Outcome]:
    """Yield what is said of every route: whether it is wide, or in the way of others."""
    if audited.devices and not any("enabledRoutes" in device.fields for device in audited.devices):
        message = "routes were not read: fields=all was not asked for"
        yield Outcome(Subject("tailnet", "routes"), "unknown", message)
    for device in audited.devices:
        if not device.is_external:
            yield from _half_an_exit_node(device)
    table = route_table(audited.fleet)
    served = frozenset(str(route.network) for route in table if _in_service(route))
    for route in table:
        yield from [*_problems(route, served)] or [Outcome(_subject(route), "pass")]


def _in_service(route: Route) -> list[Device]:
    """Return the routers an admin approved: one who waits routes nothing."""
    return [each.device for each in route.routers if each.state != "pending"]


def _half_an_exit_node(device: Device) -> Iterator[Outcome]:
    """Yield the whole of one family as a subnet: an exit node has both."""
    offered = [route for route in EXIT_ROUTES if route in {*device.advertised, *device.approved}]
    if len(offered) == 1:
        evidence = (
            fact(_DEVICES, advertisedRoutes=list(device.advertised), enabledRoutes=list(device.approved)),
        )
        message = f"it routes {offered[0]} as a subnet: every address there is, without being an exit node"
        yield Outcome(of_device(device), "fail", message, aspect="whole", evidence=evidence)


def _problems(route: Route, served: frozenset[str]) -> Iterator[Outcome]:
    evidence = (_routers(route),)
    if route.four_via_six is None and route.network.prefixlen <= _WIDE[route.network.version]:
        message = f"{route.network} takes in a very large range"
        yield Outcome(_subject(route), "fail", message, aspect="wide", evidence=evidence)
    elif route.four_via_six is None and _takes_own_addresses(route):
        message = f"{route.network} takes in addresses that devices of the tailnet have"
        yield Outcome(_subject(route), "fail", message, aspect="own", evidence=evidence)
    around = {other for other, how in route.overlaps if how == "inside"} & served
    conflicts = sorted(around) if around and _has_other_routers(route, around) else []
    if conflicts:
        message = f"it lies inside {', '.join(conflicts)}, which other routers serve"
        yield Outcome(_subject(route), "fail", message, aspect="overlap", evidence=evidence)


def _takes_own_addresses(route: Route) -> bool:
    return any(own is not None and route.network.overlaps(own) for own in _OWN)


def _has_other_routers(route: Route, around: set[str]) -> bool:
    """Tell whether others route what is around a route; the same router may say a part of its own again."""
    mine = _in_service(route)
    own = {str(network) for device in mine for network in device.advertised_subnets | device.approved_subnets}
    return bool(mine) and not own & around


def _subject(route: Route) -> Subject:
    return Subject("route", str(route.network))


def _routers(route: Route) -> Json:
    return fact(_DEVICES, routers={each.device.id: each.state for each in route.routers})
