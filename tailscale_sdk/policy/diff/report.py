"""The difference of two policies or tailnets as a whole: rows for people, risks, one stable order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final, Literal

from attrs import field, frozen

from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.access.labels import Named, Naming
from tailscale_sdk.policy.access.matching import ports_text
from tailscale_sdk.policy.compile import CompiledPolicy, Part, compile_together, items_of
from tailscale_sdk.policy.diff.changes import changes_between
from tailscale_sdk.policy.diff.grouping import Group, group_changes
from tailscale_sdk.policy.diff.logins import login_changes
from tailscale_sdk.policy.diff.settings import (
    RightChange,
    SetChange,
    attribute_changes,
    exit_changes,
    right_changes,
)
from tailscale_sdk.policy.language import Policy
from tailscale_sdk.policy.tailnet import Tailnet

Kind = Literal["network", "app", "ssh", "exit", "attribute"]
KINDS: Final[tuple[Kind, ...]] = ("network", "app", "ssh", "exit", "attribute")


@frozen
class Row:
    """Hold one line of a difference.

    Attributes:
        kind: network, app, ssh, exit or attribute.
        gained: whether access is gained or lost.
        certain: whether it is known; False where it rests on a missing fact.
        sources, destinations: who and what.
        what: ports, capabilities or logins, in words.
        detail: the same as data.
        rules: the entries that give it, such as ``acls[3] line 12``.
        pairs: pairs of devices it is about.
        partial: not every source is concerned at every destination, or not with all of it.
    """

    kind: Kind
    gained: bool
    certain: bool
    sources: Named
    destinations: Named
    what: str
    detail: Any
    rules: tuple[str, ...]
    pairs: int
    partial: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON data."""
        return {
            "kind": self.kind,
            "sources": self.sources.to_dict(),
            "destinations": self.destinations.to_dict(),
            "what": self.what,
            "detail": self.detail,
            "rules": list(self.rules),
            "pairs": self.pairs,
            "every_pair": not self.partial,
            "certain": self.certain,
        }

    @property
    def text(self) -> str:
        """Write the row in one line."""
        sign = "+" if self.gained else "-"
        doubt = "" if self.certain else " (uncertain)"
        doubt += f" (at least {self.pairs} pairs, not all of these)" if self.partial else ""
        rules = f"  [{'; '.join(self.rules)}]" if self.rules else ""
        return f"{sign} {self.sources.text} -> {self.destinations.text}: {self.what}{doubt}{rules}"


@frozen(slots=False)
class AccessDiff:
    """Hold what changes between two compiled policies.

    Attributes:
        rows: gained and lost, in their one order.
        rights: who may newly hand out tags or approve routes, and who no longer may.
    """

    old: CompiledPolicy = field(repr=False)
    new: CompiledPolicy = field(repr=False)
    rows: tuple[Row, ...] = ()
    rights: tuple[RightChange, ...] = ()

    @cached_property
    def gained(self) -> tuple[Row, ...]:
        """Return the rows of access that is gained."""
        return tuple(row for row in self.rows if row.gained)

    @cached_property
    def lost(self) -> tuple[Row, ...]:
        """Return the rows of access that is lost."""
        return tuple(row for row in self.rows if not row.gained)

    @property
    def has_effect(self) -> bool:
        """Tell whether anybody's access or right changes."""
        return bool(self.rows or self.rights)

    @property
    def same_text(self) -> bool:
        """Tell whether both policies are equal byte for byte."""
        return self.old.policy.text == self.new.policy.text

    @property
    def summary(self) -> str:
        """Say in one line what changes."""
        if self.has_effect:
            return f"{len(self.gained)} gained, {len(self.lost)} lost, {len(self.rights)} rights changed"
        return "no change" if self.same_text else "the text changes, nobody's access does"

    def lines(self) -> Iterator[str]:
        """Yield the difference for people, one line each."""
        yield self.summary
        yield from (row.text for row in self.rows)
        for change in self.rights:
            for sign, names in (("+", change.gained), ("-", change.lost)):
                if names:
                    yield f"{sign} {change.right}: {', '.join(names)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON data: the same two policies give the same bytes."""
        return {
            "summary": self.summary,
            "gained": [row.to_dict() for row in self.gained],
            "lost": [row.to_dict() for row in self.lost],
            "rights": [
                {"right": change.right, "gained": list(change.gained), "lost": list(change.lost)}
                for change in self.rights
            ],
            "effect": self.has_effect,
        }


