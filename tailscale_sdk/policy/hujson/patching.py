"""RFC 6902 on the tree: what is not concerned keeps every byte, comments stay with their elements."""

from __future__ import annotations

import copy
import json
import re
from typing import Any, NoReturn

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy.hujson.tree import Member, Value

_INDEX = re.compile(r"0|[1-9][0-9]*")
_NEEDS = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from", "remove": None}


def find_value(root: Value, pointer: str) -> Value | None:
    """Return the value that a JSON pointer names, or None."""
    segments = _segments(pointer)
    if segments is None:
        return None
    value: Value | None = root
    for segment in segments:
        value = _child(value, segment) if value is not None else None
    return value


def _segments(pointer: str) -> list[str] | None:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        return None
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _child(value: Value, segment: str) -> Value | None:
    if value.kind == "object":
        return next((m.value for m in reversed(value.members) if m.name.data() == segment), None)
    if value.kind == "array" and _INDEX.fullmatch(segment) and int(segment) < len(value.elements):
        return value.elements[int(segment)]
    return None


def apply_patch(root: Value, patch: Value) -> Value:
    """Return a tree with all operations applied; the given one is not touched.

    Raises:
        HuJSONError: an operation is malformed or fails.
    """
    if patch.kind != "array":
        raise HuJSONError("hujson: patch must be a JSON array")
    holder = Value("array", elements=[copy.deepcopy(root)])
    for index, operation in enumerate(patch.elements):
        _Operation(index, operation).apply(holder)
    return holder.elements[0]


class _Operation:
    """Carry one operation of a patch."""

    def __init__(self, index: int, node: Value) -> None:
        self._index = index
        if node.kind != "object":
            self._fail("must be a JSON object")
        fields = {member.name.data(): member.value for member in node.members}
        self.name = self._text(fields, "op")
        if "op" in fields and self.name not in _NEEDS:
            self._fail(f"unknown operation {json.dumps(self.name)}")
        self.path, self.source = self._text(fields, "path"), self._text(fields, "from")
        self.value = fields.get("value")
        for required in ("op", "path", _NEEDS.get(self.name or "")):
            if required is not None and required not in fields:
                self._fail(f"missing required member {json.dumps(required)}")

    def _text(self, fields: dict[str, Value], name: str) -> str:
        if name not in fields:
            return ""
        data = fields[name].data()
        if not isinstance(data, str):
            self._fail(f"member {json.dumps(name)} must be a JSON string")
        return data

    def _fail(self, message: str) -> NoReturn:
        raise HuJSONError(f"hujson: patch operation {self._index}: {message}")

    def apply(self, holder: Value) -> None:
        """Change the document below a holder."""
        root = holder.elements[0]
        if self.name in {"move", "copy"}:
            if f"{self.path}/".startswith(f"{self.source}/") or self.source == "":
                self._fail(f"cannot {self.name} {json.dumps(self.source)} into {json.dumps(self.path)}")
            value = copy.deepcopy(self._existing(root, self.source)).bare()
            if self.name == "move":
                self._remove(holder, self.source)
            self._add(holder, self.path, value)
        elif self.name == "remove":
            self._remove(holder, self.path)
        elif self.name == "test":
            if not _same(self._existing(root, self.path).data(), self._given().data()):
                self._fail(f"values differ at {json.dumps(self.path)}")
        elif self.name == "replace":
            self._replace(self._existing(root, self.path), self._given())
        else:
            self._add(holder, self.path, self._given())

    def _given(self) -> Value:
        if self.value is None:
            self._fail('missing required member "value"')
        return copy.deepcopy(self.value).bare()

    def _existing(self, root: Value, pointer: str) -> Value:
        found = find_value(root, pointer)
        if found is None:
            self._fail("value not found")
        return found

    def _parent(self, holder: Value, pointer: str) -> tuple[Value, str]:
        segments = _segments(pointer)
        if not segments:
            self._fail("value not found")
        parent = self._existing(holder.elements[0], pointer[: pointer.rindex("/")])
        return parent, segments[-1]

    @staticmethod
    def _replace(old: Value, new: Value) -> None:
        for name in ("kind", "literal", "members", "elements", "trailing"):
            setattr(old, name, getattr(new, name))

    def _add(self, holder: Value, pointer: str, value: Value) -> None:
        if pointer == "":
            self._replace(holder.elements[0], value)
            return
        parent, segment = self._parent(holder, pointer)
        if parent.kind == "object":
            present = _child(parent, segment)
            if present is not None:
                self._replace(present, value)
                return
            parent.members.append(Member(Value("literal", json.dumps(segment, ensure_ascii=False)), value))
            _move_after(parent, len(parent.members) - 1)
        elif parent.kind == "array":
            count = len(parent.elements)
            if segment != "-" and not (_INDEX.fullmatch(segment) and int(segment) <= count):
                self._fail("value not found")
            index = count if segment == "-" else int(segment)
            parent.elements.insert(index, value)
            if index == count:
                _move_after(parent, index)
        else:
            self._fail("value not found")

    def _remove(self, holder: Value, pointer: str) -> None:
        if pointer == "":
            self._fail("cannot remove root value")
        self._existing(holder.elements[0], pointer)
        parent, segment = self._parent(holder, pointer)
        names = [member.name.data() for member in parent.members]
        index = len(names) - 1 - names[::-1].index(segment) if parent.kind == "object" else int(segment)
        _remove_at(parent, index)


def _move_after(parent: Value, index: int) -> None:
    """Let the new last value end as the former last one did, so that the bracket stays where it was."""
    items = parent.children()
    if index > 0:
        items[index].after, items[index - 1].after = items[index - 1].after, ""
    elif parent.trailing is not None:
        # An empty composite keeps its inside in `trailing`; it now stands behind the only value.
        items[0].after, parent.trailing = parent.trailing, None


def _remove_at(parent: Value, index: int) -> None:
    """Take one item out; a comment at the end of the line before it belongs to the item before it."""
    items: list[Any] = parent.members if parent.kind == "object" else parent.elements
    removed = items.pop(index)
    first = _first(removed)
    last = removed.value if isinstance(removed, Member) else removed
    if index < len(items):
        following = _first(items[index])
        following.before = _joined(first.before, following.before)
    elif parent.trailing is not None and items:
        parent.trailing = _joined(first.before, parent.trailing)
    elif items:
        previous = parent.children()[-1]
        head = (
            first.before[: first.before.index("\n") + 1]
            if "\n" in first.before and "/" in first.before
            else ""
        )
        tail = last.after[last.after.index("\n") + 1 :] if head and "\n" in last.after else last.after
        previous.after += head + tail
    else:
        parent.trailing = last.after if "/" in last.after or "\n" in last.after else None


def _first(item: Any) -> Value:
    found: Value = item.name if isinstance(item, Member) else item
    return found


def _joined(removed: str, following: str) -> str:
    """Join the line end before a removed item with the lines above the next one."""
    if "\n" not in removed:
        return following
    head = removed[: removed.index("\n") + 1]
    if "\n" in following:
        return head + following[following.index("\n") + 1 :]
    return head + removed[removed.rindex("\n") + 1 :]


def _same(left: Any, right: Any) -> bool:
    """Compare JSON data: a boolean is no number, 1 and 1.0 are the same."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return bool(left == right) and (numbers or type(left) is type(right))
