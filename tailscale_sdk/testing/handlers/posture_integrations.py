"""Posture integrations of the embedded tailnet: one per provider, its secret is never told."""

from __future__ import annotations

from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.state import JsonObject
from tailscale_sdk.testing.values import check_choice

PROVIDERS = ("falcon", "intune", "jamfpro", "kandji", "kolide", "sentinelone")
OPTIONAL = ("cloudId", "clientId", "tenantId")


def _integration(call: Call) -> JsonObject:
    found = call.tailnet.posture_integrations.get(call.path["id"])
    if found is None:
        raise Refusal(404, "no posture integration with this id")
    return found


@handles("getPostureIntegrations")
def list_integrations(call: Call) -> JsonObject:
    """Give all integrations."""
    return {"integrations": list(call.tailnet.posture_integrations.values())}


@handles("createPostureIntegration")
def create_integration(call: Call) -> JsonObject:
    """Add an integration; a second one of a provider is a conflict."""
    provider = check_choice(call.field("provider", str), PROVIDERS, "provider")
    secret = _read_secret(call, required=True)
    optional = _read_optional(call)
    existing = call.tailnet.posture_integrations
    if any(integration.get("provider") == provider for integration in existing.values()):
        raise Refusal(409, f"a posture integration for {provider} already exists")
    integration = {
        "id": call.tailnet.ids.new("p"),
        "provider": provider,
        "cloudId": "",
        "clientId": "",
        "tenantId": "",
        **optional,
        "configUpdated": call.tailnet.clock.text(),
        "status": None,
    }
    existing[integration["id"]] = integration
    call.tailnet.secrets[integration["id"]] = secret
    call.tailnet.record(call, action="CREATE", target=_target(call), new=integration)
    return integration


@handles("getPostureIntegration")
def get_integration(call: Call) -> JsonObject:
    """Give one integration."""
    return _integration(call)


@handles("updatePostureIntegration")
def update_integration(call: Call) -> JsonObject:
    """Change an integration; without ``clientSecret`` the old one stays, ``provider`` is ignored."""
    integration = _integration(call)
    old = dict(integration)
    secret = _read_secret(call, required=False)
    integration.update(_read_optional(call), configUpdated=call.tailnet.clock.text())
    if secret:
        call.tailnet.secrets[integration["id"]] = secret
    call.tailnet.record(call, action="UPDATE", target=_target(call), old=old, new=integration)
    return integration


@handles("deletePostureIntegration")
def delete_integration(call: Call) -> Answer:
    """Remove an integration."""
    integration = _integration(call)
    del call.tailnet.posture_integrations[integration["id"]]
    call.tailnet.secrets.pop(integration["id"], None)
    call.tailnet.record(call, action="DELETE", target=_target(call), old=integration)
    return Answer()


def _read_secret(call: Call, *, required: bool) -> str:
    secret = call.field("clientSecret", str, False)
    if required and not secret:
        raise Refusal(400, "clientSecret is missing: it is the secret the provider gave you")
    return secret or ""


def _read_optional(call: Call) -> JsonObject:
    values = {name: call.field(name, str, False) for name in OPTIONAL}
    return {name: value for name, value in values.items() if value is not None}


def _target(call: Call) -> JsonObject:
    return {**call.tailnet.target(), "property": "POSTURE_INTEGRATION"}
