"""What `nodeAttrs` add to each device."""

from __future__ import annotations

from typing import Any

from tests.policy.brute_force.rules import today
from tests.policy.brute_force.selectors import selects_device
from tests.policy.brute_force.world import Device, World, read_world

FUNNEL_KEYS = (
    "https://tailscale.com/cap/funnel-ports?ports=443,8443,10000",
    "https://tailscale.com/cap/warn-funnel-no-https",
)


def cap_map(policy: dict[str, Any], snapshot: dict[str, Any]) -> dict[str, dict[str, None]]:
    """Return for each device the keys that the policy surely adds to the base ones."""
    world = read_world(snapshot)
    return {device.node: dict.fromkeys(sorted(added_keys(policy, world, device))) for device in world.devices}


def added_keys(policy: dict[str, Any], world: World, device: Device) -> set[str]:
    """Return the keys that the policy adds to one device."""
    keys = set()
    if policy.get("randomizeClientPort"):
        keys.add("randomize-client-port")
    for entry in policy.get("nodeAttrs") or []:
        if any(is_target(policy, world, today(target), device) for target in entry.get("target") or []):
            keys.update(entry.get("attr") or [])
    if "funnel" in keys:
        keys.update(FUNNEL_KEYS)
    return keys


def is_target(policy: dict[str, Any], world: World, selector: str, device: Device) -> bool:
    """Tell whether a target surely means a device."""
    return selector == "*" or selects_device(policy, world, selector, device) == "yes"
