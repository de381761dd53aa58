"""``autoApprovers``: whose routes, exit nodes and services need no admin."""

from __future__ import annotations

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.addresses import parse_addresses
from tailscale_sdk.policy.language.model import Approvers, Selector
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Fields, Node
from tailscale_sdk.policy.language.selectors import parse_selector

SECTION = "autoApprovers"


def read_route_approvers(section: Fields, names: DefinedNames) -> tuple[Approvers, ...]:
    """Read ``routes``: approvers by prefix."""
    found = []
    for target, node in _members(section.get("routes")):
        if parse_addresses(target) is None:
            node.refuse_name(refused.in_section(SECTION, target, refused.invalid_address(target)))
        found.append(Approvers(target, _read_approvers(target, node, names), node.name_place))
    return tuple(found)


def read_exit_node_approvers(section: Fields, names: DefinedNames) -> tuple[Selector, ...]:
    """Read ``exitNode``."""
    node = section.get("exitNode")
    return _read_approvers("exitNode", node, names) if node is not None else ()


def read_service_approvers(section: Fields, names: DefinedNames) -> tuple[Approvers, ...]:
    """Read ``services``: approvers by service, or by a tag of services."""
    return tuple(
        Approvers(target, _read_approvers(target, node, names), node.name_place)
        for target, node in _members(section.get("services"))
    )


def _members(node: Node | None) -> list[tuple[str, Node]]:
    return node.members() if node is not None else []


def _read_approvers(target: str, node: Node, names: DefinedNames) -> tuple[Selector, ...]:
    approvers = []
    for text, place in node.texts():
        selector = parse_selector(text, place, names)
        known = {"tag": names.tags, "group": names.groups}.get(selector.kind)
        if known is not None and selector.name not in known:
            place.refuse(refused.in_section(SECTION, target, refused.undefined(selector.kind, text)))
        approvers.append(selector)
    return tuple(approvers)
