"""Configuration audit log entries, as the service lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailscale_sdk.testing.exchange import NO_BODY, Caller
from tailscale_sdk.testing.ledger import without_secrets

if TYPE_CHECKING:
    from tailscale_sdk.testing.state import Tailnet

ACTOR_NAMES = {"client": "OAuth client", "federated": "Federated identity"}


def build_actor(tailnet: Tailnet, caller: Caller) -> dict[str, Any]:
    """Return the ``actor`` of an entry."""
    if caller.user_id is None:
        name = ACTOR_NAMES.get(caller.key_type, caller.key_type)
        return {"id": caller.key_id, "type": "OAUTH_CLIENT", "loginName": "", "displayName": name}
    user = tailnet.users.get(caller.user_id, {})
    return {
        "id": caller.user_id,
        "type": "USER",
        "loginName": caller.login_name,
        "displayName": user.get("displayName", ""),
    }


def build_target(
    kind: str, identifier: str, name: str, *, property: str = "", ephemeral: bool | None = None
) -> dict[str, Any]:
    """Return the ``target`` of an entry.

    Args:
        kind: TAILNET, USER, NODE, API_KEY, INVITE, SHARE, WEBHOOK_ENDPOINT, or a newer kind.
        identifier: id of the thing that was changed.
        name: its name at that moment.
        property: which property was changed, such as ACL_TAGS; empty for the thing as a whole.
        ephemeral: only for nodes.
    """
    target: dict[str, Any] = {"id": identifier, "name": name, "type": kind}
    if ephemeral is not None:
        target["isEphemeral"] = ephemeral
    if property:
        target["property"] = property
    return target


def build_event(
    *,
    time: str,
    group: str,
    actor: dict[str, Any],
    target: dict[str, Any],
    action: str,
    old: Any = NO_BODY,
    new: Any = NO_BODY,
    details: str | None = None,
    origin: str = "CONFIG_API",
) -> dict[str, Any]:
    """Return one entry of the configuration audit log; ``old`` and ``new`` are left out when not given."""
    event: dict[str, Any] = {
        "eventTime": time,
        "type": "CONFIG",
        "deferredAt": "0001-01-01T00:00:00Z",
        "eventGroupID": group,
        "origin": origin,
        "actor": actor,
        "target": target,
        "action": action,
    }
    if old is not NO_BODY:
        event["old"] = without_secrets(old)
    if new is not NO_BODY:
        event["new"] = without_secrets(new)
    if details:
        event["actionDetails"] = details
    return event
