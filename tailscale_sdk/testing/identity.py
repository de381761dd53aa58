"""The JWT of a workload, read without checking its signature: the embedded tailnet has no issuer to ask."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import orjson

from tailscale_sdk.testing.clock import VirtualClock


def read_claims(jwt: str) -> dict[str, Any] | None:
    """Return the claims of a JWT, None when it is not one."""
    parts = jwt.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def default_audience(key_id: str) -> str:
    """Return the audience a federated identity expects when none was set."""
    return f"api.tailscale.com/{key_id}"


def fits(key: Mapping[str, Any], claims: Mapping[str, Any], clock: VirtualClock) -> bool:
    """Tell whether claims satisfy a federated identity: audience, issuer, subject pattern, claim rules, times."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    rules = key.get("customClaimRules") or {}
    return (
        (key.get("audience") or default_audience(str(key["id"]))) in audiences
        and claims.get("iss") == key.get("issuer")
        and _matches(claims.get("sub"), key.get("subject"))
        and all(_matches(claims.get(name), pattern) for name, pattern in rules.items())
        and _is_current(claims, clock)
    )


def _matches(value: Any, pattern: Any) -> bool:
    """Compare with a pattern in which ``*`` stands for any text."""
    if value is None or not isinstance(pattern, str):
        return False
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(value if isinstance(value, str) else orjson.dumps(value).decode(), literal)


def _is_current(claims: Mapping[str, Any], clock: VirtualClock) -> bool:
    now = clock.timestamp()
    expires = claims.get("exp")
    return not isinstance(expires, int | float) or now < expires
