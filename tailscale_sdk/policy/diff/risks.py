"""What makes a difference dangerous: marks that a person should see before saying yes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from attrs import frozen

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.diff.report import AccessDiff, Row

Level = Literal["low", "medium", "high", "critical"]
LEVELS: Final[tuple[Level, ...]] = ("low", "medium", "high", "critical")
MANY_DEVICES: Final = 50
"""Pairs of a single row from which a change is called large."""

_OPEN: Final = frozenset({"*", "autogroup:danger-all"})


@frozen
class Risk:
    """Hold one mark.

    Attributes:
        id: such as ``ssh-root``.
        level: how bad it is.
        text: what is the case, one sentence.
    """

    id: str
    level: Level
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the mark as JSON data."""
        return {"risk": self.id, "level": self.level, "text": self.text}


def risks_of(diff: AccessDiff, *, protected: Iterable[str] = ()) -> list[Risk]:
    """Return the marks of a difference, the worst first.

    Args:
        diff: of two policies.
        protected: tags whose devices count as critical.
    """
    found = [
        *_everything(diff.old, diff.new),
        *_logins(diff.gained),
        *_open_sources(diff),
        *_ways_out(diff.gained),
        *_protected(diff, frozenset(protected)),
        *_large(diff.gained),
        *_nothing_left(diff),
    ]
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda risk: (-LEVELS.index(risk.level), risk.id, risk.text))


def _everything(old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Risk]:
    if new.policy.allows_all and not old.policy.allows_all:
        yield Risk("allow-all", "critical", "without acls and grants everything is allowed to everybody")


def _logins(rows: Sequence[Row]) -> Iterator[Risk]:
    for row in rows:
        if row.kind == "ssh" and row.detail["login"] == "root" and row.detail["after"] == "accept":
            yield Risk(
                "ssh-root",
                "high",
                f"new SSH as root without check: {row.sources.text} on {row.destinations.text}",
            )
        elif row.kind == "ssh" and row.detail["before"] == "check":
            yield Risk(
                "ssh-check-dropped",
                "medium",
                f"SSH needs no check any more: {row.sources.text} on {row.destinations.text}",
            )


def _open_sources(diff: AccessDiff) -> Iterator[Risk]:
    cited = {rule for row in diff.gained for rule in row.rules}
    before = {(selector.name, rule.pointer) for rule in diff.old.rules for selector in rule.sources}
    for rule in diff.new.rules:
        where = f"{rule.kind}s[{rule.index}] line {rule.place.line}"
        for selector in rule.sources:
            if selector.name in _OPEN and where in cited and (selector.name, rule.pointer) not in before:
                level: Level = "critical" if selector.name != "*" else "high"
                yield Risk("open-source", level, f"{where} lets in {selector.name}")


def _ways_out(rows: Sequence[Row]) -> Iterator[Risk]:
    for row in rows:
        if row.kind == "exit":
            yield Risk(
                "new-exit-node-use",
                "medium",
                f"{row.sources.text} may use the exit node {row.destinations.text}",
            )
        elif row.kind == "attribute" and row.detail["name"] == "funnel":
            yield Risk("new-funnel", "high", f"{row.sources.text} may publish to the internet (funnel)")
        elif row.kind == "network" and any(" behind " in name for name in row.destinations.names):
            yield Risk(
                "new-route",
                "medium",
                f"new access to networks: {row.sources.text} to {row.destinations.text}",
            )


def _protected(diff: AccessDiff, protected: frozenset[str]) -> Iterator[Risk]:
    for row in diff.gained:
        named = sorted(protected.intersection(row.destinations.names))
        if named:
            yield Risk(
                "protected-tag", "high", f"new access to {', '.join(named)}: {row.sources.text}, {row.what}"
            )


def _large(rows: Sequence[Row]) -> Iterator[Risk]:
    for row in rows:
        if row.pairs >= MANY_DEVICES and row.kind in {"network", "ssh"}:
            text = f"{row.pairs} pairs of devices gain access: {row.sources.text} to {row.destinations.text}"
            yield Risk("many-devices", "low", text)


def _nothing_left(diff: AccessDiff) -> Iterator[Risk]:
    before = any(part.traffic and part.sources and part.places for part in diff.old.parts)
    after = any(part.traffic and part.sources and part.places for part in diff.new.parts)
    if before and not after:
        yield Risk("deny-all", "critical", "no rule lets anybody in any more")
