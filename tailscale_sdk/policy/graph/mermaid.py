"""A graph as a Mermaid flowchart, for Markdown that draws it: issues, pull requests, wikis."""

from __future__ import annotations

import re

from tailscale_sdk.policy.graph.collapsing import collapse
from tailscale_sdk.policy.graph.model import Change, Edge, Graph, Node, NodeKind
from tailscale_sdk.policy.graph.showing import COLORS, edge_words, harmless, node_words

# Mermaid draws no text above 50,000 characters; 80 edges with labels of this length stay below.
_LABEL_LIMIT = 60

# A label is read as a string of the flowchart, then as Markdown, then as HTML. What could mean anything to
# one of them is spelled by number.
_MEANT = re.compile(
    r"""
    [!-'*+;-@\[-`{-~]               # punctuation, but for what names and addresses are full of: ( ) , - . / :
    | \A (?: -+ | [0-9]+[.)](?=\s|\Z) )     # would begin a list
    | :(?=//) | (?<=www)\. | (?<=WWW)\.     # would become a link
    | :(?=fa-)                              # would become an icon
    | s(?=tyle) | c(?=lassDef)              # a line with such a word and a colon loses its last semicolon
    """,
    re.VERBOSE,
)
# In the title of the front matter nothing may end the string or begin a directive.
_MEANT_IN_YAML = re.compile(r"[!-'*+;-@\[-`{-~]")

_SHAPES: dict[NodeKind, tuple[str, str]] = {
    "user": ("([", "])"),
    "group": ("[[", "]]"),
    "tag": ("{{", "}}"),
    "autogroup": ("[[", "]]"),
    "host": ("[", "]"),
    "network": ("[/", "/]"),
    "device": ("[", "]"),
    "route": ("[/", "/]"),
    "exit": (">", "]"),
    "ipset": ("[(", ")]"),
    "any": ("((", "))"),
    "service": ("(", ")"),
}

_ARROWS: dict[Change, str] = {"same": "-->", "gained": "==>", "lost": "-.->"}


def to_mermaid(graph: Graph, *, max_edges: int = 80) -> str:
    """Draw a graph as a Mermaid flowchart; the same graph gives the same bytes.

    Args:
        graph: to draw; parallel edges are merged.
        max_edges: more are collapsed, and the picture says so.

    Raises:
        ValueError: max_edges is below 1.
    """
    collapsed = collapse(graph.merged(), max_edges)
    shown = harmless(collapsed.graph, limit=_LABEL_LIMIT)
    names = {node.id: f"n{number}" for number, node in enumerate(shown.nodes)}
    lines = ["---", f'title: "{_yaml(shown.title)}"', "---", "flowchart LR"]
    if collapsed.note:
        lines.append(f'  note["{_escape(collapsed.note)}"]')
    lines += [f"  {names[node.id]}{_shape(node)}" for node in shown.nodes]
    lines += [f"  {names[edge.source]} {_arrow(edge)} {names[edge.target]}" for edge in shown.edges]
    lines += _styles(shown.edges)
    if collapsed.note:
        lines.append("  style note stroke-dasharray: 4 4")
    return "\n".join(lines) + "\n"


def _shape(node: Node) -> str:
    opening, closing = _SHAPES[node.kind]
    return f'{opening}"{_escape(node_words(node))}"{closing}'


def _arrow(edge: Edge) -> str:
    words = edge_words(edge)
    return f'{_ARROWS[edge.change]}|"{_escape(words)}"|' if words else _ARROWS[edge.change]


def _styles(edges: tuple[Edge, ...]) -> list[str]:
    """Return a line per change that occurs, naming its edges by their place in the text."""
    styles = []
    for change in ("gained", "lost"):
        places = [str(place) for place, edge in enumerate(edges) if edge.change == change]
        if places:
            styles.append(f"  linkStyle {','.join(places)} stroke:{COLORS[change]}")
    return styles


def _escape(text: str) -> str:
    """Return a text for a quoted label that is nothing but text to every reader of it."""
    return _MEANT.sub(lambda found: "".join(map(_spelled, found[0])), text)


def _spelled(character: str) -> str:
    return character if character.isdecimal() else f"#{ord(character)};"


def _yaml(text: str) -> str:
    """Return a text for a double-quoted scalar of YAML."""
    return _MEANT_IN_YAML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
