"""Fit a value to the schema of a parameter, taking the harmless near-misses of language models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_adapter.schema import kind_of

_WORD_BREAK = re.compile(r"_([a-z])")
_KINDS = (
    (bool, "true or false"),
    (str, "string"),
    (int, "integer"),
    (float, "number"),
    (list, "array"),
    (Mapping, "object"),
)


class Mismatch(ValueError):
    """Say where a value does not fit, in words that hold nothing of it."""

    def __init__(self, expected: str, got: str, path: str = "") -> None:
        super().__init__(f"{path or 'value'} must be {expected} (got {got})")
        self.expected = expected
        self.got = got
        self.path = path


def name_of_kind(value: Any) -> str:
    """Name the kind of a JSON value."""
    return (
        "null" if value is None else next((name for kind, name in _KINDS if isinstance(value, kind)), "value")
    )


def coerce(schema: Mapping[str, Any], value: Any, path: str = "") -> Any:
    """Return the value as the schema wants it.

    Raises:
        Mismatch: it does not fit, near-misses included.
    """
    if "anyOf" in schema:
        return _any_of(schema, value, path)
    if "enum" in schema:
        return _enum(schema, value, path)
    kind = schema.get("type")
    if kind == "array":
        return _array(schema, value, path)
    if kind == "object":
        return _object(schema, value, path)
    return _scalar(schema, value, path)


def _fail(schema: Mapping[str, Any], value: Any, path: str) -> Mismatch:
    got = "another value" if "enum" in schema and isinstance(value, str) else name_of_kind(value)
    return Mismatch(kind_of(schema), got, path)


def _any_of(schema: Mapping[str, Any], value: Any, path: str) -> Any:
    parts = schema["anyOf"]
    exact = [part for part in parts if part.get("type") and _is_exactly(part["type"], value)]
    for part in [*(part for part in parts if "enum" in part), *exact, *parts]:
        try:
            return coerce(part, value, path)
        except Mismatch:
            continue
    raise _fail(schema, value, path)


def _is_exactly(kind: str, value: Any) -> bool:
    if kind == "null":
        return value is None
    if kind in {"integer", "number"}:
        return isinstance(value, int | float) and not isinstance(value, bool)
    wanted = {"string": str, "boolean": bool, "array": list, "object": Mapping}[kind]
    return isinstance(value, wanted)


def _enum(schema: Mapping[str, Any], value: Any, path: str) -> Any:
    if value in schema["enum"]:
        return value
    if isinstance(value, str):
        for choice in schema["enum"]:
            if isinstance(choice, str) and choice.casefold() == value.strip().casefold():
                return choice
    raise _fail(schema, value, path)


def _scalar(schema: Mapping[str, Any], value: Any, path: str) -> Any:
    kind = schema.get("type")
    if kind is None or _is_exactly(kind, value):
        if kind == "integer" and isinstance(value, float):
            return _whole(schema, value, path)
        return value
    if kind == "boolean" and isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    if kind in {"integer", "number"} and isinstance(value, str):
        return _number(schema, value, path)
    if kind == "string" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _fail(schema, value, path)


def _whole(schema: Mapping[str, Any], value: float, path: str) -> int:
    if value.is_integer():
        return int(value)
    raise _fail(schema, value, path)


def _number(schema: Mapping[str, Any], text: str, path: str) -> int | float:
    if re.fullmatch(r"\s*-?\d{1,18}\s*", text):
        return int(text)
    if schema["type"] == "number" and re.fullmatch(r"\s*-?\d{1,18}\.\d{1,18}\s*", text):
        return float(text)
    raise _fail(schema, text, path)


def _decoded(value: Any, kind: type) -> Any:
    """Read JSON text where an array or object is wanted."""
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return read if isinstance(read, kind) else value
    return value


def _array(schema: Mapping[str, Any], value: Any, path: str) -> list[Any]:
    items = schema.get("items", {})
    value = _decoded(value, list)
    if isinstance(value, str) and (items.get("type") == "string" or "anyOf" in items):
        value = [value]
    if isinstance(value, Mapping) and items.get("type") == "object":
        value = [value]
    if not isinstance(value, list):
        raise _fail(schema, value, path)
    try:
        return [coerce(items, element, f"{path}[{index}]") for index, element in enumerate(value)]
    except Mismatch as mismatch:
        if not path and items.get("type") == "string":
            raise Mismatch(kind_of(schema), f"an array with {mismatch.got}") from mismatch
        raise


def _object(schema: Mapping[str, Any], value: Any, path: str) -> dict[str, Any]:
    value = _decoded(value, dict)
    if not isinstance(value, Mapping):
        raise _fail(schema, value, path)
    declared, others = schema.get("properties", {}), schema.get("additionalProperties")
    result: dict[str, Any] = {}
    for name, inner in value.items():
        known = name if name in declared else _WORD_BREAK.sub(lambda match: match[1].upper(), name)
        if known in declared:
            result[known] = coerce(declared[known], inner, f"{path}.{known}")
        elif isinstance(others, Mapping):
            result[name] = coerce(others, inner, f"{path}.*")
        elif declared:
            raise Mismatch(f"an object of {', '.join(declared)}", "another field", path)
        else:
            result[name] = inner
    missing = [name for name in schema.get("required", []) if name not in result]
    if missing:
        raise Mismatch(f"an object with {', '.join(missing)}", "one without", path)
    return result
