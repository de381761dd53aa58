"""Who can reach X, and what can Y reach: rows by identity, for one end or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.policy.access.ends import End, find_ends
from tailscale_sdk.policy.access.exits import exit_uses
from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.access.labels import Named, Naming
from tailscale_sdk.policy.access.matching import ports_text
from tailscale_sdk.policy.access.question import Question
from tailscale_sdk.policy.access.targets import targets_of
from tailscale_sdk.policy.compile import CompiledPolicy, Part, TriState, items_of, postures_of


@frozen
class ReachRow:
    """Hold one line of an answer: some sources, some places, what one rule allows between them.

    Attributes:
        sources, destinations: who and what, by the names people know.
        ports: by protocol, in words.
        detail: the same as data.
        rule: the entry with its line.
        certain: False where it rests on a missing fact.
        conditions: postures that the sources have to meet.
    """

    sources: Named
    destinations: Named
    ports: str
    detail: list[dict[str, Any]]
    caps: Mapping[str, Any]
    rule: str
    certain: bool
    conditions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON data."""
        found: dict[str, Any] = {
            "sources": self.sources.to_dict(),
            "destinations": self.destinations.to_dict(),
            "ports": self.ports,
            "detail": self.detail,
            "rule": self.rule,
            "certain": self.certain,
        }
        if self.caps:
            found["caps"] = dict(self.caps)
        if self.conditions:
            found["conditions"] = list(self.conditions)
        return found


_NO_LIMIT: Final = -1


def reach(
    compiled: CompiledPolicy, *, source: str | None = None, destination: str | None = None, question: Question
) -> list[ReachRow]:
    """Return what is allowed from a source, to a destination, or between both.

    Args:
        compiled: the policy in its tailnet.
        source: a device, user, group, tag or address; everybody when left out.
        destination: likewise.
        question: which traffic.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
    """
    sources = _source_bits(compiled, source)
    places = _place_bits(compiled, destination)
    naming = Naming(compiled)
    wanted = question.bits(compiled.universe.traffic)
    rows = [
        row
        for part in compiled.parts
        for row in _rows_of(
            compiled, naming, part, sources, places, wanted, everything=question.protocol is None
        )
    ]
    if destination is None:
        rows += _exit_rows(compiled, naming, sources)
    return rows


def _source_bits(compiled: CompiledPolicy, text: str | None) -> int:
    if text is None:
        return _NO_LIMIT
    universe, found = compiled.universe, 0
    for end in find_ends(compiled, text, role="source"):
        for version, address in end.addresses:
            found |= 1 << (
                universe.source(compiled.number(end.device), version)
                if end.device is not None
                else universe.host(universe.atoms.holding(version, address))
            )
    return found


def _place_bits(compiled: CompiledPolicy, text: str | None) -> int:
    if text is None:
        return _NO_LIMIT
    found = 0
    for end in find_ends(compiled, text, role="destination"):
        for target in targets_of(compiled, end):
            found |= 1 << target.place
        found |= _behind(compiled, end)
    return found


def _behind(compiled: CompiledPolicy, end: End) -> int:
    """Return what a router that was asked for delivers: reaching it includes what is behind it."""
    if end.device is None:
        return 0
    return compiled.selection.routed_by(1 << compiled.number(end.device))


def _rows_of(
    compiled: CompiledPolicy,
    naming: Naming,
    part: Part,
    sources: int,
    places: int,
    wanted: int,
    *,
    everything: bool,
) -> Iterator[ReachRow]:
    universe = compiled.universe
    traffic = part.traffic & wanted
    if not traffic and not (part.app and everything):
        return
    for version in (4, 6):
        mask = universe.sources_of[version] & sources
        there = part.places.within(universe.places_of[version] & places)
        let_in = part.sources.within(mask)
        if part.same_owner:
            yield from _own_rows(compiled, naming, part, let_in, there, traffic)
        else:
            yield from _certainties(compiled, naming, part, let_in, there, traffic)


def _own_rows(
    compiled: CompiledPolicy, naming: Naming, part: Part, sources: TriState, places: TriState, traffic: int
) -> Iterator[ReachRow]:
    """Yield a row for each user whose devices reach each other."""
    for devices in compiled.selection.owned.values():
        mine = compiled.selection.both_families(devices)
        yield from _certainties(compiled, naming, part, sources.within(mine), places.within(mine), traffic)


def _certainties(
    compiled: CompiledPolicy, naming: Naming, part: Part, sources: TriState, places: TriState, traffic: int
) -> Iterator[ReachRow]:
    sure = places.yes
    for let_in, there, certain in (
        (sources.yes, sure, True),
        (sources.maybe, places.possible, False),
        (sources.yes, places.maybe, False),
    ):
        if not let_in or not there or _is_itself(compiled, let_in, there):
            continue
        ports = compiled.universe.traffic.intervals(traffic)
        yield ReachRow(
            sources=naming.sources(let_in),
            destinations=naming.places(there),
            ports=ports_text(ports),
            detail=items_of(ports),
            caps={name: list(values) for name, values in part.app.items()},
            rule=cite(part.rule),
            certain=certain,
            conditions=postures_of(compiled.policy, part.rule),
        )


def _is_itself(compiled: CompiledPolicy, sources: int, places: int) -> bool:
    own = compiled.universe.own
    if sources & ~own or places & ~own:
        return False
    devices = compiled.universe.devices_in(sources)
    return devices.bit_count() == 1 and devices == compiled.universe.devices_in(places)


def _exit_rows(compiled: CompiledPolicy, naming: Naming, sources: int) -> Iterator[ReachRow]:
    asked = compiled.universe.devices_in(sources & compiled.universe.own)
    for use in exit_uses(compiled):
        for bits, certain in ((use.sources.yes & asked, True), (use.sources.maybe & asked, False)):
            if bits and use.nodes:
                nodes = Named(tuple(f"the internet by {node.label}" for node in use.nodes), len(use.nodes))
                conditions = postures_of(compiled.policy, use.rule)
                yield ReachRow(
                    naming.devices(bits), nodes, "exit node", [], {}, cite(use.rule), certain, conditions
                )


def merge_families(rows: list[ReachRow]) -> list[ReachRow]:
    """Return rows without those that say the same of the other address family."""
    return list(
        {(row.sources, row.destinations, row.ports, row.rule, row.certain): row for row in rows}.values()
    )
