"""From the text of a policy to its typed form, or to the first reason why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from tailscale_sdk.errors import PolicyError
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.hujson import Value
from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.approvers import (
    read_exit_node_approvers,
    read_route_approvers,
    read_service_approvers,
)
from tailscale_sdk.policy.language.attributes import read_node_attributes
from tailscale_sdk.policy.language.definitions import (
    read_definitions,
    read_groups,
    read_hosts,
    read_tag_owners,
)
from tailscale_sdk.policy.language.model import Definition, Policy, Rule
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Fields, Node, Refusals
from tailscale_sdk.policy.language.rules import read_acls, read_default_postures, read_grants
from tailscale_sdk.policy.language.ssh import read_ssh
from tailscale_sdk.policy.language.tests_section import read_ssh_tests, read_tests

T = TypeVar("T")
FLAGS: Final = ("randomizeClientPort", "disableIPv4", "OneCGNATRoute", "derpMap")
_READ: Final = frozenset(
    name.lower()
    for name in (
        *("acls", "grants", "groups", "hosts", "tagOwners", "ipsets", "postures", "defaultSrcPosture"),
        *("nodeAttrs", "autoApprovers", "ssh", "tests", "sshTests"),
        *FLAGS,
    )
)


class BreaksService(PolicyError):
    """Say that the service does not refuse the policy but fails over it, with status 500."""

    breaks_service: Final = True


def read_policy(text: str | bytes) -> Policy:
    """Read a policy and judge it as the control plane does when it is stored; its tests are not run.

    Args:
        text: HuJSON, as it is stored.

    Raises:
        HuJSONError: it is not HuJSON; the text has line and column.
        PolicyError: the control plane would refuse it; the message is its own, the first in the order of the
            text, with pointer, line and column beside it.
    """
    tree = hujson.parse(text)
    _check_duplicates(tree)
    refusals = Refusals()
    top = Node(tree, "", refusals)
    fields = Fields.of(top)
    if top.is_null:
        top.refuse_kind("an object")
    policy = _read(tree, fields, text if isinstance(text, str) else text.decode("utf-8"))
    first = refusals.first()
    if first is not None:
        kind = BreaksService if first.breaks_service else PolicyError
        place = first.place
        raise kind(first.message, pointer=place.pointer, line=place.line, column=place.column)
    return policy


def _check_duplicates(tree: Value) -> None:
    for duplicate in tree.duplicates()[:1]:
        first, again = (
            f"line {place.line}, column {place.column}" for place in (duplicate.first, duplicate.again)
        )
        raise PolicyError(
            refused.duplicate(duplicate.pointer, first, again),
            pointer=duplicate.pointer,
            line=duplicate.again.line,
            column=duplicate.again.column,
        )


def _read(tree: Value, fields: Fields, text: str) -> Policy:
    names = DefinedNames.of(fields)
    approvers = fields.get("autoApprovers")
    approved = Fields.of(approvers) if approvers is not None else None
    return Policy(
        text=text,
        tree=tree,
        rules=_rules(fields, names),
        # A null reads like a key that is missing, and without both keys everything is allowed.
        allows_all=not {"acls", "grants"} & fields.present.keys(),
        ssh=_section(fields, "ssh", names, read_ssh),
        groups=_definitions(fields, "groups", names, read_groups),
        hosts=_definitions(fields, "hosts", names, read_hosts),
        tag_owners=_definitions(fields, "tagOwners", names, read_tag_owners),
        ipsets=_definitions(fields, "ipsets", names, read_definitions),
        postures=_definitions(fields, "postures", names, read_definitions),
        default_postures=read_default_postures(fields, names),
        node_attributes=_section(fields, "nodeAttrs", names, read_node_attributes),
        route_approvers=read_route_approvers(approved, names) if approved else (),
        exit_node_approvers=read_exit_node_approvers(approved, names) if approved else (),
        service_approvers=read_service_approvers(approved, names) if approved else (),
        tests=_section(fields, "tests", names, lambda node, _: read_tests(node)),
        ssh_tests=_section(fields, "sshTests", names, lambda node, _: read_ssh_tests(node)),
        flags={name: fields.data(name) for name in FLAGS if name.lower() in fields.present},
        unread=tuple(node.name_place for name, node in fields.present.items() if name not in _READ),
    )


def _rules(fields: Fields, names: DefinedNames) -> tuple[Rule, ...]:
    found = (*_section(fields, "acls", names, read_acls), *_section(fields, "grants", names, read_grants))
    return tuple(sorted(found, key=lambda rule: (rule.place.line, rule.place.column)))


def _section(
    fields: Fields, name: str, names: DefinedNames, read: Callable[[Node, DefinedNames], list[T]]
) -> tuple[T, ...]:
    node = fields.get(name)
    return tuple(read(node, names)) if node is not None else ()


def _definitions(
    fields: Fields,
    name: str,
    names: DefinedNames,
    read: Callable[[Node, DefinedNames], dict[str, Any]],
) -> dict[str, Definition]:
    node = fields.get(name)
    return read(node, names) if node is not None else {}
