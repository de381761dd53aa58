"""The policy file as stored text: its version tag, and its view as JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy import hujson

UNTOUCHED = "{}\n"


def policy_etag(text: str) -> str:
    """Return the version tag of a policy: SHA-256 of its canonical layout, hexadecimal, without quotes.

    The same content in another layout has the same tag. A text that is no HuJSON, which only a
    snapshot can bring in, is hashed as it stands.
    """
    try:
        canonical = hujson.format(text)
    except HuJSONError:
        canonical = text
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def json_view(text: str) -> bytes:
    """Return a policy as the service gives it as JSON: comments gone, groups in tagOwners expanded.

    Written back, this form would freeze the members of those groups: clients must not do that.
    """
    policy = hujson.parse(text).data()
    if isinstance(policy, dict):
        _expand_owners(policy)
    return json.dumps(policy, separators=(",", ":")).encode()


def _expand_owners(policy: dict[str, Any]) -> None:
    groups, owners = policy.get("groups"), policy.get("tagOwners")
    if not isinstance(groups, dict) or not isinstance(owners, dict):
        return
    for tag, names in owners.items():
        if isinstance(names, list):
            expanded = [person for name in names for person in _members(groups, name)]
            owners[tag] = list(dict.fromkeys(expanded))


def _members(groups: dict[str, Any], name: Any) -> list[Any]:
    members = groups.get(name) if isinstance(name, str) else None
    return members if isinstance(members, list) else [name]
