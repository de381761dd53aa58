"""What ``nodeAttrs`` add to each device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tailscale_sdk.policy.compile.bits import TriState, union
from tailscale_sdk.policy.compile.compiled import CompiledPolicy
from tailscale_sdk.policy.language import NodeAttributes
from tailscale_sdk.policy.tailnet import Device

FUNNEL: Final = "funnel"
FUNNEL_KEYS: Final = (
    "https://tailscale.com/cap/funnel-ports?ports=443,8443,10000",
    "https://tailscale.com/cap/warn-funnel-no-https",
)
RANDOM_PORT: Final = "randomize-client-port"


def targets_of(compiled: CompiledPolicy, entry: NodeAttributes) -> TriState:
    """Return the devices an entry of ``nodeAttrs`` is about: bit *d* for device *d*."""
    return union(
        TriState((1 << compiled.universe.size) - 1)
        if selector.kind == "any"
        else compiled.selection.devices(selector)
        for selector in entry.targets
    )


def node_attributes(compiled: CompiledPolicy, device: Device) -> dict[str, Sequence[Any] | None]:
    """Return the keys a policy surely adds to a device beyond those every device has."""
    found: dict[str, Sequence[Any] | None] = {}
    if compiled.policy.flags.get("randomizeClientPort") is True:
        found[RANDOM_PORT] = None
    bit = compiled.number(device)
    for entry in compiled.policy.node_attributes:
        if targets_of(compiled, entry).yes >> bit & 1:
            found |= dict.fromkeys(entry.attributes)
            for name, values in entry.app.items():
                found[name] = [*(found.get(name) or ()), *values]
    if FUNNEL in found:
        found |= dict.fromkeys(FUNNEL_KEYS)
    return found
