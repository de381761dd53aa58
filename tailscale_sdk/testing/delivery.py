"""Webhook deliveries of the embedded tailnet: really signed, really sent, to this machine only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

import orjson

from tailscale_sdk.testing.state import JsonObject, Tailnet
from tailscale_sdk.testing.values import is_loopback
from tailscale_sdk.webhooks import HEADER, sign

SEND_SECONDS: Final = 5.0
EVENT_VERSION: Final = 1
CHAT_FIELDS: Final = {"discord": "content"}

_log = logging.getLogger("tailscale_sdk")


def build_event(tailnet: Tailnet, kind: str, message: str, data: JsonObject | None = None) -> JsonObject:
    """Return one event as it stands in the body of a delivery."""
    return {
        "timestamp": tailnet.clock.text().replace("Z", ".000000001Z"),
        "version": EVENT_VERSION,
        "type": kind,
        "tailnet": tailnet.name,
        "message": message,
        "data": data,
    }


def build_body(webhook: JsonObject, events: list[JsonObject]) -> bytes:
    """Return the body of a delivery: an array of events, or a chat message for a chat provider."""
    provider = webhook.get("providerType")
    if not provider:
        return orjson.dumps(events)
    text = "\n".join(event["message"] for event in events)
    return orjson.dumps({CHAT_FIELDS.get(provider, "text"): text})


def prepare_delivery(tailnet: Tailnet, webhook: JsonObject, event: JsonObject) -> Callable[[], None] | None:
    """Return what sends an event to a webhook, None when its address is not on this machine.

    The signature's time is that of the machine's clock, not the virtual one:
    a receiver judges the age of a delivery by its own clock.
    """
    url = webhook["endpointUrl"]
    parts = urlsplit(url)
    if parts.scheme != "http" or not is_loopback(parts.hostname):
        _log.info("a delivery was not sent: the embedded tailnet sends to http on loopback only")
        return None
    body = build_body(webhook, [event])
    headers = {"Content-Type": "application/json", "User-Agent": "embedded-tailnet"}
    if not webhook.get("providerType"):
        headers[HEADER] = sign(body, tailnet.secrets[webhook["endpointId"]], int(time.time()))
    return partial(_send, url, body, headers)


def _send(url: str, body: bytes, headers: dict[str, str]) -> None:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SEND_SECONDS)
    try:
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
        if status >= 300:
            _log.warning("a webhook receiver answered %d", status)
    except (OSError, HTTPException, ValueError) as error:
        _log.warning("a webhook delivery did not arrive: %s", type(error).__name__)
    finally:
        connection.close()
