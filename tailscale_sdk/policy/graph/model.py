"""A graph of who reaches whom: nodes, edges, one order, and one edge where several say the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal, get_args

from attrs import Attribute, evolve, field, frozen, validators

NodeKind = Literal[
    "user",
    "group",
    "tag",
    "autogroup",
    "host",
    "network",
    "device",
    "route",
    "exit",
    "ipset",
    "any",
    "service",
]
EdgeKind = Literal["network", "ssh", "app"]
Change = Literal["same", "gained", "lost"]

NODE_KINDS: tuple[NodeKind, ...] = get_args(NodeKind)
EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)
CHANGES: tuple[Change, ...] = get_args(Change)

_NUMBER = re.compile("([0-9]+)")


@frozen
class Node:
    """Hold one end of access.

    Attributes:
        id: unique in its graph.
        label: what a reader sees; text from outside, not escaped.
        kind: what it stands for; ``any`` is everybody or everything.
        count: devices it stands for, where that is known.
    """

    id: str
    label: str
    kind: NodeKind = field(validator=validators.in_(NODE_KINDS))
    count: int | None = None


@frozen
class Edge:
    """Hold what one node may do with another.

    Attributes:
        source, target: ids of nodes.
        label: what is allowed: ports, logins, a capability; text from outside, not escaped.
        kind: by which part of a policy.
        change: what becomes of it, in the picture of a change.
        certain: whether it is known to hold; a missing fact makes it uncertain.
        rules: the entries that give it, such as ``acls[0] line 12``.
        count: pairs of devices it stands for, where that is known.
    """

    source: str
    target: str
    label: str
    kind: EdgeKind = field(default="network", validator=validators.in_(EDGE_KINDS))
    change: Change = field(default="same", validator=validators.in_(CHANGES))
    certain: bool = True
    rules: tuple[str, ...] = ()
    count: int | None = None


@frozen
class Graph:
    """Hold nodes and the edges between them.

    Raises:
        ValueError: two nodes share an id, or an edge has an end that is no node.
    """

    title: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = field(default=())

    @edges.validator
    def _check_ends(self, _: Attribute[Any], edges: tuple[Edge, ...]) -> None:
        known = {node.id for node in self.nodes}
        if len(known) != len(self.nodes):
            raise ValueError("two nodes share an id")
        for edge in edges:
            if not {edge.source, edge.target} <= known:
                raise ValueError(f"an edge joins {edge.source!r} and {edge.target!r}, and one is no node")

    def sorted(self) -> Graph:
        """Return the graph in the one order that every picture uses: kinds, then names, numbers by size."""
        order = {node.id: place for place, node in enumerate(sorted(self.nodes, key=_node_order))}
        return evolve(
            self,
            nodes=tuple(sorted(self.nodes, key=lambda node: order[node.id])),
            edges=tuple(sorted(self.edges, key=lambda edge: _edge_order(edge, order))),
        )

    def merged(self) -> Graph:
        """Return the graph sorted, with one edge for all that differ only in label, rules and count.

        The pairs of devices behind two such edges may overlap, so the count of both is the larger one: a
        lower bound.
        """
        parallel: dict[tuple[Any, ...], list[Edge]] = {}
        for edge in self.edges:
            key = (edge.source, edge.target, edge.kind, edge.change, edge.certain)
            parallel.setdefault(key, []).append(edge)
        return evolve(self, edges=tuple(map(_one_of, parallel.values()))).sorted()


def natural_order(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers inside texts by their size: ``acls[2]`` before ``acls[10]``."""
    parts = _NUMBER.split(text)
    # Compared by length and then as text: int() refuses numbers of thousands of digits.
    digits = [(len(part.lstrip("0")), part.lstrip("0")) for part in parts[1::2]]
    words = [(0, part) for part in parts[::2]]
    return [*chain.from_iterable(zip(words, digits, strict=False)), words[-1], (0, text)]


def unique_in_order(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the different texts in their natural order."""
    return tuple(sorted(set(texts), key=natural_order))


def _one_of(edges: list[Edge]) -> Edge:
    counts = [edge.count for edge in edges if edge.count is not None]
    return evolve(
        edges[0],
        label=", ".join(unique_in_order(edge.label for edge in edges if edge.label)),
        rules=unique_in_order(chain.from_iterable(edge.rules for edge in edges)),
        count=max(counts, default=None),
    )


def _node_order(node: Node) -> tuple[Any, ...]:
    return NODE_KINDS.index(node.kind), natural_order(node.label), node.id


def _edge_order(edge: Edge, order: dict[str, int]) -> tuple[Any, ...]:
    return (
        order[edge.source],
        order[edge.target],
        EDGE_KINDS.index(edge.kind),
        CHANGES.index(edge.change),
        not edge.certain,
        natural_order(edge.label),
        [natural_order(rule) for rule in edge.rules],
        -1 if edge.count is None else edge.count,
    )
