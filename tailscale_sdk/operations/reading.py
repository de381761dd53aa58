"""Read a whole tailnet into one snapshot; what cannot be read is said, not hidden."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tailscale_sdk.client import Tailscale
from tailscale_sdk.errors import APIStatusError, TailscaleError
from tailscale_sdk.snapshot import TailnetSnapshot


def _plain(value: Any) -> Any:
    return [item.to_dict() for item in value] if isinstance(value, list) else value.to_dict()


def _dns(client: Tailscale) -> dict[str, Any]:
    return {
        "nameservers": client.dns.get_nameservers(),
        "searchPaths": client.dns.get_search_paths(),
        "splitDns": client.dns.get_split_dns().to_dict(),
        "preferences": client.dns.get_preferences().to_dict(),
    }


_PARTS: dict[str, Callable[[Tailscale], Any]] = {
    "users": lambda client: _plain(client.users.list()),
    "keys": lambda client: _plain(client.keys.list()),
    "dns": _dns,
    "settings": lambda client: _plain(client.settings.get()),
    "contacts": lambda client: _plain(client.contacts.get()),
    "webhooks": lambda client: _plain(client.webhooks.list()),
    "services": lambda client: _plain(client.services.list()),
    "posture_integrations": lambda client: _plain(client.posture_integrations.list()),
    "oauth_apps": lambda client: _plain(client.oauth_apps.list()),
    "user_invites": lambda client: _plain(client.user_invites.list()),
}


def take_snapshot(client: Tailscale, *, now: datetime | None = None) -> TailnetSnapshot:
    """Read devices, users, policy, keys, DNS, settings and the rest of a tailnet.

    Args:
        client: reads only; needs at least ``devices:core:read``.
        now: moment to note as taken; the current one when left out.

    Returns:
        The snapshot; ``coverage`` says of each part ``read``, or why it is missing.

    Raises:
        TailscaleError: the devices cannot be read. Any other part may fail alone.
    """
    devices = _plain(client.devices.list(fields="all"))
    content: dict[str, Any] = {
        "tailnet": client.tailnet,
        "taken": (now or datetime.now(UTC)).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "devices": devices,
    }
    coverage = {"devices": "read"}
    for name, read in _PARTS.items():
        try:
            content[name] = read(client)
            coverage[name] = "read"
        except TailscaleError as error:
            coverage[name] = _reason(error)
    try:
        policy = client.policy.get()
        content["policy"], content["policy_etag"] = policy.text, policy.etag
        coverage["policy"] = "read"
    except TailscaleError as error:
        coverage["policy"] = _reason(error)
    coverage |= _read_by_device(
        client, content, [device["nodeId"] for device in devices if device.get("nodeId")]
    )
    content["log_streams"], coverage["log_streams"] = _log_streams(client)
    content["coverage"] = coverage
    return TailnetSnapshot.from_dict({key: value for key, value in content.items() if value is not None})


def _read_by_device(client: Tailscale, content: dict[str, Any], node_ids: list[str]) -> dict[str, str]:
    """Read posture attributes device by device; the first refusal for lack of rights ends it."""
    attributes: dict[str, Any] = {}
    reason = "read"
    for node_id in node_ids:
        try:
            attributes[node_id] = client.devices.get_attributes(node_id).to_dict()
        except APIStatusError as error:
            reason = _reason(error)
            if error.status in {401, 403}:
                break
        except TailscaleError as error:
            reason = _reason(error)
            break
    content["attributes"] = attributes
    return {"attributes": reason}


def _log_streams(client: Tailscale) -> tuple[dict[str, Any], str]:
    streams: dict[str, Any] = {}
    reason = "read"
    for log_type in ("configuration", "network"):
        try:
            streams[log_type] = client.logging.get_stream(log_type).to_dict()
        except APIStatusError as error:
            if error.status != 404:
                reason = _reason(error)
        except TailscaleError as error:
            reason = _reason(error)
    return streams, reason


def _reason(error: TailscaleError) -> str:
    return f"{type(error).__name__}: {error}"
