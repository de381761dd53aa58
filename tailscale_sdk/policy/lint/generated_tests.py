"""Tests that hold today, written so that tomorrow's change is stopped when it breaks one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.lint.coverage import protected_tags
from tailscale_sdk.policy.verdicts import Trial

_TCP: Final = 6
_DENIED_PORT: Final = 22
_MOST_FOR_TAG: Final = 4
# Whoever is tried costs a look at each pair of devices; one of the first is nearly always kept out.
_OUTSIDERS_TRIED: Final = 20
_ANY_PORT: Final = 443
"""Stands for every port: a test names one."""


def generate_tests(compiled: CompiledPolicy, *, tags: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return ``tests`` and ``sshTests`` that pass today, in forms that the service evaluates.

    Args:
        compiled: the policy in its tailnet.
        tags: what to write tests for; the tags that rules name as destinations when left out.

    Returns:
        Entries for both sections; each was run, and those that do not pass are left out.
    """
    chosen = sorted(tags) or sorted(protected_tags(compiled.policy))
    accepted = {tag: _accepts(compiled, tag) for tag in chosen}
    tests = [
        *(test for tag in chosen for test in accepted[tag]),
        *(test for tag in chosen for test in _denies(compiled, tag, accepted[tag])),
    ]
    ssh_tests = [test for tag in chosen for test in _ssh_tests(compiled, tag)]
    content = {**compiled.policy.tree.data(), "tests": tests, "sshTests": ssh_tests}
    trial = Trial(read_policy(json.dumps(content)), compiled.tailnet)
    return {
        "tests": [*_passing(trial, tests)],
        "sshTests": [*_passing_ssh(trial, ssh_tests)],
    }


def _passing(trial: Trial, tests: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tests that pass; of those that keep somebody out, one for each destination."""
    closed: set[str] = set()
    for test, read in zip(tests, trial.policy.tests, strict=True):
        denied = test.get("deny", ())
        if closed.isdisjoint(denied) and not any(trial.errors(read)):
            closed.update(denied)
            yield test


def _passing_ssh(trial: Trial, tests: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tests that pass; of two that differ in whom they keep out, the first."""
    told: set[str] = set()
    for test, read in zip(tests, trial.policy.ssh_tests, strict=True):
        says = json.dumps({**test, "deny": None}, sort_keys=True)
        if says not in told and not any(trial.ssh_errors(read)):
            told.add(says)
            yield test


def _accepts(compiled: CompiledPolicy, tag: str) -> list[dict[str, Any]]:
    accepted: dict[str, list[int]] = {}
    for rule in compiled.policy.rules:
        for destination in rule.destinations:
            if destination.selector.name != tag or rule.postures:
                continue
            ports = [
                first for each in destination.traffic if _TCP in each.protocols for first, _ in each.ports
            ]
            for selector in rule.sources:
                if selector.kind in {"user", "group", "tag"} and ports:
                    known = accepted.setdefault(selector.name, [])
                    known += [port for port in (each or _ANY_PORT for each in ports) if port not in known]
    return [
        {"src": source, "accept": [f"{tag}:{port}" for port in sorted(ports)[:_MOST_FOR_TAG]]}
        for source, ports in sorted(accepted.items())[:_MOST_FOR_TAG]
    ]


def _denies(
    compiled: CompiledPolicy, tag: str, accepts: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield tests that keep somebody out, the most telling first: other tags, then people."""
    known = {tag, *(test["src"] for test in accepts)}
    selection, policy = compiled.selection, compiled.policy
    tags = [other for other in sorted(selection.tagged) if other in policy.tag_owners]
    users = [login for login in sorted(selection.owned) if login in compiled.tailnet.roles]
    outsiders = [each for each in (*tags, *users) if each not in known]
    yield from ({"src": source, "deny": [f"{tag}:{_DENIED_PORT}"]} for source in outsiders[:_OUTSIDERS_TRIED])


def _ssh_tests(compiled: CompiledPolicy, tag: str) -> Iterator[dict[str, Any]]:
    for rule in compiled.policy.ssh:
        if not any(each.name == tag for each in rule.destinations) or rule.postures:
            continue
        logins = [user for user in rule.users if user and ":" not in user]
        for selector in rule.sources:
            if selector.kind in {"user", "group", "tag"} and logins:
                test: dict[str, Any] = {"src": selector.name, "dst": [tag], rule.action: logins}
                if "root" not in logins:
                    yield {**test, "deny": ["root"]}
                yield test
