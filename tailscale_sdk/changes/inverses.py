"""What undoes a write: by rule where names agree, by hand where they do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailscale_sdk._generated.endpoints import ENDPOINTS, Endpoint
from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.changes.model import Inverse
from tailscale_sdk.changes.predictions import Arguments, State, rule_of


def path_names(endpoint: Endpoint) -> list[str]:
    """Return the arguments that stand in the path, in its order."""
    return [name for name, argument in endpoint.arguments.items() if argument.place == "path"]


def invert(operation_id: str, arguments: Arguments, before: State | None) -> Inverse | None:
    """Return the call that undoes a write; None where there is none.

    Args:
        operation_id: the write.
        arguments: keywords of the SDK's method.
        before: the state to come back to.
    """
    rule = rule_of(operation_id)
    if rule.inverse == "none":
        return None
    special = _INVERSES.get(operation_id)
    if special is not None:
        return special(arguments, dict(before or {}))
    endpoint = ENDPOINTS[rule.inverse]
    path = path_names(endpoint)
    if OPERATIONS[operation_id].retry_class == "CREATE":
        if len(arguments.get("invites") or [None]) > 1:
            # Each invite has an id of its own, and one call takes back one of them.
            return None
        given = {name: arguments[name] for name in path[:-1] if name in arguments}
        return Inverse(rule.inverse, given, from_answer=path[-1])
    kept = {name: arguments[name] for name in path if name in arguments}
    if before is None:
        return None
    whole = rule.inverse != operation_id or OPERATIONS[rule.inverse].http_method == "PUT"
    for name, argument in endpoint.arguments.items():
        if argument.place != "body" or argument.secret:
            continue
        if argument.api_name in before and (whole or name in arguments or argument.required):
            kept[name] = before[argument.api_name]
        elif name in arguments and argument.api_name not in rule.fields and name not in kept:
            kept[name] = arguments[name]
    return Inverse(rule.inverse, {name: value for name, value in kept.items() if value is not None})


def _invert_routes(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    return Inverse(
        "setDeviceRoutes", {"device_id": arguments["device_id"], "routes": before.get("enabledRoutes") or []}
    )


def _invert_tags(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    return Inverse("setDeviceTags", {"device_id": arguments["device_id"], "tags": before.get("tags") or []})


def _invert_name(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    label = str(before.get("name") or "").partition(".")[0]
    return Inverse("setDeviceName", {"device_id": arguments["device_id"], "name": label})


def _invert_ip(arguments: Arguments, before: dict[str, Any]) -> Inverse | None:
    ipv4 = next((address for address in before.get("addresses") or [] if ":" not in str(address)), None)
    return Inverse("setDeviceIp", {"device_id": arguments["device_id"], "ipv4": ipv4}) if ipv4 else None


def _invert_attribute(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    key, node = arguments["attribute_key"], arguments["device_id"]
    attributes = before.get("attributes") or {}
    if key not in attributes:
        return Inverse("deleteCustomDevicePostureAttributes", {"device_id": node, "attribute_key": key})
    again = {"device_id": node, "attribute_key": key, "value": attributes[key]}
    expiry = (before.get("expiries") or {}).get(key)
    return Inverse("setCustomDevicePostureAttributes", {**again, **({"expiry": expiry} if expiry else {})})


def _invert_batch(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    nodes: dict[str, Any] = {}
    for node, changes in arguments["nodes"].items():
        state = before.get(node) or {}
        attributes, expiries = state.get("attributes") or {}, state.get("expiries") or {}
        nodes[node] = {
            key: {"value": attributes[key], **({"expiry": expiries[key]} if key in expiries else {})}
            if key in attributes
            else None
            for key in changes or {}
        }
    return Inverse("batchUpdateCustomDevicePostureAttributes", {"nodes": nodes})


def _invert_update_split_dns(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    return Inverse(
        "updateSplitDns", {"split_dns": {name: before.get(name) for name in arguments["split_dns"]}}
    )


def _invert_set_split_dns(arguments: Arguments, before: dict[str, Any]) -> Inverse:
    return Inverse("setSplitDns", {"split_dns": before})


def _invert_contact(arguments: Arguments, before: dict[str, Any]) -> Inverse | None:
    kind = arguments["contact_type"]
    email = (before.get(kind) or {}).get("email")
    return Inverse("updateContact", {"contact_type": kind, "email": email}) if email else None


def _invert_policy(arguments: Arguments, before: dict[str, Any]) -> Inverse | None:
    text = before.get("policy")
    return Inverse("setPolicyFile", {"policy": text}) if isinstance(text, str) else None


def _invert_service(arguments: Arguments, before: dict[str, Any]) -> Inverse | None:
    if not before:
        return Inverse("deleteService", {"service_name": arguments.get("name") or arguments["service_name"]})
    fields = {name: before.get(name) for name in ("name", "addrs", "comment", "ports", "tags")}
    now = arguments.get("name") or arguments["service_name"]
    return Inverse(
        "updateService", {"service_name": now, **{k: v for k, v in fields.items() if v is not None}}
    )


_INVERSES: Mapping[str, Callable[[Arguments, dict[str, Any]], Inverse | None]] = {
    "setDeviceRoutes": _invert_routes,
    "setDeviceTags": _invert_tags,
    "setDeviceName": _invert_name,
    "setDeviceIp": _invert_ip,
    "setCustomDevicePostureAttributes": _invert_attribute,
    "deleteCustomDevicePostureAttributes": _invert_attribute,
    "batchUpdateCustomDevicePostureAttributes": _invert_batch,
    "updateSplitDns": _invert_update_split_dns,
    "setSplitDns": _invert_set_split_dns,
    "updateContact": _invert_contact,
    "setPolicyFile": _invert_policy,
    "updateService": _invert_service,
    "deleteService": _invert_service,
}
