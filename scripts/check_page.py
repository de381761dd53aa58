"""Drive the page of `policy graph --format html` in a headless Chromium; where none can be had, say so loudly."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tailscale_sdk.policy.diff import diff_policies
from tailscale_sdk.policy.graph import Edge, Graph, Node, diff_graph, to_html
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import read_tailnet
from tailscale_sdk.snapshot import TailnetSnapshot

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from scripts.chromium import Page
from scripts.page_checks import HOSTILE, OPEN_SECONDS, expect, run_page_checks

LARGE_NODES, LARGE_EDGES = 10_000, 30_000

_OLD: dict[str, Any] = {
    "groups": {"group:dev": ["alice@example.com"]},
    "tagOwners": {"tag:web": [], "tag:db": []},
    "grants": [
        {"src": ["group:dev"], "dst": ["tag:web"], "ip": ["tcp:443"]},
        {"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
    ],
}
_NEW: dict[str, Any] = {
    **_OLD,
    "grants": [
        {"src": ["group:dev"], "dst": ["tag:web"], "ip": ["tcp:443"]},
        {"src": ["bob@example.com"], "dst": ["tag:web"], "ip": ["tcp:22"]},
    ],
    "ssh": [{"action": "check", "src": ["group:dev"], "dst": ["tag:web"], "users": ["ubuntu"]}],
}


def main() -> int:
    """Return 0 when the page does what it promises, or with a loud line when there is no Chromium."""
    checks = {"change": check_change, "hostile": check_hostile, "large": check_large}
    return run_page_checks("a graph", checks)


def change_graph() -> Graph:
    """Return a picture of a change, as the command makes it."""
    devices = [
        _device("web", 1, tags=["tag:web"]),
        _device("db", 2, tags=["tag:db"]),
        _device("laptop", 3, user="alice@example.com"),
        _device("phone", 4, user="bob@example.com"),
    ]
    tailnet = read_tailnet(TailnetSnapshot.from_dict({"devices": devices, "users": []}))
    old, new = (read_policy(json.dumps(policy)) for policy in (_OLD, _NEW))
    return diff_graph(diff_policies(old, new, tailnet))


def _device(name: str, number: int, **fields: Any) -> dict[str, Any]:
    addresses = [f"100.64.0.{number}", f"fd7a:115c:a1e0::{number}"]
    return {"nodeId": name, "name": f"{name}.example.ts.net", "addresses": addresses, **fields}


def check_change(page: Page, path: Path) -> None:
    """Look at colours, search, filters, keys and the table of a change."""
    path.write_text(to_html(change_graph()), encoding="utf-8")
    page.open(path)
    status, count = (
        "document.getElementById('status').textContent",
        "document.querySelectorAll('#drawing .{}').length",
    )
    expect("change", "status", "4 of 4 edges, 4 of 4 nodes", page.read(status))
    expect("change", "nodes drawn", 4, page.read(count.format("node")))
    expect("change", "gained edges", 2, page.read(count.format("edge.tone-gained")))
    expect("change", "lost edges", 1, page.read(count.format("edge.tone-lost")))
    colors = page.read(
        "['gained', 'lost', 'network'].map((tone) =>"
        " getComputedStyle(document.querySelector(`#drawing .edge.tone-${tone}`)).stroke)"
    )
    expect("change", "different colours", 3, len(set(colors)))

    page.click("document.getElementById('search')")
    page.type("5432")
    expect("change", "status after a search", "1 of 4 edges, 2 of 4 nodes", page.read(status))
    page.click("document.getElementById('reset')")
    page.click("document.querySelector('#filters input[value=\"change gained\"]')")
    expect("change", "edges without what is gained", 0, page.read(count.format("edge.tone-gained")))
    page.click("document.querySelector('#filters input[value=\"edge ssh\"]')")
    page.click("document.getElementById('reset')")
    expect("change", "status after showing everything", "4 of 4 edges, 4 of 4 nodes", page.read(status))

    page.click("document.querySelector('#drawing .node')")
    expect("change", "a chosen node", 1, page.read(count.format("node.chosen")))
    expect(
        "change",
        "its rules in the panel",
        True,
        page.read("/grants\\[\\d+\\] line \\d+/.test(document.getElementById('panel').textContent)"),
    )
    page.press("Escape")
    expect("change", "no chosen node", 0, page.read(count.format("node.chosen")))
    page.click("document.getElementById('show-table')")
    expect("change", "rows of the table", 4, page.read("document.querySelectorAll('#rows tr').length"))


def check_hostile(page: Page, path: Path) -> None:
    """A name that tries to be markup is text."""
    nodes = (Node("a", HOSTILE, "device"), Node("b", '"];x', "tag"))
    path.write_text(to_html(Graph(HOSTILE, nodes, (Edge("a", "b", HOSTILE),))), encoding="utf-8")
    page.open(path)
    expect("hostile", "what a name has run", None, page.read("window.broken ?? null"))
    expect("hostile", "images", 0, page.read("document.images.length"))
    expect("hostile", "title", HOSTILE, page.read("document.querySelector('h1').textContent"))


def check_large(page: Page, path: Path) -> None:
    """A graph that is too large to draw opens quickly, says so and can be searched."""
    nodes = tuple(Node(f"d{number}", f"device-{number}", "device") for number in range(LARGE_NODES))
    edges = tuple(
        Edge(f"d{number % LARGE_NODES}", f"d{(number * 7 + 1) % LARGE_NODES}", f"tcp {number}")
        for number in range(LARGE_EDGES)
    )
    path.write_text(to_html(Graph("Large", nodes, edges)), encoding="utf-8")
    seconds = page.open(path)
    expect("large", f"opened within {OPEN_SECONDS:g} s", True, seconds < OPEN_SECONDS)
    expect(
        "large",
        "a note about what is not drawn",
        True,
        page.read("/Not drawn: /.test(document.getElementById('picture-note').textContent)"),
    )
    page.click("document.getElementById('search')")
    page.type("device-4321")
    expect(
        "large",
        "nodes after a search",
        True,
        page.read("document.querySelectorAll('#drawing .node').length < 20"),
    )


if __name__ == "__main__":
    sys.exit(main())
