"""Who asks and what they may do: credentials, scopes per operation, people and tokens of the tailnet."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from tailscale_sdk._generated.operations import Operation
from tailscale_sdk.testing.exchange import Caller, Refusal
from tailscale_sdk.testing.state import Tailnet

BAD_TOKEN: Final = "API token invalid"  # noqa: S105  # the service's text, no credential
NO_PERMISSION: Final = "calling actor does not have enough permissions to perform this function"
NO_USER_ACCESS: Final = "user does not have access to this operation"

# What the access token of a person may do follows the person's role. The service publishes no table;
# this one is the embedded tailnet's choice and nothing may depend on its details.
ROLE_SCOPES: Final[Mapping[str, frozenset[str]]] = {
    "owner": frozenset({"all"}),
    "admin": frozenset({"all"}),
    "network-admin": frozenset(
        {
            "all:read",
            "policy_file",
            "dns",
            "devices:routes",
            "networking_settings",
            "services",
            "logs:network",
        }
    ),
    "it-admin": frozenset(
        {
            "all:read",
            "users",
            "auth_keys",
            "api_access_tokens",
            "devices:core",
            "devices:posture_attributes",
            "device_invites",
            "feature_settings",
            "webhooks",
            "dns",
        }
    ),
    "auditor": frozenset({"all:read"}),
    "billing-admin": frozenset({"account_settings"}),
    "member": frozenset(
        {"devices:core:read", "devices:routes:read", "users:read", "device_invites", "auth_keys"}
    ),
}


@frozen
class AccessToken:
    """Describe a token that the token endpoints handed out.

    Attributes:
        key_id: OAuth client or federated identity behind it.
        scopes: what it may do.
        tags: tags it may hand out.
        expires: Unix seconds of the virtual clock.
        user_id: set for tokens that tests made for a person.
    """

    key_id: str
    scopes: frozenset[str]
    tags: tuple[str, ...]
    expires: float
    user_id: str | None = None


def read_token(headers: Mapping[str, str]) -> str:
    """Return the credential of a request, sent as Bearer or as the user name of Basic.

    Raises:
        Refusal: 401 when there is none.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return value
    if scheme.lower() == "basic":
        name, _, _password = decode_basic(value).partition(":")
        if name:
            return name
    raise Refusal(401, BAD_TOKEN)


def decode_basic(value: str) -> str:
    """Return ``name:password`` of a Basic header, empty when it is garbled."""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def is_usable(tailnet: Tailnet, key: Mapping[str, Any]) -> bool:
    """Tell whether a key is neither revoked nor expired."""
    return not (key.get("revoked") or key.get("invalid") or tailnet.clock.is_past(key.get("expires")))


def authenticate(tailnet: Tailnet, token: str) -> Caller:
    """Return who a credential stands for.

    Raises:
        Refusal: 401 for unknown, revoked and expired ones, 403 for the secret of an OAuth client.
    """
    granted = tailnet.access_tokens.get(token)
    if granted is not None:
        return _token_caller(tailnet, granted)
    key = find_key(tailnet, token)
    if key is None or not is_usable(tailnet, key):
        raise Refusal(401, BAD_TOKEN)
    if key.get("keyType") == "client":
        raise Refusal(403, NO_PERMISSION)
    if key.get("keyType") != "api":
        raise Refusal(401, BAD_TOKEN)
    return _user_caller(tailnet, key["id"], str(key.get("userId", "")))


def find_key(tailnet: Tailnet, secret: str) -> dict[str, Any] | None:
    """Return the key that has a secret."""
    identifier = next((i for i, s in tailnet.secrets.items() if s == secret and i in tailnet.keys), None)
    return None if identifier is None else tailnet.keys[identifier]


def _token_caller(tailnet: Tailnet, granted: AccessToken) -> Caller:
    key = tailnet.keys.get(granted.key_id)
    if key is None or not is_usable(tailnet, key) or granted.expires <= tailnet.clock.timestamp():
        raise Refusal(401, BAD_TOKEN)
    if granted.user_id is not None:
        return _user_caller(tailnet, granted.key_id, granted.user_id, granted.scopes)
    kind = "federated" if key.get("keyType") == "federated" else "client"
    return Caller(
        kind="tailnet",
        key_type="federated" if kind == "federated" else "client",
        key_id=granted.key_id,
        login_name=granted.key_id,
        scopes=granted.scopes,
        tags=granted.tags,
    )


def _user_caller(tailnet: Tailnet, key_id: str, user_id: str, scopes: frozenset[str] | None = None) -> Caller:
    user = tailnet.users.get(user_id)
    if user is None:
        raise Refusal(401, BAD_TOKEN)
    if user.get("status") == "suspended":
        raise Refusal(403, NO_USER_ACCESS)
    by_role = ROLE_SCOPES.get(str(user.get("role")), frozenset())
    return Caller(
        kind="user",
        key_type="api",
        key_id=key_id,
        login_name=str(user.get("loginName", "")),
        scopes=by_role if scopes is None else scopes,
        user_id=user_id,
    )


def check_operation(caller: Caller, operation: Operation) -> None:
    """Refuse an operation that none of the caller's scopes opens.

    Operations whose scopes depend on the kind of thing or on the field are opened by any of them here;
    their handlers look closer with ``require``.

    Raises:
        Refusal: 403 with the live text.
    """
    if operation.scopes_mode == "none" or not operation.scopes:
        return
    if operation.scopes_mode == "all":
        require(caller, *operation.scopes)
    elif not any(caller.may(scope) for scope in operation.scopes):
        raise forbidden(caller)


def require(caller: Caller, *scopes: str) -> None:
    """Refuse a caller who lacks one of the scopes.

    Raises:
        Refusal: 403 with the live text.
    """
    if not caller.may(*scopes):
        raise forbidden(caller)


def require_user(caller: Caller) -> str:
    """Return the id of the person who asks; invites are written by people only.

    Raises:
        Refusal: 403 for tokens that belong to the tailnet.
    """
    if caller.user_id is None:
        raise Refusal(403, NO_PERMISSION)
    return caller.user_id


def forbidden(caller: Caller) -> Refusal:
    """Return the refusal for lacking rights: people and tokens of the tailnet get different texts."""
    return Refusal(403, NO_USER_ACCESS if caller.kind == "user" else NO_PERMISSION)
