"""A realistic tailnet from a number: the same seed gives the same bytes."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.fleet import Builder
from tailscale_sdk.testing.oddities import add_named
from tailscale_sdk.testing.passing import settle
from tailscale_sdk.testing.people import add_people, build_user, user_by_login
from tailscale_sdk.testing.seeding import seed_resources
from tailscale_sdk.testing.state import Tailnet

OWNER_LOGIN: Final = "alice@example.com"
KEY_DESCRIPTION: Final = "embedded tailnet"
KEY_SECONDS: Final = 90 * 86400
OWNER_ROLES: Final = ("owner", "admin")


def seed_tailnet(tailnet: Tailnet, devices: int) -> str:
    """Fill an empty tailnet and return the API key of its owner.

    Args:
        tailnet: state to fill; its seed decides every value.
        devices: number of devices, from 0 to 10,000 and above.
    """
    add_people(tailnet, devices)
    builder = Builder(tailnet)
    add_named(builder, devices)
    logins = [
        u["loginName"] for u in tailnet.users.values() if u["type"] == "member" and u["status"] == "active"
    ]
    while builder.count < devices:
        builder.bulk(logins)
    _seed_attributes(tailnet)
    api_key = add_api_key(tailnet, user_by_login(tailnet, OWNER_LOGIN))
    seed_resources(tailnet)
    settle(tailnet)
    return api_key


def add_api_key(tailnet: Tailnet, user: dict[str, Any], *, description: str = KEY_DESCRIPTION) -> str:
    """Give a person an API access token and return it; one with the same description is renewed."""
    key_id = next((i for i, k in tailnet.keys.items() if _is_ours(k, user, description)), None)
    if key_id is None:
        key_id = tailnet.ids.new("k")
    tailnet.secrets[key_id] = tailnet.ids.secret("api", key_id)
    tailnet.keys[key_id] = {
        "id": key_id,
        "keyType": "api",
        "expirySeconds": KEY_SECONDS,
        "created": tailnet.clock.text(),
        "expires": tailnet.clock.text(plus_seconds=KEY_SECONDS),
        "description": description,
        "userId": user["id"],
        "scopes": ["all"],
    }
    return tailnet.secrets[key_id]


def _is_ours(key: dict[str, Any], user: dict[str, Any], description: str) -> bool:
    wanted = ("api", user["id"], description)
    return (key.get("keyType"), key.get("userId"), key.get("description")) == wanted


def owner_of(tailnet: Tailnet) -> dict[str, Any]:
    """Return the person the embedded tailnet's API key belongs to; a tailnet without one gets one."""
    for role in OWNER_ROLES:
        for user in tailnet.users.values():
            if user.get("role") == role and user.get("status", "active") in {"active", "idle"}:
                return user
    return build_user(tailnet, OWNER_LOGIN, "Alice", "owner", "active")


def _seed_attributes(tailnet: Tailnet) -> None:
    """Give devices what their clients report, and some of them attributes an administrator set."""
    for index, (node_id, device) in enumerate(tailnet.devices.items()):
        if device.get("isExternal"):
            continue
        held: dict[str, Any] = {"attributes": node_attributes(device), "expiries": {}}
        if index % 5 == 0:
            held["attributes"]["custom:diskEncrypted"] = index % 10 == 0
            held["attributes"]["custom:riskScore"] = index % 100
        if index % 7 == 1:
            held["attributes"]["custom:supportWindow"] = f"team.{index % 3}"
            held["expiries"]["custom:supportWindow"] = tailnet.clock.text(
                plus_seconds=86400 * (1 + index % 5)
            )
        tailnet.attributes[node_id] = held


def node_attributes(device: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes the service derives from what a client reports; nobody can set them."""
    version = str(device.get("clientVersion") or "").partition("-")[0]
    found = {
        "node:os": device.get("os"),
        "node:tsReleaseTrack": "stable" if version else None,
        "node:tsVersion": version or None,
        "node:tsAutoUpdate": not device.get("updateAvailable", False),
    }
    return {name: value for name, value in found.items() if value is not None}
