"""A tailnet as import blocks of Terraform 1.5 and later, for the provider tailscale/tailscale."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.values import mapping_of, text_of, texts_of

_LABEL: Final = re.compile(r"[^A-Za-z0-9_]")
_DEVICE_RESOURCES: Final = ("device_authorization", "device_key", "device_tags", "device_subnet_routes")
_HEREDOC: Final = "POLICY"


def import_blocks(fleet: Fleet) -> Iterator[str]:
    """Yield import blocks for everything that was read, and the policy as a resource byte for byte.

    Args:
        fleet: devices, and whatever else was read.
    """
    for device in fleet.devices:
        if device.is_external:
            continue
        yield f"# {json.dumps(device.name)}\n"
        for resource in _DEVICE_RESOURCES:
            if resource == "device_tags" and not device.tags:
                continue
            if resource == "device_subnet_routes" and not device.approved:
                continue
            yield _block(resource, device.id, device.id)
    yield from _singletons(fleet.snapshot.content)
    yield from _others(fleet.snapshot.content)
    if fleet.snapshot.policy is not None:
        yield _policy(fleet.snapshot.policy)


def _singletons(content: Mapping[str, Any]) -> Iterator[str]:
    if "contacts" in content:
        yield _block("contacts", "contacts", "contacts")
    if "settings" in content:
        yield _block("tailnet_settings", "tailnet_settings", "tailnet_settings")
    dns = mapping_of(content, "dns")
    # One family only: dns_configuration conflicts with these.
    for name, there in (
        ("dns_preferences", "preferences" in dns),
        ("dns_nameservers", bool(texts_of(dns, "nameservers"))),
        ("dns_search_paths", bool(texts_of(dns, "searchPaths"))),
    ):
        if there:
            yield _block(name, name, name)
    for domain in mapping_of(dns, "splitDns"):
        yield _block("dns_split_nameservers", domain, domain)


def _others(content: Mapping[str, Any]) -> Iterator[str]:
    for part, resource, key in (
        ("webhooks", "webhook", "endpointId"),
        ("posture_integrations", "posture_integration", "id"),
        ("services", "service", "name"),
    ):
        for record in content.get(part) or ():
            yield _block(resource, text_of(record, key), text_of(record, key))
    for record in content.get("keys") or ():
        kind = _KEYS.get(text_of(record, "keyType"))
        if kind is not None and record.get("invalid") is not True:
            yield _block(kind, text_of(record, "id"), text_of(record, "id"))


_KEYS: Final[Mapping[str, str]] = {
    "auth": "tailnet_key",
    "client": "oauth_client",
    "federated": "federated_identity",
}


def _block(resource: str, name: str, import_id: str) -> str:
    label = _LABEL.sub("_", name)
    label = f"_{label}" if not label[:1].isalpha() and label[:1] != "_" else label
    return f"import {{\n  to = tailscale_{resource}.{label}\n  id = {hcl_string(import_id)}\n}}\n\n"


def hcl_string(text: str) -> str:
    """Return text as a string of HCL: quoted, and nothing in it taken for a template."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _policy(text: str) -> str:
    import_block = _block("acl", "policy", "acl")
    word = _HEREDOC
    while word in text:
        word += "_"
    if not text.endswith("\n") or "\r" in text:
        # A heredoc ends its text with a newline and knows no carriage return.
        return f'{import_block}resource "tailscale_acl" "policy" {{\n  acl = {hcl_string(text)}\n}}\n'
    body = text.replace("${", "$${").replace("%{", "%%{")
    return f'{import_block}resource "tailscale_acl" "policy" {{\n  acl = <<{word}\n{body}{word}\n}}\n'
