"""Seeded settings, contacts, webhooks, posture integrations, OAuth apps and log streams."""

from __future__ import annotations

from tailscale_sdk.testing.handlers.settings import DEFAULTS
from tailscale_sdk.testing.state import JsonObject, Tailnet

DAY_SECONDS = 86400


def seed_account(tailnet: Tailnet) -> None:
    """Fill what belongs to the tailnet as a whole."""
    tailnet.settings = {
        **DEFAULTS,
        "devicesApprovalOn": True,
        "devicesAutoUpdatesOn": True,
        "networkFlowLoggingOn": True,
        "postureIdentityCollectionOn": True,
        "httpsEnabled": True,
    }
    tailnet.contacts = {
        "account": {"email": "alice@example.com"},
        "support": {"email": "bob@example.com"},
        "security": {
            "email": "security@example.com",
            "fallbackEmail": "alice@example.com",
            "needsVerification": True,
        },
    }
    _seed_webhooks(tailnet)
    _seed_integrations(tailnet)
    _seed_apps(tailnet)
    tailnet.log_streams = {
        "configuration": {
            "logType": "configuration",
            "destinationType": "elastic",
            "url": "https://logs.example.com/config",
            "user": "tailnet",
        }
    }


def _seed_webhooks(tailnet: Tailnet) -> None:
    """Add a signed one, with an event no client knows yet, and a chat one made by an OAuth client."""
    add = {
        "https://hooks.example.com/tailnet": ("", "alice@example.com", ["nodeCreated", "nodeQuarantined"]),
        "https://chat.example.com/hooks/ops": ("slack", "", ["policyUpdate", "userSuspended"]),
    }
    for index, (address, (provider, creator, events)) in enumerate(add.items()):
        created = tailnet.clock.text(plus_seconds=-DAY_SECONDS * (90 - 30 * index))
        webhook: JsonObject = {
            "endpointId": tailnet.ids.number(),
            "endpointUrl": address,
            "providerType": provider,
            "creatorLoginName": creator,
            "subscriptions": events,
            "created": created,
            "lastModified": created,
        }
        tailnet.webhooks[webhook["endpointId"]] = webhook
        tailnet.secrets[webhook["endpointId"]] = tailnet.ids.secret("webhook", webhook["endpointId"])


def _seed_integrations(tailnet: Tailnet) -> None:
    """Add one that works and one whose last synchronisation failed."""
    synced = tailnet.clock.text(plus_seconds=-1800)
    matched = sum(1 for device in tailnet.devices.values() if device.get("os") in {"macOS", "windows"})
    good = {
        "lastSync": synced,
        "providerHostCount": matched + 3,
        "matchedCount": matched,
        "possibleMatchedCount": matched,
    }
    bad = {
        "lastSync": synced,
        "error": "the provider refused the client secret",
        "providerHostCount": 0,
        "matchedCount": 0,
        "possibleMatchedCount": 0,
    }
    for provider, cloud, client, tenant, status in (
        ("falcon", "us-1", "demo-client", "", good),
        (
            "intune",
            "global",
            "00000000-0000-4000-8000-000000000001",
            "00000000-0000-4000-8000-000000000002",
            bad,
        ),
    ):
        identifier = tailnet.ids.new("p")
        tailnet.posture_integrations[identifier] = {
            "id": identifier,
            "provider": provider,
            "cloudId": cloud,
            "clientId": client,
            "tenantId": tenant,
            "configUpdated": tailnet.clock.text(plus_seconds=-DAY_SECONDS * 20),
            "status": status,
        }


def _seed_apps(tailnet: Tailnet) -> None:
    created = tailnet.clock.text(plus_seconds=-DAY_SECONDS * 45)
    app: JsonObject = {
        "id": tailnet.ids.new("a"),
        "name": "device-portal",
        "description": "Lets people enrol their own devices",
        "redirectURIs": ["https://portal.example.com/oauth/callback"],
        "scopes": ["devices:core:read", "devices:posture_attributes"],
        "allowedNodeAttributes": ["custom:assetTag"],
        "created": created,
        "updated": created,
    }
    tailnet.oauth_apps[app["id"]] = app
    tailnet.secrets[app["id"]] = tailnet.ids.secret("app", app["id"])
