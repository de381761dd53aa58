"""What an API looks like without a word about it: the keywords that import takes, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.document import METHODS, DocumentRefused, pointer

Where = tuple[Any, ...]

# Keywords whose value is taken as it stands; everything that is not listed here stays behind.
_PLAIN = frozenset(
    {
        "$ref",
        "type",
        "format",
        "enum",
        "const",
        "default",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "required",
        "nullable",
        "readOnly",
        "writeOnly",
        "deprecated",
    }
)
_ONE_SCHEMA = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})
_SCHEMA_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMA_MAP = frozenset({"properties", "patternProperties", "$defs"})


def structure(document: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the structure of a document: no description, summary, title, example, link or extension.

    Raises:
        DocumentRefused: a part is of the wrong kind.
    """
    components = _object(document.get("components", {}), ("components",))
    return {
        "openapi": "3.1.0",
        "servers": [{"url": server["url"]} for server in _objects(document.get("servers", []), ("servers",))],
        "security": document.get("security", []),
        "tags": [{"name": tag["name"]} for tag in _objects(document.get("tags", []), ("tags",))],
        "paths": {
            path: _path_item(item, ("paths", path))
            for path, item in _object(document["paths"], ("paths",)).items()
        },
        "components": {
            "securitySchemes": _security(components.get("securitySchemes", {})),
            "parameters": _each(components.get("parameters", {}), _parameter, ("components", "parameters")),
            "responses": _each(components.get("responses", {}), _response, ("components", "responses")),
            "requestBodies": _each(
                components.get("requestBodies", {}), _body, ("components", "requestBodies")
            ),
            "schemas": _each(components.get("schemas", {}), schema_structure, ("components", "schemas")),
        },
    }


def schema_structure(node: Any, where: Where = ()) -> Any:
    """Copy the structure of a schema.

    Raises:
        DocumentRefused: a part is of the wrong kind.
    """
    if isinstance(node, bool):
        return node
    kept: dict[str, Any] = {}
    for key, value in _object(node, where).items():
        here = (*where, key)
        if key in _PLAIN:
            kept[key] = list(value) if isinstance(value, list) else value
        elif key in _ONE_SCHEMA:
            kept[key] = schema_structure(value, here)
        elif key in _SCHEMA_LIST:
            kept[key] = [
                schema_structure(item, (*here, index)) for index, item in enumerate(_list(value, here))
            ]
        elif key in _SCHEMA_MAP:
            kept[key] = _each(value, schema_structure, here)
    if not isinstance(kept.get("required", []), list):
        raise DocumentRefused(pointer((*where, "required")), "a list of property names is needed here")
    return kept


def _path_item(node: Any, where: Where) -> dict[str, Any]:
    item = _object(node, where)
    kept: dict[str, Any] = {}
    if "parameters" in item:
        kept["parameters"] = _parameters(item["parameters"], (*where, "parameters"))
    for method in METHODS:
        if method in item:
            kept[method] = _operation(item[method], (*where, method))
    return kept


def _operation(node: Any, where: Where) -> dict[str, Any]:
    source = _object(node, where)
    kept: dict[str, Any] = {"operationId": source["operationId"], "tags": list(source.get("tags", []))}
    for key in ("deprecated", "security"):
        if key in source:
            kept[key] = source[key]
    kept["parameters"] = _parameters(source.get("parameters", []), (*where, "parameters"))
    if "requestBody" in source:
        kept["requestBody"] = _body(source["requestBody"], (*where, "requestBody"))
    kept["responses"] = _each(source.get("responses", {}), _response, (*where, "responses"))
    return kept


def _parameters(node: Any, where: Where) -> list[Any]:
    return [_parameter(item, (*where, index)) for index, item in enumerate(_list(node, where))]


def _parameter(node: Any, where: Where) -> dict[str, Any]:
    source = _object(node, where)
    if "$ref" in source:
        return {"$ref": source["$ref"]}
    taken = ("name", "in", "required", "deprecated", "style", "explode", "allowEmptyValue")
    kept = {key: source[key] for key in taken if key in source}
    if "schema" in source:
        kept["schema"] = schema_structure(source["schema"], (*where, "schema"))
    if "content" in source:
        kept["content"] = _content(source["content"], (*where, "content"))
    return kept


def _body(node: Any, where: Where) -> dict[str, Any]:
    source = _object(node, where)
    if "$ref" in source:
        return {"$ref": source["$ref"]}
    kept = {"required": source["required"]} if "required" in source else {}
    return {**kept, "content": _content(source.get("content", {}), (*where, "content"))}


def _response(node: Any, where: Where) -> dict[str, Any]:
    source = _object(node, where)
    if "$ref" in source:
        return {"$ref": source["$ref"]}
    kept: dict[str, Any] = {}
    if "headers" in source:
        kept["headers"] = _each(source["headers"], _parameter, (*where, "headers"))
    if "content" in source:
        kept["content"] = _content(source["content"], (*where, "content"))
    return kept


def _content(node: Any, where: Where) -> dict[str, Any]:
    return {
        kind: {
            "schema": schema_structure(
                _object(value, (*where, kind)).get("schema", {}), (*where, kind, "schema")
            )
        }
        for kind, value in _object(node, where).items()
    }


def _security(node: Any) -> dict[str, Any]:
    where = ("components", "securitySchemes")
    return {
        name: {key: scheme[key] for key in ("type", "scheme", "in", "name") if key in scheme}
        for name, scheme in _object(node, where).items()
    }


def _each(node: Any, take: Any, where: Where) -> dict[str, Any]:
    return {name: take(item, (*where, name)) for name, item in _object(node, where).items()}


def _object(node: Any, where: Where) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise DocumentRefused(pointer(where), "an object is needed here")
    return node


def _objects(node: Any, where: Where) -> list[dict[str, Any]]:
    return [_object(item, (*where, index)) for index, item in enumerate(_list(node, where))]


def _list(node: Any, where: Where) -> list[Any]:
    if not isinstance(node, list):
        raise DocumentRefused(pointer(where), "a list is needed here")
    return node
