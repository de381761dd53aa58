"""The overlay: each deliberate difference from the published API, as an action with its reason."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen
from jsonpath_ng import DatumInContext, Fields, Index, JSONPath
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.parser import parse

from codegen.document import METHODS, parse_document

_OPERATION = re.compile(r"^\$\.paths\['(?P<path>[^']+)'\](?:\.(?P<method>" + "|".join(METHODS) + r")\b)?")


class OverlayFailed(Exception):
    """Say which action of the overlay cannot be applied; nothing has been written."""


@frozen
class Action:
    """Describe one difference: where, what, why."""

    number: int  # from 1, in the order of the file
    target: str  # JSONPath into the published document, without its prose
    reason: str
    remove: bool
    update: Any
    issue: str | None

    def operation(self) -> tuple[str, str | None] | None:
        """Return the path and method the target lies in, if it lies in one operation."""
        found = _OPERATION.match(self.target)
        return (found["path"], found["method"]) if found else None

    def __str__(self) -> str:
        return f"overlay action {self.number} ({self.target})"


def load_overlay(path: Path) -> tuple[Action, ...]:
    """Read the actions of an overlay file; a file that is absent has none.

    Raises:
        OverlayFailed: an action has no target, no reason, or does not say what to do.
    """
    if not path.exists():
        return ()
    document = parse_document(path.read_bytes())
    if not str(document.get("overlay", "")).startswith("1."):
        raise OverlayFailed(f"{path.name}: no OpenAPI Overlay 1.x document")
    return tuple(
        _action(number, entry) for number, entry in enumerate(document.get("actions") or [], start=1)
    )


def _action(number: int, entry: Any) -> Action:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("target"), str):
        raise OverlayFailed(f"overlay action {number}: no target")
    reason = entry.get("reason")
    action = Action(
        number=number,
        target=entry["target"],
        reason=str(reason or "").strip(),
        remove=entry.get("remove") is True,
        update=entry.get("update"),
        issue=entry.get("issue"),
    )
    if not action.reason:
        raise OverlayFailed(f"{action}: no reason")
    if action.remove == ("update" in entry):
        raise OverlayFailed(f"{action}: either update or remove: true")
    return action


def apply_overlay(
    document: dict[str, Any], actions: Iterable[Action], gone: frozenset[tuple[str, str]] = frozenset()
) -> list[Action]:
    """Apply the actions in order, in place.

    Args:
        gone: operations, as (path, method), that the published API has just dropped.

    Returns:
        The actions that concern nothing but a dropped operation and can be deleted.

    Raises:
        OverlayFailed: an action matches nothing, or cannot do what it says there.
    """
    obsolete = []
    for action in actions:
        if not _apply(document, action):
            if not _concerns_only(action, gone, document):
                raise OverlayFailed(f"{action} matches nothing: the published document has changed there")
            obsolete.append(action)
    return obsolete


def _concerns_only(action: Action, gone: frozenset[tuple[str, str]], document: Mapping[str, Any]) -> bool:
    place = action.operation()
    if place is None:
        return False
    path, method = place
    if method is not None:
        return (path, method) in gone
    return path not in document["paths"] and any(path == other for other, _ in gone)


def _apply(document: dict[str, Any], action: Action) -> bool:
    try:
        matches = _path(action.target).find(document)
    except (JSONPathError, ValueError) as problem:
        raise OverlayFailed(f"{action}: no JSONPath: {problem}") from problem
    for match in reversed(matches):  # from the end, so that a removed list element does not shift the next
        if action.remove:
            _remove(match, action)
        elif isinstance(match.value, dict) and isinstance(action.update, Mapping):
            _merge(match.value, action.update)
        elif isinstance(match.value, list):
            match.value.append(copy.deepcopy(action.update))
        else:
            raise OverlayFailed(f"{action}: only an object or a list can be updated")
    return bool(matches)


@cache
def _path(target: str) -> JSONPath:
    return parse(target)


def _remove(match: DatumInContext, action: Action) -> None:
    if match.context is None:
        raise OverlayFailed(f"{action}: the whole document cannot be removed")
    place = match.path
    if isinstance(place, Fields):
        del match.context.value[place.fields[0]]
    elif isinstance(place, Index):
        del match.context.value[place.indices[0]]
    else:
        raise OverlayFailed(f"{action}: name the field or the index to remove")


def _merge(node: dict[str, Any], update: Mapping[str, Any]) -> None:
    """Merge as the Overlay specification says: objects deeply, lists by appending, the rest replaces."""
    for key, value in update.items():
        present = node.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            _merge(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            present.extend(item for item in copy.deepcopy(value) if item not in present)
        else:
            node[key] = copy.deepcopy(value)
