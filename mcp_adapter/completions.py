"""Completions: devices, users and tags while somebody types a prompt's or a resource's argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcp_adapter.calling import call_operation
from mcp_adapter.principal import current_principal
from mcp_adapter.runtime import Runtime
from tailscale_sdk.errors import TailscaleError
from tailscale_sdk.visible import visible

MAX_VALUES = 100

_ROLES = ("member", "admin", "it-admin", "network-admin", "billing-admin", "auditor")


def build_completion(runtime: Runtime) -> Any:
    """Make the handler of ``completion/complete``.

    Args:
        runtime: client and catalog; of several tailnets the first is asked.
    """

    async def complete(reference: Any, argument: Any, context: Any) -> list[str]:
        find = _SOURCES.get(argument.name)
        if find is None:
            return []
        try:
            values = await find(runtime)
        except TailscaleError:
            # Nothing to offer is no error: the person goes on typing.
            return []
        return matching(values, argument.value)

    return complete


def matching(values: Iterable[Any], typed: str) -> list[str]:
    """Return what begins with, else contains, what was typed; made visible, at most a hundred.

    Args:
        values: candidates of the tailnet.
        typed: what there is so far.
    """
    wanted = typed.strip().casefold()
    shown = sorted({visible(value) for value in values if isinstance(value, str) and value})
    starting = [value for value in shown if value.casefold().startswith(wanted)]
    others = [value for value in shown if wanted in value.casefold() and value not in starting]
    return [*starting, *others][:MAX_VALUES]


async def _listed(runtime: Runtime, operation: str) -> Sequence[Mapping[str, Any]]:
    profile = runtime.settings.profiles[0]
    entry = runtime.catalog.entries[operation]
    domain = entry["call"].split(".")[0]
    if profile.exposure.reason_against(domain, entry) is not None:
        return ()
    client = runtime.client(profile)
    key = f"complete {profile.name} {current_principal()} {operation}"
    found: Sequence[Mapping[str, Any]] = await runtime.reads.get(
        key, lambda: call_operation(client, entry, {})
    )
    return found


async def _device_names(runtime: Runtime) -> list[Any]:
    devices = await _listed(runtime, "listTailnetDevices")
    return [str(device.get("name") or "").partition(".")[0] for device in devices]


async def _device_ids(runtime: Runtime) -> list[Any]:
    return [device.get("nodeId") for device in await _listed(runtime, "listTailnetDevices")]


async def _users(runtime: Runtime) -> list[Any]:
    return [user.get("loginName") for user in await _listed(runtime, "listUsers")]


async def _tags(runtime: Runtime) -> list[Any]:
    devices = await _listed(runtime, "listTailnetDevices")
    return [tag for device in devices for tag in device.get("tags") or ()]


async def _sources(runtime: Runtime) -> list[Any]:
    return [*await _users(runtime), *await _destinations(runtime)]


async def _destinations(runtime: Runtime) -> list[Any]:
    return [*await _device_names(runtime), *await _tags(runtime)]


async def _roles(runtime: Runtime) -> list[Any]:
    return list(_ROLES)


_SOURCES = {
    "device": _device_names,
    "device_id": _device_ids,
    "user": _users,
    "tag": _tags,
    "role": _roles,
    "source": _sources,
    "destination": _destinations,
}
