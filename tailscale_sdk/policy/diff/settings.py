"""What changes beside filters: exit nodes, node attributes, who may hand out tags and approve routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from tailscale_sdk.policy.access.exits import exit_uses
from tailscale_sdk.policy.compile import NOTHING, CompiledPolicy, TriState
from tailscale_sdk.policy.compile.attributes import targets_of
from tailscale_sdk.policy.language import Policy


@frozen
class SetChange:
    """Hold devices that gain or lose something by name: an exit node, an attribute.

    Attributes:
        name: of what is gained or lost.
        gained, lost: devices, bit *d* for device *d*.
    """

    name: str
    gained: int
    lost: int


@frozen
class RightChange:
    """Hold a right that other selectors have now.

    Attributes:
        right: such as ``owners of tag:web`` or ``approvers of 10.0.0.0/8``.
        gained, lost: selectors as written.
    """

    right: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def exit_changes(old: CompiledPolicy, new: CompiledPolicy) -> list[SetChange]:
    """Return who gains or loses the use of an exit node."""
    return _set_changes(_exit_users(old), _exit_users(new))


def _exit_users(compiled: CompiledPolicy) -> dict[str, TriState]:
    found: dict[str, TriState] = {}
    for use in exit_uses(compiled):
        for node in use.nodes:
            found[node.label] = found.get(node.label, NOTHING) | use.sources
    return found


def attribute_changes(old: CompiledPolicy, new: CompiledPolicy) -> list[SetChange]:
    """Return which devices gain or lose a node attribute."""
    return _set_changes(_attributes(old), _attributes(new))


def _attributes(compiled: CompiledPolicy) -> dict[str, TriState]:
    found: dict[str, TriState] = {}
    for entry in compiled.policy.node_attributes:
        for name in (*entry.attributes, *entry.app):
            found[name] = found.get(name, NOTHING) | targets_of(compiled, entry)
    return found


def _set_changes(old: Mapping[str, TriState], new: Mapping[str, TriState]) -> list[SetChange]:
    found = []
    for name in sorted({*old, *new}):
        before, after = old.get(name, NOTHING).possible, new.get(name, NOTHING).possible
        if before != after:
            found.append(SetChange(name, after & ~before, before & ~after))
    return found


def right_changes(old: Policy, new: Policy) -> list[RightChange]:
    """Return who may newly, or no longer, hand out a tag or approve a route."""
    before, after = dict(_rights(old)), dict(_rights(new))
    return [
        RightChange(
            right,
            tuple(sorted(after.get(right, frozenset()) - before.get(right, frozenset()))),
            tuple(sorted(before.get(right, frozenset()) - after.get(right, frozenset()))),
        )
        for right in sorted({*before, *after})
        if before.get(right, frozenset()) != after.get(right, frozenset())
    ]


def _rights(policy: Policy) -> Iterator[tuple[str, frozenset[str]]]:
    for tag, definition in policy.tag_owners.items():
        yield f"owners of {tag}", frozenset(definition.values)
    for approvers in policy.route_approvers:
        yield f"approvers of {approvers.target}", frozenset(each.text for each in approvers.approvers)
    if policy.exit_node_approvers:
        yield "approvers of exit nodes", frozenset(each.text for each in policy.exit_node_approvers)
    for approvers in policy.service_approvers:
        yield f"approvers of {approvers.target}", frozenset(each.text for each in approvers.approvers)
