"""A graph as nodes and links, the shape that drawing libraries and notebooks read."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from tailscale_sdk.policy.graph.model import Graph
from tailscale_sdk.policy.graph.showing import harmless


def to_json(graph: Graph) -> dict[str, Any]:
    """Return a graph as ``{title, directed, multigraph, nodes, links}``, ready for a JSON encoder.

    Parallel edges are merged; nodes and links are in a fixed order. Texts are whole, with nothing hidden in
    them: where two ids look alike, the second is numbered.
    """
    shown = harmless(graph, limit=None)
    return {
        "title": shown.title,
        "directed": True,
        "multigraph": True,
        "nodes": [asdict(node) for node in shown.nodes],
        "links": [{**asdict(edge), "rules": list(edge.rules)} for edge in shown.edges],
    }
