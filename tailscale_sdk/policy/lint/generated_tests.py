"""Tests that hold today, written so that tomorrow's change is stopped when it breaks one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.lint.coverage import protected_tags
from tailscale_sdk.policy.verdicts import run_tests

_TCP: Final = 6
_DENIED_PORTS: Final = (22, 3389, 5432, 443)
_MOST_FOR_TAG: Final = 4
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
    tests = [test for tag in chosen for test in _network_tests(compiled, tag)]
    ssh_tests = [test for tag in chosen for test in _ssh_tests(compiled, tag)]
    return {
        "tests": [test for test in tests if _passes(compiled, "tests", test)],
        "sshTests": [test for test in ssh_tests if _passes(compiled, "sshTests", test)],
    }


def _network_tests(compiled: CompiledPolicy, tag: str) -> Iterator[dict[str, Any]]:
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
    for source, ports in sorted(accepted.items())[:_MOST_FOR_TAG]:
        yield {"src": source, "accept": [f"{tag}:{port}" for port in sorted(ports)[:_MOST_FOR_TAG]]}
    for source in _outsiders(compiled, tag, accepted)[:1]:
        for port in _DENIED_PORTS:
            yield {"src": source, "deny": [f"{tag}:{port}"]}
            break


def _outsiders(compiled: CompiledPolicy, tag: str, insiders: Iterable[str]) -> list[str]:
    """Return who is worth a test that keeps them out: other tags first, then people."""
    known = {*insiders, tag}
    tags = [
        other
        for other in sorted(compiled.selection.tagged)
        if other not in known and other in compiled.policy.tag_owners
    ]
    users = [
        login
        for login in sorted(compiled.selection.owned)
        if login not in known and login in compiled.tailnet.roles
    ]
    return [source for source in (*tags, *users) if _is_kept_out(compiled, source, tag)]


def _is_kept_out(compiled: CompiledPolicy, source: str, tag: str) -> bool:
    return _passes(compiled, "tests", {"src": source, "deny": [f"{tag}:{_DENIED_PORTS[0]}"]})


def _ssh_tests(compiled: CompiledPolicy, tag: str) -> Iterator[dict[str, Any]]:
    for rule in compiled.policy.ssh:
        if not any(each.name == tag for each in rule.destinations) or rule.postures:
            continue
        logins = [user for user in rule.users if user and ":" not in user]
        for selector in rule.sources:
            if selector.kind in {"user", "group", "tag"} and logins:
                denied = [] if "root" in logins else ["root"]
                test: dict[str, Any] = {"src": selector.name, "dst": [tag], rule.action: logins}
                yield {**test, "deny": denied} if denied else test


def _passes(compiled: CompiledPolicy, section: str, test: dict[str, Any]) -> bool:
    """Run one test alone against the policy."""
    content = {**compiled.policy.tree.data(), "tests": [], "sshTests": [], section: [test]}
    return run_tests(read_policy(json.dumps(content)), compiled.tailnet).ok
