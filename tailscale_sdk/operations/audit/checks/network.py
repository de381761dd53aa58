"""Checks of ways in and out: funnel, subnet routes, exit nodes, and SSH where nobody expects it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit.checks.route_widths import routes_too_wide
from tailscale_sdk.operations.audit.checks.rules import POLICY, about, spelled_out
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Audited, Check, Json, Outcome, Subject, fact, of_device
from tailscale_sdk.operations.fleet import Device, Step
from tailscale_sdk.operations.fleet.facts import EXIT_ROUTES
from tailscale_sdk.operations.network.approvals import approve_routes
from tailscale_sdk.operations.network.exit_nodes import revoke_exit_node
from tailscale_sdk.operations.network.routes import Route, route_table
from tailscale_sdk.operations.values import flag_of
from tailscale_sdk.policy.access.ends import INTERNET
from tailscale_sdk.policy.access.exits import exit_uses

_DEVICES: Final = "listTailnetDevices"
_FUNNEL: Final = frozenset({"funnel", "https://tailscale.com/cap/funnel"})
_STATES: Final = {
    "pending": "it is offered, and nobody approved it",
    "offline": "it is approved, and none of its routers is online",
    "single": "one router serves it: nothing takes over when that stops",
}


def _funnel(audited: Audited) -> Iterator[Outcome]:
    judged = audited.policy
    if isinstance(judged, str):
        yield Outcome(POLICY, "unknown", judged)
        return
    granted = [entry for entry in judged.policy.node_attributes if _FUNNEL & {*entry.attributes}]
    for entry in granted:
        subject = Subject("node attribute", f"funnel {sorted(each.text for each in entry.targets)}")
        if judged.width(entry.targets).is_wide:
            written = spelled_out(entry.targets)
            evidence = (fact("getPolicyFile", pointer=entry.place.pointer, target=written),)
            message = f"{written} may put a service on the internet"
            yield Outcome(subject, "fail", message, evidence=evidence, place=entry.place)
        else:
            yield Outcome(subject, "pass")
    yield _funnel_on() if granted else Outcome(POLICY, "pass")


def _funnel_on() -> Outcome:
    message = "whether funnel is on is known to nodes only: `tailscale funnel status`"
    # Nobody can find it out from here, so it must not stand beside what is known to be wrong.
    return Outcome(POLICY, "unknown", message, "low", aspect="on")


def _routes(audited: Audited) -> Iterator[Outcome]:
    untold = [
        device
        for device in audited.devices
        if device.approved_subnets and "advertisedRoutes" not in device.fields
    ]
    for device in untold:
        yield Outcome(of_device(device), "unknown", "the API does not say which routes it offers")
    table = route_table(audited.fleet)
    by_text = {str(route.network): route for route in table}
    for route in table:
        if not any(each.device in untold for each in route.routers):
            yield from _served(route, by_text)
    for device in audited.devices:
        if not device.is_external and device.exit_state == "pending":
            evidence = (fact(_DEVICES, advertisedRoutes=list(device.advertised)),)
            message = "it offers to be an exit node, and nobody approved it"
            yield Outcome(of_device(device), "fail", message, aspect="exit node", evidence=evidence)


def _served(route: Route, table: Mapping[str, Route]) -> Iterator[Outcome]:
    message, waiting = _STATES.get(route.status), route.devices("pending")
    if route.status == "single" and _is_taken_over(route, table):
        message = None
    if message is not None:
        evidence = (_routers(route),)
        fix = _approval(route) if route.status == "pending" else ()
        yield Outcome(_route(route), "fail", message, aspect=route.status, evidence=evidence, fix=fix)
    if waiting and route.status != "pending":
        names = ", ".join(device.label for device in waiting)
        message = f"{names} offers it too, and nobody approved that"
        evidence, fix = (_routers(route),), _approval(route)
        yield Outcome(_route(route), "fail", message, aspect="pending", evidence=evidence, fix=fix)
    elif message is None:
        yield Outcome(_route(route), "pass")


def _approval(route: Route) -> tuple[Step, ...]:
    """Return the call that approves a route of the first device that offers it; reserved ranges have none."""
    offering = route.devices("pending")
    try:
        return approve_routes(offering[0], [str(route.network)]).steps if offering else ()
    except ConfigurationError:
        return ()


def _is_taken_over(route: Route, table: Mapping[str, Route]) -> bool:
    """Tell whether the router says a part of a wider route again, which others serve when it stops."""
    mine = route.devices("serving")[0]
    around = (table[other].devices("serving") for other, how in route.overlaps if how == "inside")
    return any(mine in serving and len(serving) > 1 for serving in around)


def _route(route: Route) -> Subject:
    return Subject("route", str(route.network))


def _routers(route: Route) -> Json:
    return fact(_DEVICES, routers={each.device.id: each.state for each in route.routers})


def _exit_nodes(audited: Audited) -> Iterator[Outcome]:
    judged = audited.policy
    for device in audited.devices:
        # Half of the two routes makes no exit node, but a subnet that is far too wide: that is another check.
        whole = {*EXIT_ROUTES} <= {*device.advertised, *device.approved}
        if device.exit_state in {"no", "pending"} or not whole or device.is_external:
            yield audited.plain(device, "not_applicable")
        elif _listed(audited, device):
            yield audited.plain(device, "pass")
        else:
            yield _unlisted(device, audited)
    if isinstance(judged, str):
        yield Outcome(POLICY, "unknown", judged)
    else:
        yield from [*_everybody_leaves(judged)] or [Outcome(POLICY, "pass")]


def _listed(audited: Audited, device: Device) -> bool:
    """Tell whether the options list an exit node, or the policy approves it by itself."""
    if audited.options.exit_nodes & {device.id, *device.tags}:
        return True
    judged = audited.policy
    return not isinstance(judged, str) and any(
        selector.kind == "tag" and selector.name in device.tags
        for selector in judged.policy.exit_node_approvers
    )


def _everybody_leaves(judged: JudgedPolicy) -> Iterator[Outcome]:
    """Yield rules by which all members use whatever exit node there is."""
    for use in exit_uses(judged.compiled):
        rule = use.rule
        # That * opens the exit nodes too is of no effect where there are none.
        named = any(each.selector.name == INTERNET for each in rule.destinations)
        if rule.via or not (named or use.nodes) or judged.is_conditional(rule):
            continue
        if judged.width(rule.sources).members and any(each.traffic for each in rule.destinations):
            written = spelled_out(rule.sources)
            yield about(judged, rule, f"{written} may use every exit node", src=written)


def _unlisted(device: Device, audited: Audited) -> Outcome:
    evidence = (fact(_DEVICES, enabledRoutes=list(device.approved)),)
    fix = revoke_exit_node(audited.fleet, device, insist=True).steps
    message = "it is an exit node, and not listed as one"
    return Outcome(of_device(device), "fail", message, evidence=evidence, fix=fix)


def _ssh(audited: Audited) -> Iterator[Outcome]:
    for device in audited.devices:
        enabled = flag_of(device.fields, "sshEnabled")
        if device.is_external:
            yield audited.plain(device, "not_applicable")
        elif enabled is None:
            yield Outcome(of_device(device), "unknown", "the API does not say whether it takes SSH")
        elif not enabled:
            yield audited.plain(device, "pass")
        else:
            yield _takes_ssh(device, audited)


def _takes_ssh(device: Device, audited: Audited) -> Outcome:
    allowed, systems = audited.options.ssh_tags, audited.options.ssh_systems
    if allowed and not allowed & {*device.tags}:
        message = "it takes SSH, and has none of the tags that may"
    elif not device.tags:
        message = "a person's machine takes SSH"
    elif device.os and device.os.lower() not in systems:
        message = f"it takes SSH, and runs {device.os}"
    else:
        return audited.plain(device, "pass")
    evidence = (fact(_DEVICES, sshEnabled=True, tags=list(device.tags), os=device.os),)
    return Outcome(of_device(device), "fail", message, evidence=evidence)


_check = partial(Check, controls=("CC6.6", "CC6.7"), version=2)
SSH_CHECKS: Final = (
    Check("SSH-05", "medium", "SSH where nobody expects it", "switch it off: tailscale set --ssh=false", (), ("CC6.1", "CC7.2"), _ssh),
)  # fmt: skip
CHECKS: Final = (
    _check("NET-01", "high", "Many may publish on the internet", "give funnel to one tag", inputs=("policy",), evaluate=_funnel),
    _check("NET-02", "medium", "Routes that do not work, or hang on one router", "approve the route, or add a second router", inputs=(), evaluate=_routes),
    _check("NET-03", "high", "Routes that are wide or lie inside others", "route only what is there", inputs=(), evaluate=routes_too_wide),
    _check("NET-04", "medium", "Exit nodes nobody listed, or everybody may use", "list the exit node, or revoke it; name who may use them", inputs=("policy",), evaluate=_exit_nodes),
)  # fmt: skip
"""In the order of their ids."""
