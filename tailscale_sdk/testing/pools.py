"""IP pools of the policy: which addresses a device may be given."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from tailscale_sdk.testing.exchange import Refusal
from tailscale_sdk.testing.state import Tailnet
from tailscale_sdk.testing.tags import read_policy


def check_pool(tailnet: Tailnet, device: dict[str, Any], address: ipaddress.IPv4Address) -> None:
    """Refuse an address outside the pools that ``nodeAttrs`` of the policy give to a device.

    Raises:
        Refusal: 400.
    """
    pools = list(_pools_of(tailnet, device))
    if pools and not any(address in pool for pool in pools):
        raise Refusal(
            400, f"ipv4 must be in the IP pool of the device: {', '.join(str(pool) for pool in pools)}"
        )


def _pools_of(tailnet: Tailnet, device: dict[str, Any]) -> Iterator[ipaddress.IPv4Network]:
    rules = read_policy(tailnet.policy_text).get("nodeAttrs")
    names = {"*", *(device.get("tags") or []), *([] if device.get("tags") else [device.get("user")])}
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, dict) and names.intersection(_strings(rule.get("target"))):
            yield from (pool for text in _strings(rule.get("ipPool")) if (pool := _network(text)) is not None)


def _strings(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None
