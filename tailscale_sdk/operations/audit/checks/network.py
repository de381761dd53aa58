"""Checks of ways in and out: funnel, subnet routes, exit nodes, and SSH where nobody expects it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit.model import Audited, Check, Json, Outcome, Subject, fact, of_device
from tailscale_sdk.operations.fleet import Device, Step
from tailscale_sdk.operations.network.approvals import approve_routes
from tailscale_sdk.operations.network.exit_nodes import revoke_exit_node
from tailscale_sdk.operations.network.routes import Route, route_table
from tailscale_sdk.operations.values import flag_of
from tailscale_sdk.policy.language import Selector

_DEVICES: Final = "listTailnetDevices"
_POLICY: Final = Subject("policy", "policy")
_EVERYBODY: Final = frozenset({"*", "autogroup:member", "autogroup:members", "autogroup:tagged"})
_WIDE: Final = {4: 8, 6: 32}
_STATES: Final = {
    "pending": "it is offered, and nobody approved it",
    "offline": "it is approved, and none of its routers is online",
    "single": "one router serves it: nothing takes over when that stops",
}


def _broad(selectors: tuple[Selector, ...]) -> list[str]:
    return [each.text for each in selectors if each.kind == "any" or each.name in _EVERYBODY]


def _funnel(audited: Audited) -> Iterator[Outcome]:
    judged = audited.policy
    if isinstance(judged, str):
        yield Outcome(_POLICY, "unknown", judged)
        return
    granted = [entry for entry in judged.policy.node_attributes if "funnel" in entry.attributes]
    for entry in granted:
        subject, targets = (
            Subject("node attribute", f"funnel {sorted(each.text for each in entry.targets)}"),
            _broad(entry.targets),
        )
        if targets:
            evidence = (fact("getPolicyFile", pointer=entry.place.pointer, target=targets),)
            message = f"{', '.join(targets)} may put a service on the internet"
            yield Outcome(subject, "fail", message, evidence=evidence, place=entry.place)
        else:
            yield Outcome(subject, "pass")
    if granted:
        yield Outcome(
            _POLICY,
            "unknown",
            "whether funnel is on is known to nodes only: `tailscale funnel status`",
            aspect="on",
        )
    else:
        yield Outcome(_POLICY, "pass")


def _routes(audited: Audited) -> Iterator[Outcome]:
    untold = [
        device
        for device in audited.devices
        if device.approved_subnets and "advertisedRoutes" not in device.fields
    ]
    for device in untold:
        yield Outcome(of_device(device), "unknown", "the API does not say which routes it offers")
    for route in route_table(audited.fleet):
        if any(each.device in untold for each in route.routers):
            continue
        message = _STATES.get(route.status)
        if message is None:
            yield Outcome(_route(route), "pass")
        else:
            evidence = (_routers(route),)
            fix = _approval(audited, route) if route.status == "pending" else ()
            yield Outcome(_route(route), "fail", message, aspect=route.status, evidence=evidence, fix=fix)


def _approval(audited: Audited, route: Route) -> tuple[Step, ...]:
    """Return the call that approves a route of the first device that offers it; reserved ranges have none."""
    offering = [each.device for each in route.routers if each.state == "pending"]
    try:
        return approve_routes(offering[0], [str(route.network)]).steps if offering else ()
    except ConfigurationError:
        return ()


def _route(route: Route) -> Subject:
    return Subject("route", str(route.network))


def _routers(route: Route) -> Json:
    return fact(_DEVICES, routers={each.device.id: each.state for each in route.routers})


def _widths(audited: Audited) -> Iterator[Outcome]:
    if audited.devices and not any("enabledRoutes" in device.fields for device in audited.devices):
        yield Outcome(
            Subject("tailnet", "routes"), "unknown", "routes were not read: fields=all was not asked for"
        )
    for route in route_table(audited.fleet):
        wide = route.four_via_six is None and route.network.prefixlen <= _WIDE[route.network.version]
        conflicts = [
            other for other, how in route.overlaps if how == "inside" and _differ(audited, route, other)
        ]
        if wide:
            yield Outcome(
                _route(route),
                "fail",
                "it takes in a very large range",
                aspect="wide",
                evidence=(_routers(route),),
            )
        if conflicts:
            message = f"it lies inside {', '.join(conflicts)}, which other routers serve"
            yield Outcome(
                _route(route),
                "fail",
                message,
                severity="medium",
                aspect="overlap",
                evidence=(_routers(route),),
            )
        if not wide and not conflicts:
            yield Outcome(_route(route), "pass")


def _differ(audited: Audited, route: Route, outer: str) -> bool:
    mine = {each.device.id for each in route.routers}
    return not any(
        outer in {str(network) for network in device.advertised_subnets | device.approved_subnets}
        for device in (audited.fleet.by_id[node] for node in mine)
    )


def _exit_nodes(audited: Audited) -> Iterator[Outcome]:
    for device in audited.devices:
        if device.exit_state in {"no", "pending"} or device.is_external:
            yield audited.plain(device, "not_applicable")
        elif audited.options.exit_nodes & {device.id, *device.tags}:
            yield audited.plain(device, "pass")
        else:
            yield _unlisted(device, audited)
    judged = audited.policy
    if isinstance(judged, str):
        yield Outcome(_POLICY, "unknown", judged)
        return
    found = False
    for rule in judged.policy.rules:
        who = _broad(rule.sources)
        if who and any(each.selector.name == "autogroup:internet" for each in rule.destinations):
            found = True
            subject = Subject("rule", judged.rule_ids[rule.pointer], rule.pointer)
            evidence = (fact("getPolicyFile", pointer=rule.pointer, src=who),)
            yield Outcome(
                subject,
                "fail",
                f"{', '.join(who)} may use every exit node",
                evidence=evidence,
                place=rule.place,
            )
    if not found:
        yield Outcome(_POLICY, "pass")


def _unlisted(device: Device, audited: Audited) -> Outcome:
    evidence = (fact(_DEVICES, enabledRoutes=list(device.approved)),)
    fix = revoke_exit_node(audited.fleet, device, insist=True).steps
    message = "it is an exit node, and not listed as one"
    return Outcome(of_device(device), "fail", message, evidence=evidence, fix=fix)


def _ssh(audited: Audited) -> Iterator[Outcome]:
    allowed = audited.options.ssh_tags
    for device in audited.devices:
        enabled = flag_of(device.fields, "sshEnabled")
        if device.is_external:
            yield audited.plain(device, "not_applicable")
        elif enabled is None:
            yield Outcome(of_device(device), "unknown", "the API does not say whether it takes SSH")
        elif not enabled or (allowed & set(device.tags) if allowed else device.tags):
            yield audited.plain(device, "pass")
        else:
            evidence = (fact(_DEVICES, sshEnabled=True, tags=list(device.tags), os=device.os),)
            message = (
                "it takes SSH, and has none of the tags that may"
                if allowed
                else "a person's machine takes SSH"
            )
            yield Outcome(of_device(device), "fail", message, evidence=evidence)


_check = partial(Check, controls=("CC6.6", "CC6.7"))
SSH_CHECKS: Final = (
    Check("SSH-05", "medium", "SSH where nobody expects it", "switch it off: tailscale set --ssh=false", (), ("CC6.1", "CC7.2"), _ssh),
)  # fmt: skip
CHECKS: Final = (
    _check("NET-01", "high", "Many may publish on the internet", "give funnel to one tag", inputs=("policy",), evaluate=_funnel),
    _check("NET-02", "medium", "Routes that do not work, or hang on one router", "approve the route, or add a second router", inputs=(), evaluate=_routes),
    _check("NET-03", "high", "Routes that are wide or lie inside others", "route only what is there", inputs=(), evaluate=_widths),
    _check("NET-04", "medium", "Exit nodes nobody listed, or everybody may use", "list the exit node, or revoke it; name who may use them", inputs=("policy",), evaluate=_exit_nodes),
)  # fmt: skip
"""In the order of their ids."""
