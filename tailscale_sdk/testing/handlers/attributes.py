"""Posture attributes of devices: custom ones are set, those the client reports are read."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from tailscale_sdk.testing.clock import parse_time, to_text
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles, typed
from tailscale_sdk.testing.handlers.devices import node_target, own_device
from tailscale_sdk.testing.state import Tailnet

NAMESPACE: Final = "custom:"
KEY_MAX_CHARACTERS: Final = 128
TEXT_MAX_CHARACTERS: Final = 50
COMMENT_MAX_CHARACTERS: Final = 200
SAFE_INTEGER: Final = 2**53 - 1
_KEY: Final = re.compile(r"custom:[A-Za-z0-9_]+")
_TEXT: Final = re.compile(r"[A-Za-z0-9_.]*")

JsonObject = dict[str, Any]
Attributes = dict[str, JsonObject]


def check_key(key: str) -> str:
    """Return a key that users may set.

    Raises:
        Refusal: 400 for another namespace, other characters, or one that is too long.
    """
    if not key.startswith(NAMESPACE):
        raise Refusal(400, "only attributes in the custom: namespace can be changed")
    if not _KEY.fullmatch(key):
        raise Refusal(
            400, "attribute keys can only contain letters, numbers, underscores and the colon after custom"
        )
    if len(key) > KEY_MAX_CHARACTERS:
        raise Refusal(
            400, f"attribute keys must have at most {KEY_MAX_CHARACTERS} characters with their namespace"
        )
    return key


def check_value(value: Any, where: str) -> str | bool | int:
    """Return a value an attribute may have.

    Raises:
        Refusal: 400.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > TEXT_MAX_CHARACTERS or not _TEXT.fullmatch(value):
            raise Refusal(
                400,
                f"{where} must have at most {TEXT_MAX_CHARACTERS} characters: letters, numbers, underscores, periods",
            )
        return value
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not whole or abs(value) > SAFE_INTEGER:
        raise Refusal(400, f"{where} must be a string, true or false, or an integer of at most 2^53 - 1")
    return int(value)


def check_expiry(tailnet: Tailnet, value: Any, where: str) -> str | None:
    """Return the moment an attribute ends, None when it was not given.

    Raises:
        Refusal: 400 for what is no date with an offset, or lies in the past.
    """
    if value is None:
        return None
    try:
        moment = parse_time(typed(value, str, where))
    except ValueError:
        raise Refusal(
            400, f"{where} must be an RFC 3339 date and time, such as 2026-12-01T05:23:30Z"
        ) from None
    if moment <= tailnet.clock.now():
        raise Refusal(400, f"{where} must be in the future")
    return to_text(moment)


def check_comment(comment: str | None) -> str | None:
    """Return the comment for the audit log.

    Raises:
        Refusal: 400 when it is too long.
    """
    if comment is not None and len(comment) > COMMENT_MAX_CHARACTERS:
        raise Refusal(400, f"comment must have at most {COMMENT_MAX_CHARACTERS} characters")
    return comment


def check_type(attributes: Attributes, key: str, value: str | bool | int) -> None:
    """Refuse a value of another type than the key has anywhere in the tailnet.

    Raises:
        Refusal: 400; also when the key exists in another spelling of upper and lower case.
    """
    for held in attributes.values():
        for name, existing in (held.get("attributes") or {}).items():
            if name.lower() != key.lower():
                continue
            if name != key:
                raise Refusal(
                    400, f"attribute {key} differs from the existing {name} only in upper and lower case"
                )
            if type(existing) is not type(value):
                raise Refusal(400, f"attribute {key} already has values of another type")


def held_by(attributes: Attributes, node_id: str) -> JsonObject:
    """Return the attributes of a device for reading and changing."""
    held = attributes.setdefault(node_id, {})
    held.setdefault("attributes", {})
    held.setdefault("expiries", {})
    return held


def _shown(held: JsonObject) -> JsonObject:
    found = {"attributes": dict(held["attributes"])}
    if held["expiries"]:
        found["expiries"] = dict(held["expiries"])
    return found


