"""The two token endpoints: client credentials and the exchange of a workload's identity token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from tailscale_sdk.testing.access import BAD_TOKEN, AccessToken, decode_basic, is_usable
from tailscale_sdk.testing.audit import build_actor, build_event, build_target
from tailscale_sdk.testing.exchange import Answer, Caller, Refusal
from tailscale_sdk.testing.identity import fits, read_claims
from tailscale_sdk.testing.state import Tailnet

TOKEN_SECONDS: Final = 3600
PATHS: Final = frozenset({"/api/v2/oauth/token", "/api/v2/oauth/token-exchange"})
FORM: Final = "application/x-www-form-urlencoded"


def answer_token(tailnet: Tailnet, path: str, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Answer a request to a token endpoint.

    Raises:
        Refusal: 405, 400, 401 or 403, with the live texts where they are known.
    """
    if method != "POST":
        raise Refusal(405, f"method {method} is not allowed here", headers=(("Allow", "POST"),))
    fields = _read_form(headers, body)
    if path.endswith("token-exchange"):
        return _exchange(tailnet, fields)
    return _client_credentials(tailnet, {**_basic_fields(headers), **fields})


def _read_form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refusal(400, f"the body must be a form: send Content-Type: {FORM}")
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise Refusal(400, "the body is not a readable form") from None


def _basic_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Accept id and secret of the client as Basic too, as OAuth libraries send them."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    name, _, secret = decode_basic(value.strip()).partition(":")
    return {"client_id": name, "client_secret": secret, "grant_type": "client_credentials"}


def _client_credentials(tailnet: Tailnet, fields: Mapping[str, str]) -> Answer:
    if fields.get("grant_type") != "client_credentials":
        raise Refusal(400, "grant_type must be client_credentials")
    key = _find_client(tailnet, fields)
    held = frozenset(key.get("scopes") or ())
    wanted = fields.get("scope", "").split()
    client = Caller(kind="tailnet", key_type="client", key_id=key["id"], login_name=key["id"], scopes=held)
    refused = [scope for scope in wanted if not _grants(client, scope)]
    if refused:
        raise Refusal(403, f'OAuth client cannot grant scopes "{" ".join(refused)}"')
    tags = list(key.get("tags") or ())
    foreign = [tag for tag in fields.get("tags", "").split() if tag not in tags]
    if foreign:
        raise Refusal(400, f"requested tags [{' '.join(foreign)}] are invalid or not permitted")
    # Whoever asks for some of the client's tags is given all of them, as the service does.
    return _grant(tailnet, client, wanted or list(key.get("scopes") or ()), tags)


def _find_client(tailnet: Tailnet, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the OAuth client with this id and secret; the secret holds the id, so that it may be left out."""
    secret = fields.get("client_secret", "")
    for key_id, known in tailnet.secrets.items():
        key = tailnet.keys.get(key_id)
        if key is None or not hmac.compare_digest(known.encode(), secret.encode()):
            continue
        if (
            key.get("keyType") == "client"
            and fields.get("client_id") in (None, "", key_id)
            and is_usable(tailnet, key)
        ):
            return key
    raise Refusal(401, BAD_TOKEN)


def _grants(client: Caller, scope: str) -> bool:
    if scope in {"all", "all:read"}:
        return "all" in client.scopes or scope in client.scopes
    return client.may(scope)


def _exchange(tailnet: Tailnet, fields: Mapping[str, str]) -> Answer:
    if "scope" in fields:
        raise Refusal(
            400, "scope cannot be asked for here: a federated identity has the scopes it was made with"
        )
    claims = read_claims(fields.get("jwt", ""))
    key = tailnet.keys.get(fields.get("client_id", ""))
    if key is None or claims is None or key.get("keyType") != "federated":
        raise Refusal(401, BAD_TOKEN)
    if not is_usable(tailnet, key) or not fits(key, claims, tailnet.clock):
        raise Refusal(401, BAD_TOKEN)
    caller = Caller(kind="tailnet", key_type="federated", key_id=key["id"], login_name=key["id"])
    return _grant(tailnet, caller, list(key.get("scopes") or ()), list(key.get("tags") or ()))


def _grant(tailnet: Tailnet, caller: Caller, scopes: list[str], tags: list[str]) -> Answer:
    token = issue(tailnet, caller.key_id, scopes, tags)
    event = build_event(
        time=tailnet.clock.text(),
        group=tailnet.ids.hexadecimal(32),
        actor=build_actor(tailnet, caller),
        target=build_target("OAUTH_ACCESS_TOKEN", tailnet.ids.new("k"), "OAuth access token"),
        action="CREATE",
        details=f"scopes - {' '.join(scopes)}",
    )
    tailnet.audit.append(event)
    body = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "scope": " ".join(scopes),
    }
    if tags:
        body["tags"] = " ".join(tags)
    return Answer(json=body, headers=(("Cache-Control", "no-store"),))


def issue(
    tailnet: Tailnet,
    key_id: str,
    scopes: list[str],
    tags: list[str],
    *,
    user_id: str | None = None,
    seconds: float = TOKEN_SECONDS,
) -> str:
    """Make a token that works from now on until the virtual clock has moved on by ``seconds``."""
    token = tailnet.ids.secret("api", key_id)
    expires = tailnet.clock.timestamp() + seconds
    tailnet.access_tokens[token] = AccessToken(key_id, frozenset(scopes), tuple(tags), expires, user_id)
    return token
