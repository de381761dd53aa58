"""Settle an unclear policy write by what is stored now: pure, no I/O."""

from __future__ import annotations

from enum import Enum
from typing import TypeGuard

from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.errors import APIStatusError, HuJSONError, PreconditionFailedError, TailscaleError
from tailscale_sdk.policy import hujson

UNTOUCHED = "ts-default"
"""Version of a policy that was never changed."""


# Answers of something in front of the service, which may still be working on the request.
_FROM_BETWEEN = frozenset({408, 502, 504})


def is_over(cause: TailscaleError) -> TypeGuard[APIStatusError]:
    """Tell whether the service itself answered, so that nothing of the request is on its way any more."""
    return isinstance(cause, APIStatusError) and cause.status not in _FROM_BETWEEN


class Settled(Enum):
    """Name what an unclear write turned out to be."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    REPLACED = "replaced"
    UNKNOWN = "unknown"

    def error(self, cause: TailscaleError) -> TailscaleError:
        """Return what the caller sees of a write that was not applied."""
        if self is Settled.UNKNOWN:
            return cause
        if self is Settled.NOT_APPLIED:
            if is_over(cause):
                # The text said it was in doubt.
                cause.ambiguous = False
                cause.args = (cause._text(),)
            return cause
        replaced = PreconditionFailedError(
            status=412,
            message="the stored policy is neither the one that was read nor the one that was sent",
            operation="setPolicyFile",
        )
        replaced.__cause__ = cause
        return replaced


def settle(request: WireRequest, stored: str, etag: str | None) -> Settled:
    """Compare what is stored with what was sent and with the version it was based on.

    Args:
        request: the write whose outcome is unclear.
        stored: text of the policy now.
        etag: its version tag without quotes.
    """
    sent = (request.content or b"").decode("utf-8")
    if stored == sent or _formatted(stored) == _formatted(sent):
        return Settled.APPLIED
    base = next((value.strip('"') for name, value in request.headers if name == "If-Match"), None)
    # What the untouched default looks like is not known here, so nothing can be compared with it.
    if base in {None, UNTOUCHED} or etag is None:
        return Settled.UNKNOWN
    return Settled.NOT_APPLIED if base == etag else Settled.REPLACED


def _formatted(text: str) -> str:
    try:
        return hujson.format(text)
    except HuJSONError:
        return text
