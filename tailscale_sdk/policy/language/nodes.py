"""Values of the tree with their pointers, read as the kinds a policy wants; what does not fit is noted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from attrs import define, field, frozen

from tailscale_sdk.policy.hujson import Value
from tailscale_sdk.policy.hujson.tree import escape
from tailscale_sdk.policy.language.model import Place

_NULL: Final = "null"
_LITERALS: Final = {"t": "true or false", "f": "true or false", "n": _NULL, '"': "a string"}
_COMPOSITES: Final = {"object": "an object", "array": "a list"}


@frozen
class Refusal:
    """Hold one reason why a policy is refused, where, and how far the text was read when it was noticed."""

    message: str
    place: Place
    breaks_service: bool = False
    noticed: Place | None = None

    @property
    def order(self) -> tuple[bool, int, int]:
        """Return its rank: what the service fails over it never comes to refuse, else the text decides."""
        place = self.noticed or self.place
        return not self.breaks_service, place.line, place.column


@define(eq=False)
class Refusals:
    """Collect every reason; the service names the first one in the text alone."""

    found: list[Refusal] = field(factory=list)

    def first(self) -> Refusal | None:
        """Return the reason that stands first in the text, None where there is none."""
        return min(self.found, key=lambda refusal: refusal.order, default=None)


@define(eq=False)
class Node:
    """Hold a value, where it stands, and where to note what is wrong with it.

    Attributes:
        value: the value in the tree.
        pointer: its JSON pointer.
        refusals: where reasons are collected; reading goes on after each.
        label: the value that stands for its place: a member's name where the entry is meant, else None.
    """

    value: Value
    pointer: str
    refusals: Refusals
    label: Value | None = None

    @property
    def place(self) -> Place:
        """Return where the value stands."""
        return Place(self.pointer, self.value.line, self.value.column)

    @property
    def name_place(self) -> Place:
        """Return where the name of the member stands, or the value where it has none."""
        named = self.label or self.value
        return Place(self.pointer, named.line, named.column)

    @property
    def is_null(self) -> bool:
        """Tell whether this is null, which reads like a key that is missing."""
        return self.value.literal == _NULL

    @property
    def is_text(self) -> bool:
        """Tell whether this is a string."""
        return self.value.literal[:1] == '"'

    def refuse(self, message: str) -> None:
        """Note a reason at this value."""
        self.refusals.found.append(Refusal(message, self.place))

    def refuse_name(self, message: str) -> None:
        """Note a reason at the name of this member."""
        self.refusals.found.append(Refusal(message, self.name_place))

    def refuse_kind(self, wanted: str) -> None:
        """Note that the value is of another kind than a policy has here."""
        self.refuse(f"{self.pointer or 'policy'}: cannot read {self._kind()} as {wanted}")

    def _kind(self) -> str:
        if self.value.kind != "literal":
            return _COMPOSITES[self.value.kind]
        return _LITERALS.get(self.value.literal[0], "a number")

    def text(self) -> str | None:
        """Return what a string says, None for null and for what is no string."""
        if self.is_text:
            return self.value.text()
        if not self.is_null:
            self.refuse_kind("a string")
        return None

    def flag(self) -> bool:
        """Return what true or false says; False for null."""
        if self.value.literal not in {"true", "false", _NULL}:
            self.refuse_kind("true or false")
        return self.value.literal == "true"

    def elements(self) -> list[Node]:
        """Return the elements of a list; null has none."""
        if self.value.kind != "array":
            if not self.is_null:
                self.refuse_kind("a list")
            return []
        pointer, refusals = self.pointer, self.refusals
        return [
            Node(element, f"{pointer}/{index}", refusals) for index, element in enumerate(self.value.elements)
        ]

    def texts(self) -> Iterator[tuple[str, Node]]:
        """Yield the strings of a list with their places; null reads as an empty string."""
        for node in self.elements():
            if node.is_text:
                yield node.value.text(), node
            elif node.is_null:
                yield "", node
            else:
                node.refuse_kind("a string")

    def members(self) -> list[tuple[str, Node]]:
        """Return names and values of an object; null has none."""
        if self.value.kind != "object":
            if not self.is_null:
                self.refuse_kind("an object")
            return []
        pairs = []
        for member in self.value.members:
            name = member.name.text()
            pairs.append(
                (name, Node(member.value, f"{self.pointer}/{escape(name)}", self.refusals, member.name))
            )
        return pairs

    def entries(self) -> list[tuple[int, Fields]]:
        """Return the objects of a list with their indexes; null is an empty object."""
        return [(index, Fields.of(node)) for index, node in enumerate(self.elements())]


@define(eq=False)
class Fields:
    """Hold the members of an object whose names are fixed; they are known without regard to case.

    Attributes:
        node: the object itself.
        present: members by name in lower case, without those that are null.
        nulls: names in lower case of members that are null.
    """

    node: Node
    present: dict[str, Node]
    nulls: dict[str, Node]

    @classmethod
    def of(cls, node: Node) -> Fields:
        """Read the members of an object, refusing names that differ in case alone."""
        fields = cls(node, {}, {})
        seen: dict[str, Node] = {}
        for name, member in node.members():
            folded = name.lower()
            if folded in seen:
                first = seen[folded].name_place
                member.refuse_name(
                    f"{member.pointer}: {quote(name)} stands here twice, first at line {first.line},"
                    f" column {first.column}"
                )
                continue
            seen[folded] = member
            (fields.nulls if member.is_null else fields.present)[folded] = member
        return fields

    def get(self, name: str, legacy: str | None = None) -> Node | None:
        """Return a member by its name of today or its older one, None where it is missing or null."""
        found = self.present.get(name.lower())
        older = self.present.get(legacy) if legacy else None
        if found is not None and older is not None:
            older.refuse_name(
                f"{older.pointer}: {quote(name)} and {quote(str(legacy))} say the same, keep one"
            )
        return found or older

    def refuse_missing(self, name: str, message: str) -> None:
        """Note that a member has no value: at its null, or at the object, noticed where that ends."""
        null = self.nulls.get(name.lower())
        if null is not None:
            null.refuse(message)
            return
        members = self.node.value.members
        last = members[-1].value if members else self.node.value
        noticed = Place(self.node.pointer, last.line, last.column)
        self.node.refusals.found.append(Refusal(message, self.node.place, noticed=noticed))

    def text(self, name: str) -> str | None:
        """Return what a string member says, None where it is missing."""
        node = self.present.get(name.lower())
        return node.text() if node is not None else None

    def flag(self, name: str) -> bool:
        """Return a member that is true or false, False where it is missing."""
        node = self.present.get(name.lower())
        return node.flag() if node is not None else False

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, empty where it is missing."""
        node = self.present.get(name.lower())
        return tuple(text for text, _ in node.texts()) if node is not None else ()

    def texts_or_none(self, name: str) -> tuple[str, ...] | None:
        """Return a list of strings, None where it is missing."""
        return self.texts(name) if name.lower() in self.present else None

    def data(self, name: str) -> object:
        """Return any member as Python data, None where it is missing."""
        node = self.present.get(name.lower())
        return node.value.data() if node is not None else None


def quote(text: str) -> str:
    """Write a text in double quotes, as the service does in its messages."""
    return json.dumps(text, ensure_ascii=False)
