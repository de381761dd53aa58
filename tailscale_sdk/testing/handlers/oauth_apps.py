"""OAuth apps of the embedded tailnet: the client secret is told once, by the creation."""

from __future__ import annotations

import re

from tailscale_sdk.testing.access import require
from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.state import JsonObject
from tailscale_sdk.testing.values import is_address, is_loopback, split_url

_NAME = re.compile(r"[a-zA-Z0-9._-]{3,50}")
_SCOPE = re.compile(r"[a-z_]+(:[a-z_]+)*")
DESCRIPTION_MAX_CHARACTERS = 300


def _app(call: Call) -> JsonObject:
    found = call.tailnet.oauth_apps.get(call.path["appId"])
    if found is None:
        raise Refusal(404, "no OAuth app with this id")
    return found


@handles("listOAuthApps")
def list_apps(call: Call) -> JsonObject:
    """Give all apps, without secrets."""
    return {"oauthApps": list(call.tailnet.oauth_apps.values())}


@handles("createOAuthApp")
def create_app(call: Call) -> JsonObject:
    """Add an app and tell its client secret."""
    tailnet = call.tailnet
    fields = _read_fields(call)
    now = tailnet.clock.text()
    app: JsonObject = {"id": tailnet.ids.new("a"), **fields, "created": now, "updated": now}
    tailnet.oauth_apps[app["id"]] = app
    tailnet.secrets[app["id"]] = tailnet.ids.secret("app", app["id"])
    tailnet.record(call, action="CREATE", target=_target(app), new=app)
    return {**app, "clientSecret": tailnet.secrets[app["id"]]}


@handles("getOAuthApp")
def get_app(call: Call) -> JsonObject:
    """Give one app, without its secret."""
    return _app(call)


@handles("updateOAuthApp")
def update_app(call: Call) -> JsonObject:
    """Replace what an app is; its secret stays and is not told."""
    app = _app(call)
    fields = _read_fields(call)
    old = dict(app)
    app.update(fields, updated=call.tailnet.clock.text())
    call.tailnet.record(call, action="UPDATE", target=_target(app), old=old, new=app)
    return app


@handles("deleteOAuthApp")
def delete_app(call: Call) -> Answer:
    """Remove an app."""
    app = _app(call)
    del call.tailnet.oauth_apps[app["id"]]
    call.tailnet.secrets.pop(app["id"], None)
    call.tailnet.record(call, action="DELETE", target=_target(app), old=app)
    return Answer()


def _read_fields(call: Call) -> JsonObject:
    attributes = call.strings("allowedNodeAttributes", False) or []
    if attributes:
        require(call.caller, "devices:posture_attributes")
    for attribute in attributes:
        if not attribute.startswith("custom:"):
            raise Refusal(400, f"allowedNodeAttributes: {attribute!r} must start with custom:")
    return {
        "name": _read_name(call),
        "description": _read_description(call),
        "redirectURIs": _read_redirects(call),
        "scopes": read_scopes(call),
        "allowedNodeAttributes": attributes,
    }


def _read_name(call: Call) -> str:
    name = call.field("name", str)
    if not _NAME.fullmatch(name):
        raise Refusal(
            400, "name must have 3 to 50 characters: letters, numbers, dashes, periods, underscores"
        )
    return name


def _read_description(call: Call) -> str:
    description = call.field("description", str, False) or ""
    if len(description) > DESCRIPTION_MAX_CHARACTERS:
        raise Refusal(400, f"description must have at most {DESCRIPTION_MAX_CHARACTERS} characters")
    return description


def _read_redirects(call: Call) -> list[str]:
    addresses = call.strings("redirectURIs")
    if not addresses:
        raise Refusal(400, "redirectURIs must name at least one address")
    for index, address in enumerate(addresses):
        parts = split_url(address, f"redirectURIs[{index}]")
        if is_loopback(parts.hostname):
            continue
        if parts.scheme != "https":
            raise Refusal(400, f"redirectURIs[{index}] must use https unless its host is this machine")
        if is_address(parts.hostname or ""):
            raise Refusal(400, f"redirectURIs[{index}] must name its host, not an IP address")
    return addresses


def read_scopes(call: Call) -> list[str]:
    """Return the scopes of the body, at least one; which ones exist is left open, as at the service.

    Raises:
        Refusal: 400.
    """
    scopes = call.strings("scopes", False) or []
    if not scopes:
        raise Refusal(400, "scopes must name at least one scope, such as devices:core:read")
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise Refusal(400, f"scopes: {scope!r} is not spelled like a scope, such as devices:core:read")
    return scopes


def _target(app: JsonObject) -> JsonObject:
    return build_target("OAUTH_APP", app["id"], app["name"])
