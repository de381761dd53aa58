"""What a write is about, in words for a person: its target, its risk, and whether it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tailscale_sdk._generated.endpoints import ENDPOINTS
from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.changes.inverses import path_names
from tailscale_sdk.changes.model import Inverse, Reversible, Target
from tailscale_sdk.changes.predictions import Arguments, State


def target_of(
    operation_id: str,
    tailnet: str,
    arguments: Arguments,
    found: State | None,
    devices: Sequence[State] = (),
) -> Target:
    """Name what a write changes.

    Args:
        operation_id: the write.
        tailnet: tailnet it is for.
        arguments: keywords of the SDK's method.
        found: the object as it was read, for its name and address.
        devices: devices it is about, where the object itself is none.
    """
    operation, endpoint = OPERATIONS[operation_id], ENDPOINTS[operation_id]
    kind = {"policy": "policy", "dns": "dns", "settings": "settings", "logging": "log stream"}.get(
        operation.resource, operation.resource.removesuffix("s").replace("_", " ")
    )
    ids = [str(arguments[name]) for name in path_names(endpoint) if name in arguments]
    known = {**(devices[0] if len(devices) == 1 and operation.resource == "devices" else {}), **(found or {})}
    name = known.get("name") or known.get("loginName") or known.get("description") or known.get("endpointUrl")
    addresses = known.get("addresses") if isinstance(known.get("addresses"), list) else []
    return Target(
        kind,
        ids[0] if ids else tailnet,
        str(name) if name else None,
        next((str(address) for address in addresses or [] if ":" not in str(address)), None),
        tuple(sorted({label for each in (found or {}, *devices) for label in _labels_of(each)})),
    )


def _labels_of(found: State) -> Iterator[str]:
    """Yield what an object may be protected by."""
    for key in ("tags", "addresses"):
        values = found.get(key)
        yield from (str(value) for value in values or () if isinstance(values, list))
    yield from (str(found[key]) for key in ("user", "loginName", "nodeId", "id") if found.get(key))
    if isinstance(found.get("name"), str):
        yield from (found["name"], found["name"].partition(".")[0])


_RISKS: Mapping[str, tuple[str, ...]] = {
    "setDeviceIp": ("open connections of the device break",),
    "setDeviceName": ("old MagicDNS names stop working",),
    "setDeviceTags": ("a tag takes the device from its owner; removing the last tag does not give it back",),
    "setDeviceRoutes": ("the whole list of approved routes is replaced",),
    "deleteDevice": ("the device must log in again to come back, with a new address",),
    "expireDeviceKey": ("the device is offline until its user logs in again",),
    "setDnsNameservers": ("the whole list is replaced; an empty one switches MagicDNS off",),
    "setDnsSearchPaths": ("the whole list is replaced",),
    "setSplitDns": ("all split DNS domains are replaced",),
    "setDnsConfiguration": ("the whole DNS configuration is replaced",),
    "setPolicyFile": ("the whole policy is replaced: who may reach what changes at once",),
    "deleteKey": ("what uses the key loses access; its secret cannot be had again",),
    "deleteUser": ("the user loses access; what becomes of their devices is decided by the service",),
    "suspendUser": ("the user and their devices lose access",),
    "rotateWebhookSecret": (
        "deliveries signed with the old secret are refused by receivers that do not know the new one",
    ),
    "setLogStreamingConfiguration": (
        "the old destination receives no more logs; its secret cannot be read back",
    ),
    "disableLogStreaming": ("logs are no longer delivered; the destination's secret cannot be read back",),
    "deleteCustomDevicePostureAttributes": ("posture checks that ask for the attribute fail from now on",),
    "deleteDeviceInvite": ("the invite's link stops working; another one has to be sent",),
    "deleteUserInvite": ("the invite's link stops working; another one has to be sent",),
    "deleteService": ("clients of the service lose it; approvals of its hosts do not come back",),
    "deletePostureIntegration": ("its secret cannot be read back",),
    "deleteOAuthApp": ("its secret cannot be had again",),
    "deleteWebhook": ("its secret cannot be had again",),
}


def risks_of(operation_id: str) -> tuple[str, ...]:
    """Return what to think of before a write, in one sentence each."""
    return _RISKS.get(operation_id, ())


# The inverse brings the object back, but not everything that hung on it.
_PARTLY = frozenset({"setDeviceTags", "deleteService", "suspendUser"})


def reversible(operation_id: str, inverse: Inverse | None) -> Reversible:
    """Say whether a write can be taken back: yes, partly or no."""
    if inverse is None:
        return "no"
    return "partly" if operation_id in _PARTLY else "yes"
