"""Small tailnets for tests of the policy engine."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import Tailnet, read_tailnet
from tailscale_sdk.snapshot import TailnetSnapshot

Json = dict[str, Any]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def device(
    name: str,
    owner: str = "",
    *tags: str,
    advertised: Sequence[str] = (),
    approved: Sequence[str] | None = None,
    **fields: Any,
) -> Json:
    """Return a device that is in order: authorised, connected, its key valid; its addresses follow its name."""
    number = sum(map(ord, name)) % 200 + 1
    routes = list(advertised if approved is None else approved)
    return {
        "nodeId": f"n-{name}",
        "id": f"{number}{len(name)}",
        "name": f"{name}.example.ts.net",
        "hostname": name,
        "user": owner,
        **({"tags": list(tags)} if tags else {}),
        "addresses": [f"100.64.{len(name)}.{number}", f"fd7a:115c:a1e0::{len(name):x}:{number:x}"],
        "advertisedRoutes": list(advertised),
        "enabledRoutes": routes,
        "authorized": True,
        "connectedToControl": True,
        "keyExpiryDisabled": True,
        **fields,
    }


def user(login: str, role: str = "member") -> Json:
    """Return a user."""
    return {"id": str(next(_numbers)), "loginName": login, "role": role, "status": "active", "type": "member"}


def tailnet(*records: Json, **parts: Any) -> Tailnet:
    """Return a tailnet of devices and users."""
    devices = [record for record in records if "nodeId" in record]
    users = [record for record in records if "loginName" in record]
    return read_tailnet(TailnetSnapshot.from_dict({"devices": devices, "users": users, **parts}))


def compiled(policy: Mapping[str, Any] | str, *records: Json, **parts: Any) -> CompiledPolicy:
    """Return a policy compiled for a small tailnet."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    return compile_policy(read_policy(text), tailnet(*records, **parts))


def facts(answer: Json, effect: str = "blocks") -> list[str]:
    """Return the kinds of facts of an explanation that have an effect."""
    return [fact["fact"] for fact in answer["facts"] if fact["effect"] == effect]
