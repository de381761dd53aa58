"""What one rule changes, gathered place by place: exactly while it is little, summed up when it scatters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from attrs import define, field, frozen

from tailscale_sdk.policy.compile import Universe
from tailscale_sdk.policy.language import Rule

Direction = Literal["gained", "lost"]
SCATTERED: Final = 24
"""Different ways in which one rule changes access up to which each is told exactly."""


@frozen
class Cause:
    """Identify why access changes: a rule of one side; rules are told apart by identity."""

    direction: Direction
    certain: bool
    rule: Rule = field(eq=id)


@frozen(eq=False)
class Change:
    """Hold access that only one of two policies gives.

    Attributes:
        cause: gained or lost, surely or not, and by which rule: the first in the text that gives it.
        sources, places: numbers of the common universe.
        content: pieces of traffic, or capabilities.
        pairs: where one rule changes access in many different ways, all of them together, a lower bound of the
            pairs of devices concerned: not every source is concerned at every place then. Else None.
    """

    cause: Cause
    sources: int
    places: int
    content: int
    pairs: int | None = None


@define(eq=False)
class Tally:
    """Gather what one cause changes."""

    cause: Cause
    universe: Universe
    _exact: dict[tuple[int, int], int] | None = field(factory=dict)
    _sources: int = 0
    _places: int = 0
    _content: int = 0
    _pairs: dict[str, int] = field(factory=lambda: {"4": 0, "6": 0, "routed": 0})

    def add(self, pieces: Mapping[int, int], places: int, version: int) -> None:
        """Add what happens at some places.

        Args:
            pieces: content by the sources it is given to.
            places: numbers, all of one family.
            version: that family.
        """
        everybody = 0
        for sources, content in pieces.items():
            everybody |= sources
            self._content |= content
            if self._exact is not None:
                self._exact[sources, content] = self._exact.get((sources, content), 0) | places
        if self._exact is not None and len(self._exact) > SCATTERED:
            self._exact = None
        self._sources |= everybody
        self._places |= places
        self._count(everybody, places, str(version))

    def _count(self, sources: int, places: int, version: str) -> None:
        universe = self.universe
        devices = universe.devices_in(sources & universe.own)
        own = universe.devices_in(places & universe.own)
        self._pairs[version] += devices.bit_count() * own.bit_count() - (devices & own).bit_count()
        self._pairs["routed"] += devices.bit_count() * (places & ~universe.own).bit_count()

    def changes(self) -> Iterator[Change]:
        """Yield what was gathered."""
        if self._exact is None:
            pairs = max(self._pairs.values())
            yield Change(self.cause, self._sources, self._places, self._content, pairs)
            return
        for (sources, content), places in self._exact.items():
            yield Change(self.cause, sources, places, content)
