"""Rules that allow too much, do nothing, or say what others say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.compile import ALLOW_ALL, CompiledPolicy, postures_of
from tailscale_sdk.policy.compile.redundancy import redundant_rules
from tailscale_sdk.policy.compile.traffic import HIGHEST_PORT
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Place, Policy, Rule, SSHRule
from tailscale_sdk.policy.lint.catalog import CHECKS

MANY_DEVICES: Final = 100
"""Destinations of one rule from which it is called large."""

_ALL_PORTS: Final = (0, HIGHEST_PORT)


def check_rules(policy: Policy, compiled: CompiledPolicy | None) -> Iterator[Finding]:
    """Yield what is wrong with the entries of ``acls`` and ``grants``."""
    if policy.allows_all:
        message = "the policy has neither acls nor grants: everything is allowed to everybody"
        yield CHECKS["allow-all"].finding(message, Place("", 1, 1), resource="policy", kind="policy")
    for rule in policy.rules:
        yield from _breadth(rule)
    yield from _duplicates(policy)
    if compiled is not None:
        yield from _effects(policy, compiled)


def identity_of(rule: Rule | SSHRule, policy: Policy) -> str:
    """Return what tells a rule from others though it moves: what it says."""
    value = policy.tree.find(rule.place.pointer)
    return json.dumps(value.data() if value is not None else None, sort_keys=True)


def _found(check: str, rule: Rule, message: str, **more: Any) -> Finding:
    return CHECKS[check].finding(
        f"{cite(rule)} {message}", rule.place, resource=rule.pointer, kind="rule", **more
    )


def _breadth(rule: Rule) -> Iterator[Finding]:
    for selector in rule.sources:
        if selector.name == "autogroup:danger-all":
            yield _found("danger-all-source", rule, "lets in every address there is")
        elif selector.kind == "any":
            yield _found("any-source", rule, "lets in every device and every host behind a router")
    for destination in rule.destinations:
        if destination.selector.kind == "any" and destination.traffic:
            yield _found("any-destination", rule, "opens every device and every route")
        if any(_ALL_PORTS in traffic.ports for traffic in destination.traffic):
            text = destination.selector.text
            if destination.selector.name not in {"autogroup:internet", "autogroup:self"}:
                yield _found("all-ports", rule, f"opens every port of {text}", aspect=text)


def _duplicates(policy: Policy) -> Iterator[Finding]:
    seen: dict[str, Rule] = {}
    for rule in policy.rules:
        identity = rule.kind + identity_of(rule, policy)
        first = seen.setdefault(identity, rule)
        if first is not rule:
            fix = [{"op": "remove", "path": rule.pointer}]
            yield _found("duplicate-rule", rule, f"says what {cite(first)} says", fix=fix)


def _effects(policy: Policy, compiled: CompiledPolicy) -> Iterator[Finding]:
    contained = redundant_rules(compiled)
    by_pointer = {rule.pointer: rule for rule in policy.rules}
    for rule in policy.rules:
        sources, destinations = compiled.rule_sources(rule), compiled.rule_destinations(rule)
        if rule.pointer in contained:
            others = ", ".join(
                cite(by_pointer.get(pointer, ALLOW_ALL)) for pointer in contained[rule.pointer]
            )
            fix = [{"op": "remove", "path": rule.pointer}]
            yield _found("redundant-rule", rule, f"gives nothing that {others} do not give", fix=fix)
        if not any(part.sources for part in compiled.parts_of(rule)):
            yield _found(
                "rule-matches-nobody", rule, "lets nobody in: no device or route is among its sources"
            )
        elif not destinations and not _is_for_the_internet(rule):
            yield _found(
                "rule-matches-nobody", rule, "reaches nothing: no device or route is among its destinations"
            )
        count = destinations.possible.bit_count()
        if count >= MANY_DEVICES and sources:
            yield _found("many-devices", rule, f"reaches {count} devices from {sources.possible.bit_count()}")
        yield from _shared(rule, compiled)


def _is_for_the_internet(rule: Rule) -> bool:
    return any(destination.selector.name == "autogroup:internet" for destination in rule.destinations)


def _shared(rule: Rule, compiled: CompiledPolicy) -> Iterator[Finding]:
    if compiled.tailnet.shared and any(selector.name == "autogroup:member" for selector in rule.sources):
        people = len(compiled.tailnet.shared)
        yield _found(
            "member-with-shared",
            rule,
            f"is for autogroup:member, and {people} people of other tailnets are here",
        )


def check_postures(policy: Policy, protected: frozenset[str]) -> Iterator[Finding]:
    """Yield rules that reach a protected tag without any condition on the source."""
    for rule in policy.rules:
        reached = sorted(protected.intersection(each.selector.name for each in rule.destinations))
        if reached and policy.postures and not postures_of(policy, rule):
            yield _found(
                "no-posture", rule, f"reaches {', '.join(reached)} from any device in whatever state"
            )
