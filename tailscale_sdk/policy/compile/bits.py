"""Sets as integers, one bit per member, and sets of which some members are in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen


def members(bits: int) -> Iterator[int]:
    """Yield the numbers of a set's members, smallest first."""
    # One pass over the binary digits: clearing the lowest bit again and again is quadratic in large sets.
    digits = bin(bits)[:1:-1]
    found = digits.find("1")
    while found >= 0:
        yield found
        found = digits.find("1", found + 1)


def set_of(numbers: Iterable[int]) -> int:
    """Return the set with these members."""
    numbers = list(numbers)
    if not numbers:
        return 0
    flags = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        flags[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(flags, "little")


@frozen
class TriState:
    """Hold a set: what is surely in it, and what may be in it; the rest is surely outside."""

    yes: int = 0
    maybe: int = 0

    def __or__(self, other: TriState) -> TriState:
        """Return what is in either."""
        yes = self.yes | other.yes
        return TriState(yes, (self.maybe | other.maybe) & ~yes)

    def __and__(self, other: TriState) -> TriState:
        """Return what is in both."""
        yes = self.yes & other.yes
        return TriState(yes, self.possible & other.possible & ~yes)

    @property
    def possible(self) -> int:
        """Return everything that is not surely outside."""
        return self.yes | self.maybe

    def within(self, mask: int) -> TriState:
        """Return the part of it inside a plain set."""
        return TriState(self.yes & mask, self.maybe & mask)

    def answer(self, member: int) -> str:
        """Say of one member ``yes``, ``no`` or ``unknown``."""
        if self.yes >> member & 1:
            return "yes"
        return "unknown" if self.maybe >> member & 1 else "no"

    def __bool__(self) -> bool:
        """Tell whether anything may be in it."""
        return bool(self.yes or self.maybe)


NOTHING = TriState()


def union(sets: Iterable[TriState]) -> TriState:
    """Return what is in any of the sets."""
    yes = maybe = 0
    for each in sets:
        yes |= each.yes
        maybe |= each.maybe
    return TriState(yes, maybe & ~yes)
