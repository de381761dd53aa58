"""What rules know a device by, and what its name resolves to."""

from __future__ import annotations

from collections.abc import Iterator

from tailscale_sdk.policy.access.ends import End
from tailscale_sdk.policy.access.facts import Fact
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.addresses import spelled
from tailscale_sdk.policy.language import AddressRange
from tailscale_sdk.policy.tailnet import Device, parse_address


def identity_facts(compiled: CompiledPolicy, end: End) -> Iterator[Fact]:
    """Yield tags, or owner with groups and role."""
    device = end.device
    if device is None:
        return
    if device.external:
        yield Fact(
            "external", f"{device.label} belongs to another tailnet and is shared into this one", "devices"
        )
    elif device.tags:
        yield Fact("tags", f"{device.label} is {', '.join(device.tags)}", "devices")
    elif device.user:
        yield Fact(
            "owner", f"{device.label} belongs to {device.user}{_standing(compiled, device)}", "devices"
        )
    else:
        yield Fact("no-identity", f"{device.label} has no tag and no owner", "devices")


def _standing(compiled: CompiledPolicy, device: Device) -> str:
    groups = [name for name, group in compiled.policy.groups.items() if device.user in group.values]
    role = compiled.tailnet.roles.get(device.user)
    words = [f"in {', '.join(groups)}"] if groups else []
    if role:
        words.append(f"role {role}")
    return f" ({'; '.join(words)})" if words else ""


def name_facts(compiled: CompiledPolicy, end: End) -> Iterator[Fact]:
    """Yield what the name of a destination resolves to."""
    if end.device is None or parse_address(end.text) is not None:
        return
    addresses = ", ".join(spelled(AddressRange(version, each, each)) for version, each in end.addresses)
    yield Fact("addresses", f"{end.device.label} has the addresses {addresses or 'none'}", "devices")
    preferences = compiled.tailnet.dns.get("preferences")
    if isinstance(preferences, dict) and preferences.get("magicDNS") is False:
        yield Fact(
            "magic-dns-off",
            f"MagicDNS is off: the name {end.device.name or end.text} does not resolve by itself",
            "dns",
            settle="use the address, or switch MagicDNS on (dns.set_preferences)",
        )
