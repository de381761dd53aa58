"""From changes over sets to what people read: the same for both address families, few rows for each rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.compile import CompiledPolicy, members
from tailscale_sdk.policy.diff.tallies import Cause, Change

ROWS_OF_ONE_RULE: Final = 6
"""Rows of one rule up to which each is told exactly; more become one."""


@frozen
class Group:
    """Hold changes that are one row.

    Attributes:
        rules: what causes them, as people find it.
        sources, places: numbers of the common universe.
        content: pieces of traffic, or capabilities.
        pairs: pairs of devices concerned; a lower bound where it is partial.
        partial: not every source is concerned at every place, or not with all of the content.
    """

    gained: bool
    certain: bool
    rules: tuple[str, ...]
    sources: int
    places: int
    content: int
    pairs: int
    partial: bool = False


def group_changes(compiled: CompiledPolicy, changes: Iterable[Change]) -> list[Group]:
    """Put changes together; a device's way to itself is none.

    Args:
        compiled: one of the policies that were compared.
        changes: between them.
    """
    by_cause: dict[Cause, list[Change]] = {}
    for change in changes:
        by_cause.setdefault(change.cause, []).append(change)
    found = []
    for cause, caused in by_cause.items():
        if caused[0].pairs is not None:
            found.append(_group(cause, caused[0], caused[0].pairs, partial=True))
            continue
        exact = _both_families(compiled, cause, caused)
        found += exact if len(exact) <= ROWS_OF_ONE_RULE else [_together(exact)]
    return [group for group in found if group.pairs or group.sources & ~compiled.universe.own]


def _group(cause: Cause, change: Change, pairs: int, *, partial: bool = False) -> Group:
    gained, rules = cause.direction == "gained", (cite(cause.rule),)
    sources, places, content = change.sources, change.places, change.content
    return Group(gained, cause.certain, rules, sources, places, content, pairs, partial)


def _both_families(compiled: CompiledPolicy, cause: Cause, changes: Sequence[Change]) -> list[Group]:
    """Return changes with those of IPv4 and IPv6 put together where they agree."""
    universe = compiled.universe
    found: dict[tuple[int, int, int], Change] = {}
    for change in changes:
        for places in (change.places & universe.own, change.places & ~universe.own):
            if not places:
                continue
            devices = universe.devices_in(change.sources & universe.own)
            where = universe.devices_in(places) if places & universe.own else places
            key = devices, where, change.content
            known = found.get(key, evolve(change, sources=0, places=0))
            found[key] = evolve(known, sources=known.sources | change.sources, places=known.places | places)
    return [_group(cause, change, _pairs(compiled, change)) for change in found.values()]


def _together(groups: Sequence[Group]) -> Group:
    sources = places = content = 0
    for group in groups:
        sources |= group.sources
        places |= group.places
        content |= group.content
    pairs = max(group.pairs for group in groups)
    return evolve(groups[0], sources=sources, places=places, content=content, pairs=pairs, partial=True)


def _pairs(compiled: CompiledPolicy, change: Change) -> int:
    devices = compiled.universe.devices_in(change.sources & compiled.universe.own)
    where = _receivers(compiled, change.places)
    return devices.bit_count() * where.bit_count() - (devices & where).bit_count()


def _receivers(compiled: CompiledPolicy, places: int) -> int:
    universe = compiled.universe
    found = universe.devices_in(places & universe.own)
    for number in members(places >> 2 * universe.size):
        found |= 1 << universe.routed[number][0]
    return found
