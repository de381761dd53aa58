"""The SSH rules each device is sent, split by source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.policy.brute_force.answers import Answer, any_of
from tests.policy.brute_force.rules import today
from tests.policy.brute_force.selectors import (
    is_device_selector,
    is_own_source,
    is_source,
    selects_device,
)
from tests.policy.brute_force.world import Device, World, read_world

LOCALPART = "localpart:*@"


def ssh(policy: dict[str, Any], snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return what `policy ssh` writes: rules that surely apply, those with `check` first."""
    world = read_world(snapshot)
    matrix: dict[str, Any] = {}
    for destination in world.devices:
        for source in world.devices:
            rules = [
                rule
                for entry in policy.get("ssh") or []
                for rule in rules_of_entry(policy, world, entry, source, destination)
            ]
            rules.sort(key=lambda rule: rule["action"] != "check")
            if rules:
                matrix.setdefault(destination.node, {})[source.node] = rules
    return matrix


def rules_of_entry(
    policy: dict[str, Any], world: World, entry: dict[str, Any], source: Device, destination: Device
) -> Iterator[dict[str, Any]]:
    """Yield the rules that one entry gives a source on a destination."""
    names = [name.strip() for name in entry["users"]]
    patterns = [name for name in names if name.startswith(LOCALPART)]
    if lets_in(policy, world, entry, source, destination) != "yes" and not (
        # A source also carries its own pair of such rules for itself.
        patterns and source is destination and is_any_source(policy, world, entry, source) == "yes"
    ):
        return
    yield wire_rule(entry, wire_users([name for name in names if name not in patterns]))
    local_part, _, domain = source.user.rpartition("@")
    if LOCALPART + domain in patterns and local_part:
        yield wire_rule(entry, {local_part: local_part})


def lets_in(
    policy: dict[str, Any], world: World, entry: dict[str, Any], source: Device, destination: Device
) -> Answer:
    """Say whether an entry lands on a destination with a source among its principals."""
    answers: list[Answer] = []
    for selector in map(today, entry.get("dst") or []):
        if selector == "autogroup:self":
            mine = source.user != "" and source.user == destination.user
            selectors = [today(name) for name in entry.get("src") or []]
            answers.append(is_own_source(policy, world, selectors, source) if mine else "no")
        elif selects_device(policy, world, selector, destination) == "yes":
            answers.append(is_any_source(policy, world, entry, source))
        elif selects_device(policy, world, selector, destination) == "unknown":
            answers.append("unknown")
    return any_of(answers)


def is_any_source(policy: dict[str, Any], world: World, entry: dict[str, Any], source: Device) -> Answer:
    """Say whether a device is among the sources of an entry by any of its addresses."""
    if not entry.get("dst"):
        return "no"
    return any_of(
        is_source(policy, world, today(selector), address)
        for selector in entry.get("src") or []
        for address in source.addresses
    )


def wire_rule(entry: dict[str, Any], users: dict[str, str]) -> dict[str, Any]:
    """Write one rule."""
    rule: dict[str, Any] = {"users": users, "action": entry["action"].strip()}
    if entry.get("acceptEnv"):
        rule["acceptEnv"] = entry["acceptEnv"]
    return rule


def wire_users(names: list[str]) -> dict[str, str]:
    """Write logins as they are sent: root is denied where it is not listed."""
    users = {"*": "="} if "autogroup:nonroot" in names else {}
    users.update({name: name for name in names if name != "autogroup:nonroot"})
    users.setdefault("root", "")
    return users


def login_action(rules: list[dict[str, Any]], login: str) -> str | None:
    """Return what the first rule that maps a login says of it: accept, check, or None when no rule does."""
    for rule in rules:
        if rule["users"].get(login, rule["users"].get("*", "")):
            return str(rule["action"])
    return None


def is_ssh_selector(policy: dict[str, Any], selector: str) -> bool:
    """Tell whether a selector names devices that this policy may speak of."""
    if selector.startswith("tag:"):
        return selector in (policy.get("tagOwners") or {})
    if selector.startswith("group:"):
        return selector in (policy.get("groups") or {})
    return is_device_selector(selector)
