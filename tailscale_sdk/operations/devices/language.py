"""The query language for devices: terms such as ``tag:prod seen:>30d``, AND by spaces, OR, ``-`` and parentheses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\)) | (?P<minus>-)(?=\S) |
        (?P<word>(?:"[^"]*"|[^\s()"])+)
    )""",
    re.VERBOSE,
)
_FIELD: Final = re.compile(r"([a-z_]+):(.*)", re.DOTALL)
_DEEPEST: Final = 50


@frozen
class Term:
    """Hold one test: a field and what its value must be.

    Attributes:
        name: of the field; ``any`` for a bare word.
        value: text behind the colon, without quotes.
        position: where it begins in the query, from 0.
    """

    name: str
    value: str
    position: int = field(default=0, eq=False)


@frozen
class Negated:
    """Hold what must not match."""

    inner: Node


@frozen
class All:
    """Hold what must match together; nothing at all matches everything."""

    parts: tuple[Node, ...] = ()


@frozen
class AnyOf:
    """Hold what of which one must match."""

    parts: tuple[Node, ...]


Node = Term | Negated | All | AnyOf


def read_query(text: str) -> Node:
    """Read a query.

    Args:
        text: terms separated by spaces; an empty text matches every device.

    Raises:
        ConfigurationError: it cannot be read; the text says where.
    """
    reader = _Reader(list(_tokens(text)))
    found = reader.alternatives(0) if reader.tokens else All()
    if reader.place < len(reader.tokens):
        raise _wrong("a closing parenthesis without an opening one", reader.tokens[reader.place].position)
    return found


def filters(**given: Any) -> Node:
    """Return the query that keywords mean; they share their meaning with the text.

    Args:
        given: value by field: text, true or false, or several values that must all match.
    """
    return All(
        tuple(
            Term(name, _as_text(value))
            for name, values in given.items()
            if values is not None
            for value in (values if isinstance(values, list | tuple | set | frozenset) else [values])
        )
    )


def _as_text(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


@frozen
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> Sequence[_Token]:
    found: list[_Token] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _wrong("a quote that is not closed", place)
        token = _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        if found and token.position == place and (found[-1].kind, token.kind) == ("word", "open"):
            # What was meant as one value would be read as several terms.
            raise _wrong("put quotes around a value that holds a parenthesis", token.position)
        found.append(token)
        place = match.end()
    return found


class _Reader:
    """Read tokens from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens, self.place = tokens, 0

    def alternatives(self, depth: int) -> Node:
        parts = [self._together(depth)]
        while self._is_or():
            self.place += 1
            parts.append(self._together(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _together(self, depth: int) -> Node:
        parts = []
        while self.place < len(self.tokens) and self.tokens[self.place].kind != "close" and not self._is_or():
            parts.append(self._one(depth))
        if not parts:
            raise _wrong("a term is missing", self._here())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        token = self.tokens[self.place]
        self.place += 1
        if depth > _DEEPEST:
            raise _wrong(f"more than {_DEEPEST} parentheses or negations inside each other", token.position)
        if token.kind == "minus":
            if self.place == len(self.tokens):
                raise _wrong("nothing follows the minus", token.position)
            return Negated(self._one(depth + 1))
        if token.kind == "open":
            found = self.alternatives(depth + 1)
            if self.place == len(self.tokens):
                raise _wrong("a parenthesis that is not closed", token.position)
            self.place += 1
            return found
        if token.kind == "close":
            raise _wrong("a closing parenthesis without an opening one", token.position)
        return _term(token)

    def _is_or(self) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place].text == "OR"

    def _here(self) -> int:
        return self.tokens[min(self.place, len(self.tokens) - 1)].position


def _term(token: _Token) -> Term:
    match = _FIELD.fullmatch(token.text)
    if match is None:
        return Term("any", token.text.replace('"', ""), token.position)
    return Term(match[1], match[2].replace('"', ""), token.position)


def _wrong(what: str, position: int) -> ConfigurationError:
    return ConfigurationError(f"query: {what} (character {position + 1})")
