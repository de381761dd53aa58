"""Application capabilities of grants and node attributes."""

from __future__ import annotations

import re
from typing import Any, Final

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.nodes import Node

_FORM: Final = re.compile(r"[^/:]+\.[^/:]+/.+")
_VENDOR: Final = re.compile(r"(?:.*\.)?tailscale\.com", re.IGNORECASE)
# Capabilities of the vendor's domain that a policy may give; others are given by the service alone.
_GIVEN_BY_POLICIES: Final = frozenset(
    f"tailscale.com/cap/{name}"
    for name in ("drive", "golink", "kubernetes", "relay", "secrets", "tsidp", "webui")
)


def read_capabilities(node: Node | None) -> dict[str, tuple[Any, ...]]:
    """Read ``app``: values by the name of the capability."""
    for name, values in node.members() if node is not None else ():
        _check_name(name, values)
    return read_values(node)


def read_values(node: Node | None) -> dict[str, tuple[Any, ...]]:
    """Read lists of values by name, whatever the names are."""
    members = node.members() if node is not None else []
    return {name: tuple(value.value.data() for value in values.elements()) for name, values in members}


def _check_name(name: str, node: Node) -> None:
    if not _FORM.fullmatch(name):
        node.refuse_name(refused.CAPABILITY_FORM)
    elif _VENDOR.fullmatch(name.partition("/")[0]) and name not in _GIVEN_BY_POLICIES:
        node.refuse_name(refused.CAPABILITY_DOMAIN)
