"""Too many edges for one picture: nodes of a kind fold into one, the most detailed kinds first."""

from __future__ import annotations

from collections import Counter

from attrs import evolve, frozen

from tailscale_sdk.policy.graph.model import CHANGES, Edge, Graph, Node, NodeKind, unique_in_order
from tailscale_sdk.policy.graph.showing import counted

_NODES_PER_EDGE = 2
"""What the edges of a picture join at most; more nodes than that are folded too."""

_LABELS_SHOWN = 3

_PLURALS: dict[NodeKind, str] = {
    "device": "devices",
    "user": "users",
    "host": "hosts",
    "network": "networks",
    "route": "routes",
    "ipset": "IP sets",
    "service": "services",
    "exit": "exit nodes",
    "group": "groups",
    "tag": "tags",
    "autogroup": "autogroups",
    "any": "wildcards",
}
"""In the order of folding: what a reader misses least comes first, tags and groups stay longest."""


@frozen
class Collapsed:
    """Hold a graph that fits, and what was done to it; no note where it fitted as it was."""

    graph: Graph
    note: str = ""


def collapse(graph: Graph, max_edges: int) -> Collapsed:
    """Return a graph with at most so many edges, and words for the reader about what is missing.

    Args:
        graph: merged.
        max_edges: at least 1; twice as many nodes are shown at most.

    Raises:
        ValueError: max_edges is below 1.
    """
    if max_edges < 1:
        raise ValueError(f"max_edges is {max_edges}, and must be at least 1")
    small, folded = graph, list[NodeKind]()
    for kind in _PLURALS:
        if _fits(small, max_edges):
            break
        if sum(node.kind == kind for node in graph.nodes) > 1:
            folded.append(kind)
            small = _fold(graph, folded)
    if small is graph and _fits(graph, max_edges):
        return Collapsed(graph)
    kept = _most_telling(small.edges, max_edges)
    note = _note(graph, folded, max_edges, left_out=len(small.edges) - len(kept))
    return Collapsed(evolve(small, edges=kept), note)


def _fits(graph: Graph, max_edges: int) -> bool:
    return len(graph.edges) <= max_edges and len(graph.nodes) <= _NODES_PER_EDGE * max_edges


def _fold(graph: Graph, kinds: list[NodeKind]) -> Graph:
    """Put one node in place of all nodes of each of these kinds."""
    sizes = Counter(node.kind for node in graph.nodes)
    # Every other id gets the same prefix, so that no name from outside can be the id of a folded node.
    ids = {node.id: f"all {node.kind}" if node.kind in kinds else f"one {node.id}" for node in graph.nodes}
    nodes = [evolve(node, id=ids[node.id]) for node in graph.nodes if node.kind not in kinds]
    nodes += [Node(f"all {kind}", f"{sizes[kind]:,} {_PLURALS[kind]}", kind) for kind in kinds]
    groups: dict[tuple[object, ...], list[Edge]] = {}
    for edge in graph.edges:
        moved = evolve(edge, source=ids[edge.source], target=ids[edge.target])
        key = (moved.source, moved.target, moved.kind, moved.change, moved.certain)
        groups.setdefault(key, []).append(moved)
    return Graph(graph.title, tuple(nodes), tuple(map(_summary, groups.values()))).sorted()


def _summary(edges: list[Edge]) -> Edge:
    """Return one edge for several: how many they are, and their first labels."""
    if len(edges) == 1:
        return edges[0]
    labels = unique_in_order(edge.label for edge in edges if edge.label)
    shown = ", ".join(labels[:_LABELS_SHOWN])
    if len(labels) > _LABELS_SHOWN:
        shown += f" and {len(labels) - _LABELS_SHOWN} more"
    rules = unique_in_order(rule for edge in edges for rule in edge.rules)
    return evolve(edges[0], label=f"{len(edges):,} edges: {shown}".rstrip(": "), rules=rules, count=None)


def _most_telling(edges: tuple[Edge, ...], limit: int) -> tuple[Edge, ...]:
    """Return the edges that are kept: what changes before what stays, each in its order."""
    if len(edges) <= limit:
        return edges
    urgent = sorted(range(len(edges)), key=lambda at: (edges[at].change == CHANGES[0], at))
    return tuple(edges[at] for at in sorted(urgent[:limit]))


def _note(graph: Graph, folded: list[NodeKind], max_edges: int, *, left_out: int) -> str:
    sizes = Counter(node.kind for node in graph.nodes)
    size = f"{counted(len(graph.nodes), 'node')} and {counted(len(graph.edges), 'edge')}"
    note = f"Collapsed: {size} are too many for a picture of {counted(max_edges, 'edge')}."
    if folded:
        parts = ", ".join(f"{sizes[kind]:,} {_PLURALS[kind]}" for kind in folded)
        note += f" Each kind drawn as one node: {parts}."
    if left_out:
        note += f" Left out: {counted(left_out, 'edge')}."
    return note
