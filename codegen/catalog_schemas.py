"""What the catalog takes from the API description: parameters as the SDK names them, and the shape of answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from codegen.document import reference_name, resolve
from codegen.properties import python_name
from mcp_adapter.schema import ENUM_LIMIT

_KEPT = ("type", "format", "enum", "required")
_DEPTH = 8
_POLICY_TEXT = {"type": "string"}
_POLICY_ANSWERS = {
    "PolicyDocument": {"policy": "string", "etag": "string", "warnings": "array", "errors": "array"},
    "PolicyValidation": {"ok": "boolean", "message": "string", "data": "array"},
}

Schema = dict[str, Any]


@frozen
class Answer:
    """Describe what an operation returns: ``list`` of objects, ``values``, ``object``, ``map`` or ``none``."""

    kind: str
    schema: Schema
    fields: tuple[str, ...] = ()
    list_key: str = ""


def parameters_of(document: Mapping[str, Any], endpoint: Any) -> list[dict[str, Any]]:
    """List the arguments of an operation's SDK method, path ones first, without the tailnet."""
    marks = endpoint.node["x-sdk"]
    found = []
    for node in [
        *document["paths"][endpoint.path].get("parameters", []),
        *endpoint.node.get("parameters", []),
    ]:
        raw = resolve(document, node)
        if raw["name"] != "tailnet":
            found.append(_parameter(document, raw["name"], raw["in"], raw["schema"], raw, marks))
    if marks.get("free_filters"):
        found.append(_made("filters", "query", {"type": "object"}, required=False))
    return [*found, *_body_parameters(document, endpoint.node, marks)]


def _parameter(
    document: Mapping[str, Any],
    api: str,
    place: str,
    schema: Any,
    raw: Mapping[str, Any],
    marks: Mapping[str, Any],
) -> dict[str, Any]:
    own = raw.get("x-sdk", {})
    rename = own.get("rename") or marks.get("rename", {}).get(api)
    expanded = expand(document, schema)
    required = bool(raw.get("required")) and "default" not in resolve(document, schema)
    return {
        "name": python_name(api, rename),
        "api": api,
        "in": place,
        "required": required,
        "secret": bool(own.get("secret")),
        "schema": expanded,
    }


def _made(name: str, place: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    return {"name": name, "api": name, "in": place, "required": required, "secret": False, "schema": schema}


def _body_parameters(
    document: Mapping[str, Any], node: Mapping[str, Any], marks: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    body = resolve(document, node.get("requestBody", {}))
    content = body.get("content", {})
    if not content:
        return
    if "application/hujson" in content:
        yield from _policy_parameters(document, content)
        return
    schema = content["application/json"]["schema"]
    if "body" in marks:
        yield _made(marks["body"], "body", expand(document, schema), required=bool(body.get("required")))
        return
    target = resolve(document, schema)
    for api, raw in target.get("properties", {}).items():
        described = {**raw, "required": api in target.get("required", [])}
        yield _parameter(document, api, "body", raw, described, marks)


def _policy_parameters(document: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Offer the policy as text; where the JSON body is a list instead, it is the tests to run."""
    alternative = resolve(document, content.get("application/json", {}).get("schema", {}))
    tests = alternative.get("type") == "array"
    yield _made("policy", "body", dict(_POLICY_TEXT), required=not tests)
    if tests:
        yield _made("tests", "body", expand(document, alternative), required=False)


def expand(document: Mapping[str, Any], node: Any, depth: int = 0) -> Schema:
    """Return a schema without references, descriptions and everything else that a check does not need."""
    schema = resolve(document, node)
    if depth > _DEPTH:
        return {}
    kept: Schema = {key: schema[key] for key in _KEPT if key in schema}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            kept[key] = expand(document, schema[key], depth + 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            kept["anyOf"] = [expand(document, part, depth + 1) for part in schema[key]]
    if "properties" in schema:
        kept["properties"] = {
            name: expand(document, part, depth + 1) for name, part in schema["properties"].items()
        }
    return kept


def served_schema(schema: Mapping[str, Any]) -> Schema:
    """Write the schema of a parameter so that every client takes it: no null at its root, no list of types."""
    served = _served(schema)
    parts = [part for part in served.get("anyOf", []) if part.get("type") != "null"]
    if parts and len(parts) < len(served["anyOf"]):
        served = _either(parts)
    return served


def _either(parts: Sequence[Schema]) -> Schema:
    """Return a schema that takes any of several, each named once."""
    different = [part for index, part in enumerate(parts) if part not in parts[:index]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _served(schema: Mapping[str, Any]) -> Schema:
    schema = dict(schema)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        rest = {key: value for key, value in schema.items() if key != "type"}
        return {"anyOf": [_served({"type": kind, **(rest if kind != "null" else {})}) for kind in kinds]}
    if "anyOf" in schema:
        parts = [_served(part) for part in schema["anyOf"]]
        known = [part for part in parts if "enum" in part]
        too_long = any(len(part["enum"]) > ENUM_LIMIT for part in known)
        return (
            {"type": "string"}
            if too_long
            else _either([{"enum": p["enum"]} if "enum" in p else p for p in parts])
        )
    if len(schema.get("enum", [])) > ENUM_LIMIT:
        del schema["enum"]
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = _plain(_served(schema[key]))
    if "properties" in schema:
        schema["properties"] = {name: _plain(_served(part)) for name, part in schema["properties"].items()}
    return schema


def _plain(schema: Schema) -> Schema:
    schema.pop("format", None)
    return schema


def answer_of(document: Mapping[str, Any], endpoint: Any) -> Answer:
    """Describe the successful answer as the SDK returns it."""
    marks = endpoint.node["x-sdk"]
    returns = marks.get("returns", "object")
    if returns in _POLICY_ANSWERS:
        fields = _POLICY_ANSWERS[returns]
        return Answer(
            "object", {"properties": {name: {"type": kind} for name, kind in fields.items()}}, tuple(fields)
        )
    schema = _success_schema(document, endpoint.node)
    if schema is None or returns == "None":
        return Answer("none", {})
    key = marks.get("unwrap", "")
    if key:
        schema = resolve(document, schema["properties"][key])
    if "items" in schema:
        element = expand(document, schema["items"])
        kind = "list" if "properties" in element else "values"
        return Answer(kind, element, tuple(element.get("properties", ())), key)
    expanded = expand(document, schema)
    kind = "object" if "properties" in expanded else "map"
    return Answer(kind, expanded, tuple(expanded.get("properties", ())))


def _success_schema(document: Mapping[str, Any], node: Mapping[str, Any]) -> Any:
    for status, response in node["responses"].items():
        content = resolve(document, response).get("content", {})
        if status.startswith("2") and "application/json" in content:
            schema = resolve(document, content["application/json"]["schema"])
            parts = schema.get("oneOf") or schema.get("anyOf")
            if parts and reference_name(schema) is None:
                rest = [resolve(document, part) for part in parts]
                return next((part for part in rest if part.get("type") != "null"), schema)
            return schema
    return None


def has_path(schema: Mapping[str, Any], path: str) -> bool:
    """Tell whether a dotted path leads to a value of an answer."""
    current: Mapping[str, Any] = schema
    for step in path.split("."):
        while "items" in current or ("anyOf" in current and "properties" not in current):
            current = current["items"] if "items" in current else _object_part(current)
        if step not in current.get("properties", {}):
            return False
        current = current["properties"][step]
    return True


def _object_part(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((part for part in schema["anyOf"] if "properties" in part or "items" in part), {})
