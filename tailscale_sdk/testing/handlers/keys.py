"""Keys of the embedded tailnet: auth keys, OAuth clients, federated identities and API access tokens."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.access import is_usable, require
from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles, typed
from tailscale_sdk.testing.handlers.oauth_apps import read_scopes
from tailscale_sdk.testing.identity import default_audience
from tailscale_sdk.testing.state import JsonObject
from tailscale_sdk.testing.tags import check_tags, tag_owners
from tailscale_sdk.testing.values import check_choice, check_description, split_url

SCOPES: Final = {
    "api": "api_access_tokens",
    "auth": "auth_keys",
    "client": "oauth_keys",
    "federated": "federated_keys",
}
MAKEABLE: Final = ("auth", "client", "federated")
CREDENTIALS: Final = ("client", "federated")
DEFAULT_EXPIRY_SECONDS: Final = 90 * 86400
TAGGED_SCOPES: Final = frozenset({"auth_keys", "devices:core"})


def _key(call: Call, *, write: bool = False) -> JsonObject:
    key = call.tailnet.keys.get(call.path["keyId"])
    if key is None:
        raise Refusal(404, "no key with this id in the tailnet")
    require(call.caller, _scope_of(key, write=write))
    return key


def _scope_of(key: JsonObject, *, write: bool) -> str:
    scope = SCOPES.get(key.get("keyType", "auth"), "all")
    return scope if write else f"{scope}:read"


def _shown(call: Call, key: JsonObject) -> JsonObject:
    """Return a key as it is read: without its secret and, once useless, without what it could do."""
    if is_usable(call.tailnet, key):
        return key
    hidden = {"capabilities", "scopes", "tags"}
    return {**{name: value for name, value in key.items() if name not in hidden}, "invalid": True}


@handles("listTailnetKeys")
def list_keys(call: Call) -> JsonObject:
    """Give the keys in force; without ``all=true`` only those that go with the caller's credential."""
    everything = call.argument("all") == "true"
    unlisted = call.tailnet.memory.get("unlisted_keys", ())
    usable = [
        key
        for identifier, key in call.tailnet.keys.items()
        if identifier not in unlisted and is_usable(call.tailnet, key)
    ]
    seen = [key for key in usable if call.caller.may(_scope_of(key, write=False))]
    return {"keys": [key for key in seen if everything or _goes_with(call, key)]}


def _goes_with(call: Call, key: JsonObject) -> bool:
    if call.caller.kind == "user":
        return bool(key.get("userId") == call.caller.user_id)
    return bool(key.get("keyType") == call.caller.key_type)


@handles("createKey")
def create_key(call: Call) -> JsonObject:
    """Make a key and tell its secret, which no later answer does."""
    kind = check_choice(call.field("keyType", str, False) or "auth", MAKEABLE, "keyType")
    require(call.caller, SCOPES[kind])
    tailnet = call.tailnet
    fields = _read_auth_key(call) if kind == "auth" else _read_credential(call, kind)
    key: JsonObject = {
        "id": tailnet.ids.new("k"),
        "keyType": kind,
        "created": tailnet.clock.text(),
        **fields,
    }
    if call.caller.user_id is not None:
        key["userId"] = call.caller.user_id
    if kind == "federated" and not key.get("audience"):
        key["audience"] = default_audience(key["id"])
    tailnet.keys[key["id"]] = key
    tailnet.record(call, action="CREATE", target=_target(key), new=key)
    if kind == "federated":
        return key
    secret = tailnet.secrets[key["id"]] = tailnet.ids.secret(kind, key["id"])
    return {**key, "key": secret}


def _read_auth_key(call: Call) -> JsonObject:
    capabilities = call.field("capabilities", dict)
    devices = typed(capabilities.get("devices"), dict, "capabilities.devices")
    where = "capabilities.devices.create"
    create = typed(devices.get("create") or {}, dict, where)
    tags = [
        typed(tag, str, f"{where}.tags") for tag in typed(create.get("tags") or [], list, f"{where}.tags")
    ]
    flags = {
        name: typed(create.get(name) or False, bool, f"{where}.{name}")
        for name in ("reusable", "ephemeral", "preauthorized")
    }
    description = check_description(call.field("description", str, False) or "")
    seconds = _read_expiry(call)
    _check_key_tags(call, tags)
    return {
        "description": description,
        "expirySeconds": seconds,
        "expires": call.tailnet.clock.text(plus_seconds=seconds),
        "capabilities": {"devices": {"create": {**flags, "tags": tags}}},
    }


