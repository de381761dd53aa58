"""Flat input schemas: the parameters of all actions of a tool side by side, never a root combinator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Schema = dict[str, Any]
Operation = Mapping[str, Any]

RESERVED = ("action", "limit", "cursor", "select", "detail", "dry_run", "confirm", "reveal", "tailnet")
"""Parameters of every tool; no parameter of the API may have one of these names."""

GIVEN = ("now", "progress", "snapshots", "changes", "principal", "digest", "plan_id")
"""Arguments that a workflow's function gets from the server when it takes them; no caller can give one."""

POLICY_TEXTS = frozenset({"policy", "base"})
"""Arguments that hold a whole policy, and so may be long."""

ENUM_LIMIT = 20
"""Values an enum may list in a schema; a longer one is served as plain text."""

_ACCEPTED = {"string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false"}


class SchemaConflict(ValueError):
    """Say which parameter has two types in one tool."""


def input_schema(
    operations: Sequence[Operation], common: Mapping[str, Schema], *, choosing: bool = True
) -> Schema:
    """Build the schema of a tool.

    Args:
        operations: catalog entries, one per action.
        common: further properties, by name.
        choosing: an ``action`` argument says which; without it there is one operation.

    Raises:
        SchemaConflict: a parameter has different types in two actions.
    """
    actions = {"action": {"enum": [operation["method"] for operation in operations]}} if choosing else {}
    properties: Schema = {**actions, **merge_parameters(operations)}
    required = [*actions, *_required_everywhere(operations)]
    return {
        "type": "object",
        "properties": properties | dict(common),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def merge_parameters(operations: Iterable[Operation]) -> Schema:
    """Lay the parameters of several actions side by side.

    Raises:
        SchemaConflict: a parameter has different types in two actions.
    """
    merged: Schema = {}
    for operation in operations:
        for parameter in operation["params"]:
            name, served = parameter["name"], served_property(parameter)
            merged[name] = _join(name, merged[name], served) if name in merged else served
    return merged


def served_property(parameter: Mapping[str, Any]) -> Schema:
    """Return the schema of one parameter as a client sees it; a brief one is described in words only."""
    description, schema = parameter.get("description"), parameter["schema"]
    shown = _brief(schema) if parameter.get("brief") else schema
    return {**shown, **({"description": description} if description else {})}


def _brief(schema: Mapping[str, Any]) -> Schema:
    items = schema.get("items") or {}
    kind = items.get("type") or next(
        (choice["type"] for choice in items.get("anyOf", ()) if isinstance(choice.get("type"), str)), None
    )
    return {"type": schema["type"], **({"items": {"type": kind}} if kind else {})}


def _join(name: str, one: Schema, other: Schema) -> Schema:
    """Join two meanings of one name: the type must be equal, enums are united, other detail is left out."""
    described = {"description": text} if (text := one.get("description") or other.get("description")) else {}
    bare_one, bare_other = _without(one, "description"), _without(other, "description")
    if bare_one == bare_other:
        return {**bare_one, **described}
    if one.get("type") is None or one.get("type") != other.get("type"):
        raise SchemaConflict(f"parameter {name} has two types: {kind_of(bare_one)} and {kind_of(bare_other)}")
    if "enum" in one and "enum" in other:
        values = list(dict.fromkeys([*one["enum"], *other["enum"]]))
        return {**bare_one, "enum": values, **described}
    return {"type": one["type"], **described}


def _without(schema: Mapping[str, Any], key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}


def _required_everywhere(operations: Sequence[Operation]) -> list[str]:
    needed = [{p["name"] for p in operation["params"] if p["required"]} for operation in operations]
    common = set.intersection(*needed) if needed else set()
    return [p["name"] for p in operations[0]["params"] if p["name"] in common] if operations else []


def kind_of(schema: Mapping[str, Any]) -> str:
    """Name in words what a schema accepts."""
    kind = schema.get("type")
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if kind == "array":
        items = schema.get("items", {})
        plural = {"string": "strings", "object": "objects", "integer": "integers"}.get(
            items.get("type", ""), "values"
        )
        return f"an array of {plural if 'anyOf' not in items else 'strings'}"
    if kind == "object":
        return "an object"
    return _ACCEPTED.get(str(kind), "null" if kind == "null" else "a value")
