"""Devices: list, read, rename, tag, authorize, expire, key, address, delete."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.fleet import is_assignable
from tailscale_sdk.testing.passing import count_devices, disconnect
from tailscale_sdk.testing.pools import check_pool
from tailscale_sdk.testing.state import Tailnet
from tailscale_sdk.testing.tags import check_tags

# Answers without fields=all leave these out: absent means "not asked", not "empty".
ONLY_WITH_ALL: Final = frozenset(
    {
        "enabledRoutes",
        "advertisedRoutes",
        "clientConnectivity",
        "multipleConnections",
        "sshEnabled",
        "postureIdentity",
        "distro",
    }
)
DATES: Final = ("created", "lastSeen", "expires")
FIELDS: Final = ("default", "all")
LABEL_MAX_CHARACTERS: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

JsonObject = dict[str, Any]


def wants_all(call: Call) -> bool:
    """Tell whether ``fields=all`` was asked for.

    Raises:
        Refusal: 400 for another value than default or all.
    """
    asked = call.argument("fields")
    if asked not in (None, *FIELDS):
        raise Refusal(400, "fields must be default or all")
    return asked == "all"


def present(tailnet: Tailnet, device: JsonObject, *, everything: bool) -> JsonObject:
    """Return a device as an answer shows it; a plain tailnet has no empty dates."""
    if tailnet.plain and any(device.get(name) == "" for name in DATES):
        device = {**device, **{name: None for name in DATES if device.get(name) == ""}}
    if everything:
        return device
    return {name: value for name, value in device.items() if name not in ONLY_WITH_ALL}


def node_target(device: JsonObject, property: str = "") -> JsonObject:
    """Return the audit target that names a device."""
    ephemeral = bool(device.get("isEphemeral"))
    return build_target(
        "NODE", device["nodeId"], str(device.get("name", "")), property=property, ephemeral=ephemeral
    )


def own_device(call: Call) -> JsonObject:
    """Return the device of the path, which has to belong to this tailnet.

    Raises:
        Refusal: 404 for an unknown one, 501 for one that was shared in.
    """
    device = call.tailnet.device(call.path["deviceId"], call.caller)
    if device.get("isExternal"):
        raise Refusal(501, "not supported for a device that was shared in from another tailnet")
    return device


@handles("listTailnetDevices")
def list_devices(call: Call) -> JsonObject:
    """List what the caller may see, narrowed by filters on top-level fields."""
    everything = wants_all(call)
    filters = [(name, value) for name, value in call.query if name != "fields"]
    found = call.tailnet.visible_devices(call.caller)
    return {
        "devices": [present(call.tailnet, d, everything=everything) for d in found if _passes(d, filters)]
    }


def _passes(device: JsonObject, filters: list[tuple[str, str]]) -> bool:
    """Compare exactly; several filters are ANDed, a list has to contain each value."""
    return all(_has(device.get(name), wanted) for name, wanted in filters)


def _has(value: Any, wanted: str) -> bool:
    if isinstance(value, list):
        return wanted in [_text(element) for element in value]
    return not isinstance(value, dict) and _text(value) == wanted


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@handles("getDevice")
def get_device(call: Call) -> JsonObject:
    """Read one device."""
    everything = wants_all(call)
    device = call.tailnet.device(call.path["deviceId"], call.caller)
    return present(call.tailnet, device, everything=everything)


@handles("deleteDevice")
def delete_device(call: Call) -> Answer:
    """Remove a device and what belongs to it."""
    device = own_device(call)
    remove_device(call.tailnet, device["nodeId"])
    call.tailnet.record(call, action="DELETE", target=node_target(device))
    return Answer()


def remove_device(tailnet: Tailnet, node_id: str) -> None:
    """Forget a device with its attributes, invites and services."""
    device = tailnet.devices.pop(node_id)
    tailnet.attributes.pop(node_id, None)
    for hosts in tailnet.service_hosts.values():
        hosts[:] = [host for host in hosts if host.get("stableNodeID") != node_id]
    gone = [i for i, invite in tailnet.device_invites.items() if str(invite.get("deviceId")) == device["id"]]
    for identifier in gone:
        del tailnet.device_invites[identifier]
    count_devices(tailnet)


@handles("expireDeviceKey")
def expire_device_key(call: Call) -> Answer:
    """End the key now: the device has to authenticate again."""
    device = own_device(call)
    old, now = device.get("expires"), call.tailnet.clock.text()
    device["expires"], device["keyExpiryDisabled"] = now, False
    disconnect(device, now)
    count_devices(call.tailnet)
    call.tailnet.record(
        call, action="UPDATE", target=node_target(device, "KEY_EXPIRY_TIME"), old=old, new=now
    )
    return Answer()


@handles("authorizeDevice")
def authorize_device(call: Call) -> Answer:
    """Approve a device, or take the approval back."""
    device = own_device(call)
    wanted = call.field("authorized", bool)
    old, device["authorized"] = device.get("authorized"), wanted
    target = node_target(device, "MACHINE_APPROVAL_NEEDED")
    action = "APPROVE" if wanted else "UPDATE"
    call.tailnet.record(call, action=action, target=target, old=not old, new=not wanted)
    return Answer()


@handles("setDeviceName")
def set_device_name(call: Call) -> Answer:
    """Rename at once; an empty name goes back to the host name of the operating system."""
    device = own_device(call)
    tailnet = call.tailnet
    wanted = call.field("name", str).strip()
    domain = _domain_of(device, tailnet)
    base = (
        _base_name(wanted, domain)
        if wanted
        else free_name(tailnet, device, sanitised(str(device["hostname"])))
    )
    name = f"{base}.{domain}"
    if any(d.get("name") == name for d in tailnet.devices.values() if d is not device):
        raise Refusal(400, f"name {base!r} is already in use in the tailnet")
    old, device["name"] = device.get("name"), name
    tailnet.record(call, action="UPDATE", target=node_target(device, "MACHINE_NAME"), old=old, new=name)
    return Answer()


def _domain_of(device: JsonObject, tailnet: Tailnet) -> str:
    return str(device.get("name", "")).partition(".")[2] or tailnet.dns_name


def _base_name(wanted: str, domain: str) -> str:
    base = wanted.rstrip(".").lower()
    base = base.removesuffix(f".{domain.lower()}")
    if not _LABEL.fullmatch(base) or len(base) > LABEL_MAX_CHARACTERS:
        raise Refusal(
            400,
            "name must be one DNS label, or such a label with the tailnet's domain: "
            "letters, digits and hyphens, at most 63 characters",
        )
    return base


def sanitised(hostname: str) -> str:
    """Return the DNS label made from the name an operating system reports."""
    label = re.sub(r"[^a-z0-9]+", "-", hostname.lower()).strip("-")[:LABEL_MAX_CHARACTERS].strip("-")
    return label or "device"


def free_name(tailnet: Tailnet, device: JsonObject, base: str) -> str:
    """Return a base name no other device has: the service appends a number."""
    domain = _domain_of(device, tailnet)
    taken = {d.get("name") for d in tailnet.devices.values() if d is not device}
    number, candidate = 0, base
    while f"{candidate}.{domain}" in taken:
        number += 1
        candidate = f"{base[: LABEL_MAX_CHARACTERS - 6]}-{number}"
    return candidate


@handles("setDeviceTags")
def set_device_tags(call: Call) -> Answer:
    """Replace the whole list; tagging takes the device from its user and turns key expiry off."""
    device = own_device(call)
    wanted = list(dict.fromkeys(call.strings("tags")))
    check_tags(call.tailnet, call.caller, wanted)
    old = device.get("tags", [])
    if wanted:
        device["tags"] = wanted
        device["keyExpiryDisabled"] = True
    else:
        device.pop("tags", None)
    if device.get("user") and wanted:
        device["user"] = "tagged-devices"
    count_devices(call.tailnet)
    call.tailnet.record(call, action="UPDATE", target=node_target(device, "ACL_TAGS"), old=old, new=wanted)
    return Answer()


@handles("updateDeviceKey")
def update_device_key(call: Call) -> Answer:
    """Turn key expiry on or off; the original date of expiry stays."""
    device = own_device(call)
    wanted = call.field("keyExpiryDisabled", bool)
    old, device["keyExpiryDisabled"] = device.get("keyExpiryDisabled"), wanted
    if not wanted and call.tailnet.clock.is_past(device.get("expires")):
        disconnect(device, call.tailnet.clock.text())
    count_devices(call.tailnet)
    action = "DISABLE" if wanted else "ENABLE"
    call.tailnet.record(call, action=action, target=node_target(device, "KEY_EXPIRY"), old=old, new=wanted)
    return Answer()


@handles("setDeviceIp")
def set_device_ip(call: Call) -> Answer:
    """Give a device another IPv4 address: in the CGNAT range, in its pool, and nobody else's."""
    device = own_device(call)
    text = call.field("ipv4", str)
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise Refusal(400, "ipv4 must be an IPv4 address such as 100.80.0.1") from None
    if not is_assignable(address):
        raise Refusal(400, "ipv4 must be an unreserved address in 100.64.0.0/10")
    check_pool(call.tailnet, device, address)
    if any(text in (d.get("addresses") or []) for d in call.tailnet.devices.values() if d is not device):
        raise Refusal(400, f"address {text} is already in use")
    old = list(device.get("addresses") or [])
    device["addresses"] = [text, *(other for other in old if ":" in other)]
    target = node_target(device, "ADDRESS")
    call.tailnet.record(call, action="UPDATE", target=target, old=old, new=list(device["addresses"]))
    return Answer()
