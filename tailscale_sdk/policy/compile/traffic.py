"""Protocols and ports cut into pieces that no rule divides any further; a set of them is one integer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from tailscale_sdk.policy.compile.bits import members
from tailscale_sdk.policy.language import DEFAULT_PROTOCOLS, Traffic

HIGHEST_PORT: Final = 65535
Intervals = tuple[tuple[int, int], ...]

EVERYTHING: Final = (Traffic(DEFAULT_PROTOCOLS, ((0, HIGHEST_PORT),)),)
"""What a rule without protocol and ports is about."""


@frozen
class TrafficAtoms:
    """Hold the pieces of every protocol that any rule names, numbered through.

    Attributes:
        starts: first port of each piece, by protocol.
        offsets: number of the first piece, by protocol.
    """

    starts: Mapping[int, tuple[int, ...]]
    offsets: Mapping[int, int]

    @classmethod
    def cut(cls, traffic: Iterable[Traffic]) -> TrafficAtoms:
        """Cut at the ends of every range of ports."""
        cuts: dict[int, set[int]] = {}
        for each in {*traffic, *EVERYTHING}:
            for protocol in each.protocols:
                found = cuts.setdefault(protocol, {0})
                for first, last in each.ports:
                    found |= {first, last + 1} if last < HIGHEST_PORT else {first}
        starts = {protocol: tuple(sorted(cuts[protocol])) for protocol in sorted(cuts)}
        offsets, total = {}, 0
        for protocol, found_starts in starts.items():
            offsets[protocol] = total
            total += len(found_starts)
        return cls(starts, offsets)

    def bits(self, traffic: Iterable[Traffic]) -> int:
        """Return the set of pieces of some traffic."""
        found = 0
        for each in traffic:
            for protocol in each.protocols:
                for first, last in each.ports:
                    found |= self._range(protocol, first, last)
        return found

    def _range(self, protocol: int, first: int, last: int) -> int:
        starts = self.starts.get(protocol)
        if starts is None:
            return 0
        begin, end = bisect_left(starts, first), bisect_right(starts, last)
        return ((1 << (end - begin)) - 1) << (self.offsets[protocol] + begin)

    def at(self, protocol: int, port: int) -> int:
        """Return the set with the piece of one port, empty for a protocol that no rule names."""
        starts = self.starts.get(protocol)
        if starts is None:
            return 0
        return 1 << (self.offsets[protocol] + bisect_right(starts, port) - 1)

    def intervals(self, bits: int) -> dict[int, Intervals]:
        """Return the ports of a set by protocol, merged."""
        found: dict[int, Intervals] = {}
        for protocol, starts in self.starts.items():
            mine = bits >> self.offsets[protocol] & ((1 << len(starts)) - 1)
            if mine:
                found[protocol] = _merged(mine, starts)
        return found


def _merged(bits: int, starts: tuple[int, ...]) -> Intervals:
    found: list[tuple[int, int]] = []
    for place in members(bits):
        last = starts[place + 1] - 1 if place + 1 < len(starts) else HIGHEST_PORT
        if found and found[-1][1] + 1 == starts[place]:
            found[-1] = (found[-1][0], last)
        else:
            found.append((starts[place], last))
    return tuple(found)
