"""Give inline schemas a name: generators make a class of each, and its name must be stable and readable."""

from __future__ import annotations

from typing import Any

from codegen.document import DocumentRefused, operations, pointer, resolve
from codegen.schemas import children, places

Document = dict[str, Any]
_MARKS = ("readOnly", "writeOnly", "x-sdk")


def name_enums(document: Document) -> None:
    """Name the enums that carry a wished name, and let equal inline enums refer to named ones.

    A wish that a different schema has taken is not granted: a word added in one place only is no fault.

    Raises:
        DocumentRefused: two components would get one name.
    """
    schemas = document["components"]["schemas"]
    for old in [name for name, schema in schemas.items() if "enum" in schema]:
        _rename(document, old, _wish(schemas[old]) or old[:1].upper() + old[1:])
    for holder, key, schema in places(document):
        bare = {mark: value for mark, value in schema.items() if mark in ("type", "enum")}
        if "enum" in schema and (name := _wish(schema)) and schemas.setdefault(name, bare) == bare:
            holder[key] = _reference(name, schema)
    known = {_enum_key(schema): name for name, schema in schemas.items() if "enum" in schema}
    for holder, key, schema in places(document):
        name = known.get(_enum_key(schema)) if holder is not schemas and "default" not in schema else None
        if name is not None:
            holder[key] = _reference(name, schema)


def _reference(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Refer to a component and keep what stood beside the schema that it replaces."""
    marks = {mark: schema[mark] for mark in _MARKS if mark in schema}
    return {"$ref": f"#/components/schemas/{name}", **marks}


def _enum_key(schema: dict[str, Any]) -> str | None:
    kept = {key: value for key, value in schema.items() if key not in _MARKS}
    return repr(sorted(kept.items())) if set(kept) == {"type", "enum"} else None


def _wish(schema: dict[str, Any]) -> str | None:
    """Take the name that the overlay wishes for a schema."""
    marks = schema.get("x-sdk", {})
    name: str | None = marks.pop("name", None)
    if "x-sdk" in schema and not marks:
        del schema["x-sdk"]
    return name


def _rename(document: Document, old: str, new: str) -> None:
    schemas = document["components"]["schemas"]
    if old == new:
        return
    _define(schemas, new, schemas[old])
    del schemas[old]
    for holder, key, schema in places(document):
        if schema.get("$ref") == f"#/components/schemas/{old}":
            holder[key] = {**schema, "$ref": f"#/components/schemas/{new}"}


def hoist_inline_objects(document: Document) -> None:
    """Move each inline object to a component named after its place.

    ``<Schema><Property>`` for properties, ``Item`` for elements of a list, ``Value`` for values of a
    map, ``<OperationId>Request`` and ``<OperationId>Response`` for bodies; the overlay may wish
    another name, which is granted while no different schema has it.

    Raises:
        DocumentRefused: two different schemas would get one name.
    """
    schemas = document["components"]["schemas"]
    for name in list(schemas):
        _hoist_below(schemas, schemas[name], name)
    for endpoint in operations(document):
        base = endpoint.node["operationId"]
        base = base[:1].upper() + base[1:]
        bodies = [(resolve(document, endpoint.node.get("requestBody", {})), f"{base}Request")]
        bodies += [
            (resolve(document, answer), f"{base}Response") for answer in endpoint.node["responses"].values()
        ]
        for body, name in bodies:
            for media in body.get("content", {}).values():
                _hoist(schemas, media, "schema", media["schema"], name)


def _hoist(schemas: dict[str, Any], holder: Any, key: Any, schema: Any, name: str) -> None:
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", [])
    if not ("object" in kinds or "properties" in schema):
        _hoist_below(schemas, schema, name)
        return
    wish = _wish(schema)
    marks = {mark: schema.pop(mark) for mark in _MARKS if mark in schema}
    _hoist_below(schemas, schema, wish or name)
    plain = {**schema, "type": "object"}
    if wish is not None and schemas.get(wish, plain) == plain:
        name = wish
    _define(schemas, name, plain)
    reference: dict[str, Any] = {"$ref": f"#/components/schemas/{name}"}
    holder[key] = ({"oneOf": [reference, {"type": "null"}]} if "null" in kinds else reference) | marks


def _hoist_below(schemas: dict[str, Any], schema: dict[str, Any], name: str) -> None:
    for holder, key, child in list(children(schema)):
        _hoist(schemas, holder, key, child, name + _suffix(schema, holder, key))


def _suffix(schema: dict[str, Any], holder: Any, key: Any) -> str:
    if holder is schema:
        return {"items": "Item", "additionalProperties": "Value"}.get(key, "")
    return "" if isinstance(key, int) else key[:1].upper() + key[1:]


def _define(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    if schemas.setdefault(name, schema) != schema:
        raise DocumentRefused(
            pointer(("components", "schemas", name)), "two different schemas would get this name"
        )
