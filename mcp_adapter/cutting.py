"""Cut the lists of an object, wherever they are, and tell how long they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PATHS_NAMED = 20
"""Cut lists that are named with their length; of the others only that they were cut is said."""


def longest_list(value: Any) -> int:
    """Return the length of the longest list within a value."""
    return max((length for _, length in _lists(value, "")), default=0)


def cut_lists(structured: Mapping[str, Any], most: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Return an object with no list longer than that, and the lengths of those that were.

    Args:
        structured: JSON values.
        most: entries that stay of each list.
    """
    lengths: dict[str, int] = {}
    for path, length in _lists(structured, ""):
        if length > most:
            lengths[path] = max(length, lengths.get(path, 0))
    shown: dict[str, Any] = _cut(structured, most)
    return shown, dict(list(lengths.items())[:PATHS_NAMED])


def _lists(value: Any, path: str) -> Iterator[tuple[str, int]]:
    """Walk the lists within a value; the elements of one list share its path."""
    if isinstance(value, list):
        yield path, len(value)
        for element in value:
            yield from _lists(element, path)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _lists(inner, f"{path}.{name}" if path else str(name))


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, list):
        return [_cut(element, most) for element in value[:most]]
    if isinstance(value, Mapping):
        return {name: _cut(inner, most) for name, inner in value.items()}
    return value
