"""The lossless tree: every value keeps the white space and comments around it, and where it stood."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from attrs import define, field

_INK = re.compile(r"[^\r\n\t ]+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
Kind = Literal["literal", "object", "array"]


def blank(extra: str) -> str:
    """Turn comments into white space of the same number of bytes; line ends and tabs stay."""
    return _INK.sub(lambda match: " " * len(match[0].encode("utf-8")), extra)


@define(eq=False)
class Value:
    """Hold one value with what stands around it.

    Attributes:
        kind: literal, object or array.
        literal: text of a literal.
        members: members of an object.
        elements: elements of an array.
        before: white space and comments before the value.
        after: white space and comments between the value and what follows it.
        trailing: what stands between a trailing comma and the closing bracket, None without one; in
            an empty object or array, what stands between the brackets.
        line, column: where the value began in the text that was read, from 1, columns in bytes; 0 for
            a value that came with a patch.
    """

    kind: Kind
    literal: str = ""
    members: list[Member] = field(factory=list)
    elements: list[Value] = field(factory=list)
    before: str = ""
    after: str = ""
    trailing: str | None = None
    line: int = 0
    column: int = 0

    def pack(self) -> str:
        """Return the text, byte for byte as it was read unless something was changed."""
        return _pack(self, extra=str, trailing_comma=",")

    def standardized(self) -> str:
        """Return plain JSON with the same number of bytes."""
        return _pack(self, extra=blank, trailing_comma=" ")

    def minimized(self) -> str:
        """Return plain JSON without white space."""
        return _pack(self, extra=lambda extra: "", trailing_comma="")

    def data(self) -> Any:
        """Return the value as Python data; of two members of one name the last counts."""
        top: list[Any] = [None]
        waiting: list[tuple[Any, Any, Value]] = [(top, 0, self)]
        while waiting:
            place, key, value = waiting.pop()
            if value.kind == "literal":
                place[key] = _read_literal(value.literal)
            elif value.kind == "array":
                place[key] = elements = [None] * len(value.elements)
                waiting.extend((elements, index, child) for index, child in enumerate(value.elements))
            else:
                names = [member.name.text() for member in value.members]
                inside: dict[str, Any] = dict.fromkeys(names)
                place[key] = inside
                waiting.extend(
                    (inside, name, member.value) for name, member in _backwards(names, value.members)
                )
        return top[0]

    def text(self) -> str:
        """Return what a string literal says."""
        data: str = _read_literal(self.literal)
        return data

    def items(self) -> Sequence[Member | Value]:
        """Return the members of an object or the elements of an array."""
        return self.members if self.kind == "object" else self.elements

    def children(self) -> list[Value]:
        """Return what a composite holds, in order: for an object the member values."""
        return [member.value for member in self.members] if self.kind == "object" else self.elements

    def child(self, segment: str) -> Value | None:
        """Return what one segment of a JSON pointer names below this value, or None."""
        if self.kind == "object":
            return next(
                (member.value for member in reversed(self.members) if member.name.text() == segment), None
            )
        if self.kind == "array" and _INDEX.fullmatch(segment) and int(segment) < len(self.elements):
            return self.elements[int(segment)]
        return None

    def find(self, pointer: str) -> Value | None:
        """Return the value that a JSON pointer (RFC 6901) names, or None where there is nothing."""
        segments = read_pointer(pointer)
        value: Value | None = None if segments is None else self
        for segment in segments or ():
            value = value.child(segment) if value is not None else None
        return value

    def is_standard(self) -> bool:
        """Tell whether the text is plain JSON: no comment, no trailing comma."""
        return all(
            "/" not in value.before and "/" not in value.after and value.trailing is None
            for value in self.walk()
        )

    def walk(self) -> Iterator[Value]:
        """Yield this value and everything in it, names included; what holds something comes before it."""
        waiting = [self]
        while waiting:
            value = waiting.pop()
            yield value
            waiting.extend(member.name for member in value.members)
            waiting.extend(value.children())

    def duplicates(self) -> list[Duplicate]:
        """Return each member whose object has one of that name already, in the order of the text."""
        found: list[Duplicate] = []
        waiting = [("", self)]
        while waiting:
            path, value = waiting.pop()
            seen: dict[str, Value] = {}
            for member in value.members:
                name = member.name.text()
                place = f"{path}/{escape(name)}"
                if name in seen:
                    found.append(Duplicate(place, seen[name], member.name))
                seen.setdefault(name, member.name)
                waiting.append((place, member.value))
            waiting.extend((f"{path}/{index}", child) for index, child in enumerate(value.elements))
        return sorted(found, key=lambda duplicate: (duplicate.again.line, duplicate.again.column))

    def copy(self) -> Value:
        """Return the same value once more, sharing nothing."""
        top = self._alone()
        waiting = [(self, top)]
        while waiting:
            old, new = waiting.pop()
            for member in old.members:
                new.members.append(Member(member.name._alone(), member.value._alone()))
                waiting.append((member.value, new.members[-1].value))
            for element in old.elements:
                new.elements.append(element._alone())
                waiting.append((element, new.elements[-1]))
        return top

    def bare(self) -> Value:
        """Return a copy without what stands around it, and without a place."""
        value = self.copy()
        for part in value.walk():
            part.line = part.column = 0
        value.before = value.after = ""
        return value

    def _alone(self) -> Value:
        return Value(
            self.kind,
            self.literal,
            before=self.before,
            after=self.after,
            trailing=self.trailing,
            line=self.line,
            column=self.column,
        )


@define(eq=False)
class Member:
    """Hold one member of an object."""

    name: Value
    value: Value


class Duplicate(NamedTuple):
    """Name a member that stands twice: its pointer, the first name and the one that stands again."""

    pointer: str
    first: Value
    again: Value


def escape(name: str) -> str:
    """Write a name as a segment of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def read_pointer(pointer: str) -> list[str] | None:
    """Split a JSON pointer into its segments, or return None where it is none."""
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        return None
    return [segment.replace("~1", "/").replace("~0", "~") for segment in pointer[1:].split("/")]


