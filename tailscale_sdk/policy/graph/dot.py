"""A graph in the DOT language, for Graphviz and the many tools that read it."""

from __future__ import annotations

import re

from tailscale_sdk.policy.graph.model import Change, Edge, Graph, Node, NodeKind
from tailscale_sdk.policy.graph.showing import COLORS, edge_words, harmless, node_words
from tailscale_sdk.visible import FIELD_LIMIT

_STYLES: dict[Change, str] = {"same": "solid", "gained": "bold", "lost": "dashed"}

_SHAPES: dict[NodeKind, str] = {
    "user": "ellipse",
    "group": "folder",
    "tag": "hexagon",
    "autogroup": "folder",
    "host": "box",
    "network": "parallelogram",
    "device": "box",
    "route": "parallelogram",
    "exit": "cds",
    "ipset": "cylinder",
    "any": "doublecircle",
    "service": "component",
}

# A backslash is doubled: in labels it begins line breaks and names of the graph. An ampersand would begin
# an HTML entity, which labels understand.
_ESCAPED = {'"': r"\"", "\\": r"\\", "&": "&amp;"}
_TO_ESCAPE = re.compile(r'["\\&]')


def to_dot(graph: Graph) -> str:
    """Write a graph as DOT; parallel edges are merged, the same graph gives the same bytes."""
    shown = harmless(graph, limit=FIELD_LIMIT)
    names = {node.id: f"n{number}" for number, node in enumerate(shown.nodes)}
    lines = [
        "digraph access {",
        f"  graph [label={_quoted(shown.title)}, labelloc=t, rankdir=LR, fontname=sans];",
        "  node [fontname=sans];",
        "  edge [fontname=sans, fontsize=10];",
    ]
    lines += [f"  {names[node.id]} {_node(node)};" for node in shown.nodes]
    lines += [f"  {names[edge.source]} -> {names[edge.target]} {_edge(edge)};" for edge in shown.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _node(node: Node) -> str:
    return f"[label={_quoted(node_words(node))}, shape={_SHAPES[node.kind]}, tooltip={_quoted(node.kind)}]"


def _edge(edge: Edge) -> str:
    style = _STYLES[edge.change] if edge.certain else "dotted"
    color = COLORS[edge.change]
    looks = f'style={style}, color="{color}", fontcolor="{color}"'
    # Without a tooltip Graphviz would show its own names of the ends.
    told = ", ".join(edge.rules) or edge_words(edge) or edge.kind
    return f"[label={_quoted(edge_words(edge))}, {looks}, tooltip={_quoted(told)}]"


def _quoted(text: str) -> str:
    escaped = _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], text)
    return f'"{escaped}"'
