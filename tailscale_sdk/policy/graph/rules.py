"""The rules of a policy as a graph: selectors, and what each rule lets them do; nobody's devices are asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.access.matching import ports_text
from tailscale_sdk.policy.compile import rules_of
from tailscale_sdk.policy.compile.traffic import Intervals
from tailscale_sdk.policy.graph.model import Edge, EdgeKind, Graph, Node, NodeKind
from tailscale_sdk.policy.language import Policy, Rule, Selector, SSHRule, Traffic

_KINDS: Final[Mapping[str, NodeKind]] = {
    "any": "any",
    "user": "user",
    "group": "group",
    "tag": "tag",
    "autogroup": "autogroup",
    "address": "network",
    "host": "host",
    "ipset": "ipset",
    "service": "service",
}


def rule_graph(policy: Policy, *, title: str = "Rules") -> Graph:
    """Return the selectors of a policy, joined by what its rules allow.

    Args:
        policy: whose ``acls``, ``grants`` and ``ssh`` are drawn.
        title: of the picture.
    """
    nodes: dict[str, Node] = {}
    edges = [
        *(edge for rule in rules_of(policy) for edge in _edges(rule, nodes)),
        *(edge for entry in policy.ssh for edge in _ssh_edges(entry, nodes)),
    ]
    return Graph(title, tuple(nodes.values()), tuple(edges)).merged()


def _edges(rule: Rule, nodes: dict[str, Node]) -> Iterator[Edge]:
    for destination in rule.destinations:
        labels: list[tuple[str, EdgeKind]] = []
        if destination.traffic:
            labels.append((ports_text(_ports(destination.traffic)) + _conditions(rule), "network"))
        if rule.app:
            labels.append((", ".join(rule.app) + _conditions(rule), "app"))
        for source in rule.sources:
            ends = _node(source, nodes), _node(destination.selector, nodes)
            for label, kind in labels:
                yield Edge(*ends, label, kind, rules=(cite(rule),))


def _conditions(rule: Rule) -> str:
    words = f" under {' or '.join(rule.postures)}" if rule.postures else ""
    return f"{words} via {', '.join(rule.via)}" if rule.via else words


def _ssh_edges(entry: SSHRule, nodes: dict[str, Node]) -> Iterator[Edge]:
    label = f"{entry.action} as {', '.join(entry.users) or 'nobody'}"
    for source in entry.sources:
        for destination in entry.destinations:
            yield Edge(_node(source, nodes), _node(destination, nodes), label, "ssh", rules=(cite(entry),))


def _node(selector: Selector, nodes: dict[str, Node]) -> str:
    identifier = f"{selector.kind} {selector.name}"
    nodes.setdefault(identifier, Node(identifier, selector.name, _KINDS[selector.kind]))
    return identifier


def _ports(traffic: Iterable[Traffic]) -> dict[int, Intervals]:
    found: dict[int, list[tuple[int, int]]] = {}
    for each in traffic:
        for protocol in each.protocols:
            found.setdefault(protocol, []).extend(each.ports)
    return {protocol: tuple(sorted(set(intervals))) for protocol, intervals in sorted(found.items())}
