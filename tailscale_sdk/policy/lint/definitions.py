"""Names that nobody uses, groups without members, members who are nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Definition, Policy
from tailscale_sdk.policy.lint.catalog import CHECKS


def check_definitions(policy: Policy, compiled: CompiledPolicy | None) -> Iterator[Finding]:
    """Yield what is wrong with the names a policy defines."""
    used = used_names(policy)
    sections: Mapping[str, Mapping[str, Definition]] = {
        "group": policy.groups,
        "host": policy.hosts,
        "tag": policy.tag_owners,
        "ipset": policy.ipsets,
        "posture": policy.postures,
    }
    for kind, definitions in sections.items():
        for definition in definitions.values():
            if definition.name not in used and not _in_use(kind, definition.name, compiled):
                yield _unused(kind, definition)
            yield from _repeated(kind, definition)
    yield from _groups(policy, compiled)


def _unused(kind: str, definition: Definition) -> Finding:
    fix = [{"op": "remove", "path": definition.place.pointer}]
    message = f"{definition.name} is defined and never used"
    return CHECKS[f"unused-{kind}"].finding(
        message, definition.place, resource=definition.name, kind=kind, fix=fix
    )


def _in_use(kind: str, name: str, compiled: CompiledPolicy | None) -> bool:
    """Tell whether a device has a tag; without a tailnet nobody can say that none has."""
    if kind != "tag":
        return False
    return compiled is None or name in compiled.selection.tagged


def _repeated(kind: str, definition: Definition) -> Iterator[Finding]:
    for value, count in Counter(definition.values).items():
        if count > 1 and kind not in {"ipset", "posture"}:
            places = [
                place
                for text, place in zip(definition.values, definition.places, strict=True)
                if text == value
            ]
            yield CHECKS["duplicate-member"].finding(
                f"{value} stands {count} times in {definition.name}",
                places[-1],
                resource=definition.name,
                kind=kind,
                fix=[{"op": "remove", "path": places[-1].pointer}],
                aspect=value,
            )


def _groups(policy: Policy, compiled: CompiledPolicy | None) -> Iterator[Finding]:
    for group in policy.groups.values():
        if not group.values:
            yield CHECKS["empty-group"].finding(
                f"{group.name} has no members", group.place, resource=group.name, kind="group"
            )
        for member, place in zip(group.values, group.places, strict=True):
            if compiled is not None and compiled.tailnet.roles and member not in compiled.tailnet.roles:
                yield CHECKS["unknown-member"].finding(
                    f"{member} is a member of {group.name} and no user of the tailnet",
                    place,
                    resource=group.name,
                    kind="group",
                    fix=[{"op": "remove", "path": place.pointer}],
                    aspect=member,
                )


def used_names(policy: Policy) -> frozenset[str]:
    """Return every name that something in a policy refers to."""
    return frozenset(name for name in _references(policy) if name)


def _references(policy: Policy) -> Iterator[str]:
    for rule in policy.rules:
        yield from (selector.name for selector in rule.sources)
        yield from (destination.selector.name for destination in rule.destinations)
        yield from (*rule.via, *(rule.postures or ()))
    for entry in policy.ssh:
        yield from (selector.name for selector in (*entry.sources, *entry.destinations))
        yield from (*(entry.postures or ()), *entry.recorder)
    for attributes in policy.node_attributes:
        yield from (selector.name for selector in attributes.targets)
    for approvers in (*policy.route_approvers, *policy.service_approvers):
        yield approvers.target
        yield from (selector.name for selector in approvers.approvers)
    yield from (selector.name for selector in policy.exit_node_approvers)
    yield from policy.default_postures
    for owners in policy.tag_owners.values():
        # A tag that owns itself is not used by that.
        yield from (owner for owner in owners.values if owner != owners.name)
    for definition in policy.ipsets.values():
        for value in definition.values:
            yield value.rpartition(" ")[2].removeprefix("host:")
    yield from _tested(policy)


def _tested(policy: Policy) -> Iterator[str]:
    for test in policy.tests:
        yield read_selector(policy, test.source or "").name
        for destination in (*(test.accept or ()), *(test.deny or ())):
            yield read_selector(policy, destination.rpartition(":")[0]).name
    for ssh_test in policy.ssh_tests:
        yield from (
            read_selector(policy, text).name for text in (ssh_test.source or "", *ssh_test.destinations)
        )
