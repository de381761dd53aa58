"""Pictures of a policy: a small graph, written as Mermaid, DOT, JSON or one HTML page."""

from __future__ import annotations

from tailscale_sdk.policy.graph.dot import to_dot
from tailscale_sdk.policy.graph.effective import diff_graph, effective_graph
from tailscale_sdk.policy.graph.html import to_html
from tailscale_sdk.policy.graph.json_links import to_json
from tailscale_sdk.policy.graph.mermaid import to_mermaid
from tailscale_sdk.policy.graph.model import Change, Edge, EdgeKind, Graph, Node, NodeKind
from tailscale_sdk.policy.graph.rules import rule_graph

__all__ = [
    "Change",
    "Edge",
    "EdgeKind",
    "Graph",
    "Node",
    "NodeKind",
    "diff_graph",
    "effective_graph",
    "rule_graph",
    "to_dot",
    "to_html",
    "to_json",
    "to_mermaid",
]
