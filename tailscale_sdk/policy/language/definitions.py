"""Sections that give names: groups, hosts, tag owners, IP sets and postures."""

from __future__ import annotations

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.addresses import parse_addresses
from tailscale_sdk.policy.language.model import Definition
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Node


def read_groups(section: Node, names: DefinedNames) -> dict[str, Definition]:
    """Read ``groups``; a group within a group is refused."""
    nested: list[tuple[str, str, Node]] = []
    groups = {}
    for group, node in section.members():
        members = list(node.texts())
        inner = next(
            ((group, member, place) for member, place in members if member.startswith("group:")), None
        )
        nested += [inner] if inner else []
        groups[group] = _define(group, node, members)
    # Of several groups the service has been seen to name the last one.
    for group, member, place in nested[-1:]:
        place.refuse(refused.nested_group(group, member))
    return groups


def read_tag_owners(section: Node, names: DefinedNames) -> dict[str, Definition]:
    """Read ``tagOwners``; tags may own each other, also in a circle."""
    owners = {}
    for tag, node in section.members():
        if not _is_tag(tag):
            node.refuse_name(refused.TAG_NAME)
        listed = list(node.texts())
        for owner, place in listed:
            _check_owner(tag, owner, place, names)
        owners[tag] = _define(tag, node, listed)
    return owners


def read_hosts(section: Node, names: DefinedNames) -> dict[str, Definition]:
    """Read ``hosts``: each name stands for an address or a prefix."""
    hosts = {}
    for host, node in section.members():
        address = node.text()
        if address is not None and parse_addresses(address) is None:
            node.refuse(refused.in_section("hosts", host, refused.invalid_address(address)))
        hosts[host] = _define(host, node, [(address, node)] if address is not None else [])
    return hosts


def read_definitions(section: Node, names: DefinedNames) -> dict[str, Definition]:
    """Read ``ipsets`` or ``postures``: lists of texts, as written."""
    return {name: _define(name, node, list(node.texts())) for name, node in section.members()}


def _define(name: str, node: Node, values: list[tuple[str, Node]]) -> Definition:
    return Definition(
        name=name,
        values=tuple(value for value, _ in values),
        places=tuple(place.place for _, place in values),
        place=node.name_place,
    )


def _is_tag(name: str) -> bool:
    return name.startswith("tag:") and name[4:5].isascii() and name[4:5].isalpha()


def _check_owner(tag: str, owner: str, place: Node, names: DefinedNames) -> None:
    if owner.startswith("tag:") and owner not in names.tags:
        place.refuse(refused.in_section("tagOwners", tag, refused.undefined("tag", owner)))
    elif owner.startswith("group:") and owner not in names.groups:
        place.refuse(refused.in_section("tagOwners", tag, refused.undefined("group", owner)))
