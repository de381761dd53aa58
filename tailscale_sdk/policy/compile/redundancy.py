"""Rules that others contain: proved over sets, not by comparing text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from tailscale_sdk.policy.compile.bits import members
from tailscale_sdk.policy.compile.compiled import CompiledPolicy
from tailscale_sdk.policy.compile.parts import Part, postures_of
from tailscale_sdk.policy.language import Rule

_FEW: Final = 1024


def redundant_rules(compiled: CompiledPolicy) -> Mapping[str, tuple[str, ...]]:
    """Return the pointers of rules that give nothing which others do not, each with the rules that contain it.

    Of several rules that contain each other the first in the text is kept. A rule that reaches nobody is not
    among them: it may be about devices to come.

    Args:
        compiled: the policy in its tailnet; another tailnet may need a rule that this one does not.
    """
    found: dict[str, tuple[str, ...]] = {}
    glances = {part: _Glance.at(part) for part in compiled.parts}
    for rule in reversed(compiled.rules):
        others = [part for part in compiled.parts if part.rule is not rule and part.rule.pointer not in found]
        mine = [
            part
            for part in compiled.parts_of(rule)
            if part.sources and part.places and (part.traffic or part.app)
        ]
        if not mine:
            continue
        covering = [_cover(compiled, part, others, glances) for part in mine]
        if all(each is not None for each in covering):
            pointers = {pointer for each in covering if each for pointer in each}
            found[rule.pointer] = tuple(each.pointer for each in compiled.rules if each.pointer in pointers)
    return found


@frozen
class _Glance:
    """Hold the first of a part's places: mostly they tell that one part does not contain another.

    Attributes:
        sure: places that are surely meant.
        possible: places that may be meant.
    """

    sure: int
    possible: int

    @classmethod
    def at(cls, part: Part) -> _Glance:
        """Look at a part: whole sets have a bit for every device, and there are pairs of parts to compare."""
        first = (1 << _FEW) - 1
        return cls(part.places.yes & first, part.places.possible & first)


def _cover(
    compiled: CompiledPolicy, part: Part, others: Sequence[Part], glances: Mapping[Part, _Glance]
) -> set[str] | None:
    """Return the rules that together give all a part gives, None where they do not."""
    needed: set[str] = set()
    left, wanted = part.traffic, glances[part].possible
    others = [other for other in others if not wanted & ~glances[other].sure]
    for other in others:
        if left & other.traffic and _holds(compiled, other, part):
            needed.add(other.rule.pointer)
            left &= ~other.traffic
    for name, values in part.app.items():
        giving = [other for other in others if name in other.app and _holds(compiled, other, part)]
        if any(not any(value in other.app[name] for other in giving) for value in values) or not giving:
            return None
        needed |= {other.rule.pointer for other in giving}
    return None if left else needed


def _holds(compiled: CompiledPolicy, outer: Part, inner: Part) -> bool:
    """Tell whether one part lets in everybody another one may let in, at every place it may."""
    if postures_of(compiled.policy, outer.rule) and not _same_conditions(compiled, outer.rule, inner.rule):
        return False
    if inner.places.possible & ~outer.places.yes:
        return False
    if outer.same_owner:
        return inner.same_owner and not inner.sources.possible & ~outer.sources.possible
    if inner.same_owner:
        return all(not each & ~outer.sources.yes for each in _own_sources(compiled, inner))
    return not inner.sources.possible & ~(
        outer.sources.possible if _doubts_agree(outer, inner) else outer.sources.yes
    )


def _same_conditions(compiled: CompiledPolicy, outer: Rule, inner: Rule) -> bool:
    return set(postures_of(compiled.policy, inner)) <= set(postures_of(compiled.policy, outer)) and bool(
        postures_of(compiled.policy, inner)
    )


def _doubts_agree(outer: Part, inner: Part) -> bool:
    """Tell whether what is in doubt is so for the same selectors."""
    return {selector.name for selector in inner.rule.sources} <= {
        selector.name for selector in outer.rule.sources
    }


def _own_sources(compiled: CompiledPolicy, part: Part) -> Iterator[int]:
    places = compiled.universe.devices_in(part.places.possible & compiled.universe.own)
    users = {device.user for number in members(places) if (device := compiled.device(number)) is not None}
    for user in users:
        owned = compiled.selection.both_families(compiled.selection.owned.get(user, 0))
        yield part.sources.possible & owned
