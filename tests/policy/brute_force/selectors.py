"""What each selector of a rule selects."""

from __future__ import annotations

from typing import Any

from tests.policy.brute_force.addresses import (
    TAILNET_SPANS,
    Address,
    Span,
    contains,
    covers,
    spans_of_entry,
)
from tests.policy.brute_force.answers import Answer, any_of, every, sure
from tests.policy.brute_force.world import Device, World

ROLES = ("owner", "admin", "network-admin", "it-admin", "billing-admin", "auditor")
KNOWN_ROLES = ("owner", "admin")


def is_device_selector(selector: str) -> bool:
    """Tell whether a selector names devices by what they are, not by their addresses."""
    if selector in ("autogroup:danger-all", "autogroup:internet", "autogroup:self"):
        return False
    return selector.startswith(("tag:", "group:", "autogroup:")) or "@" in selector


def selects_device(policy: dict[str, Any], world: World, selector: str, device: Device) -> Answer:
    """Say whether a user, group, tag or autogroup selects a device."""
    if selector.startswith("tag:"):
        return sure(selector in device.tags)
    if selector.startswith("group:"):
        return sure(device.user in policy["groups"][selector])
    if selector == "autogroup:tagged":
        return sure(bool(device.tags))
    if selector == "autogroup:member":
        return sure(device.user != "")
    if selector == "autogroup:shared":
        return "unknown" if device.external else "no"
    if selector.startswith("autogroup:"):
        return has_role(world, selector.removeprefix("autogroup:"), device)
    return sure(device.user == selector)


def has_role(world: World, role: str, device: Device) -> Answer:
    """Say whether a role autogroup selects a device: only what owner and admin mean is known."""
    if role not in ROLES:
        raise ValueError(f"no autogroup: {role}")
    if device.user == "":
        return "no"
    if world.roles.get(device.user) is None:
        return "unknown"
    if world.roles[device.user] != role:
        return "no"
    return "yes" if role in KNOWN_ROLES else "unknown"


def is_source(policy: dict[str, Any], world: World, selector: str, address: Address) -> Answer:
    """Say whether a selector among the sources lets an address in."""
    if selector == "autogroup:danger-all":
        return "yes"
    if selector == "*":
        return sure(contains(TAILNET_SPANS + world.subnet_spans(), address))
    if is_device_selector(selector):
        holder = world.holder(address)
        return "no" if holder is None else selects_device(policy, world, selector, holder)
    return sure(contains(spans_of_entry(policy, selector), address))


def is_own_source(policy: dict[str, Any], world: World, selectors: list[str], source: Device) -> Answer:
    """Say whether a device is a source of a rule towards `autogroup:self`, where `*` means members."""
    if source.user == "":
        return "no"
    return any_of(
        "yes" if selector == "*" else selects_device(policy, world, selector, source)
        for selector in selectors
    )


def is_destination(
    policy: dict[str, Any],
    world: World,
    selector: str,
    via: list[str],
    device: Device,
    wanted: Span,
    *,
    route: bool,
) -> Answer:
    """Say whether a selector among the destinations covers a whole span that a device ends or routes.

    Args:
        policy: the policy.
        world: the tailnet.
        selector: any selector but `autogroup:self`.
        via: the tags of which a router must have one, if any; then only what is routed counts.
        device: where the packets arrive.
        wanted: an own address of the device, or addresses inside one of its routes.
        route: whether it is the latter.
    """
    if via and not (route and set(via) & set(device.tags)):
        return "no"
    if selector == "autogroup:internet":
        return "no"
    if selector == "*":
        return "yes"
    if is_device_selector(selector):
        return every([sure(not route), selects_device(policy, world, selector, device)])
    return sure(covers(spans_of_entry(policy, selector), wanted))
