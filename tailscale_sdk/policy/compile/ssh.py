"""The SSH rules each device is sent, and what they say of a login."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from attrs import frozen

from tailscale_sdk.policy.compile.bits import NOTHING, TriState, members, union
from tailscale_sdk.policy.compile.compiled import CompiledPolicy
from tailscale_sdk.policy.compile.selecting import SELF
from tailscale_sdk.policy.language import SSHRule
from tailscale_sdk.policy.tailnet import Device

LOCALPART: Final = "localpart:*@"
NONROOT: Final = "autogroup:nonroot"
WireRule = dict[str, Any]
LoginAction = Literal["accept", "check"]


@frozen
class SSHEntry:
    """Hold one entry of ``ssh`` as it lands on a device: the devices it lets in."""

    rule: SSHRule
    sources: TriState


def ssh_entries(compiled: CompiledPolicy, destination: Device) -> list[SSHEntry]:
    """Return what lands on a device in the order it is sent: ``check`` before ``accept``."""
    entries = [SSHEntry(rule, _let_in(compiled, rule, destination)) for rule in compiled.policy.ssh]
    return sorted(
        filter(lambda entry: entry.sources, entries), key=lambda entry: entry.rule.action != "check"
    )


def _let_in(compiled: CompiledPolicy, rule: SSHRule, destination: Device) -> TriState:
    everybody = ssh_sources(compiled, rule)
    bit = compiled.number(destination)
    found = []
    for selector in rule.destinations:
        if selector.name == SELF:
            mine = compiled.selection.owned[destination.user] if destination.user else 0
            found.append(everybody.within(mine))
            continue
        answer = compiled.selection.devices(selector).answer(bit)
        if answer != "no":
            found.append(everybody if answer == "yes" else TriState(0, everybody.possible))
    if any(user.startswith(LOCALPART) for user in rule.users) and rule.destinations:
        # Each source carries its own pair of such rules for itself.
        found.append(everybody.within(1 << bit))
    return union(found)


def ssh_sources(compiled: CompiledPolicy, rule: SSHRule) -> TriState:
    """Return the devices that are principals of an entry, by any of their addresses."""
    sources = union(compiled.selection.sources(selector) for selector in rule.sources)
    if rule.postures:
        sources = sources & compiled.selection.meeting(rule.postures)
    own, devices_in = compiled.universe.own, compiled.universe.devices_in
    yes, maybe = devices_in(sources.yes & own), devices_in(sources.maybe & own)
    return TriState(yes, maybe & ~yes) if sources else NOTHING


def wire_rules(entries: Sequence[SSHRule], source: Device) -> list[WireRule]:
    """Write what some entries say to one source, as a device is sent it."""
    return [rule for entry in entries for rule in _expanded(entry, source)]


def _expanded(entry: SSHRule, source: Device) -> Iterator[WireRule]:
    patterns = [user for user in entry.users if user.startswith(LOCALPART)]
    yield _wire_rule(entry, _wire_users([user for user in entry.users if user not in patterns]))
    local_part, _, domain = source.user.rpartition("@")
    if local_part and LOCALPART + domain in patterns:
        yield _wire_rule(entry, {local_part: local_part})


def _wire_rule(entry: SSHRule, users: dict[str, str]) -> WireRule:
    rule: WireRule = {"users": users, "action": entry.action}
    if entry.accept_env:
        rule["acceptEnv"] = list(entry.accept_env)
    return rule


def _wire_users(names: Sequence[str]) -> dict[str, str]:
    """Write logins as they are sent: root is denied where it is not listed."""
    users = {"*": "="} if NONROOT in names else {}
    users.update({name: name for name in names if name != NONROOT})
    users.setdefault("root", "")
    return users


def login_action(rules: Sequence[WireRule], login: str) -> LoginAction | None:
    """Return what the first rule that maps a login says of it, None when no rule does."""
    for rule in rules:
        if rule["users"].get(login, rule["users"].get("*", "")):
            action: LoginAction = rule["action"]
            return action
    return None


def ssh_rows(
    compiled: CompiledPolicy,
    *,
    sources: int | None = None,
    destinations: Callable[[Device], bool] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield nodeIds of destinations, each with a JSON object of rules by source.

    Args:
        compiled: the policy.
        sources: devices asked about, bit *d* for device *d*; all when left out.
        destinations: which to tell of.
    """
    asked = (1 << compiled.universe.size) - 1 if sources is None else sources
    write = lru_cache(maxsize=4096)(_text_of)
    for device in compiled.tailnet.devices if compiled.policy.ssh else ():
        if destinations is not None and not destinations(device):
            continue
        entries = ssh_entries(compiled, device)
        texts = []
        for number in members(union(entry.sources for entry in entries).yes & asked):
            source = compiled.device(number)
            landed = tuple(entry.rule.index for entry in entries if entry.sources.yes >> number & 1)
            if source is not None:
                texts.append(f"{json.dumps(source.id)}: {write(compiled, landed, source.user)}")
        if texts:
            yield device.id, "{" + ", ".join(texts) + "}"


def _text_of(compiled: CompiledPolicy, indexes: tuple[int, ...], user: str) -> str:
    sample = next(device for device in compiled.tailnet.devices if device.user == user)
    return json.dumps(wire_rules([compiled.policy.ssh[index] for index in indexes], sample))
