"""Deterministic ids and secrets: the same seed gives the same ones in the same order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ID_CHARACTERS = 11
SECRET_CHARACTERS = 24


class Ids:
    """Hand out ids that no other object of the tailnet has."""

    def __init__(self, seed: object) -> None:
        self._random = Random(f"{seed}/ids")
        self._used: set[str] = set()

    def reserve(self, *taken: str) -> None:
        """Keep ids that exist already from being handed out again."""
        self._used.update(taken)

    def characters(self, count: int) -> str:
        """Return letters and digits that are hard to confuse."""
        return "".join(self._random.choices(ALPHABET, k=count))

    def new(self, prefix: str) -> str:
        """Return a stable id: ``k`` gives ``k…CNTRL``."""
        return self._fresh(lambda: f"{prefix}{self.characters(ID_CHARACTERS)}CNTRL")

    def number(self) -> str:
        """Return a numeric id as decimal text; about every second one is above 2^53."""
        return self._fresh(lambda: str(self._random.randrange(10**15, 2 * 10**16)))

    def secret(self, kind: str, owner: str = "") -> str:
        """Return a credential: ``auth`` gives ``tskey-auth-demo-…``, with the id it belongs to when given."""
        middle = f"{owner}-" if owner else ""
        return f"tskey-{kind}-demo-{middle}{self.characters(SECRET_CHARACTERS)}"

    def hexadecimal(self, count: int) -> str:
        """Return lower-case hexadecimal digits, for machine and node keys."""
        return "".join(self._random.choices("0123456789abcdef", k=count))

    def _fresh(self, make: Callable[[], str]) -> str:
        while True:
            candidate = make()
            if candidate not in self._used:
                self._used.add(candidate)
                return candidate
