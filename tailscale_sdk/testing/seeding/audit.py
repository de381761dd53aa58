"""Seeded configuration audit log: every form ``old`` and ``new`` take at the service, and quiet days."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.audit import build_event, build_target
from tailscale_sdk.testing.exchange import NO_BODY
from tailscale_sdk.testing.people import user_by_login
from tailscale_sdk.testing.state import JsonObject, Tailnet

DAY_SECONDS: Final = 86400


def seed_audit(tailnet: Tailnet) -> None:
    """Add a month of events, oldest first; the 12th to the 9th day before now are quiet."""
    alice = _person(tailnet, "alice")
    machine = {
        "id": tailnet.ids.new("k"),
        "type": "OAUTH_CLIENT",
        "loginName": "",
        "displayName": "OAuth client",
    }
    whole = tailnet.target()
    node = _node(tailnet)
    history: list[tuple[int, JsonObject, str, JsonObject, Any, Any]] = [
        (29, alice, "ENABLE", {**whole, "property": "MAGIC_DNS"}, NO_BODY, NO_BODY),
        (28, alice, "UPDATE", {**whole, "property": "ACL"}, "{}\n", '{"acls": []}\n'),
        (21, alice, "UPDATE", {**node, "property": "ACL_TAGS"}, None, ["tag:server"]),
        (20, machine, "UPDATE", {**whole, "property": "MAX_KEY_DURATION"}, 90, 180),
        (
            13,
            alice,
            "UPDATE",
            {**node, "property": "KEY_EXPIRY_TIME"},
            _go_time(tailnet, 13),
            _go_time(tailnet, -167),
        ),
        (8, machine, "UPDATE", {**node, "property": "ATTRIBUTES"}, {}, {"custom:riskScore": 7}),
        (3, _worker(), "EXPIRED", {**node, "property": "KEY_EXPIRY"}, NO_BODY, NO_BODY),
        (1, alice, "LOGIN", build_target("ADMIN_CONSOLE", tailnet.id, tailnet.name), NO_BODY, NO_BODY),
    ]
    for days, actor, action, target, old, new in history:
        tailnet.audit.append(
            build_event(
                time=tailnet.clock.text(plus_seconds=-days * DAY_SECONDS),
                group=tailnet.ids.hexadecimal(32),
                actor=actor,
                target=target,
                action=action,
                old=old,
                new=new,
                origin="CONTROL" if actor["type"] == "AUTOMATED_WORKER" else "ADMIN_CONSOLE",
            )
        )


def _person(tailnet: Tailnet, name: str) -> JsonObject:
    user = user_by_login(tailnet, f"{name}@example.com")
    return {
        "id": user["id"],
        "type": "USER",
        "loginName": user["loginName"],
        "displayName": user["displayName"],
    }


def _worker() -> JsonObject:
    return {"id": "", "type": "AUTOMATED_WORKER", "loginName": "", "displayName": "Key expiry"}


def _node(tailnet: Tailnet) -> JsonObject:
    """Return the first device as a target, or one that is gone in a tailnet without devices."""
    device = next(
        iter(tailnet.devices.values()), {"nodeId": "nGoneCNTRL", "name": f"gone.{tailnet.dns_name}"}
    )
    return build_target("NODE", device["nodeId"], device["name"], ephemeral=False)


def _go_time(tailnet: Tailnet, days_ago: int) -> str:
    """Return a time as Go prints one, which is how the service writes some values."""
    text = tailnet.clock.text(plus_seconds=-days_ago * DAY_SECONDS)
    return f"{text[:10]} {text[11:19]}.68 +0000 UTC"
