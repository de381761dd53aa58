"""Routes of a device: what it advertises is its own business, what is enabled is replaced as a whole."""

from __future__ import annotations

import ipaddress
from typing import Any

from tailscale_sdk.testing.exchange import Call, Refusal, handles
from tailscale_sdk.testing.handlers.devices import node_target, own_device


def _shown(device: dict[str, Any]) -> dict[str, Any]:
    return {"advertisedRoutes": device.get("advertisedRoutes"), "enabledRoutes": device.get("enabledRoutes")}


@handles("listDeviceRoutes")
def list_routes(call: Call) -> dict[str, Any]:
    """Read both lists; either may be null."""
    return _shown(call.tailnet.device(call.path["deviceId"], call.caller))


@handles("setDeviceRoutes")
def set_routes(call: Call) -> dict[str, Any]:
    """Replace the enabled list; a route may be enabled before the device advertises it."""
    device = own_device(call)
    wanted = [_checked(text, index) for index, text in enumerate(call.strings("routes"))]
    old = device.get("enabledRoutes")
    device["enabledRoutes"] = list(dict.fromkeys(wanted))
    target = node_target(device, "ALLOWED_IPS")
    call.tailnet.record(call, action="UPDATE", target=target, old=old, new=list(device["enabledRoutes"]))
    return _shown(device)


def _checked(text: str, index: int) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        network = None
    if network is None or "/" not in text or "%" in text:
        raise Refusal(
            400, f"routes[{index}] must be a prefix without host bits, such as 10.0.0.0/16 or fd00::/64"
        )
    return str(network)
