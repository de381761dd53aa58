"""Check that a webhook delivery comes from Tailscale and is fresh, then read its events."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import orjson

from tailscale_sdk._constants import WEBHOOK_HEADER_CAP_BYTES, WEBHOOK_MEMORY, WEBHOOK_TOLERANCE_SECONDS
from tailscale_sdk._generated.types import (
    ABSENT,
    FieldSpec,
    Model,
    decode_any,
    decode_integer,
    decode_moment,
    decode_text,
    define,
    field,
)
from tailscale_sdk.errors import ConfigurationError, WebhookError

HEADER = "Tailscale-Webhook-Signature"
_TIME = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_log = logging.getLogger("tailscale_sdk")


def _decode_data(value: Any) -> dict[str, Any] | None:
    return decode_any(value) if isinstance(value, dict) else None


@define(kw_only=True)
class Event(Model):
    """Hold one event of a delivery; types this version does not know are delivered like any other.

    Attributes:
        timestamp: when it happened, cut to microseconds.
        version: version of the event's form.
        type: kind of event, such as ``nodeCreated``.
        tailnet: name of the tailnet.
        message: one sentence for a person; written by Tailscale, with names chosen by users in it.
        data: details by name; values may be text, lists or objects.
        additional_properties: fields this version does not know.
    """

    timestamp: datetime | None = field(default=ABSENT)
    version: int | None = field(default=ABSENT)
    type: str | None = field(default=ABSENT)
    tailnet: str | None = field(default=ABSENT)
    message: str | None = field(default=ABSENT)
    data: dict[str, Any] | None = field(default=ABSENT)
    additional_properties: dict[str, Any] = field(init=False)

    _fields: ClassVar[Mapping[str, FieldSpec]] = {
        "timestamp": FieldSpec("timestamp", decode_moment),
        "version": FieldSpec("version", decode_integer),
        "type": FieldSpec("type", decode_text),
        "tailnet": FieldSpec("tailnet", decode_text),
        "message": FieldSpec("message", decode_text),
        "data": FieldSpec("data", _decode_data),
    }
    _api_names: ClassVar[frozenset[str]] = frozenset(
        {"timestamp", "version", "type", "tailnet", "message", "data"}
    )


def verify(
    body: bytes,
    header: str | None,
    secret: str | Sequence[str],
    *,
    now: float | datetime | None = None,
    tolerance_seconds: float | None = WEBHOOK_TOLERANCE_SECONDS,
) -> list[Event]:
    """Check a delivery's signature and age, and return its events.

    Chat formats (Slack, Discord and others) are not signed; this is for generic endpoints only.
    A delivery that was answered late is sent again: see ``Deliveries``.

    Args:
        body: the raw body as it arrived; parsed and written again it has another signature.
        header: value of ``Tailscale-Webhook-Signature``; None when it is missing.
        secret: the webhook's secret, or old and new while it is being rotated.
        now: Unix seconds or a time with a zone; the clock by default.
        tolerance_seconds: largest age, and largest lead of the sender's clock; None for no limit.

    Raises:
        WebhookError: ``reason`` is not_signed, mismatch, expired, or malformed for a signed body
            that holds no events.
        ConfigurationError: secret or tolerance cannot be used.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"body must be the raw bytes of the request, not {type(body).__name__}")
    raw = bytes(body)
    stamp, signatures = _parse_header(header)
    _check_signature(raw, stamp, signatures, _keys(secret))
    _check_age(int(stamp), now, tolerance_seconds)
    return _decode_events(raw)


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Return the signature header of a delivery.

    Args:
        body: raw body.
        secret: the webhook's secret.
        timestamp: Unix seconds.
    """
    return f"t={timestamp},v1={_mac(_keys(secret)[0], str(timestamp), body)}"


def _keys(secret: str | Sequence[str]) -> list[bytes]:
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(isinstance(item, str) and item for item in secrets):
        raise ConfigurationError("the webhook secret is missing: an empty one would let anybody sign")
    return [item.encode() for item in secrets]


def _mac(key: bytes, stamp: str, body: bytes) -> str:
    return hmac.new(key, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def _parse_header(header: str | None) -> tuple[str, list[str]]:
    if not isinstance(header, str) or not header:
        raise WebhookError(f"the delivery has no {HEADER} header", reason="not_signed")
    if len(header) > WEBHOOK_HEADER_CAP_BYTES:
        raise WebhookError(f"the {HEADER} header is longer than any real one", reason="not_signed")
    pairs = [pair.strip().partition("=") for pair in header.split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise WebhookError(f"the {HEADER} header is not a list of name=value", reason="not_signed")
    stamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if len(stamps) != 1 or not _TIME.fullmatch(stamps[0]):
        raise WebhookError(f"the {HEADER} header has no whole number of seconds as t", reason="not_signed")
    if not signatures:
        raise WebhookError(f"the {HEADER} header has no v1 signature", reason="not_signed")
    return stamps[0], signatures


def _check_signature(body: bytes, stamp: str, signatures: Sequence[str], keys: Sequence[bytes]) -> None:
    given = [signature.encode("utf-8", "replace") for signature in signatures]
    expected = [_mac(key, stamp, body).encode() for key in keys]
    # Every pair is compared, so that the time taken does not tell which one matched.
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if True not in matches:
        raise WebhookError(
            "the signature does not match: the secret is another one, or the body was changed on its way",
            reason="mismatch",
        )


def _check_age(stamp: int, now: float | datetime | None, tolerance: float | None) -> None:
    if tolerance is None:
        return
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not tolerance >= 0:
        raise ConfigurationError(f"tolerance_seconds is {tolerance!r}; it must be 0 or more, or None")
    age = _unix_seconds(now) - stamp
    if age > tolerance:
        raise WebhookError(f"the delivery was signed more than {tolerance:g} s ago", reason="expired")
    if -age > tolerance:
        raise WebhookError(
            f"the delivery was signed more than {tolerance:g} s ahead of this clock", reason="expired"
        )


def _unix_seconds(now: float | datetime | None) -> float:
    if now is None:
        return time.time()
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise ValueError("now must have a time zone: without one it could mean any")
        return now.timestamp()
    return now


def _decode_events(body: bytes) -> list[Event]:
    try:
        content = orjson.loads(body)
    except ValueError:
        raise WebhookError("the delivery is signed, but its body is not JSON", reason="malformed") from None
    if not isinstance(content, list):
        raise WebhookError(
            "the delivery is signed, but its body is not an array of events", reason="malformed"
        )
    events = [Event.from_dict(element) for element in content if isinstance(element, dict)]
    if len(events) < len(content):
        _log.warning("a webhook delivery held %d elements that are no events", len(content) - len(events))
    return events


class Deliveries:
    """Remember signatures, so that a repeated delivery is recognised; bounded, safe between threads.

    Args:
        capacity: signatures kept; the oldest go first.
    """

    def __init__(self, capacity: int = WEBHOOK_MEMORY) -> None:
        if not isinstance(capacity, int) or capacity < 1:
            raise ConfigurationError(f"capacity is {capacity!r}; it must be a whole number from 1")
        self._capacity, self._lock = capacity, threading.Lock()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_repeat(self, header: str) -> bool:
        """Tell whether a delivery was seen before, and remember it; call it after ``verify``.

        Args:
            header: value of ``Tailscale-Webhook-Signature``.

        Raises:
            WebhookError: the header holds no signature.
        """
        _, signatures = _parse_header(header)
        with self._lock:
            # Any known one counts: a replay may carry invented signatures beside the real one.
            if any(signature in self._seen for signature in signatures):
                return True
            for signature in signatures:
                self._seen[signature] = None
            while len(self._seen) > self._capacity:
                self._seen.popitem(last=False)
        return False
