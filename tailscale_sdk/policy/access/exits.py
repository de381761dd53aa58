"""Who may use exit nodes, and which ones there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from attrs import frozen

from tailscale_sdk.policy.access.ends import INTERNET, End
from tailscale_sdk.policy.access.facts import Fact, Verdict, cite
from tailscale_sdk.policy.compile import NOTHING, CompiledPolicy, TriState, postures_of, union
from tailscale_sdk.policy.language import Rule
from tailscale_sdk.policy.tailnet import Device

_KINDS: Final[Mapping[int, Callable[[int], IPv4Address | IPv6Address]]] = {4: IPv4Address, 6: IPv6Address}


@frozen
class ExitUse:
    """Hold one rule that lets devices use exit nodes.

    Attributes:
        rule: the entry.
        sources: the devices it lets, bit *d* for device *d*.
        nodes: the exit nodes it is about.
    """

    rule: Rule
    sources: TriState
    nodes: tuple[Device, ...]


def exit_nodes(compiled: CompiledPolicy) -> tuple[Device, ...]:
    """Return the devices with both exit routes in force."""
    return tuple(
        device
        for device in compiled.tailnet.devices
        if {route.addresses.version for route in device.routes if route.is_exit} == {4, 6}
    )


def exit_uses(compiled: CompiledPolicy) -> list[ExitUse]:
    """Return the rules by which devices may use exit nodes: ``*`` or ``autogroup:internet`` as destination."""
    nodes = exit_nodes(compiled)
    found = []
    for rule in compiled.rules:
        if not any(
            each.selector.kind == "any" or each.selector.name == INTERNET for each in rule.destinations
        ):
            continue
        via = set(rule.via)
        chosen = tuple(node for node in nodes if not via or via & set(node.tags))
        found.append(ExitUse(rule, _sources(compiled, rule), chosen))
    return found


def _sources(compiled: CompiledPolicy, rule: Rule) -> TriState:
    sources = union(compiled.selection.sources(selector) for selector in rule.sources)
    postures = postures_of(compiled.policy, rule)
    if postures:
        sources = sources & compiled.selection.meeting(postures)
    own, devices_in = compiled.universe.own, compiled.universe.devices_in
    yes, maybe = devices_in(sources.yes & own), devices_in(sources.maybe & own)
    return TriState(yes, maybe & ~yes) if sources else NOTHING


def exit_facts(compiled: CompiledPolicy, source: End, destination: End) -> Verdict | None:
    """Answer for a public address that no subnet route covers; None for any other."""
    if source.device is None or not _is_public(destination):
        return None
    bit = compiled.number(source.device)
    nodes = exit_nodes(compiled)
    facts = [] if nodes else [_no_exit_node(compiled)]
    answers = []
    for use in exit_uses(compiled):
        answer = use.sources.answer(bit)
        if answer == "no" or not use.nodes:
            continue
        answers.append(answer)
        names = ", ".join(node.label for node in use.nodes[:5])
        facts.append(
            Fact(
                "exit-node-allowed",
                f"{cite(use.rule)} lets {source.label} use the exit nodes {names}",
                "policy",
                "allows" if answer == "yes" else "unknown",
                use.rule.place,
            )
        )
    if "yes" in answers:
        return Verdict("yes", tuple(facts))
    if answers:
        return Verdict("unknown", tuple(facts))
    if nodes:
        facts.append(
            Fact(
                "exit-node-not-allowed",
                f"no rule lets {source.label} use an exit node: none gives it {INTERNET} or *",
                "policy",
                "blocks",
                settle=f"add a rule from {source.device.identity} to {INTERNET}",
            )
        )
    return Verdict("no", tuple(facts))


def _is_public(end: End) -> bool:
    return any(_KINDS[version](address).is_global for version, address in end.addresses)


def _no_exit_node(compiled: CompiledPolicy) -> Fact:
    waiting = [
        device.label
        for device in compiled.tailnet.devices
        if any(route.is_exit for route in device.advertised or ()) and device not in exit_nodes(compiled)
    ]
    offers = f"; {', '.join(waiting[:5])} offers to be one, but is not approved" if waiting else ""
    return Fact(
        "no-exit-node",
        f"the address is on the internet, and the tailnet has no approved exit node{offers}",
        "routes",
        "blocks",
        settle="approve 0.0.0.0/0 and ::/0 on a device that offers to be an exit node",
    )
