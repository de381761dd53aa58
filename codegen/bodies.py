"""What a request must hold and what an answer may lack: the passes over bodies and errors."""

from __future__ import annotations

import copy
from typing import Any

from codegen.document import DocumentRefused, operations, pointer, reference_name, resolve
from codegen.schemas import body_content, reachable

Document = dict[str, Any]

# Properties that carry the identity of a record: the only ones an answer is trusted to hold.
_IDENTITY = frozenset({"id", "name", "endpointId", "stableNodeID"})
# Where a component that was split for request bodies takes its wording from; gone before writing.
TEXT_OF = "x-text-of"


def request_variants(document: Document) -> None:
    """Give a body its own schema where an answer of the same kind must or may hold other fields.

    Raises:
        DocumentRefused: the name of the new schema is taken.
    """
    schemas = document["components"]["schemas"]
    answered = _response_schemas(document)
    for endpoint in operations(document):
        for media in body_content(document, endpoint.node).values():
            name = reference_name(media["schema"])
            if name is None or not _differs_by_direction(schemas[name], media["schema"]):
                continue
            variant = copy.deepcopy(schemas[name])
            merge_object(variant, {k: v for k, v in media["schema"].items() if k != "$ref"})
            _drop_server_owned(variant)
            new = _pascal(endpoint.node["operationId"]) + "Request" if name in answered else name
            variant[TEXT_OF] = name
            _define(schemas, new, variant, replace=name)
            media["schema"] = {"$ref": f"#/components/schemas/{new}"}


def _differs_by_direction(schema: dict[str, Any], use: dict[str, Any]) -> bool:
    marked = any("readOnly" in item for item in schema.get("properties", {}).values())
    return marked or bool(schema.get("required")) or len(use) > 1


def _drop_server_owned(schema: dict[str, Any]) -> None:
    properties = schema.get("properties", {})
    for name in [name for name, item in properties.items() if item.get("readOnly")]:
        del properties[name]
        if name in schema.get("required", []):
            schema["required"].remove(name)


def _define(schemas: dict[str, Any], name: str, schema: dict[str, Any], *, replace: str) -> None:
    if name != replace and schemas.get(name, schema) != schema:
        raise DocumentRefused(
            pointer(("components", "schemas", name)), "the name is needed for a request body"
        )
    schemas[name] = schema


def one_error(document: Document) -> None:
    """Answer every failure with the one error schema, and require none of its fields."""
    components = document["components"]
    error = components["schemas"].setdefault(
        "Error", {"type": "object", "properties": {"message": {"type": "string"}}}
    )
    error.pop("required", None)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    components["responses"] = {"Error": {"content": content}}
    for endpoint in operations(document):
        answers = {
            status: node for status, node in endpoint.node["responses"].items() if status.startswith("2")
        }
        answers["4XX"] = answers["5XX"] = {"$ref": "#/components/responses/Error"}
        endpoint.node["responses"] = {status: copy.deepcopy(node) for status, node in answers.items()}


def required_bodies(document: Document) -> None:
    """Require a body, and its field where it has only one; the overlay may say otherwise."""
    for endpoint in operations(document):
        if "requestBody" not in endpoint.node:
            continue
        body = resolve(document, endpoint.node["requestBody"])
        body.setdefault("required", True)
        for media in body["content"].values():
            schema = resolve(document, media["schema"])
            if body["required"] and len(schema.get("properties", {})) == 1:
                schema["required"] = list(schema["properties"])


def required_answers(document: Document) -> None:
    """Require of an answer nothing but its identity."""
    schemas = document["components"]["schemas"]
    for name in _response_schemas(document):
        schema = schemas[name]
        kept = [item for item in schema.pop("required", []) if item in _IDENTITY]
        if kept:
            schema["required"] = kept


def merge_object(target: dict[str, Any], part: dict[str, Any]) -> None:
    """Add the fields and marks of one object schema to another."""
    for key, value in copy.deepcopy(part).items():
        if key == "properties":
            target.setdefault("properties", {}).update(value)
        elif key == "required":
            target["required"] = list(dict.fromkeys([*target.get("required", []), *value]))
        else:
            target[key] = value


def _response_schemas(document: Document) -> set[str]:
    answers = [endpoint.node["responses"] for endpoint in operations(document)]
    return reachable(answers, document)


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]
