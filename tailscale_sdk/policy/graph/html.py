"""A graph as one HTML page that needs nothing else: search, filters, side panel, table, light and dark."""

from __future__ import annotations

from typing import Final

from tailscale_sdk.inline_page import inline_page
from tailscale_sdk.policy.graph.json_links import to_json
from tailscale_sdk.policy.graph.model import Graph

_SCRIPTS: Final = ("names", "selection", "layout", "strokes", "picture", "lists", "main")


def to_html(graph: Graph) -> str:
    """Return a self-contained HTML page, to be stored as UTF-8; the same graph gives the same bytes."""
    content = to_json(graph)
    return inline_page(__package__, _SCRIPTS, title=content["title"], data=content)
