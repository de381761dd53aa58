"""Client versions: compared by their numbers, never as text."""

from __future__ import annotations

import re
from functools import lru_cache, total_ordering
from typing import Final

from attrs import field, frozen

_NUMBERS: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?![\d.])")


@total_ordering
@frozen(eq=False)
class Version:
    """Hold a version; what follows the numbers is kept, and plays no part in comparing.

    Attributes:
        numbers: major, minor and patch.
        raw: as the device reports it.
    """

    numbers: tuple[int, int, int]
    raw: str = field(default="", repr=False)

    @property
    def is_unstable(self) -> bool:
        """Tell whether it is of the unstable track, whose minor numbers are odd."""
        return self.numbers[1] % 2 == 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.numbers == other.numbers

    def __lt__(self, other: Version) -> bool:
        return self.numbers < other.numbers

    def __hash__(self) -> int:
        return hash(self.numbers)


@lru_cache(maxsize=4096)
def read_version(text: str) -> Version | None:
    """Read a version such as ``v1.36.0`` or ``1.84.0-t160c11f37``; None where it is none.

    Args:
        text: as the API has it; empty for devices of other tailnets.
    """
    found = _NUMBERS.match(text.strip())
    if found is None:
        return None
    major, minor, patch = (int(number or 0) for number in found.groups())
    return Version((major, minor, patch), text)
