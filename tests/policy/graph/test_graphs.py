"""The graphs of a policy's rules, of effective access and of a change."""

from __future__ import annotations

import json

from tailscale_sdk.policy.diff import diff_policies
from tailscale_sdk.policy.graph import Graph, diff_graph, effective_graph, rule_graph
from tailscale_sdk.policy.language import read_policy
from tests.policy.small import Json, compiled, device, tailnet, user

POLICY: Json = {
    "groups": {"group:dev": ["alice@example.com"]},
    "tagOwners": {"tag:web": [], "tag:db": []},
    "hosts": {"lab": "10.1.0.0/16"},
    "postures": {"posture:ok": ["node:os == 'linux'"]},
    "acls": [{"action": "accept", "src": ["group:dev"], "dst": ["tag:web:443", "lab:22"]}],
    "grants": [
        {"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"], "app": {"example.com/cap/db": [{}]}},
        {"src": ["group:dev"], "dst": ["tag:db"], "ip": ["22"], "srcPosture": ["posture:ok"]},
    ],
    "ssh": [{"action": "check", "src": ["group:dev"], "dst": ["tag:db"], "users": ["ubuntu"]}],
}
RECORDS = (
    device("web", "", "tag:web"),
    device("db", "", "tag:db"),
    device("laptop", "alice@example.com"),
    user("alice@example.com"),
)


def edges(graph: Graph) -> set[tuple[str, str, str, str, str]]:
    """Return edges by the labels of their ends."""
    labels = {node.id: node.label for node in graph.nodes}
    return {(labels[e.source], labels[e.target], e.kind, e.label, e.change) for e in graph.edges}


def test_rules_join_selectors() -> None:
    graph = rule_graph(read_policy(json.dumps(POLICY)))
    assert edges(graph) == {
        ("group:dev", "tag:web", "network", "port 443", "same"),
        ("group:dev", "lab", "network", "port 22", "same"),
        ("tag:web", "tag:db", "network", "tcp 5432", "same"),
        ("tag:web", "tag:db", "app", "example.com/cap/db", "same"),
        ("group:dev", "tag:db", "network", "port 22 under posture:ok", "same"),
        ("group:dev", "tag:db", "ssh", "check as ubuntu", "same"),
    }
    assert {node.kind for node in graph.nodes} == {"group", "tag", "host"}
    assert {rule for edge in graph.edges for rule in edge.rules} == {
        "acls[0] line 1",
        "grants[0] line 1",
        "grants[1] line 1",
        "ssh[0] line 1",
    }


def test_no_rules_at_all_are_one_edge() -> None:
    assert edges(rule_graph(read_policy("{}"))) == {("*", "*", "network", "every port", "same")}


def test_effective_access_names_owners_and_tags() -> None:
    graph = effective_graph(compiled(POLICY, *RECORDS))
    assert edges(graph) == {
        ("alice@example.com", "tag:web", "network", "port 443", "same"),
        ("tag:web", "tag:db", "network", "tcp 5432", "same"),
        ("tag:web", "tag:db", "app", "example.com/cap/db", "same"),
        ("alice@example.com", "tag:db", "network", "port 22 under posture:ok", "same"),
        ("alice@example.com", "tag:db", "ssh", "check as ubuntu", "same"),
    }
    assert [edge.certain for edge in graph.edges if "posture" in edge.label] == [False]


def test_a_change_shows_gained_lost_and_what_stays() -> None:
    new = {
        **POLICY,
        "acls": [{"action": "accept", "src": ["group:dev"], "dst": ["tag:web:443,80"]}],
        "ssh": [],
    }
    graph = diff_graph(
        diff_policies(read_policy(json.dumps(POLICY)), read_policy(json.dumps(new)), tailnet(*RECORDS))
    )
    assert edges(graph) == {
        ("alice@example.com", "tag:web", "network", "port 443", "same"),
        ("alice@example.com", "tag:web", "network", "port 80", "gained"),
        ("alice@example.com", "tag:db", "ssh", "as ubuntu: check -> none", "lost"),
        ("tag:web", "tag:db", "network", "tcp 5432", "same"),
        ("tag:web", "tag:db", "app", "example.com/cap/db", "same"),
        ("alice@example.com", "tag:db", "network", "port 22 under posture:ok", "same"),
    }
