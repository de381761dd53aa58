"""The names a policy defines, gathered before anything that uses them is read: order in the text does not count."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from tailscale_sdk.policy.language.nodes import Fields


@frozen
class DefinedNames:
    """Hold what a policy defines, by kind."""

    tags: frozenset[str]
    groups: frozenset[str]
    hosts: frozenset[str]
    ipsets: frozenset[str]
    postures: frozenset[str]

    @classmethod
    def of(cls, policy: Fields) -> DefinedNames:
        """Gather the names of a policy, without judging them."""
        return cls(
            tags=frozenset(_names(policy, "tagOwners")),
            groups=frozenset(_names(policy, "groups")),
            hosts=frozenset(_names(policy, "hosts")),
            ipsets=frozenset(_names(policy, "ipsets")),
            postures=frozenset(_names(policy, "postures")),
        )


def _names(policy: Fields, section: str) -> Iterable[str]:
    node = policy.present.get(section.lower())
    return () if node is None else [member.name.text() for member in node.value.members]
