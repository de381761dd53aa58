"""Mermaid, DOT, JSON and HTML: nothing a name holds is ever read as anything but text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk.policy.graph import Edge, Graph, Node, to_dot, to_html, to_json, to_mermaid
from tailscale_sdk.policy.graph.model import CHANGES, EDGE_KINDS, NODE_KINDS

NASTY = (
    '"]; click n0 call alert()',
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    'a\\" -> b; n9 [label="x"',
    "%%{init: {}}%%",
    "end",
    "line\nbreak\r\n  n1 --> n0",
    "\N{RIGHT-TO-LEFT OVERRIDE}drow",
    "&lt;b&gt; &amp;",
    "`code` **bold** #35;",
    "",
    "   ",
    "$title ${script} $$",
)
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a small graph with any labels."""
    ids = draw(st.lists(TEXTS, min_size=1, max_size=6, unique=True))
    nodes = [
        Node(each, draw(TEXTS), draw(st.sampled_from(NODE_KINDS)), draw(st.none() | st.integers(0, 9)))
        for each in ids
    ]
    edges = draw(
        st.lists(
            st.builds(
                Edge,
                st.sampled_from(ids),
                st.sampled_from(ids),
                TEXTS,
                st.sampled_from(EDGE_KINDS),
                st.sampled_from(CHANGES),
                st.booleans(),
                st.lists(TEXTS, max_size=2).map(tuple),
                st.none() | st.integers(0, 99),
            ),
            max_size=6,
        )
    )
    return Graph(draw(TEXTS), tuple(nodes), tuple(edges))


MERMAID_LINES = (
    re.compile(r'title: "[^"\n]*"'),
    re.compile(r"---|flowchart LR"),
    re.compile(
        r'  (?:n\d+|note)(?:\(\[|\[\[|\{\{|\[/|>|\[\(|\(\(|\(|\[)"[^"\n]*"(?:\]\)|\]\]|\}\}|/\]|\]|\)\]|\)\)|\))'
    ),
    re.compile(r'  n\d+ (?:-->|==>|-\.->)(?:\|"[^"\n]*"\|)? n\d+'),
    re.compile(r"  linkStyle [\d,]+ stroke:#[0-9a-f]{6}"),
    re.compile(r"  style note stroke-dasharray: 4 4"),
)


@settings(deadline=None)
@given(graphs())
def test_mermaid_has_no_line_but_its_own(graph: Graph) -> None:
    text = to_mermaid(graph)
    for line in text.splitlines():
        assert any(pattern.fullmatch(line) for pattern in MERMAID_LINES), line
    merged = graph.merged()
    assert len(re.findall(r"^  n\d+ (?:-->|==>|-\.->)", text, re.MULTILINE)) == len(merged.edges)


DOT_STRING = r'"(?:[^"\\\n]|\\\\|\\")*"'
DOT_VALUE = rf"(?:{DOT_STRING}|[a-zA-Z0-9]+)"
DOT_ATTRIBUTES = rf"\[(?:[a-z]+={DOT_VALUE}(?:, (?=[a-z])|(?=\])))*\]"
DOT_LINES = re.compile(
    rf"digraph access \{{|\}}|  (?:graph|node|edge) {DOT_ATTRIBUTES};|  n\d+(?: -> n\d+)? {DOT_ATTRIBUTES};"
)


@settings(deadline=None)
@given(graphs())
def test_dot_is_statements_of_its_own(graph: Graph) -> None:
    for line in to_dot(graph).splitlines():
        assert DOT_LINES.fullmatch(line), line


class Elements(HTMLParser):
    """Collect what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, Any]] = []
        self.texts: dict[int, str] = {}
        self.tags: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append(dict(attributes))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.texts[len(self.scripts) - 1] = self.texts.get(len(self.scripts) - 1, "") + data


@settings(deadline=None, max_examples=50)
@given(graphs())
def test_a_page_holds_the_graph_and_two_scripts(graph: Graph) -> None:
    page = Elements()
    page.feed(to_html(graph))
    assert [script.get("type") for script in page.scripts] == ["application/json", None]
    assert json.loads(page.texts[0]) == to_json(graph)
    assert not any({"src", "href", "srcset", "action"} & set(attributes) for _, attributes in page.tags)


def test_a_page_forbids_everything_but_its_own_script_and_style() -> None:
    page = to_html(Graph("Access", (Node("a", "a", "device"),)))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


@settings(deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_the_same_graph_gives_the_same_bytes(graph: Graph, random: Any) -> None:
    nodes, edges = list(graph.nodes), list(graph.edges)
    random.shuffle(nodes)
    random.shuffle(edges)
    shuffled = Graph(graph.title, tuple(nodes), tuple(edges))
    # Nodes that look alike in everything but a hidden id keep the order they came in.
    if len({(node.kind, node.label, node.id) for node in nodes}) == len(nodes):
        assert to_dot(shuffled) == to_dot(graph)
        assert to_mermaid(shuffled) == to_mermaid(graph)
        assert json.dumps(to_json(shuffled)) == json.dumps(to_json(graph))


def wide(edges: int) -> Graph:
    devices = (Node(f"d{number}", f"device-{number}", "device") for number in range(edges))
    nodes = (*devices, Node("tag", "tag:db", "tag"))
    return Graph("Wide", nodes, tuple(Edge(f"d{number}", "tag", f"tcp {number}") for number in range(edges)))


def test_eighty_edges_are_drawn_and_more_are_collapsed_with_a_word() -> None:
    assert "note" not in to_mermaid(wide(80))
    text = to_mermaid(wide(81))
    assert text.count("-->") == 1
    assert "Collapsed: 82 nodes and 81 edges are too many for a picture of 80 edges" in text
    assert "81 devices" in text


def test_what_changes_is_kept_when_edges_are_left_out() -> None:
    tags = tuple(Node(f"t{n}", f"tag:{n}", "tag") for n in range(6))
    edges = tuple(
        Edge(f"t{n}", f"t{(n + 1) % 6}", "x", change="gained" if n == 5 else "same") for n in range(6)
    )
    text = to_mermaid(Graph("T", tags, edges), max_edges=1)
    assert (text.count("==>"), text.count("-->")) == (1, 0)
    assert "Left out: 1 edge" in text


def test_json_is_nodes_and_links() -> None:
    graph = Graph(
        "Access",
        (Node("a", "alice@example.com", "user"), Node("b", "tag:db", "tag", 4)),
        (
            Edge("a", "b", "tcp 22", rules=("acls[0] line 3",)),
            Edge("a", "b", "tcp 5432", rules=("acls[1] line 4",)),
        ),
    )
    content = to_json(graph)
    assert [node["label"] for node in content["nodes"]] == ["alice@example.com", "tag:db"]
    assert content["links"] == [
        {
            "source": "a",
            "target": "b",
            "label": "tcp 22, tcp 5432",
            "kind": "network",
            "change": "same",
            "certain": True,
            "rules": ["acls[0] line 3", "acls[1] line 4"],
            "count": None,
        }
    ]


@pytest.mark.parametrize("edges", [(Edge("a", "missing", "x"),), ()])
def test_a_graph_with_loose_ends_is_refused(edges: tuple[Edge, ...]) -> None:
    nodes = (Node("a", "a", "tag"),) if edges else (Node("a", "a", "tag"), Node("a", "b", "tag"))
    with pytest.raises(ValueError, match=r"is no node|share an id"):
        Graph("G", nodes, edges)
