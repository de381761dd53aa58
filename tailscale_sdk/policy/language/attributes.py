"""Entries of ``nodeAttrs``."""

from __future__ import annotations

from typing import Final

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.addresses import parse_addresses
from tailscale_sdk.policy.language.capabilities import read_values
from tailscale_sdk.policy.language.model import AddressRange, NodeAttributes, Selector
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Fields, Node, Refusal
from tailscale_sdk.policy.language.selectors import SELF, check_defined, parse_selector


def _range(text: str) -> AddressRange:
    found = parse_addresses(text)
    if found is None:
        raise ValueError(text)
    return found


RESERVED: Final = tuple(map(_range, ("100.100.0.0/24", "100.100.100.0/24", "100.115.92.0/23")))
"""Ranges that devices never get their addresses from."""


def read_node_attributes(section: Node, names: DefinedNames) -> list[NodeAttributes]:
    """Read the entries of ``nodeAttrs``."""
    return [_read_entry(index, entry, names) for index, entry in section.entries()]


def _read_entry(index: int, entry: Fields, names: DefinedNames) -> NodeAttributes:
    return NodeAttributes(
        index=index,
        place=entry.node.place,
        targets=_read_targets(entry.get("target"), names),
        attributes=entry.texts("attr"),
        ip_pool=_read_pool(entry.get("ipPool")),
        app=read_values(entry.get("app")),
    )


def _read_targets(node: Node | None, names: DefinedNames) -> tuple[Selector, ...]:
    targets = []
    for text, place in node.texts() if node is not None else ():
        selector = parse_selector(text, place, names)
        if selector.name == SELF:
            place.refusals.found.append(Refusal(refused.SELF_ATTRIBUTES, place.place, breaks_service=True))
        elif selector.kind != "host":
            check_defined(selector, place, names, "target")
        targets.append(selector)
    return tuple(targets)


def _read_pool(node: Node | None) -> tuple[str, ...]:
    pools = list(node.texts()) if node is not None else []
    for text, place in pools:
        addresses = parse_addresses(text)
        if addresses is None:
            place.refuse(refused.ip_pool(text, refused.invalid_address(text)))
        elif any(_overlap(addresses, reserved) for reserved in RESERVED):
            place.refuse(refused.ip_pool(text, refused.RESERVED_POOL))
    return tuple(text for text, _ in pools)


def _overlap(one: AddressRange, other: AddressRange) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last