def diff_access(old: CompiledPolicy, new: CompiledPolicy) -> AccessDiff:
    """Compare the effective access of two policies, or of one policy in two tailnets.

    Args:
        old, new: compiled together, see ``compile_together``.
    """
    naming = _Sides(Naming(new), Naming(old))
    rows = [
        *_network_rows(naming, old, new),
        *_app_rows(naming, old, new),
        *_ssh_rows(naming, old, new),
        *_set_rows("exit", naming, exit_changes(old, new)),
        *_set_rows("attribute", naming, attribute_changes(old, new)),
    ]
    return AccessDiff(old, new, tuple(sorted(rows, key=_order)), tuple(right_changes(old.policy, new.policy)))


def diff_policies(old: Policy, new: Policy, tailnet: Tailnet, after: Tailnet | None = None) -> AccessDiff:
    """Compare two policies in one tailnet, or in the tailnet before and after a change.

    Args:
        old, new: policies; the same one twice where only the tailnet changes.
        tailnet: the tailnet as it is.
        after: the tailnet as it will be; the same when left out.
    """
    return diff_access(*compile_together([(old, tailnet), (new, after or tailnet)]))


def _order(row: Row) -> tuple[Any, ...]:
    return (
        not row.gained,
        KINDS.index(row.kind),
        row.rules,
        not row.certain,
        row.sources.text,
        row.destinations.text,
        row.what,
        json.dumps(row.detail, sort_keys=True),
    )


def _network_rows(naming: _Sides, old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Row]:
    universe = new.universe
    changes = changes_between(old, new, lambda part: part.traffic)
    for group in group_changes(new, changes):
        ports = universe.traffic.intervals(group.content)
        yield _row("network", naming, group, ports_text(ports), items_of(ports))


def _app_rows(naming: _Sides, old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Row]:
    """Compare capabilities: each value of each name is a piece; devices are known by their IPv4 addresses."""
    numbers: dict[tuple[str, str], int] = {}

    def content(part: Part) -> int:
        found = 0
        for name, values in part.app.items():
            # A capability without values is a piece of its own.
            for value in [None, *values]:
                key = name, "" if value is None else json.dumps(value, sort_keys=True)
                found |= 1 << numbers.setdefault(key, len(numbers))
        return found

    if not any(part.app for side in (old, new) for part in side.parts):
        return
    within = (1 << new.universe.size) - 1
    changes = changes_between(old, new, content, within=within)
    pieces = {number: key for key, number in numbers.items()}
    for group in group_changes(new, changes):
        named = [pieces[number] for number in pieces if group.content >> number & 1]
        detail: dict[str, list[Any]] = {}
        for name, value in named:
            detail.setdefault(name, []).extend([json.loads(value)] if value else [])
        what = ", ".join(
            f"{name} {json.dumps(values)}" if values else name for name, values in detail.items()
        )
        yield _row("app", naming, group, what, detail)


def _row(kind: Kind, naming: _Sides, group: Group, what: str, detail: Any) -> Row:
    side = naming.of(gained=group.gained)
    who, where = side.sources(group.sources), side.places(group.places)
    return Row(
        kind,
        group.gained,
        group.certain,
        who,
        where,
        what,
        detail,
        group.rules,
        group.pairs,
        partial=group.partial,
    )


def _ssh_rows(naming: _Sides, old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Row]:
    for change in login_changes(old, new):
        side = naming.of(gained=change.gained)
        who, where = side.devices(change.sources), side.devices(change.destinations)
        pairs = who.devices * where.devices - (change.sources & change.destinations).bit_count()
        what = f"SSH as {change.login}: {change.before or 'none'} -> {change.after or 'none'}"
        detail = {"login": change.login, "before": change.before, "after": change.after}
        rules = tuple(cite(rule) for rule in change.rules)
        yield Row("ssh", change.gained, change.certain, who, where, what, detail, rules, pairs)


def _set_rows(kind: Kind, naming: _Sides, changes: Iterable[SetChange]) -> Iterator[Row]:
    for change in changes:
        for gained, bits in ((True, change.gained), (False, change.lost)):
            if bits:
                named = naming.of(gained=gained).devices(bits)
                words = (
                    f"use of the exit node {change.name}" if kind == "exit" else f"attribute {change.name}"
                )
                where = Named((change.name,), 0)
                yield Row(kind, gained, True, named, where, words, {"name": change.name}, (), named.devices)


@frozen
class _Sides:
    """Hold the names of sets in the policy that gives what is gained, and in the one that gave what is lost."""

    gained: Naming
    lost: Naming

    def of(self, *, gained: bool) -> Naming:
        """Return the names that fit a row."""
        return self.gained if gained else self.lost
