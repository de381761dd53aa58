"""Where an edit of a policy goes: sections are found however they are spelled, and what stands twice is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tailscale_sdk.errors import PolicyError
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.hujson import Value
from tailscale_sdk.policy.hujson.tree import escape

Operation = Mapping[str, Any]
Way = Sequence[str]


def policy_tree(text: str | bytes) -> Value:
    """Read a policy that can be edited.

    Raises:
        HuJSONError: it is not HuJSON.
        PolicyError: it is no object, or a member stands in it twice, so that it is not clear which one counts.
    """
    tree = hujson.parse(text)
    if tree.kind != "object":
        raise PolicyError("the policy is no object: it begins with { and ends with }")
    for duplicate in tree.duplicates()[:1]:
        raise PolicyError(
            f"{duplicate.pointer} stands twice, in line {duplicate.first.line} and line {duplicate.again.line}: "
            "keep one of them",
            pointer=duplicate.pointer,
            line=duplicate.again.line,
            column=duplicate.again.column,
        )
    return tree


def value_at(policy: Value, way: Way, name: str) -> Value | None:
    """Return a named value of a section, or None."""
    _, section, left = _follow(policy, way)
    return None if left or section is None else _object(section, way).child(name)


def entries_of(policy: Value, way: Way, name: str) -> list[Any]:
    """Return what a named list of a section holds; nothing where it is not there."""
    value = value_at(policy, way, name)
    return [] if _is_nothing(value) or value is None else list(_list(value, name).data())


def put(policy: Value, way: Way, name: str, value: Any) -> list[Operation]:
    """Return what gives a named member of a section a value; the section is made where it is missing."""
    pointer, section, left = _follow(policy, way)
    if left or section is None:
        return [_made(pointer, left, {name: value})]
    present = _object(section, way).child(name)
    if present is not None and present.data() == value:
        return []
    place = f"{pointer}/{escape(name)}"
    if present is None:
        return [{"op": "add", "path": place, "value": value}]
    return [_still(place, present), {"op": "replace", "path": place, "value": value}]


def take_out(policy: Value, way: Way, name: str) -> list[Operation]:
    """Return what removes a named member of a section; nothing where it is not there."""
    pointer, section, left = _follow(policy, way)
    present = None if left or section is None else _object(section, way).child(name)
    place = f"{pointer}/{escape(name)}"
    return [] if present is None else [_still(place, present), {"op": "remove", "path": place}]


def take_in(policy: Value, way: Way, name: str | None, entry: Any) -> list[Operation]:
    """Return what puts an entry at the end of a list, unless it is in it.

    Args:
        policy: the policy.
        way: names of the section, from the outside in.
        name: of the list in the section; None where the section is the list.
        entry: what goes in.
    """
    pointer, section, left = _follow(policy, way)
    if left or section is None:
        return [_made(pointer, left, [entry] if name is None else {name: [entry]})]
    if name is not None:
        section = _object(section, way).child(name)
        pointer = f"{pointer}/{escape(name)}"
    if section is None or _is_nothing(section):
        return [{"op": "add", "path": pointer, "value": [entry]}]
    if any(value.data() == entry for value in _list(section, name or way[-1]).elements):
        return []
    return [{"op": "add", "path": f"{pointer}/-", "value": entry}]


def leave_out(policy: Value, way: Way, name: str | None, entry: Any) -> list[Operation]:
    """Return what takes an entry out of a list; nothing where it is not in it.

    Args:
        policy: the policy.
        way: names of the section, from the outside in.
        name: of the list in the section; None where the section is the list.
        entry: what goes out.
    """
    pointer, section, left = _follow(policy, way)
    if not left and section is not None and name is not None:
        section = _object(section, way).child(name)
        pointer = f"{pointer}/{escape(name)}"
    if left or section is None or _is_nothing(section):
        return []
    entries = _list(section, name or way[-1]).elements
    # From the last one on, so that the places of those before it hold.
    return [
        operation
        for place, found in reversed(list(enumerate(entries)))
        if found.data() == entry
        for operation in (
            _still(f"{pointer}/{place}", found),
            {"op": "remove", "path": f"{pointer}/{place}"},
        )
    ]


def _follow(policy: Value, way: Way) -> tuple[str, Value | None, Way]:
    """Return the pointer as far as a section is there, its value, and the names that are missing behind it.

    Raises:
        PolicyError: it stands there in two spellings, or what holds it is no object.
    """
    pointer, value = "", policy
    for depth, name in enumerate(way):
        spellings = [
            member for member in _object(value, way[:depth]).members if _is(member.name.text(), name)
        ]
        if len(spellings) > 1:
            raise PolicyError(
                f"{name} stands in two spellings, in line {spellings[0].name.line} and line "
                f"{spellings[1].name.line}: the service knows both as one, put them together first"
            )
        pointer += f"/{escape(spellings[0].name.text() if spellings else name)}"
        if not spellings or _is_nothing(spellings[0].value):
            return pointer, None, way[depth + 1 :]
        value = spellings[0].value
    return pointer, value, ()


def _is(spelled: str, name: str) -> bool:
    return spelled.lower() == name.lower()


def _is_nothing(value: Value | None) -> bool:
    return value is not None and value.kind == "literal" and value.literal == "null"


def _made(pointer: str, left: Way, value: Any) -> Operation:
    """Return what makes a section that is missing, around what goes into it."""
    for name in reversed(left):
        value = {name: value}
    return {"op": "add", "path": pointer, "value": value}


def _still(place: str, value: Value) -> Operation:
    """Return what makes the patch fail where something else stands by then."""
    return {"op": "test", "path": place, "value": value.data()}


def _object(value: Value, way: Way) -> Value:
    if value.kind != "object":
        raise PolicyError(f"{'/'.join(way)} in line {value.line} is no object: correct it first")
    return value


def _list(value: Value, name: str) -> Value:
    if value.kind != "array":
        raise PolicyError(f"{name} in line {value.line} is no list: correct it first")
    return value
