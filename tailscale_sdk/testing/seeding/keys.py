"""Seeded keys: every kind, among them an expired and a revoked one."""

from __future__ import annotations

from typing import Any

from tailscale_sdk.testing.identity import default_audience
from tailscale_sdk.testing.people import user_by_login
from tailscale_sdk.testing.state import JsonObject, Tailnet

DAY_SECONDS = 86400
LIFE_SECONDS = 90 * DAY_SECONDS


def seed_keys(tailnet: Tailnet) -> None:
    """Add keys beside the API access token of the owner."""
    alice, bob = (user_by_login(tailnet, f"{name}@example.com")["id"] for name in ("alice", "bob"))
    _add_auth_key(tailnet, alice, "ci runners", age_days=12, reusable=True, ephemeral=True, tags=["tag:ci"])
    _add_auth_key(tailnet, bob, "db rollout", age_days=40, preauthorized=True, tags=["tag:db"])
    _add_auth_key(tailnet, bob, "old laptops", age_days=200)
    revoked = _add_auth_key(tailnet, alice, "leaked in a chat", age_days=30, reusable=True)
    revoked.update(revoked=tailnet.clock.text(plus_seconds=-29 * DAY_SECONDS), invalid=True)
    del tailnet.secrets[revoked["id"]]
    _add(tailnet, "api", bob, "bob laptop", age_days=5, expirySeconds=LIFE_SECONDS)
    _add(
        tailnet,
        "client",
        alice,
        "monitoring",
        age_days=100,
        scopes=["devices:core:read", "logs:network:read", "users:read"],
        tags=[],
    )
    _add(
        tailnet,
        "client",
        alice,
        "deploy pipeline",
        age_days=80,
        scopes=["auth_keys", "devices:core"],
        tags=["tag:ci", "tag:server"],
    )
    federated = _add(
        tailnet,
        "federated",
        alice,
        "release workflow",
        age_days=20,
        scopes=["policy_file"],
        tags=[],
        issuer="https://issuer.example.com",
        subject="repo:example/tailnet:ref:*",
    )
    federated["audience"] = default_audience(federated["id"])


def _add_auth_key(
    tailnet: Tailnet,
    user: str,
    description: str,
    *,
    age_days: int,
    tags: list[str] | None = None,
    **flags: bool,
) -> JsonObject:
    create = {"reusable": False, "ephemeral": False, "preauthorized": False, "tags": tags or [], **flags}
    return _add(
        tailnet,
        "auth",
        user,
        description,
        age_days=age_days,
        expirySeconds=LIFE_SECONDS,
        capabilities={"devices": {"create": create}},
    )


def _add(
    tailnet: Tailnet, kind: str, user: str, description: str, *, age_days: int, **facts: Any
) -> JsonObject:
    identifier = tailnet.ids.new("k")
    key: JsonObject = {
        "id": identifier,
        "keyType": kind,
        "created": tailnet.clock.text(plus_seconds=-age_days * DAY_SECONDS),
        "description": description,
        "userId": user,
        **facts,
    }
    if "expirySeconds" in facts:
        key["expires"] = tailnet.clock.text(plus_seconds=LIFE_SECONDS - age_days * DAY_SECONDS)
    if kind != "federated":
        tailnet.secrets[identifier] = tailnet.ids.secret(kind, identifier)
    tailnet.keys[identifier] = key
    return key
