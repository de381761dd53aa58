"""How to find, among what is there, what an unclear creation may have made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import orjson
from attrs import evolve, field, frozen

from tailscale_sdk._constants import RECONCILE_READS
from tailscale_sdk._generated.types import WireRequest, encode_json
from tailscale_sdk.calls.steps import Ask, Steps
from tailscale_sdk.errors import NotFoundError, OutcomeUnknownError

# How far the clocks of this machine and of the service may be apart.
CLOCK_SKEW = timedelta(minutes=5)
_NEVER = datetime.min.replace(tzinfo=UTC)


def json_of(request: WireRequest) -> dict[str, Any]:
    """Return the body of a request that was built as a JSON object; anything else has no fields."""
    body = orjson.loads(request.content or b"{}")
    return body if isinstance(body, dict) else {}


def with_json(request: WireRequest, body: dict[str, Any]) -> WireRequest:
    """Return the request with another body."""
    return evolve(request, content=encode_json(body))


@frozen
class Trace:
    """Know how what was made is found and, where that is safe, removed.

    Attributes:
        find: steps that return the ids of what matches.
        remove: steps that remove one of them and make sure that it is gone.
        removable: removing is safe, because the match is certain or the caller asked for it.
    """

    find: Callable[[], Steps[tuple[str, ...]]]
    remove: Callable[[str], Steps[None]] = field(default=lambda identifier: _keep(identifier))
    removable: bool = False


def _keep(identifier: str) -> Steps[None]:
    yield from ()


def _tailnet_of(request: WireRequest) -> str:
    return unquote(request.path.split("/")[2])


def _newest_first(items: Sequence[Any]) -> list[Any]:
    return sorted(items, key=lambda item: getattr(item, "created", None) or _NEVER, reverse=True)


def _is_recent(item: Any, started: datetime) -> bool:
    """Tell whether something was created since the call began; what does not say counts as recent."""
    created = getattr(item, "created", None)
    return created is None or created >= started - CLOCK_SKEW


def key_by_mark(request: WireRequest, nonce: str) -> Trace:
    """Find a key by the mark in its description; the match is certain, so it may be removed."""
    return _key_trace(request, lambda key: nonce in (key.description or "").split(), removable=True)


def _key_trace(request: WireRequest, matches: Callable[[Any], bool], *, removable: bool) -> Trace:
    from tailscale_sdk._generated.api.keys import delete_key, get_key, list_tailnet_keys

    tailnet = _tailnet_of(request)

    def find() -> Steps[tuple[str, ...]]:
        asked = list_tailnet_keys.build_request(tailnet, all=True)
        keys = yield Ask("listTailnetKeys", asked, list_tailnet_keys.parse_success, settling=True)
        found, reads = [], RECONCILE_READS
        for key in _newest_first(keys):
            if key.id and _is_bare(key):
                if not reads:
                    continue
                reads -= 1
                try:
                    one = get_key.build_request(tailnet, key.id)
                    key = yield Ask("getKey", one, get_key.parse_success, settling=True)
                except NotFoundError:
                    continue
            if key.id and not key.invalid and key.revoked is None and matches(key):
                found.append(key.id)
        return tuple(found)

    def remove(identifier: str) -> Steps[None]:
        try:
            asked = delete_key.build_request(tailnet, identifier)
            yield Ask("deleteKey", asked, settling=True, unbroken=True)
            one = get_key.build_request(tailnet, identifier)
            key = yield Ask("getKey", one, get_key.parse_success, settling=True)
        except NotFoundError:
            return
        if not key.invalid and key.revoked is None:
            raise OutcomeUnknownError(
                operation="deleteKey", recovered="not_verified", candidates=(identifier,)
            )

    return Trace(find, remove, removable)


def _is_bare(key: Any) -> bool:
    """Tell whether an entry holds its id and next to nothing else, as older answers do."""
    return key.description is None and key.created is None


def by_likeness(operation_id: str, request: WireRequest, started: datetime) -> Trace | None:
    """Find what resembles an unmarked creation and is not older; None where no list shows it.

    Args:
        operation_id: the creation.
        request: what was sent.
        started: wall clock time when the call began.
    """
    make = _LIKENESS.get(operation_id)
    return None if make is None else make(request, started)


def _key_by_description(request: WireRequest, started: datetime) -> Trace:
    text = json_of(request).get("description") or ""
    return _key_trace(
        request,
        lambda key: (key.description or "") == text and _is_recent(key, started),
        removable=False,
    )


def _webhook(request: WireRequest, started: datetime) -> Trace:
    from tailscale_sdk._generated.api.webhooks import delete_webhook, get_webhook, list_webhooks

    url = json_of(request).get("endpointUrl")

    def find() -> Steps[tuple[str, ...]]:
        asked = list_webhooks.build_request(_tailnet_of(request))
        hooks = yield Ask("listWebhooks", asked, list_webhooks.parse_success, settling=True)
        found = (hook for hook in hooks if hook.endpoint_url == url and _is_recent(hook, started))
        return tuple(hook.endpoint_id for hook in found if hook.endpoint_id)

    def remove(identifier: str) -> Steps[None]:
        try:
            asked = delete_webhook.build_request(identifier)
            yield Ask("deleteWebhook", asked, settling=True, unbroken=True)
            yield Ask(
                "getWebhook", get_webhook.build_request(identifier), get_webhook.parse_success, settling=True
            )
        except NotFoundError:
            return
        raise OutcomeUnknownError(
            operation="deleteWebhook", recovered="not_verified", candidates=(identifier,)
        )

    return Trace(find, remove, removable=True)


def _listing(operation_id: str, module: str, matches: Callable[[Any, Any], bool]) -> Callable[..., Trace]:
    """Return how to find something that one list of the same collection shows."""

    def make(request: WireRequest, started: datetime) -> Trace:
        from importlib import import_module

        endpoint = import_module(f"tailscale_sdk._generated.api.{module}")
        sent = orjson.loads(request.content or b"{}")

        def find() -> Steps[tuple[str, ...]]:
            asked = evolve(request, method="GET", content=None, content_type=None)
            items = yield Ask(operation_id, asked, endpoint.parse_success, settling=True)
            return tuple(
                item.id for item in items if item.id and _is_recent(item, started) and matches(item, sent)
            )

        return Trace(find)

    return make


def _invited(item: Any, sent: Any) -> bool:
    """Compare addresses; an invite that is not mailed has none, or an empty one."""
    emails = {(entry.get("email") or "").lower() for entry in sent if isinstance(entry, dict)}
    return (item.email or "").lower() in emails


_LIKENESS: dict[str, Callable[[WireRequest, datetime], Trace]] = {
    "createKey": _key_by_description,
    "createWebhook": _webhook,
    "createPostureIntegration": _listing(
        "getPostureIntegrations",
        "device_posture.get_posture_integrations",
        lambda item, sent: item.provider == sent.get("provider"),
    ),
    "createOAuthApp": _listing(
        "listOAuthApps", "o_auth_apps.list_o_auth_apps", lambda item, sent: item.name == sent.get("name")
    ),
    "createUserInvites": _listing("listUserInvites", "user_invites.list_user_invites", _invited),
    "createDeviceInvites": _listing("listDeviceInvites", "device_invites.list_device_invites", _invited),
}
