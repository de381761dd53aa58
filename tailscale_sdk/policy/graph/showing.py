"""What every picture of a graph shares: harmless texts, the same words, the same signs."""

from __future__ import annotations

from attrs import evolve

from tailscale_sdk.policy.graph.model import Change, Edge, EdgeKind, Graph, Node
from tailscale_sdk.visible import visible

SIGNS: dict[Change, str] = {"same": "", "gained": "+ ", "lost": "\N{MINUS SIGN} "}
"""Before a label: a change is seen without colours too."""

KIND_WORDS: dict[EdgeKind, str] = {"network": "", "ssh": "SSH ", "app": "app "}

COLORS: dict[Change, str] = {"same": "#6e7781", "gained": "#1a7f37", "lost": "#cf222e"}
"""Readable on white and on black."""


def harmless(graph: Graph, *, limit: int | None) -> Graph:
    """Return the graph merged and in order, with nothing hidden in its texts; ids stay different.

    Args:
        graph: with texts from outside.
        limit: characters of a label that are shown; None for all of them.
    """
    graph = graph.merged()
    ids = _visible_ids(graph.nodes)
    return Graph(
        title=visible(graph.title, limit=limit),
        nodes=tuple(
            evolve(node, id=ids[node.id], label=visible(node.label, limit=limit)) for node in graph.nodes
        ),
        edges=tuple(
            evolve(
                edge,
                source=ids[edge.source],
                target=ids[edge.target],
                label=visible(edge.label, limit=limit),
                rules=tuple(visible(rule, limit=limit) for rule in edge.rules),
            )
            for edge in graph.edges
        ),
    )


def node_words(node: Node) -> str:
    """Return the label of a node with its count."""
    label = node.label.strip() or "(no name)"
    return label if node.count is None else f"{label} ({counted(node.count, 'device')})"


def edge_words(edge: Edge) -> str:
    """Return the label of an edge with its sign, its kind, its count and its doubt."""
    words = f"{SIGNS[edge.change]}{KIND_WORDS[edge.kind]}{edge.label}".strip()
    if edge.count is not None:
        words += f" (×{edge.count})"
    return words if edge.certain else f"{words} (uncertain)".lstrip()


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 device``, ``2 devices``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _visible_ids(nodes: tuple[Node, ...]) -> dict[str, str]:
    """Give each id its visible form; ids that look alike are numbered, in the order of the nodes."""
    taken: set[str] = set()
    shown: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for node in nodes:
        name = plain = visible(node.id, limit=None)
        while name in taken:
            numbers[plain] = numbers.get(plain, 1) + 1
            name = f"{plain} ({numbers[plain]})"
        taken.add(name)
        shown[node.id] = name
    return shown
