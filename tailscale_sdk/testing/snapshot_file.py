"""The state as a snapshot file, and a snapshot file as the state."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing.ledger import SECRET_FIELDS
from tailscale_sdk.testing.policy_text import policy_etag
from tailscale_sdk.testing.seed import add_api_key, owner_of
from tailscale_sdk.testing.state import Tailnet, empty_dns

VERSION: Final = 1
# snapshot key -> (attribute of the state, field that identifies an element)
LISTS: Final[Mapping[str, tuple[str, str]]] = {
    "users": ("users", "id"),
    "keys": ("keys", "id"),
    "webhooks": ("webhooks", "endpointId"),
    "services": ("services", "name"),
    "posture_integrations": ("posture_integrations", "id"),
    "oauth_apps": ("oauth_apps", "id"),
    "user_invites": ("user_invites", "id"),
    "device_invites": ("device_invites", "id"),
}
OBJECTS: Final = ("settings", "contacts", "attributes", "log_streams", "service_hosts")
OWN_KEYS: Final = frozenset(
    {"version", "tailnet", "taken", "devices", "policy", "policy_etag", "dns", "coverage"}
)


def read_snapshot(source: str | Path) -> Mapping[str, Any]:
    """Read a snapshot file.

    Raises:
        ConfigurationError: when it cannot be read or is no JSON object.
    """
    try:
        content = orjson.loads(Path(source).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{source}: cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(
            f"{source}: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{source}: must be an object with the key devices")
    return content


def load_state(tailnet: Tailnet, snapshot: Mapping[str, Any]) -> str:
    """Fill an empty tailnet from a snapshot and return the API key of its owner.

    Raises:
        ConfigurationError: naming the path of the first bad value.
    """
    content = copy.deepcopy(dict(snapshot))
    if "devices" not in content:
        raise ConfigurationError("devices: is missing; a snapshot needs the list of devices")
    _load_devices(tailnet, content)
    for name, (attribute, key) in LISTS.items():
        setattr(tailnet, attribute, _indexed(content.get(name), name, key))
    for name in OBJECTS:
        setattr(tailnet, name, _part(content, name))
    _load_texts(tailnet, content)
    _load_dns(tailnet, content)
    known = OWN_KEYS | LISTS.keys() | set(OBJECTS)
    tailnet.memory["unknown_keys"] = {name: value for name, value in content.items() if name not in known}
    for attribute in ("devices", *(a for a, _ in LISTS.values())):
        tailnet.ids.reserve(*getattr(tailnet, attribute))
    tailnet.ids.reserve(*(str(d.get("id")) for d in tailnet.devices.values()))
    listed = set(tailnet.keys)
    api_key = add_api_key(tailnet, owner_of(tailnet))
    # What a test talks with is no part of the tailnet it was given.
    tailnet.memory["unlisted_keys"] = frozenset(tailnet.keys.keys() - listed)
    return api_key


def _load_devices(tailnet: Tailnet, content: Mapping[str, Any]) -> None:
    for index, device in enumerate(_want(content["devices"], list, "devices")):
        where = f"devices[{index}]"
        _want(device, dict, where)
        identifier = device.get("nodeId") or device.get("id")
        if not isinstance(identifier, str):
            raise ConfigurationError(f"{where}.nodeId: must be a string, found {_kind(identifier)}")
        if identifier in tailnet.devices:
            raise ConfigurationError(f"{where}.nodeId: {identifier} is there twice")
        device.setdefault("nodeId", identifier)
        device.setdefault("id", identifier)
        for name, kind in DEVICE_FIELDS.items():
            if device.get(name) is not None:
                _want(device[name], kind, f"{where}.{name}")
        tailnet.devices[identifier] = device


DEVICE_FIELDS: Final[Mapping[str, type]] = {
    "id": str,
    "name": str,
    "hostname": str,
    "user": str,
    "addresses": list,
    "tags": list,
    "advertisedRoutes": list,
    "enabledRoutes": list,
    "authorized": bool,
    "isExternal": bool,
    "keyExpiryDisabled": bool,
}


def _load_texts(tailnet: Tailnet, content: Mapping[str, Any]) -> None:
    tailnet.policy_text = _want(content.get("policy") or tailnet.policy_text, str, "policy")
    name = content.get("tailnet")
    if name not in (None, "", "-"):
        tailnet.name = _want(name, str, "tailnet")


def _load_dns(tailnet: Tailnet, content: Mapping[str, Any]) -> None:
    dns = _part(content, "dns")
    merged = empty_dns()
    for name, kind in (
        ("nameservers", list),
        ("searchPaths", list),
        ("splitDns", dict),
        ("preferences", dict),
    ):
        if dns.get(name) is not None:
            merged[name] = _want(dns[name], kind, f"dns.{name}")
    tailnet.dns = merged


def _part(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    found: dict[str, Any] = {} if value is None else _want(value, dict, name)
    return found


def _indexed(value: Any, where: str, key: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for index, element in enumerate(_want([] if value is None else value, list, where)):
        _want(element, dict, f"{where}[{index}]")
        identifier = element.get(key)
        if not isinstance(identifier, str) or not identifier:
            raise ConfigurationError(f"{where}[{index}].{key}: must be a string, found {_kind(identifier)}")
        found[identifier] = element
    return found


def _want(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise ConfigurationError(f"{where}: must be {KINDS[kind]}, found {_kind(value)}")
    return value


KINDS: Final = {
    str: "a string",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def _kind(value: Any) -> str:
    return KINDS.get(type(value), type(value).__name__)


def dump_state(tailnet: Tailnet) -> dict[str, Any]:
    """Return the state as a snapshot, without any secret."""
    found: dict[str, Any] = {
        "version": VERSION,
        "tailnet": tailnet.name,
        "taken": tailnet.clock.text(),
        "devices": list(tailnet.devices.values()),
        "policy": tailnet.policy_text,
        "policy_etag": policy_etag(tailnet.policy_text),
        "dns": tailnet.dns,
    }
    for name, (attribute, _) in LISTS.items():
        unlisted = tailnet.memory.get("unlisted_keys", ()) if name == "keys" else ()
        found[name] = [
            each for identifier, each in getattr(tailnet, attribute).items() if identifier not in unlisted
        ]
    for name in OBJECTS:
        found[name] = getattr(tailnet, name)
    found.update(tailnet.memory.get("unknown_keys", {}))
    cleaned: dict[str, Any] = _without_secret_fields(found)
    return cleaned


def _without_secret_fields(value: Any) -> Any:
    """Copy JSON and leave out every field that may hold a credential."""
    if isinstance(value, dict):
        kept = {n: v for n, v in value.items() if not (n.lower() in SECRET_FIELDS and isinstance(v, str))}
        return {name: _without_secret_fields(inner) for name, inner in kept.items()}
    if isinstance(value, list):
        return [_without_secret_fields(inner) for inner in value]
    return value
