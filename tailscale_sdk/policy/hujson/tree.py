"""The lossless tree: every value keeps the white space and comments around it."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from attrs import define, field

_NEITHER_LINE = re.compile(r"[^\r\n\t ]")
Kind = Literal["literal", "object", "array"]


def blank(extra: str) -> str:
    """Turn comments into white space of the same number of bytes; line ends and tabs stay."""
    return "".join(" " * len(c.encode("utf-8")) if _NEITHER_LINE.match(c) else c for c in extra)


@define
class Value:
    """Hold one value with what stands around it.

    Attributes:
        kind: literal, object or array.
        literal: text of a literal.
        members: members of an object.
        elements: elements of an array.
        before: white space and comments before the value.
        after: white space and comments between the value and what follows it.
        trailing: what stands between a trailing comma and the closing bracket; None without one.
    """

    kind: Kind
    literal: str = ""
    members: list[Member] = field(factory=list)
    elements: list[Value] = field(factory=list)
    before: str = ""
    after: str = ""
    trailing: str | None = None

    def pack(self) -> str:
        """Return the text, byte for byte as it was read unless something was changed."""
        parts: list[str] = []
        _pack(self, parts, lambda extra: extra, trailing_commas=True)
        return "".join(parts)

    def standardized(self) -> str:
        """Return plain JSON of the same length."""
        parts: list[str] = []
        _pack(self, parts, blank, trailing_commas=False)
        return "".join(parts)

    def minimized(self) -> str:
        """Return plain JSON without white space."""
        parts: list[str] = []
        _pack(self, parts, lambda extra: "", trailing_commas=None)
        return "".join(parts)

    def data(self) -> Any:
        """Return the value as Python data; of two members of one name the last counts."""
        if self.kind == "object":
            return {member.name.data(): member.value.data() for member in self.members}
        if self.kind == "array":
            return [element.data() for element in self.elements]
        return json.loads(self.literal)

    def children(self) -> list[Value]:
        """Return what a composite holds, in order: for an object the member values."""
        return [member.value for member in self.members] if self.kind == "object" else self.elements

    def bare(self) -> Value:
        """Return the value without what stands around it."""
        return Value(self.kind, self.literal, self.members, self.elements, trailing=self.trailing)

    def is_standard(self) -> bool:
        """Tell whether the text is plain JSON: no comment, no trailing comma."""
        if "/" in self.before or "/" in self.after or self.trailing is not None:
            return False
        names = [member.name for member in self.members]
        return all(child.is_standard() for child in (*names, *self.children()))

    def duplicate_names(self, path: str = "") -> list[str]:
        """Return the JSON pointer of each member whose name its object has already."""
        found, seen = [], set()
        for member in self.members:
            name = member.name.data()
            place = f"{path}/{escape(name)}"
            if name in seen:
                found.append(place)
            seen.add(name)
            found += member.value.duplicate_names(place)
        for index, element in enumerate(self.elements):
            found += element.duplicate_names(f"{path}/{index}")
        return found


@define
class Member:
    """Hold one member of an object."""

    name: Value
    value: Value


def escape(name: str) -> str:
    """Write a name as a segment of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _pack(value: Value, parts: list[str], extra: Any, trailing_commas: bool | None) -> None:
    """Append the text of a value; trailing commas stay (True), become a space (False) or go (None)."""
    parts.append(extra(value.before))
    if value.kind == "literal":
        parts.append(value.literal)
    else:
        opening, closing = ("{", "}") if value.kind == "object" else ("[", "]")
        parts.append(opening)
        items: list[Member | Value] = [*value.members, *value.elements]
        for index, item in enumerate(items):
            if index:
                parts.append(",")
            if isinstance(item, Member):
                _pack(item.name, parts, extra, trailing_commas)
                parts.append(":")
                _pack(item.value, parts, extra, trailing_commas)
            else:
                _pack(item, parts, extra, trailing_commas)
        if value.trailing is not None:
            if value.members or value.elements:
                parts.append("," if trailing_commas else " " if trailing_commas is False else "")
            parts.append(extra(value.trailing))
        parts.append(closing)
    parts.append(extra(value.after))
