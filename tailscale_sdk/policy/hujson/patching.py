"""RFC 6902 on the tree: what is not concerned keeps every byte, comments stay with their elements."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy.hujson.placing import Own, insert, remove
from tailscale_sdk.policy.hujson.tree import Member, Value, read_pointer

_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NEEDS = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from", "remove": None}


def apply_patch(root: Value, patch: Value) -> Value:
    """Return a tree with all operations applied; the given one is not touched.

    Raises:
        HuJSONError: an operation is malformed or fails.
    """
    if patch.kind != "array":
        raise HuJSONError("hujson: patch must be a JSON array")
    document = root.copy()
    for index, operation in enumerate(patch.elements):
        _Operation(index, operation).apply(document)
    return document


class _Operation:
    """Carry one operation of a patch."""

    def __init__(self, index: int, node: Value) -> None:
        self._index = index
        if node.kind != "object":
            self._fail("must be a JSON object")
        fields = {member.name.text(): member.value for member in node.members}
        self.name = self._text(fields, "op")
        if "op" in fields and self.name not in _NEEDS:
            self._fail(f"unknown operation {_quote(self.name)}")
        self.path, self.source = self._text(fields, "path"), self._text(fields, "from")
        self.value = fields.get("value")
        for required in ("op", "path", _NEEDS.get(self.name or "")):
            if required is not None and required not in fields:
                self._fail(f"missing required member {_quote(required)}")

    def _text(self, fields: dict[str, Value], name: str) -> str:
        if name not in fields:
            return ""
        if not fields[name].literal.startswith('"'):
            self._fail(f"member {_quote(name)} must be a JSON string")
        return fields[name].text()

    def _fail(self, message: str) -> NoReturn:
        raise HuJSONError(f"hujson: patch operation {self._index}: {message}")

    def apply(self, root: Value) -> None:
        """Change a document."""
        if self.name in {"move", "copy"}:
            self._transfer(root)
        elif self.name == "remove":
            self._remove(root, self.path)
        elif self.name == "test":
            if not _same(self._existing(root, self.path).data(), self._given().data()):
                self._fail(f"values differ at {_quote(self.path)}")
        elif self.name == "replace":
            _become(self._existing(root, self.path), self._given())
        else:
            self._add(root, self.path, self._given(), Own())

    def _transfer(self, root: Value) -> None:
        """Move or copy; what moves takes its comments along."""
        if f"{self.path}/".startswith(f"{self.source}/") or self.source == "":
            self._fail(f"cannot {self.name} {_quote(self.source)} into {_quote(self.path)}")
        value = self._existing(root, self.source).bare()
        own = self._remove(root, self.source) if self.name == "move" else Own()
        self._add(root, self.path, value, own)

    def _given(self) -> Value:
        if self.value is None:
            self._fail('missing required member "value"')
        return self.value.bare()

    def _existing(self, root: Value, pointer: str) -> Value:
        found = root.find(pointer)
        if found is None:
            self._fail("value not found")
        return found

    def _parent(self, root: Value, pointer: str) -> tuple[Value, str]:
        segments = read_pointer(pointer)
        if not segments:
            self._fail("value not found")
        return self._existing(root, pointer[: pointer.rindex("/")]), segments[-1]

    def _add(self, root: Value, pointer: str, value: Value, own: Own) -> None:
        if pointer == "":
            _become(root, value)
            return
        parent, segment = self._parent(root, pointer)
        if parent.kind == "object":
            present = parent.child(segment)
            if present is not None:
                _become(present, value)
            else:
                name = Value("literal", _quote(segment))
                insert(parent, len(parent.members), Member(name, value), own)
            return
        count = len(parent.elements)
        if segment == "-":
            segment = str(count)
        if parent.kind != "array" or not _INDEX.fullmatch(segment) or int(segment) > count:
            self._fail("value not found")
        insert(parent, int(segment), value, own)

    def _remove(self, root: Value, pointer: str) -> Own:
        if pointer == "":
            self._fail("cannot remove root value")
        gone = self._existing(root, pointer)
        parent, _ = self._parent(root, pointer)
        index = next(index for index, child in enumerate(parent.children()) if child is gone)
        return remove(parent, index)


def _become(old: Value, new: Value) -> None:
    """Replace a value where it stands: what is around it stays."""
    old.kind, old.literal, old.trailing = new.kind, new.literal, new.trailing
    old.members, old.elements = new.members, new.elements


def _quote(text: str) -> str:
    """Write a string literal, escaped as little as UTF-8 allows."""
    return json.dumps(text, ensure_ascii=_SURROGATE.search(text) is not None)


def _same(left: Any, right: Any) -> bool:
    """Compare JSON data: a boolean is no number, 1 and 1.0 are the same."""
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            waiting.extend((one[name], other[name]) for name in one)
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            waiting.extend(zip(one, other, strict=True))
        elif isinstance(one, dict | list | bool) or isinstance(other, dict | list | bool):
            if one is not other:
                return False
        elif one != other:
            return False
    return True
