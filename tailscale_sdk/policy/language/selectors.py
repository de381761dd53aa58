"""From the text of a selector to what it means, and the selectors that one side of a rule cannot have."""

from __future__ import annotations

from typing import Final

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.addresses import parse_addresses
from tailscale_sdk.policy.language.model import Selector, SelectorKind
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Node

SELF: Final = "autogroup:self"
INTERNET: Final = "autogroup:internet"
DANGER_ALL: Final = "autogroup:danger-all"
NONROOT: Final = "autogroup:nonroot"
LEGACY_NAMES: Final = {"autogroup:members": "autogroup:member"}
ROLE_AUTOGROUPS: Final = frozenset(
    f"autogroup:{role}"
    for role in ("owner", "admin", "it-admin", "network-admin", "billing-admin", "auditor", "member")
)
AUTOGROUPS: Final = ROLE_AUTOGROUPS | {
    "autogroup:tagged",
    "autogroup:shared",
    SELF,
    INTERNET,
    DANGER_ALL,
    NONROOT,
}
_KINDS: Final[dict[str, SelectorKind]] = {
    "group": "group",
    "tag": "tag",
    "autogroup": "autogroup",
    "ipset": "ipset",
    "svc": "service",
}


def parse_selector(text: str, node: Node, names: DefinedNames) -> Selector:
    """Read a selector without ports; it is not judged."""
    place = node.place
    if text == "*":
        return Selector("any", text, text, place)
    prefix, colon, rest = text.partition(":")
    kind = _KINDS.get(prefix) if colon else None
    if kind is not None:
        return Selector(kind, text, LEGACY_NAMES.get(text, text), place)
    if text in names.hosts:
        return Selector("host", text, text, place)
    addresses = parse_addresses(text)
    if addresses is not None:
        return Selector("address", text, text, place, (addresses,))
    if text.startswith("host:") and rest in names.hosts:
        return Selector("host", text, rest, place)
    return Selector("user" if "@" in text else "host", text, text, place)


def check_defined(selector: Selector, node: Node, names: DefinedNames, side: str) -> None:
    """Refuse a name that nothing defines."""
    known = {
        "tag": names.tags,
        "group": names.groups,
        "ipset": names.ipsets,
        "host": names.hosts,
        "autogroup": AUTOGROUPS,
    }.get(selector.kind)
    if known is not None and selector.name not in known:
        node.refuse(refused.not_found(side, selector.kind, selector.text))


def read_source(text: str, node: Node, names: DefinedNames) -> Selector:
    """Read a source of a rule."""
    selector = parse_selector(text, node, names)
    if selector.name in {SELF, INTERNET, NONROOT} or selector.kind == "service":
        node.refuse(refused.wrong_side(text, "src"))
    else:
        check_defined(selector, node, names, "src")
    return selector


def check_destination(selector: Selector, node: Node, names: DefinedNames) -> None:
    """Refuse what cannot be a destination of a rule."""
    if selector.name == DANGER_ALL:
        node.refuse(refused.DANGER_ALL_DESTINATION)
    elif selector.name == NONROOT:
        node.refuse(refused.wrong_side(selector.text, "dst"))
    elif selector.name in {"0.0.0.0/0", "::/0"}:
        node.refuse(refused.all_addresses(selector.text))
    else:
        check_defined(selector, node, names, "dst")


def takes_self(selector: Selector, *, any_source: bool) -> bool:
    """Tell whether a source may be paired with autogroup:self."""
    if selector.kind == "any":
        return any_source
    return selector.kind in {"user", "group"} or selector.name in ROLE_AUTOGROUPS
