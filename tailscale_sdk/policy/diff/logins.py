"""What is gained and lost over SSH: who may log in where, as whom, and with or without a check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.ssh import LOCALPART, NONROOT, SSHEntry, ssh_entries
from tailscale_sdk.policy.language import SSHRule

ANY_OTHER: Final = "any login but root"
OWN_NAME: Final = "the login named like the user"
_STRENGTH: Final[dict[str | None, int]] = {None: 0, "check": 1, "accept": 2}
_Logins = dict[str, str]


@frozen
class LoginChange:
    """Hold one login that becomes easier or harder to use.

    Attributes:
        login: its name, or what stands for several.
        before, after: accept, check, or None for no way in.
        sources, destinations: devices, bit *d* for device *d*.
        certain: whether it is known.
        rules: the entries that say so, in the policy that gives more.
    """

    login: str
    before: str | None
    after: str | None
    sources: int
    destinations: int
    certain: bool
    rules: tuple[SSHRule, ...]

    @property
    def gained(self) -> bool:
        """Tell whether it becomes easier."""
        return _STRENGTH[self.after] > _STRENGTH[self.before]


def login_changes(old: CompiledPolicy, new: CompiledPolicy) -> list[LoginChange]:
    """Return the differences of two policies over one universe.

    Args:
        old, new: compiled together.
    """
    destinations: dict[tuple[Any, ...], tuple[int, list[SSHEntry], list[SSHEntry]]] = {}
    for number, identifier in enumerate(new.universe.ids):
        before, after = (_entries(side, identifier) for side in (old, new))
        key = _key(before), _key(after)
        if key[0] == key[1]:
            continue
        bits, *_ = destinations.get(key, (0, before, after))
        destinations[key] = bits | 1 << number, before, after
    found: dict[tuple[Any, ...], LoginChange] = {}
    for bits, before, after in destinations.values():
        for change in _between(before, after, bits):
            rules = tuple(rule.index for rule in change.rules)
            login = change.login, change.before, change.after, change.sources, change.certain, rules
            known = found.get(login)
            merged = change.destinations | (known.destinations if known else 0)
            found[login] = LoginChange(
                change.login,
                change.before,
                change.after,
                change.sources,
                merged,
                change.certain,
                change.rules,
            )
    return [
        change
        for change in found.values()
        if change.sources != change.destinations or change.sources.bit_count() > 1
    ]


def _entries(side: CompiledPolicy, identifier: str) -> list[SSHEntry]:
    device = side.tailnet.by_id.get(identifier)
    return ssh_entries(side, device) if device is not None else []


def _key(entries: Sequence[SSHEntry]) -> tuple[Any, ...]:
    return tuple((entry.sources, entry.rule.action, entry.rule.users) for entry in entries)


def _between(
    before: Sequence[SSHEntry], after: Sequence[SSHEntry], destinations: int
) -> Iterator[LoginChange]:
    sets = [entry.sources for entry in (*before, *after)]
    classes = [0]
    for each in sets:
        classes[0] |= each.possible
    for mask in {bits for each in sets for bits in (each.yes, each.maybe)}:
        parted = [piece & mask for piece in classes], [piece & ~mask for piece in classes]
        classes = [piece for half in parted for piece in half if piece]
    for sources in classes:
        old, new = (_logins(entries, sources) for entries in (before, after))
        certain = not any(each.maybe & sources for each in sets)
        for login in sorted({*old, *new}):
            was, now = (_action(logins, login) for logins in (old, new))
            if was != now:
                gained = _STRENGTH[now] > _STRENGTH[was]
                rules = _rules(after if gained else before, sources, login)
                yield LoginChange(login, was, now, sources, destinations, certain, rules)


def _logins(entries: Sequence[SSHEntry], sources: int) -> _Logins:
    """Return the action by login, the first rule that names it deciding."""
    found: _Logins = {}
    for entry in entries:
        if entry.sources.possible & sources:
            for login in _names(entry.rule):
                found.setdefault(login, entry.rule.action)
    return found


def _names(rule: SSHRule) -> list[str]:
    return [
        ANY_OTHER if user == NONROOT else OWN_NAME if user.startswith(LOCALPART) else user
        for user in rule.users
    ]


def _action(logins: _Logins, login: str) -> str | None:
    return logins.get(login) if login == "root" else logins.get(login, logins.get(ANY_OTHER))


def _rules(entries: Sequence[SSHEntry], sources: int, login: str) -> tuple[SSHRule, ...]:
    named = {login} if login == "root" else {login, ANY_OTHER}
    return tuple(
        entry.rule
        for entry in entries
        if entry.sources.possible & sources and named.intersection(_names(entry.rule))
    )
