"""Tags and routes that too many can hand out or have approved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tailscale_sdk.policy.access import tag_holders
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Approvers, Policy, Selector, parse_addresses
from tailscale_sdk.policy.lint.catalog import CHECKS

_BROAD: Final = frozenset({"*", "autogroup:member", "autogroup:members", "autogroup:tagged"})
LARGE_GROUP: Final = 10
"""Members from which a group is called large for owning a tag."""

_LARGE_PREFIX: Final = {4: 1 << 24, 6: 1 << 96}
"""Addresses from which a route is called large: 10.0.0.0/8 is."""


def check_rights(policy: Policy) -> Iterator[Finding]:
    """Yield tag owners and route approvers that are too many."""
    for tag, definition in policy.tag_owners.items():
        owners = tag_holders(policy, tag, {}).owners
        broad = [owner for owner in owners if owner in _BROAD or _is_large(policy, owner)]
        if broad:
            yield CHECKS["tag-owners-broad"].finding(
                f"{tag} can be handed out by {', '.join(broad)}", definition.place, resource=tag, kind="tag"
            )
    for approvers in policy.route_approvers:
        yield from _approvers(policy, approvers, _covers_much(approvers.target))
    for approvers in policy.service_approvers:
        yield from _approvers(policy, approvers, False)
    if policy.exit_node_approvers:
        place = policy.exit_node_approvers[0].place
        yield from _approvers(policy, Approvers("exitNode", policy.exit_node_approvers, place), False)


def _is_large(policy: Policy, owner: str) -> bool:
    group = policy.groups.get(owner)
    return group is not None and len(group.values) >= LARGE_GROUP


def _covers_much(target: str) -> bool:
    addresses = parse_addresses(target)
    return addresses is not None and addresses.last - addresses.first + 1 >= _LARGE_PREFIX[addresses.version]


def _approvers(policy: Policy, approvers: Approvers, large: bool) -> Iterator[Finding]:
    broad = [selector.text for selector in approvers.approvers if _is_broad(policy, selector)]
    if broad or large:
        reason = f"by {', '.join(broad)}" if broad else "for a very large range"
        yield CHECKS["approvers-broad"].finding(
            f"routes in {approvers.target} are approved {reason}",
            approvers.place,
            resource=approvers.target,
            kind="route",
        )


def _is_broad(policy: Policy, selector: Selector) -> bool:
    return selector.name in _BROAD or _is_large(policy, selector.name)
