"""RFC 6902 on plain data, written from the RFC alone: a judge for patches of HuJSON."""

from __future__ import annotations

import copy
import json
from typing import Any


class Refused(Exception):
    """Say that an operation fails."""


def pointers(value: Any, path: str = "") -> list[str]:
    """List the pointer of every place in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path]
    for key, inner in items:
        found += pointers(inner, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


def apply_plainly(document: Any, operation: dict[str, Any]) -> Any:
    """Return the document after one operation; the given one may be changed on the way.

    Raises:
        Refused: the operation fails.
    """
    root = {"top": document}
    kind, path, source = operation["op"], operation["path"], operation.get("from")
    # Stricter than the RFC, as the reference is: nothing is copied into itself either.
    if source is not None and f"{path}/".startswith(f"{source}/"):
        raise Refused
    if kind == "test":
        _compare(_get(root, path), operation["value"])
    elif kind == "remove":
        _take(root, path)
    elif kind == "replace":
        _get(root, path)
        _set(root, path, copy.deepcopy(operation["value"]), insert=False)
    else:
        value = operation["value"] if source is None else _get(root, source)
        if kind == "move":
            _take(root, operation["from"])
        _set(root, path, copy.deepcopy(value), insert=True)
    return root["top"]


def _compare(value: Any, expected: Any) -> None:
    if json.dumps(value, sort_keys=True) != json.dumps(expected, sort_keys=True):
        raise Refused


def _parent(root: Any, pointer: str) -> tuple[Any, str]:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in f"top{pointer}".split("/")]
    for segment in way:
        root = root[_key(root, segment)]
    return root, last


def _key(holder: Any, segment: str, room: int = 0) -> Any:
    """Return the key of what exists, or with room for one more, the index behind the last."""
    if isinstance(holder, dict) and (segment in holder or room):
        return segment
    if isinstance(holder, list) and room and segment == "-":
        return len(holder)
    if isinstance(holder, list) and segment.isdecimal() and int(segment) < len(holder) + room:
        return int(segment)
    raise Refused


def _get(root: Any, pointer: str) -> Any:
    holder, last = _parent(root, pointer)
    return holder[_key(holder, last)]


def _take(root: Any, pointer: str) -> None:
    if pointer == "":
        raise Refused
    holder, last = _parent(root, pointer)
    del holder[_key(holder, last)]


def _set(root: Any, pointer: str, value: Any, *, insert: bool) -> None:
    holder, last = _parent(root, pointer)
    key = _key(holder, last, room=int(insert))
    if insert and isinstance(holder, list):
        holder.insert(key, value)
    else:
        holder[key] = value
