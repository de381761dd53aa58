"""Who reaches whom after all, and what a change gives and takes, as graphs of the names people know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tailscale_sdk.policy.access import merge_families, reach, read_question
from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.access.labels import Named, Naming
from tailscale_sdk.policy.compile import CompiledPolicy, TriState, union
from tailscale_sdk.policy.compile.ssh import ssh_sources
from tailscale_sdk.policy.diff import AccessDiff
from tailscale_sdk.policy.graph.model import Change, Edge, EdgeKind, Graph, Node, NodeKind

_KINDS: dict[str, EdgeKind] = {
    "network": "network",
    "app": "app",
    "ssh": "ssh",
    "exit": "network",
    "attribute": "network",
}
_PREFIXES: tuple[tuple[str, NodeKind], ...] = (
    ("tag:", "tag"),
    ("group:", "group"),
    ("autogroup:", "autogroup"),
    ("hosts in ", "network"),
    ("the internet by ", "exit"),
    ("every device", "any"),
)


def effective_graph(compiled: CompiledPolicy, *, title: str = "Effective access") -> Graph:
    """Return who reaches whom in a tailnet, devices named by tags, owners and groups.

    Args:
        compiled: the policy in its tailnet.
        title: of the picture.
    """
    return _graph(title, _edges(compiled))


def diff_graph(diff: AccessDiff, *, title: str = "Change of access") -> Graph:
    """Return what a change gives and takes, beside what stays.

    Args:
        diff: of two policies or tailnets.
        title: of the picture.
    """
    edges = list(_staying(diff))
    for row in diff.rows:
        change: Change = "gained" if row.gained else "lost"
        kind = _KINDS[row.kind]
        count = row.pairs if len(row.sources.names) == len(row.destinations.names) == 1 else None
        edges += [
            Edge(source, target, row.what.removeprefix("SSH "), kind, change, row.certain, row.rules, count)
            for source, target in _pairs(row.sources, row.destinations)
        ]
    return _graph(title, edges)


def _staying(diff: AccessDiff) -> Iterator[Edge]:
    """Yield what is there before and after, in the words of the side that has less of it."""
    old, new = list(_edges(diff.old)), list(_edges(diff.new))
    before, after = ({_ends(edge) for edge in edges} for edges in (old, new))
    lost, gained = (
        {(pair, _KINDS[row.kind]) for row in rows for pair in _pairs(row.sources, row.destinations)}
        for rows in (diff.lost, diff.gained)
    )
    yield from (edge for edge in old if _ends(edge) in after - lost)
    yield from (edge for edge in new if _ends(edge) in before - gained and _ends(edge) in lost)


def _ends(edge: Edge) -> tuple[tuple[str, str], EdgeKind]:
    return (edge.source, edge.target), edge.kind


def _edges(compiled: CompiledPolicy) -> Iterator[Edge]:
    for row in merge_families(reach(compiled, question=read_question(None))):
        condition = f" under {' or '.join(row.conditions)}" if row.conditions else ""
        for source, target in _pairs(row.sources, row.destinations):
            if row.ports:
                yield Edge(source, target, row.ports + condition, certain=row.certain, rules=(row.rule,))
            if row.caps:
                label = ", ".join(row.caps) + condition
                yield Edge(source, target, label, "app", certain=row.certain, rules=(row.rule,))
    yield from _ssh_edges(compiled)


def _ssh_edges(compiled: CompiledPolicy) -> Iterator[Edge]:
    naming = Naming(compiled)
    for rule in compiled.policy.ssh:
        sources = ssh_sources(compiled, rule)
        found = union(compiled.selection.devices(each) for each in rule.destinations)
        own = any(each.name == "autogroup:self" for each in rule.destinations)
        label = f"{rule.action} as {', '.join(rule.users) or 'nobody'}"
        ends = [(sources, found)] if found else []
        if own:
            ends += [(sources.within(mine), TriState(mine)) for mine in compiled.selection.owned.values()]
        for let_in, devices in ends:
            certain = not (let_in.maybe or devices.maybe)
            names = naming.devices(let_in.possible), naming.devices(devices.possible)
            for source, target in _pairs(*names):
                yield Edge(source, target, label, "ssh", certain=certain, rules=(cite(rule),))


def _pairs(sources: Named, destinations: Named) -> Iterator[tuple[str, str]]:
    return ((source, target) for source in sources.names for target in destinations.names)


def _graph(title: str, edges: Iterable[Edge]) -> Graph:
    edges = tuple(edges)
    names = dict.fromkeys(name for edge in edges for name in (edge.source, edge.target))
    return Graph(title, tuple(Node(name, name, _kind(name)) for name in names), edges).merged()


def _kind(name: str) -> NodeKind:
    for prefix, kind in _PREFIXES:
        if name.startswith(prefix):
            return kind
    if " behind " in name:
        return "route"
    return "user" if "@" in name else "device"
