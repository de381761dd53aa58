"""Policies that let everybody do everything, or nobody anything: recognised by what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tailscale_sdk.operations.policies.stakes import Lockout
from tailscale_sdk.policy.compile import ALLOW_ALL, CompiledPolicy, postures_of, rules_of
from tailscale_sdk.policy.language import Policy, Rule

_TCP, _UDP, _LAST_PORT = 6, 17, 65535
_EVERYBODY: Final = frozenset({"*", "autogroup:danger-all"})
_EVERY_DEVICE: Final = frozenset({"autogroup:member", "autogroup:tagged"})


def find_extremes(new: CompiledPolicy) -> list[Lockout]:
    """Return what a policy does that nobody may do by accident, where the one it replaces cannot be read.

    Args:
        new: compiled for the tailnet.
    """
    return list(everything_or_nothing(None, new))


def everything_or_nothing(old: CompiledPolicy | None, new: CompiledPolicy) -> Iterator[Lockout]:
    """Yield what a policy opens to everybody or closes to everybody, unless the one before did so too."""
    opening = _opening(new.policy)
    if opening and (old is None or not _opening(old.policy)):
        yield Lockout("allow-all", f"{_by(opening)} the new policy allows everything to everybody")
    if (old is None or _lets_somebody_in(old)) and not _lets_somebody_in(new):
        yield Lockout("deny-all", "the new policy lets nobody reach anything")


def _by(opening: Sequence[Rule]) -> str:
    if opening[0] is ALLOW_ALL:
        return "without acls and grants"
    lines = ", ".join(str(rule.place.line) for rule in opening)
    return f"by the rule in line {lines}" if len(opening) == 1 else f"by the rules in lines {lines} together"


def _opening(policy: Policy) -> Sequence[Rule]:
    """Return the rules that allow everything to everybody, one that does it alone before several; none if none do."""
    found = [rule for rule in rules_of(policy) if not rule.via and not postures_of(policy, rule)]
    open_to_many = [rule for rule in found if _people(rule) and any(_ranges(rule))]
    alone = [[rule] for rule in open_to_many]
    return next((rules for rules in (*alone, open_to_many) if _allow_everything(rules)), [])


def _allow_everything(rules: Iterable[Rule]) -> bool:
    """Tell whether every port of TCP and UDP is open to all; what else is carried makes no difference."""
    allowed: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for rule in rules:
        for people in _people(rule):
            for protocol, first, last in _ranges(rule):
                allowed.setdefault((people, protocol), []).append((first, last))
    return all(
        _is_whole(allowed.get((people, protocol), ()))
        for people in _EVERY_DEVICE
        for protocol in (_TCP, _UDP)
    )


def _people(rule: Rule) -> frozenset[str]:
    """Return which of the two halves of a tailnet a rule lets in as a whole."""
    names = {selector.name for selector in rule.sources}
    return _EVERY_DEVICE if names & _EVERYBODY else _EVERY_DEVICE & names


def _ranges(rule: Rule) -> Iterator[tuple[int, int, int]]:
    """Yield what a rule opens everywhere: protocol, first and last port."""
    for destination in rule.destinations:
        for traffic in destination.traffic if destination.selector.kind == "any" else ():
            for protocol in traffic.protocols:
                for first, last in traffic.ports:
                    yield protocol, first, last


def _is_whole(ranges: Iterable[tuple[int, int]]) -> bool:
    """Tell whether ranges of ports leave none out; nothing listens on port 0."""
    reached = 0
    for first, last in sorted(ranges):
        if first > reached + 1:
            return False
        reached = max(reached, last)
    return reached >= _LAST_PORT


def _lets_somebody_in(compiled: CompiledPolicy) -> bool:
    if not compiled.tailnet.devices:
        # Without a tailnet nothing is selected: what is written has to do.
        return any(destination.traffic for rule in compiled.rules for destination in rule.destinations)
    return any(part.traffic and part.sources and part.places for part in compiled.parts)