@handles("getDevicePostureAttributes")
def get_attributes(call: Call) -> JsonObject:
    """Read all attributes of a device, with the moments at which some of them end."""
    device = call.tailnet.device(call.path["deviceId"], call.caller)
    return _shown(held_by(call.tailnet.attributes, device["nodeId"]))


@handles("setCustomDevicePostureAttributes")
def set_attribute(call: Call) -> JsonObject | None:
    """Create or change one custom attribute.

    The service has answered this with null where an object is described; which case brings it about is
    not published. Here it is a value that was there already, never on a plain tailnet.
    """
    device = own_device(call)
    key = check_key(call.path["attributeKey"])
    if "value" not in call.fields():
        raise Refusal(400, "value is missing: it must be a string, true or false, or an integer")
    value = check_value(call.fields()["value"], "value")
    expiry = check_expiry(call.tailnet, call.fields().get("expiry"), "expiry")
    comment = check_comment(call.field("comment", str, False))
    check_type(call.tailnet.attributes, key, value)
    held = held_by(call.tailnet.attributes, device["nodeId"])
    is_same = held["attributes"].get(key) == value
    _change(call, device, held, {key: (value, expiry)}, comment)
    return None if is_same and not call.tailnet.plain else _shown(held)


@handles("deleteCustomDevicePostureAttributes")
def delete_attribute(call: Call) -> Answer:
    """Remove one custom attribute."""
    device = own_device(call)
    key = check_key(call.path["attributeKey"])
    held = held_by(call.tailnet.attributes, device["nodeId"])
    if key not in held["attributes"]:
        raise Refusal(404, f"the device has no attribute {key}")
    _change(call, device, held, {key: None}, None)
    return Answer()


@handles("batchUpdateCustomDevicePostureAttributes")
def batch_update(call: Call) -> JsonObject:
    """Merge changes into several devices: all of them or none; null removes."""
    comment = check_comment(call.field("comment", str, False))
    planned = []
    # A later entry is checked against the earlier ones, so the checks run on a copy.
    trial = copy.deepcopy(call.tailnet.attributes)
    for identifier, changes in call.field("nodes", dict).items():
        device = call.tailnet.device(identifier, call.caller)
        if device.get("isExternal"):
            raise Refusal(501, "not supported for a device that was shared in from another tailnet")
        checked = _check_changes(
            call.tailnet, trial, device, typed(changes, dict, f"nodes.{identifier}"), identifier
        )
        planned.append((device, checked))
    for device, checked in planned:
        _change(call, device, held_by(call.tailnet.attributes, device["nodeId"]), checked, comment)
    return {}


Change = tuple[str | bool | int, str | None] | None


def _check_changes(
    tailnet: Tailnet, trial: Attributes, device: JsonObject, changes: JsonObject, identifier: str
) -> dict[str, Change]:
    checked: dict[str, Change] = {}
    held = held_by(trial, device["nodeId"])["attributes"]
    for key, change in changes.items():
        where = f"nodes.{identifier}.{key}"
        check_key(key)
        if change is None:
            checked[key] = None
            held.pop(key, None)
            continue
        if "value" not in typed(change, dict, where):
            raise Refusal(400, f"{where}.value is missing: it must be a string, true or false, or an integer")
        value = check_value(change["value"], f"{where}.value")
        check_type(trial, key, value)
        checked[key] = (value, check_expiry(tailnet, change.get("expiry"), f"{where}.expiry"))
        held[key] = value
    return checked


def _change(
    call: Call, device: JsonObject, held: JsonObject, changes: dict[str, Change], comment: str | None
) -> None:
    old = {key: held["attributes"][key] for key in changes if key in held["attributes"]}
    for key, change in changes.items():
        held["expiries"].pop(key, None)
        if change is None:
            held["attributes"].pop(key, None)
            continue
        held["attributes"][key] = change[0]
        if change[1] is not None:
            held["expiries"][key] = change[1]
    new = {key: change[0] for key, change in changes.items() if change is not None}
    call.tailnet.record(
        call, action="UPDATE", target=node_target(device, "ATTRIBUTES"), old=old, new=new, details=comment
    )