def _check_key_tags(call: Call, tags: list[str]) -> None:
    """Apply the rule for tokens of the tailnet: exactly the token's tags, or tags owned by them, never none."""
    check_tags(call.tailnet, call.caller, tags)
    held = set(call.caller.tags)
    if call.caller.kind == "user" or (tags and (not held or set(tags) == held)):
        return
    owners = tag_owners(call.tailnet)
    refused = [tag for tag in tags if not held & _all_owners(tag, owners)]
    if refused or not tags:
        raise Refusal(400, f"requested tags [{' '.join(refused)}] are invalid or not permitted")


def _all_owners(tag: str, owners: dict[str, list[str]]) -> set[str]:
    """Return the tags that own a tag, also through other tags."""
    found: set[str] = set()
    waiting = [tag]
    while waiting:
        fresh = [o for o in owners.get(waiting.pop(), []) if o.startswith("tag:") and o not in found]
        found.update(fresh)
        waiting += fresh
    return found


def _read_expiry(call: Call) -> int:
    seconds = call.field("expirySeconds", int, False) or DEFAULT_EXPIRY_SECONDS
    if not 0 < seconds <= DEFAULT_EXPIRY_SECONDS:
        raise Refusal(400, f"expirySeconds must be between 1 and {DEFAULT_EXPIRY_SECONDS}, which is 90 days")
    return seconds


def _read_credential(call: Call, kind: str) -> JsonObject:
    """Read what an OAuth client or a federated identity may do."""
    scopes = read_scopes(call)
    tags = call.strings("tags", False) or []
    fields: JsonObject = {
        "description": check_description(call.field("description", str, False) or ""),
        "scopes": scopes,
        "tags": tags,
    }
    if kind == "federated":
        fields.update(_read_trust(call))
    if not tags and not TAGGED_SCOPES.isdisjoint(scopes):
        raise Refusal(400, "tags are missing: the scopes devices:core and auth_keys need at least one tag")
    check_tags(call.tailnet, call.caller, tags)
    if call.caller.kind == "tailnet":
        require(call.caller, *scopes)
    return fields


def _read_trust(call: Call) -> JsonObject:
    issuer = call.field("issuer", str)
    if split_url(issuer, "issuer").scheme != "https":
        raise Refusal(400, "issuer must be an https:// URL")
    subject = call.field("subject", str)
    if not subject:
        raise Refusal(
            400, "subject must not be empty: it is compared with the sub claim, * stands for any text"
        )
    rules = call.field("customClaimRules", dict, False) or {}
    for name, pattern in rules.items():
        typed(pattern, str, f"customClaimRules.{name}")
    trust: JsonObject = {"issuer": issuer, "subject": subject}
    if rules:
        trust["customClaimRules"] = rules
    audience = call.field("audience", str, False)
    return {**trust, "audience": audience} if audience else trust


@handles("getKey")
def get_key(call: Call) -> JsonObject:
    """Give one key; revoked and expired ones stay readable as ``invalid``."""
    return _shown(call, _key(call))


@handles("setKey")
def set_key(call: Call) -> JsonObject:
    """Replace what an OAuth client or a federated identity may do."""
    key = _key(call, write=True)
    kind = key.get("keyType")
    if kind not in CREDENTIALS or not is_usable(call.tailnet, key):
        raise Refusal(400, "only OAuth clients and federated identities in force can be changed")
    asked = call.field("keyType", str, False)
    if asked not in (None, "", kind):
        raise Refusal(400, f"keyType must be {kind}: the kind of a key cannot be changed")
    fields = _read_credential(call, kind)
    old = dict(key)
    for name in ("audience", "customClaimRules"):
        key.pop(name, None)
    key.update(fields, updated=call.tailnet.clock.text())
    if kind == "federated":
        key.setdefault("audience", default_audience(key["id"]))
    call.tailnet.record(call, action="UPDATE", target=_target(key), old=old, new=key)
    return key


@handles("deleteKey")
def delete_key(call: Call) -> Answer:
    """Revoke a key; tokens made with it end at once."""
    key = _key(call, write=True)
    if key.get("revoked"):
        raise Refusal(404, "this key is revoked already")
    key.update(revoked=call.tailnet.clock.text(), invalid=True)
    call.tailnet.secrets.pop(key["id"], None)
    call.tailnet.record(call, action="REVOKE", target=_target(key))
    return Answer()


def _target(key: JsonObject) -> Any:
    return build_target("API_KEY", key["id"], key.get("description") or key["id"])
