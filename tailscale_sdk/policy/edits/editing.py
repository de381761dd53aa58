"""Carry out edits: each becomes an RFC 6902 patch of the present text, and every other byte stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.edits.places import Operation, policy_tree
from tailscale_sdk.policy.hujson import Value


class Edit(Protocol):
    """Say what a policy should be, and find out what that takes in a text."""

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch that makes it so; an empty one where it is so already.

        Raises:
            PolicyError: it cannot be done in this policy; the text says what to do instead.
        """
        ...


def operations_of(text: str | bytes, edits: Iterable[Edit]) -> list[Operation]:
    """Return the patch of several edits, each made on what the ones before it leave.

    Args:
        text: the policy as it is.
        edits: what is to be changed, in order.

    Returns:
        RFC 6902 operations; none where everything is so already.

    Raises:
        HuJSONError: the text is not HuJSON, or a given operation fails.
        PolicyError: a member stands in it twice, or an edit cannot be made.
    """
    found: list[Operation] = []
    for edit in edits:
        operations = edit.operations(policy_tree(text))
        text = hujson.patch(text, operations)
        found += operations
    return found


def edited(text: str | bytes, edits: Iterable[Edit]) -> str:
    """Return a policy with the edits made; every byte that is not concerned stays.

    Args:
        text: the policy as it is.
        edits: what is to be changed, in order.

    Raises:
        HuJSONError: the text is not HuJSON, or a given operation fails.
        PolicyError: a member stands in it twice, or an edit cannot be made.
    """
    return hujson.patch(text, operations_of(text, edits))


def undoing(text: str | bytes, operations: Sequence[Operation]) -> list[Operation]:
    """Return the patch that takes another one back; comments that went with a value do not come back.

    Args:
        text: the policy before the patch.
        operations: the patch.

    Raises:
        HuJSONError: the text is not HuJSON, or an operation fails.
    """
    back: list[Operation] = []
    for operation in operations:
        back = [*_undo(hujson.parse(text), operation), *back]
        text = hujson.patch(text, [operation])
    return back


def _undo(policy: Value, operation: Operation) -> list[Operation]:
    kind, path = operation.get("op"), str(operation.get("path"))
    if kind == "test":
        return []
    parent = policy.find(path.rpartition("/")[0])
    if kind in {"add", "copy", "move"} and parent is not None and parent.kind == "array":
        path = f"{path[:-2]}/{len(parent.elements)}" if path.endswith("/-") else path
        old = None
    else:
        old = policy.find(path)
    if kind == "move":
        back: Operation = {"op": "move", "from": path, "path": operation.get("from")}
        return [back] if old is None else [back, {"op": "add", "path": path, "value": old.data()}]
    if old is None:
        return [{"op": "remove", "path": path}]
    return [{"op": "add" if kind == "remove" else "replace", "path": path, "value": old.data()}]
