"""Read a selector that stands in a question or a test instead of a policy."""

from __future__ import annotations

from tailscale_sdk.policy.language import Policy, Selector
from tailscale_sdk.policy.language.names import DefinedNames
from tailscale_sdk.policy.language.nodes import Node, Refusals
from tailscale_sdk.policy.language.selectors import parse_selector


def read_selector(policy: Policy, text: str) -> Selector:
    """Return what a name means in a policy; whether anything has this name is not judged.

    Args:
        policy: whose groups, hosts and tags are meant.
        text: such as ``group:dev``, ``tag:web``, a login, a host or an address.
    """
    names = DefinedNames(
        tags=frozenset(policy.tag_owners),
        groups=frozenset(policy.groups),
        hosts=frozenset(policy.hosts),
        ipsets=frozenset(policy.ipsets),
        postures=frozenset(policy.postures),
    )
    return parse_selector(text, Node(policy.tree, "", Refusals()), names)
