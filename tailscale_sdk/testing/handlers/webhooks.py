"""Webhooks of the embedded tailnet: the secret is told by creation and rotation only."""

from __future__ import annotations

import re
from typing import Any

from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.delivery import build_event, prepare_delivery
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.state import JsonObject
from tailscale_sdk.testing.values import check_choice, split_url

PROVIDERS = ("", "discord", "googlechat", "mattermost", "slack")
TEST_MESSAGE = "This is a test event from the embedded tailnet"
_EVENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def _webhook(call: Call) -> JsonObject:
    found = call.tailnet.webhooks.get(call.path["endpointId"])
    if found is None:
        raise Refusal(404, "no webhook with this id")
    return found


@handles("listWebhooks")
def list_webhooks(call: Call) -> JsonObject:
    """Give all webhooks, without secrets."""
    return {"webhooks": list(call.tailnet.webhooks.values())}


@handles("createWebhook")
def create_webhook(call: Call) -> JsonObject:
    """Add a webhook and tell its secret."""
    tailnet = call.tailnet
    address = _read_address(call)
    provider = check_choice(call.field("providerType", str, False) or "", PROVIDERS, "providerType")
    now = tailnet.clock.text()
    webhook: JsonObject = {
        "endpointId": tailnet.ids.number(),
        "endpointUrl": address,
        "providerType": provider,
        "creatorLoginName": call.caller.login_name if call.caller.kind == "user" else "",
        "subscriptions": _read_subscriptions(call),
        "created": now,
        "lastModified": now,
    }
    tailnet.webhooks[webhook["endpointId"]] = webhook
    tailnet.record(call, action="CREATE", target=_target(webhook), new=webhook)
    return _with_new_secret(call, webhook)


@handles("getWebhook")
def get_webhook(call: Call) -> JsonObject:
    """Give one webhook, without its secret."""
    return _webhook(call)


@handles("updateWebhook")
def update_webhook(call: Call) -> JsonObject:
    """Replace the subscriptions; nothing else of a webhook can be changed."""
    webhook = _webhook(call)
    old = webhook["subscriptions"]
    webhook["subscriptions"] = _read_subscriptions(call)
    webhook["lastModified"] = call.tailnet.clock.text()
    target = _target(webhook, "SUBSCRIBED_EVENTS")
    call.tailnet.record(call, action="UPDATE", target=target, old=old, new=webhook["subscriptions"])
    return webhook


@handles("deleteWebhook")
def delete_webhook(call: Call) -> Answer:
    """Remove a webhook."""
    webhook = _webhook(call)
    del call.tailnet.webhooks[webhook["endpointId"]]
    call.tailnet.secrets.pop(webhook["endpointId"], None)
    call.tailnet.record(call, action="DELETE", target=_target(webhook), old=webhook)
    return Answer()


@handles("testWebhook")
def test_webhook(call: Call) -> Answer:
    """Queue a test event; it is sent once the answer is out, and only to an address on this machine."""
    webhook = _webhook(call)
    if webhook["endpointId"] not in call.tailnet.secrets:  # loaded from a snapshot, which holds none
        call.tailnet.secrets[webhook["endpointId"]] = _new_secret(call, webhook)
    call.tailnet.record(call, action="TEST", target=_target(webhook))
    event = build_event(call.tailnet, "test", TEST_MESSAGE)
    return Answer(202, after=prepare_delivery(call.tailnet, webhook, event))


@handles("rotateWebhookSecret")
def rotate_secret(call: Call) -> JsonObject:
    """Make a new secret and tell it; the old one signs nothing from now on."""
    webhook = _webhook(call)
    webhook["lastModified"] = call.tailnet.clock.text()
    call.tailnet.record(call, action="UPDATE", target=_target(webhook, "SECRET"))
    return _with_new_secret(call, webhook)


def _with_new_secret(call: Call, webhook: JsonObject) -> JsonObject:
    secret = call.tailnet.secrets[webhook["endpointId"]] = _new_secret(call, webhook)
    return {**webhook, "secret": secret}


def _new_secret(call: Call, webhook: JsonObject) -> str:
    return call.tailnet.ids.secret("webhook", webhook["endpointId"])


def _read_address(call: Call) -> str:
    address = call.field("endpointUrl", str)
    if split_url(address, "endpointUrl").scheme not in {"http", "https"}:
        raise Refusal(400, "endpointUrl must be an http:// or https:// URL")
    return address


def _read_subscriptions(call: Call) -> list[str]:
    """Read names of events; ones that are not known yet are taken too."""
    names = call.strings("subscriptions")
    for name in names:
        if not _EVENT_NAME.fullmatch(name):
            raise Refusal(400, f"subscriptions: {name!r} is not the name of an event, such as nodeCreated")
    return names


def _target(webhook: JsonObject, property: str = "") -> dict[str, Any]:
    return build_target("WEBHOOK_ENDPOINT", webhook["endpointId"], webhook["endpointUrl"], property=property)
