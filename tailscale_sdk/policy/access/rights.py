"""Who can become a tag, who may approve a route, who may turn on funnel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from tailscale_sdk.policy.access.facts import Answer
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.attributes import FUNNEL, targets_of
from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.language import AddressRange, Approvers, Policy, parse_addresses
from tailscale_sdk.policy.tailnet import Device

_ADMINS = ("autogroup:admin", "autogroup:owner")


@frozen
class TagHolders:
    """Hold who can hand out a tag.

    Attributes:
        tag: the tag.
        owners: every selector that can, directly or through tags that own it, in order.
        users: login names behind them, where that is known.
        tags: tags whose devices and credentials can.
    """

    tag: str
    owners: tuple[str, ...]
    users: tuple[str, ...]
    tags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "tag": self.tag,
            "owners": list(self.owners),
            "users": list(self.users),
            "tags": list(self.tags),
        }


def tag_holders(policy: Policy, tag: str, roles: dict[str, str | None]) -> TagHolders:
    """Return who can become a tag: the closure over tags that own each other; a circle ends.

    Args:
        policy: with ``tagOwners``.
        tag: such as ``tag:web``.
        roles: role by login name, for role autogroups.
    """
    owners: dict[str, None] = {}
    waiting, seen = [tag], {tag}
    while waiting:
        definition = policy.tag_owners.get(waiting.pop(0))
        for owner in definition.values if definition else ():
            owners[owner] = None
            if owner.startswith("tag:") and owner not in seen:
                seen.add(owner)
                waiting.append(owner)
    # Admins can always hand out every tag that is defined.
    users = sorted({login for owner in (*owners, *_ADMINS) for login in _logins(policy, owner, roles)})
    tags = tuple(owner for owner in owners if owner.startswith("tag:"))
    return TagHolders(tag, tuple(owners), tuple(users), tags)


def _logins(policy: Policy, owner: str, roles: dict[str, str | None]) -> Iterable[str]:
    if owner.startswith("group:"):
        group = policy.groups.get(owner)
        return group.values if group else ()
    if owner == "autogroup:member":
        return roles
    if owner.startswith("autogroup:"):
        return [login for login, role in roles.items() if role == owner.removeprefix("autogroup:")]
    return () if owner.startswith("tag:") else (owner,)


def approvers_of(policy: Policy, route: str) -> list[Approvers]:
    """Return the entries by which a route is approved without an admin: those whose range holds it.

    Args:
        policy: with ``autoApprovers``.
        route: such as ``10.20.0.0/16``; ``0.0.0.0/0`` and ``::/0`` are exit routes.
    """
    wanted = parse_addresses(route)
    if wanted is None:
        return []
    if route in {"0.0.0.0/0", "::/0"}:
        place = policy.exit_node_approvers[0].place if policy.exit_node_approvers else None
        return [Approvers("exitNode", policy.exit_node_approvers, place)] if place else []
    return [
        approvers
        for approvers in policy.route_approvers
        if (range_ := parse_addresses(approvers.target)) is not None and _holds(range_, wanted)
    ]


def _holds(outer: AddressRange, inner: AddressRange) -> bool:
    return outer.version == inner.version and outer.first <= inner.first and inner.last <= outer.last


def approves(compiled: CompiledPolicy, device: Device, route: str) -> Answer:
    """Say whether a route that a device advertises is approved by itself."""
    bit, doubtful = compiled.number(device), False
    for approvers in approvers_of(compiled.policy, route):
        for selector in approvers.approvers:
            answer = compiled.selection.devices(read_selector(compiled.policy, selector.text)).answer(bit)
            if answer == "yes":
                return "yes"
            doubtful = doubtful or answer == "unknown"
    return "unknown" if doubtful else "no"


def funnel_devices(compiled: CompiledPolicy) -> tuple[Device, ...]:
    """Return the devices that may turn funnel on."""
    bits = 0
    for entry in compiled.policy.node_attributes:
        if FUNNEL in entry.attributes:
            bits |= targets_of(compiled, entry).possible
    return compiled.devices(bits)
