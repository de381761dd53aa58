"""What the passing of virtual time does: keys run out, devices come and go, attributes and invites end."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.clock import parse_time, to_text
from tailscale_sdk.testing.state import Tailnet

ATTRIBUTE_GRACE_SECONDS: Final = 180  # the service removes an expired attribute "within a few minutes"
INVITE_SECONDS: Final = 30 * 86400


def advance(tailnet: Tailnet, seconds: float) -> None:
    """Move the clock and let everything that depends on it follow.

    Raises:
        ValueError: for a negative or absurd number of seconds.
    """
    tailnet.clock.advance(seconds)
    settle(tailnet)


def settle(tailnet: Tailnet) -> None:
    """Bring the state in line with the clock."""
    _settle_tokens(tailnet)
    _settle_attributes(tailnet)
    _settle_invites(tailnet)
    settle_devices(tailnet)
    count_devices(tailnet)


def _settle_tokens(tailnet: Tailnet) -> None:
    now = tailnet.clock.timestamp()
    for token in [t for t, granted in tailnet.access_tokens.items() if granted.expires <= now]:
        del tailnet.access_tokens[token]


def _settle_attributes(tailnet: Tailnet) -> None:
    deadline = tailnet.clock.timestamp() - ATTRIBUTE_GRACE_SECONDS
    for held in tailnet.attributes.values():
        expiries = held.get("expiries") or {}
        for name in [n for n, text in expiries.items() if parse_time(text).timestamp() <= deadline]:
            del expiries[name]
            held["attributes"].pop(name, None)


def _settle_invites(tailnet: Tailnet) -> None:
    """Drop invites nobody accepted; the service's lifetime is not published, 30 days is this tailnet's choice."""
    for invites in (tailnet.user_invites, tailnet.device_invites):
        for identifier in [i for i, invite in invites.items() if _is_stale(tailnet, invite)]:
            del invites[identifier]


def _is_stale(tailnet: Tailnet, invite: dict[str, Any]) -> bool:
    created = invite.get("created")
    if not created or invite.get("accepted"):
        return False
    return parse_time(created).timestamp() + INVITE_SECONDS <= tailnet.clock.timestamp()


def settle_devices(tailnet: Tailnet) -> None:
    """Connect and disconnect devices by their hours and their keys."""
    presence: dict[str, tuple[int, int, int]] = tailnet.memory.get("presence", {})
    now = tailnet.clock.timestamp()
    for node_id, device in tailnet.devices.items():
        if has_expired(tailnet, device):
            disconnect(device, device["expires"])
        elif node_id in presence:
            period, online, phase = presence[node_id]
            position = (int(now) + phase) % period
            if position < online:
                connect(device)
            else:
                gone = tailnet.clock.text(plus_seconds=online - position)
                disconnect(device, max(gone, device.get("created") or gone))


def has_expired(tailnet: Tailnet, device: dict[str, Any]) -> bool:
    """Tell whether the key of a device has run out."""
    return device.get("keyExpiryDisabled") is not True and tailnet.clock.is_past(device.get("expires"))


def connect(device: dict[str, Any]) -> None:
    """Mark a device as connected: lastSeen is left out then."""
    device["connectedToControl"] = True
    device.pop("lastSeen", None)


def disconnect(device: dict[str, Any], since: str) -> None:
    """Mark a device as gone since a moment; one that is gone already keeps its date."""
    if device.get("connectedToControl") is not False:
        device["connectedToControl"] = False
        device["lastSeen"] = since


def count_devices(tailnet: Tailnet) -> None:
    """Give every user the number of their devices, and their presence after them."""
    owned: dict[str, list[dict[str, Any]]] = {}
    for device in tailnet.devices.values():
        if not device.get("tags"):
            owned.setdefault(str(device.get("user")), []).append(device)
    for user in tailnet.users.values():
        _count(tailnet, user, owned.get(str(user.get("loginName")), []))


def _count(tailnet: Tailnet, user: dict[str, Any], devices: list[dict[str, Any]]) -> None:
    user["deviceCount"] = len(devices)
    user["currentlyConnected"] = any(d.get("connectedToControl") for d in devices)
    seen = [d["lastSeen"] for d in devices if d.get("lastSeen")]
    if user["currentlyConnected"]:
        user["lastSeen"] = to_text(tailnet.clock.now())
    elif seen:
        user["lastSeen"] = max(seen)
