"""Who calls: the user of this machine over stdio, the owner of a token over HTTP."""

from __future__ import annotations

from typing import Any


def principal_of(token: Any) -> str:
    """Return the principal that plans, cursors, caches and audit lines are bound to.

    Args:
        token: verified access token of the request; None over stdio.
    """
    if token is None:
        from tailscale_sdk.changes import own_principal

        return own_principal()
    claims = token.claims or {}
    if claims.get("iss"):
        return f"oauth:{claims['iss']}|{claims.get('sub') or ''}|{token.client_id}"
    return str(token.client_id)


def current_principal() -> str:
    """Return the principal of the call that is being carried out."""
    from fastmcp.server.dependencies import get_access_token

    return principal_of(get_access_token())
