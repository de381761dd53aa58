"""Entries of ``acls`` and ``grants``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.capabilities import read_capabilities
from tailscale_sdk.policy.language.model import Destination, Rule, RuleKind, Selector, Traffic
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Fields, Node
from tailscale_sdk.policy.language.protocols import (
    ALL_PORTS,
    DEFAULT_PROTOCOLS,
    PROTOCOLS_WITH_PORTS,
    PortRanges,
    UnreadablePorts,
    parse_ip,
    parse_ports,
    parse_protocol,
)
from tailscale_sdk.policy.language.selectors import (
    SELF,
    check_destination,
    parse_selector,
    read_source,
    takes_self,
)

_ACCEPT: Final = "accept"


def read_acls(section: Node, names: DefinedNames) -> list[Rule]:
    """Read the entries of ``acls``."""
    return [_read_acl(index, entry, names) for index, entry in section.entries()]


def read_grants(section: Node, names: DefinedNames) -> list[Rule]:
    """Read the entries of ``grants``."""
    return [_read_grant(index, entry, names) for index, entry in section.entries()]


def read_postures(entry: Fields, names: DefinedNames) -> tuple[str, ...] | None:
    """Read ``srcPosture``: names of conditions, None where there are none."""
    node = entry.get("srcPosture")
    if node is None:
        return None
    return _read_posture_names(node, names)


def _read_posture_names(node: Node | None, names: DefinedNames) -> tuple[str, ...]:
    postures = list(node.texts()) if node is not None else []
    for name, place in postures:
        if name not in names.postures:
            place.refuse(refused.undefined("posture", name))
    return tuple(name for name, _ in postures)


def read_default_postures(policy: Fields, names: DefinedNames) -> tuple[str, ...]:
    """Read ``defaultSrcPosture``: conditions of every rule that has none of its own."""
    return _read_posture_names(policy.get("defaultSrcPosture"), names)


def _read_acl(index: int, entry: Fields, names: DefinedNames) -> Rule:
    _check_action(entry)
    protocols = _read_protocols(entry)
    sources = _read_sources(entry.get("src", "users"), names)
    destinations = []
    for text, node in _texts(entry.get("dst", "ports")):
        name, ports = _split_ports(text, node, protocols)
        destinations.append((_read_destination(name, node, names, (Traffic(protocols, ports),)), node))
    _check_self(sources, destinations, any_source=True)
    return _build_rule("acl", index, entry, names, sources, destinations)


def _read_grant(index: int, entry: Fields, names: DefinedNames) -> Rule:
    sources = _read_sources(entry.get("src"), names)
    traffic = _read_ip(entry.get("ip"))
    capabilities = read_capabilities(entry.get("app"))
    destinations = [
        (_read_destination(text, node, names, traffic), node) for text, node in _texts(entry.get("dst"))
    ]
    _check_self(sources, destinations, any_source=False)
    via = _read_via(entry.get("via"), names)
    return _build_rule("grant", index, entry, names, sources, destinations, capabilities, via)


def _build_rule(
    kind: RuleKind,
    index: int,
    entry: Fields,
    names: DefinedNames,
    sources: tuple[Selector, ...],
    destinations: list[tuple[Destination, Node]],
    app: Mapping[str, tuple[Any, ...]] | None = None,
    via: tuple[str, ...] = (),
) -> Rule:
    return Rule(
        kind=kind,
        index=index,
        place=entry.node.place,
        sources=sources,
        destinations=tuple(destination for destination, _ in destinations),
        app=app or {},
        via=via,
        postures=read_postures(entry, names),
    )


def _check_action(entry: Fields) -> None:
    node = entry.get("action")
    action = node.text() if node is not None else None
    if node is None:
        entry.refuse_missing("action", refused.NO_ACTION)
    elif action == "":
        node.refuse(refused.NO_ACTION)
    elif action is not None and action.strip() != _ACCEPT:
        node.refuse(refused.invalid_action(action))


def _read_protocols(entry: Fields) -> tuple[int, ...]:
    node = entry.get("proto")
    text = node.text() if node is not None else None
    if node is None or text is None:
        return DEFAULT_PROTOCOLS
    try:
        return parse_protocol(text)
    except UnreadablePorts as reason:
        node.refuse(str(reason))
        return DEFAULT_PROTOCOLS


def _texts(node: Node | None) -> list[tuple[str, Node]]:
    return list(node.texts()) if node is not None else []


def _read_sources(node: Node | None, names: DefinedNames) -> tuple[Selector, ...]:
    return tuple(read_source(text, place, names) for text, place in _texts(node))


def _split_ports(text: str, node: Node, protocols: tuple[int, ...]) -> tuple[str, PortRanges]:
    """Part a destination of ``acls`` at its last colon; an IPv6 address may stand in brackets."""
    name, colon, ports = text.rpartition(":")
    if not colon:
        node.refuse(refused.destination(text, refused.NO_COLON))
        return text, ()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    try:
        ranges = parse_ports(ports)
    except UnreadablePorts as reason:
        node.refuse(refused.destination(text, str(reason)))
        return name, ()
    if ranges != ALL_PORTS and not PROTOCOLS_WITH_PORTS.intersection(protocols):
        node.refuse(refused.destination(text, refused.NO_PORTS_OF_PROTOCOL))
    return name, ranges


def _read_destination(
    text: str, node: Node, names: DefinedNames, traffic: tuple[Traffic, ...]
) -> Destination:
    selector = parse_selector(text, node, names)
    check_destination(selector, node, names)
    return Destination(selector, traffic)


def _check_self(
    sources: tuple[Selector, ...], destinations: list[tuple[Destination, Node]], *, any_source: bool
) -> None:
    """Refuse autogroup:self for sources that are not people; ``*`` means members in ``acls`` alone."""
    if all(takes_self(source, any_source=any_source) for source in sources):
        return
    for destination, node in destinations:
        if destination.selector.name == SELF:
            node.refuse(refused.SELF_SOURCES)


def _read_ip(node: Node | None) -> tuple[Traffic, ...]:
    """Read ``ip`` of a grant: ports of the same protocols come together, in the order of the text."""
    ports_of: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for text, place in _texts(node):
        try:
            protocols, ports = parse_ip(text)
        except UnreadablePorts as reason:
            place.refuse(refused.network(text, str(reason)))
            continue
        ports_of.setdefault(protocols, []).extend(ports)
        if ports != ALL_PORTS and not PROTOCOLS_WITH_PORTS.intersection(protocols):
            place.refuse(refused.network(text, refused.NO_PORTS_OF_PROTOCOL))
    return tuple(Traffic(protocols, tuple(ports)) for protocols, ports in ports_of.items())


def _read_via(node: Node | None, names: DefinedNames) -> tuple[str, ...]:
    routers = _texts(node)
    for text, place in routers:
        if not text.startswith("tag:"):
            place.refuse(refused.invalid_router(text))
        elif text not in names.tags:
            place.refuse(refused.not_found("via", "tag", text))
    return tuple(text for text, _ in routers)
