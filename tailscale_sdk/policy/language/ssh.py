"""Entries of ``ssh``."""

from __future__ import annotations

from typing import Final, Literal

from tailscale_sdk.policy.language import refusals as refused
from tailscale_sdk.policy.language.durations import parse_check_period
from tailscale_sdk.policy.language.model import Selector, SSHRule
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Fields, Node
from tailscale_sdk.policy.language.rules import read_postures
from tailscale_sdk.policy.language.selectors import check_destination, parse_selector, read_source

_NOBODY: Final = frozenset({"", "*"})


def read_ssh(section: Node, names: DefinedNames) -> list[SSHRule]:
    """Read the entries of ``ssh``."""
    return [_read_rule(index, entry, names) for index, entry in section.entries()]


def _read_rule(index: int, entry: Fields, names: DefinedNames) -> SSHRule:
    recorder, enforce = entry.texts("recorder"), entry.flag("enforceRecorder")
    return SSHRule(
        index=index,
        place=entry.node.place,
        action=_read_action(entry),
        sources=_read_sources(entry.get("src"), names),
        destinations=_read_destinations(entry.get("dst"), names),
        users=_read_users(entry),
        accept_env=entry.texts("acceptEnv"),
        check_period=_read_check_period(entry),
        recorder=recorder,
        enforce_recorder=enforce,
        postures=read_postures(entry, names),
    )


def _read_action(entry: Fields) -> Literal["accept", "check"]:
    node = entry.get("action")
    action = node.text() if node is not None else None
    trimmed = (action or "").strip()
    if node is None:
        entry.refuse_missing("action", refused.NO_ACTION)
    elif action == "":
        node.refuse(refused.NO_ACTION)
    elif action is not None and trimmed not in {"accept", "check"}:
        node.refuse(refused.invalid_action(action))
    return "check" if trimmed == "check" else "accept"


def _read_sources(node: Node | None, names: DefinedNames) -> tuple[Selector, ...]:
    return tuple(read_source(text, place, names) for text, place in (node.texts() if node else ()))


def _read_destinations(node: Node | None, names: DefinedNames) -> tuple[Selector, ...]:
    destinations = []
    for text, place in node.texts() if node else ():
        selector = parse_selector(text, place, names)
        if selector.kind in {"host", "address", "any"}:
            place.refuse(refused.invalid_destination(text))
        else:
            check_destination(selector, place, names)
        destinations.append(selector)
    return tuple(destinations)


def _read_users(entry: Fields) -> tuple[str, ...]:
    node = entry.get("users")
    if node is None:
        entry.refuse_missing("users", refused.NO_USERS)
        return ()
    users = []
    for text, place in node.texts():
        trimmed = text.strip()
        if trimmed in _NOBODY:
            place.refuse(refused.invalid_user(text))
        users.append(trimmed)
    return tuple(users)


def _read_check_period(entry: Fields) -> str | None:
    node = entry.get("checkPeriod")
    text = node.text() if node is not None else None
    reason = parse_check_period(text) if text else None
    if node is not None and reason is not None:
        node.refuse(reason)
    return text
