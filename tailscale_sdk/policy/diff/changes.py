"""What is gained and lost between two compiled policies, found over sets and never pair by pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import define, field, frozen

from tailscale_sdk.policy.compile import CompiledPolicy, Part, TriState, members
from tailscale_sdk.policy.diff.tallies import Cause, Change, Direction, Tally
from tailscale_sdk.policy.language import Rule

Content = Callable[[Part], int]
"""What a part gives as a set: pieces of traffic, or capabilities."""


@frozen(eq=False)
class _Given:
    """Hold what one part gives at some place."""

    rule: Rule
    content: int
    sources: TriState
    uncommon: bool


@define(eq=False)
class _Side:
    """Hold one policy, and which of its parts the other one does not have as well."""

    compiled: CompiledPolicy
    own: frozenset[int]
    contents: dict[int, int]
    _let_in: dict[tuple[int, int], TriState] = field(factory=dict)

    @classmethod
    def of(cls, compiled: CompiledPolicy, own: frozenset[int], content: Content) -> _Side:
        return cls(compiled, own, {id(part): content(part) for part in compiled.parts})

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.compiled.parts

    def given(self, part: Part, place: int, version: int) -> _Given:
        """Return what a part gives at a place; a device's way to itself is taken out later."""
        number = id(part)
        if part.same_owner or part.places.maybe:
            found = self.compiled.let_in(part, place).within(self.compiled.universe.sources_of[version])
        else:
            known = self._let_in.get((number, version))
            found = known or part.sources.within(self.compiled.universe.sources_of[version])
            self._let_in[number, version] = found
        return _Given(part.rule, self.contents[number], found, number in self.own)


@define(eq=False)
class _Class:
    """Hold places at which the same parts of both policies let somebody in."""

    old: tuple[Part, ...]
    new: tuple[Part, ...]
    places: int = 0


def changes_between(
    old: CompiledPolicy, new: CompiledPolicy, content: Content, *, within: int | None = None
) -> list[Change]:
    """Return the differences of two policies over one universe.

    Args:
        old, new: compiled together.
        content: what a part gives, as a set.
        within: places that count; all when left out.
    """
    ours, theirs = _uncommon(old, new, content), _uncommon(new, old, content)
    before, after = _Side.of(old, ours, content), _Side.of(new, theirs, content)
    affected = 0
    for side in (before, after):
        for part in side.parts:
            affected |= part.places.possible if id(part) in side.own else 0
    if within is not None:
        affected &= within
    tallies: dict[Cause, Tally] = {}
    for each in _classes(before, after, affected):
        place = next(members(each.places))
        version = new.universe.version_of(place)
        mine = [after.given(part, place, version) for part in each.new]
        other = [before.given(part, place, version) for part in each.old]
        for cause, pieces in (*_in_class("gained", mine, other), *_in_class("lost", other, mine)):
            tally = tallies.get(cause)
            if tally is None:
                tally = tallies[cause] = Tally(cause, new.universe)
            tally.add(pieces, each.places, version)
    return [change for tally in tallies.values() for change in tally.changes()]


def _uncommon(mine: CompiledPolicy, other: CompiledPolicy, content: Content) -> frozenset[int]:
    """Return the parts, by identity, of which the other policy has no equal."""
    same_owners = mine.selection.owned == other.selection.owned
    available = Counter(
        _fingerprint(part, content) for part in other.parts if same_owners or not part.same_owner
    )
    own = []
    for part in mine.parts:
        key = _fingerprint(part, content)
        if available[key] > 0 and (same_owners or not part.same_owner):
            available[key] -= 1
        else:
            own.append(id(part))
    return frozenset(own)


def _fingerprint(part: Part, content: Content) -> tuple[Any, ...]:
    sources, places = part.sources, part.places
    return sources.yes, sources.maybe, places.yes, places.maybe, content(part), part.same_owner


