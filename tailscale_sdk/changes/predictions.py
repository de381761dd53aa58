"""What a write leaves behind: by rule where names agree, by hand where they do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailscale_sdk._generated.endpoints import ENDPOINTS, ChangeRule
from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.changes.states import state_of

State = Mapping[str, Any]
Arguments = Mapping[str, Any]


def rule_of(operation_id: str) -> ChangeRule:
    """Return how a write is looked at before and after.

    Raises:
        ValueError: the operation changes nothing.
    """
    rule = ENDPOINTS[operation_id].change if operation_id in ENDPOINTS else None
    if rule is None:
        raise ValueError(f"{operation_id} changes nothing: only write and delete operations are planned")
    return rule


def is_predictable(operation_id: str) -> bool:
    """Tell whether the state after a write follows from its arguments; of creations and effects it does not."""
    return OPERATIONS[operation_id].retry_class not in {"CREATE", "EFFECT"}


def predict(operation_id: str, arguments: Arguments, before: State | None) -> dict[str, Any] | None:
    """Return the state a write should leave; None where it takes the object away or cannot be predicted.

    Args:
        operation_id: the write.
        arguments: keywords of the SDK's method as JSON values.
        before: the state the write is based on.
    """
    rule = rule_of(operation_id)
    if not is_predictable(operation_id) or is_removal(operation_id):
        return None
    special = _PREDICTIONS.get(operation_id)
    if special is not None:
        return special(arguments, dict(before or {}))
    endpoint = ENDPOINTS[operation_id]
    sent = {
        argument.api_name: arguments[name]
        for name, argument in endpoint.arguments.items()
        if argument.place == "body" and name in arguments and not argument.secret
    }
    changed = {name: value for name, value in sent.items() if name in rule.fields or "*" in rule.fields}
    # A whole replacement says nothing of the fields that were left out: the service decides what they become.
    if OPERATIONS[operation_id].http_method == "PUT":
        return changed or None
    return {**(before or {}), **changed}


def compared(operation_id: str, found: State | None) -> dict[str, Any] | None:
    """Return the part of a state, as it was read, that is compared.

    Args:
        operation_id: the write.
        found: None where nothing is there.
    """
    if found is None:
        return None
    # This one is put together from several reads, each under the id it is of.
    return dict(found) if operation_id in BY_PART else state_of(rule_of(operation_id).fields, found)


BY_PART = frozenset({"batchUpdateCustomDevicePostureAttributes"})


def is_removal(operation_id: str) -> bool:
    """Tell whether a write takes its object away."""
    operation = OPERATIONS[operation_id]
    whole = operation.http_method == "DELETE" and not rule_of(operation_id).fields
    return whole or operation_id in _REVOCATIONS


_REVOCATIONS = frozenset({"deleteKey", "disableLogStreaming"})


def _merged(field: str, argument: str) -> Callable[[Arguments, dict[str, Any]], dict[str, Any]]:
    """Return a prediction in which one argument takes the place of one field of another name."""
    return lambda arguments, before: {**before, field: arguments.get(argument)}


def _set_name(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any] | None:
    name = str(arguments["name"])
    if not name:
        return None
    domain = str(before.get("name") or "").partition(".")[2]
    return {**before, "name": name if "." in name or not domain else f"{name}.{domain}"}


def _set_ip(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    others = [address for address in before.get("addresses") or [] if ":" in str(address)]
    return {**before, "addresses": [arguments["ipv4"], *others]}


def _set_attribute(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    key = arguments["attribute_key"]
    attributes = {**(before.get("attributes") or {}), key: arguments.get("value")}
    expiries = {name: at for name, at in (before.get("expiries") or {}).items() if name != key}
    if arguments.get("expiry"):
        expiries[key] = arguments["expiry"]
    return {**before, "attributes": attributes, "expiries": expiries}


def _delete_attribute(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    key = arguments["attribute_key"]
    return {
        **before,
        **{
            part: {name: value for name, value in (before.get(part) or {}).items() if name != key}
            for part in ("attributes", "expiries")
        },
    }


def _batch_attributes(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    after = dict(before)
    for node, changes in arguments["nodes"].items():
        state = dict(before.get(node) or {})
        for key, change in (changes or {}).items():
            one = {"attribute_key": key, **(change or {})}
            state = _delete_attribute(one, state) if change is None else _set_attribute(one, state)
        after[node] = state
    return after


def _update_split_dns(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    merged = {**before, **arguments["split_dns"]}
    return {name: servers for name, servers in merged.items() if servers is not None}


def _set_split_dns(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    return {name: servers for name, servers in arguments["split_dns"].items() if servers is not None}


def _update_contact(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    emails = {kind: {"email": (contact or {}).get("email")} for kind, contact in before.items()}
    return {**emails, arguments["contact_type"]: {"email": arguments.get("email")}}


def _status(value: str) -> Callable[[Arguments, dict[str, Any]], dict[str, Any]]:
    return lambda arguments, before: {**before, "status": value}


def _set_policy(arguments: Arguments, before: dict[str, Any]) -> dict[str, Any]:
    return {"policy": arguments["policy"]}


def _unpredictable(arguments: Arguments, before: dict[str, Any]) -> None:
    return None


_PREDICTIONS: Mapping[str, Callable[[Arguments, dict[str, Any]], dict[str, Any] | None]] = {
    "setDeviceRoutes": _merged("enabledRoutes", "routes"),
    "setDeviceName": _set_name,
    "setDeviceIp": _set_ip,
    "expireDeviceKey": _unpredictable,
    "setCustomDevicePostureAttributes": _set_attribute,
    "deleteCustomDevicePostureAttributes": _delete_attribute,
    "batchUpdateCustomDevicePostureAttributes": _batch_attributes,
    "updateSplitDns": _update_split_dns,
    "setSplitDns": _set_split_dns,
    "updateContact": _update_contact,
    "suspendUser": _status("suspended"),
    "restoreUser": _unpredictable,
    "approveUser": _unpredictable,
    "setPolicyFile": _set_policy,
}