def first_of(item: Member | Value) -> Value:
    """Return the first value of an item: an element itself, or a member's name."""
    return item.name if isinstance(item, Member) else item


def last_of(item: Member | Value) -> Value:
    """Return the last value of an item: an element itself, or a member's value."""
    return item.value if isinstance(item, Member) else item


def _backwards(names: list[str], members: list[Member]) -> Iterator[tuple[str, Member]]:
    """Pair names and members from the last to the first: a stack then reads them in order."""
    return zip(reversed(names), reversed(members), strict=True)


def _read_literal(literal: str) -> Any:
    if literal[0] == '"' and "\\" not in literal:
        return literal[1:-1]
    try:
        return json.loads(literal)
    except ValueError:
        # Python refuses to read integers of thousands of digits; as a number they are beyond any range.
        return float(literal)


def _pack(root: Value, *, extra: Callable[[str], str], trailing_comma: str) -> str:
    """Write a tree with an own stack, so that no depth of nesting is too deep."""
    parts: list[str] = []
    waiting: list[Value | str] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            parts.append(value)
            continue
        parts.append(extra(value.before))
        if value.kind == "literal":
            parts += value.literal, extra(value.after)
            continue
        opening, closing = "{}" if value.kind == "object" else "[]"
        parts.append(opening)
        waiting += extra(value.after), closing
        items = value.items()
        if value.trailing is not None:
            waiting += extra(value.trailing), trailing_comma if items else ""
        for index, item in reversed(list(enumerate(items))):
            if isinstance(item, Member):
                waiting += item.value, ":", item.name
            else:
                waiting.append(item)
            if index:
                waiting.append(",")
    return "".join(parts)