def _classes(before: _Side, after: _Side, affected: int) -> Iterable[_Class]:
    """Group the affected places by the parts that are about them, their family and, where it counts, their owner."""
    numbered = [*((part, 0) for part in before.parts), *((part, 1) for part in after.parts)]
    by_places: dict[TriState, list[int]] = {}
    for index, (part, _) in enumerate(numbered):
        by_places.setdefault(part.places, []).append(index)
    touching: dict[int, list[int]] = {}
    for number, places in enumerate(by_places):
        for place in members(places.possible & affected):
            touching.setdefault(place, []).append(number)
    groups = list(by_places.values())
    owned = [any(numbered[index][0].same_owner for index in group) for group in groups]
    universe = after.compiled.universe
    classes: dict[tuple[Any, ...], _Class] = {}
    for place, numbers in touching.items():
        owner = _owners(before, after, place) if any(owned[number] for number in numbers) else None
        key = tuple(numbers), universe.version_of(place), owner, _certainty(list(by_places), numbers, place)
        found = classes.get(key)
        if found is None:
            parts = [numbered[index] for number in numbers for index in groups[number]]
            found = classes[key] = _Class(
                tuple(part for part, side in parts if side == 0),
                tuple(part for part, side in parts if side == 1),
            )
        found.places |= 1 << place
    return classes.values()


def _certainty(sets: Sequence[TriState], numbers: Sequence[int], place: int) -> tuple[int, ...]:
    """Return in which of some sets a place is in doubt."""
    return tuple(number for number in numbers if sets[number].maybe and sets[number].maybe >> place & 1)


def _owners(before: _Side, after: _Side, place: int) -> tuple[str, str]:
    number, _ = after.compiled.universe.place_of(place)
    devices = (side.compiled.device(number) for side in (before, after))
    old, new = (device.user if device is not None else "" for device in devices)
    return old, new


def _in_class(
    direction: Direction, mine: Sequence[_Given], other: Sequence[_Given]
) -> Iterable[tuple[Cause, dict[int, int]]]:
    """Return by cause what the parts of one side give at some places that those of the other side do not.

    Each cause has its content by the sources that it is given to.
    """
    found: dict[Cause, dict[int, int]] = {}
    for content, here, there in _pieces(mine, other):
        changing = [each for each in here if each.uncommon]
        had_surely, had_possibly = _sources(there)
        sure = _sources(here)[0] & ~had_possibly
        # What is in doubt on both sides for the same reason is no change: its parts are common.
        doubtful = _sources(changing)[1] & ~had_surely & ~sure
        for sources, certain in ((sure, True), (doubtful, False)):
            for rule, caused in _causes(changing, sources):
                by_sources = found.setdefault(Cause(direction, certain, rule), {})
                by_sources[caused] = by_sources.get(caused, 0) | content
    return found.items()


def _causes(changing: Iterable[_Given], sources: int) -> Iterator[tuple[Rule, int]]:
    """Part some sources by the first rule in the text that gives them what changes."""
    for each in changing:
        caused = each.sources.possible & sources
        if caused:
            yield each.rule, caused
        sources &= ~caused


def _pieces(
    mine: Sequence[_Given], other: Sequence[_Given]
) -> Iterator[tuple[int, list[_Given], list[_Given]]]:
    """Part the content that may have changed so that each piece is either whole in a part or not in it at all."""
    content = 0
    for each in mine:
        content |= each.content if each.uncommon else 0
    pieces = [content] if content else []
    for mask in {each.content for each in (*mine, *other)}:
        parted = [piece & mask for piece in pieces], [piece & ~mask for piece in pieces]
        pieces = [piece for half in parted for piece in half if piece]
    for piece in sorted(pieces):
        yield (
            piece,
            [each for each in mine if each.content & piece],
            [each for each in other if each.content & piece],
        )


def _sources(given: Iterable[_Given]) -> tuple[int, int]:
    """Return whom some parts let in surely, and whom they may let in."""
    yes = maybe = 0
    for each in given:
        yes |= each.sources.yes
        maybe |= each.sources.maybe
    return yes, yes | maybe
