"""The passes that bring any description of the API into the one shape the generators read.

They change how the structure is written, not what the API is; what the API really does differently
stands in the overlay. A comparison with the published document runs the same passes over it first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from attrs import frozen

from codegen.document import DocumentRefused, operations, pointer, reference_name, resolve
from codegen.hoisting import hoist_inline_objects, name_enums
from codegen.schemas import children, make_nullable, reachable, references

Document = dict[str, Any]

# Properties that carry the identity of a record: the only ones an answer is trusted to hold.
_IDENTITY = frozenset({"id", "name", "endpointId", "stableNodeID"})
# Where a component that was split for request bodies takes its wording from; gone before writing.
TEXT_OF = "x-text-of"


@frozen
class Pass:
    """Describe one normalisation: what it does, and why the document is not used without it."""

    name: str
    reason: str
    apply: Callable[[Document], None]


def normalise(document: Document) -> Document:
    """Return a copy of a structure after all passes, in their order.

    Raises:
        DocumentRefused: two different schemas would get one name.
    """
    normal = copy.deepcopy(document)
    for step in PASSES:
        step.apply(normal)
    return normal


def _own_parameters(document: Document) -> None:
    for item in document["paths"].values():
        shared = item.pop("parameters", [])
        for node in (value for value in item.values() if isinstance(value, dict)):
            own = node.setdefault("parameters", [])
            keys = {_parameter_key(document, parameter) for parameter in own}
            node["parameters"] = [p for p in shared if _parameter_key(document, p) not in keys] + own


def _parameter_key(document: Document, parameter: Any) -> tuple[str, str]:
    target = resolve(document, parameter)
    return target["in"], target["name"]


def _drop_accept(document: Document) -> None:
    for endpoint in operations(document):
        endpoint.node["parameters"] = [
            p for p in endpoint.node["parameters"] if _parameter_key(document, p) != ("header", "Accept")
        ]


def _free_filters(document: Document) -> None:
    for endpoint in operations(document):
        kept = [p for p in endpoint.node["parameters"] if not _is_free_filter(document, p)]
        if len(kept) < len(endpoint.node["parameters"]):
            endpoint.node["parameters"] = kept
            endpoint.node.setdefault("x-sdk", {})["free_filters"] = True


def _is_free_filter(document: Document, parameter: Any) -> bool:
    place, name = _parameter_key(document, parameter)
    return place == "query" and name.startswith("<")


def _nullable_keyword(document: Document) -> None:
    for schema in _all_schemas(document):
        if not schema.pop("nullable", False):
            continue
        if "type" in schema:
            schema["type"] = make_nullable(schema["type"])
        elif "$ref" in schema:
            schema["oneOf"] = [{"$ref": schema.pop("$ref")}, {"type": "null"}]


def _inline_scalars(document: Document) -> None:
    schemas = document["components"]["schemas"]
    scalars = {name for name, schema in schemas.items() if not _deserves_a_name(schema)}
    for schema in [*_all_schemas(document), *_media_types(document)]:
        for holder, key, child in children(schema):
            name = reference_name(child)
            if name in scalars and "schemas" in child["$ref"]:
                holder[key] = {**copy.deepcopy(schemas[name]), **{k: v for k, v in child.items() if k != "$ref"}}
    for name in scalars:
        del schemas[name]


def _deserves_a_name(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    return "enum" in schema or "object" in _types(schema) or bool({"properties", "allOf", "$ref"} & set(schema))


def _merge_all_of(document: Document) -> None:
    for schema in _all_schemas(document):
        if "allOf" in schema:
            merged: dict[str, Any] = {"type": "object"}
            for part in [*schema.pop("allOf"), dict(schema)]:
                _merge_object(merged, resolve(document, part))
            schema.update(merged)


def _merge_object(target: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in copy.deepcopy(part).items():
        if key == "properties":
            target.setdefault("properties", {}).update(value)
        elif key == "required":
            target["required"] = list(dict.fromkeys([*target.get("required", []), *value]))
        else:
            target[key] = value


def _single_alternatives(document: Document) -> None:
    for schema in _all_schemas(document):
        for kind in ("oneOf", "anyOf"):
            if len(schema.get(kind, [])) == 1:
                schema.update(schema.pop(kind)[0])


def _policy_object(document: Document) -> None:
    for content in _contents(document):
        if "application/hujson" not in content or "application/json" not in content:
            continue
        media = content["application/json"]
        if media["schema"].get("type") == "object" and "properties" not in media["schema"]:
            document["components"]["schemas"]["PolicyObject"] = {"type": "object", "additionalProperties": True}
            media["schema"] = {"$ref": "#/components/schemas/PolicyObject"}


def _open_enums(document: Document) -> None:
    for schema in list(_all_schemas(document)):
        marks = schema.get("x-sdk", {})
        others = marks.pop("open", None)
        if others:
            if not marks:
                del schema["x-sdk"]
            known = {key: schema.pop(key) for key in ("type", "enum", "$ref") if key in schema}
            schema["anyOf"] = [known, *({"type": kind} for kind in others)]


def _request_variants(document: Document) -> None:
    schemas = document["components"]["schemas"]
    answered = _response_schemas(document)
    for endpoint in operations(document):
        for media in _body_content(document, endpoint.node).values():
            name = reference_name(media["schema"])
            if name is None or not _differs_by_direction(schemas[name], media["schema"]):
                continue
            variant = copy.deepcopy(schemas[name])
            _merge_object(variant, {k: v for k, v in media["schema"].items() if k != "$ref"})
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
        raise DocumentRefused(pointer(("components", "schemas", name)), "the name is needed for a request body")
    schemas[name] = schema


def _one_error(document: Document) -> None:
    components = document["components"]
    error = components["schemas"].setdefault("Error", {"type": "object", "properties": {"message": {"type": "string"}}})
    error.pop("required", None)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    components["responses"] = {"Error": {"content": content}}
    for endpoint in operations(document):
        answers = {status: node for status, node in endpoint.node["responses"].items() if status.startswith("2")}
        answers["4XX"] = answers["5XX"] = {"$ref": "#/components/responses/Error"}
        endpoint.node["responses"] = {status: copy.deepcopy(node) for status, node in answers.items()}


def _required_bodies(document: Document) -> None:
    for endpoint in operations(document):
        if "requestBody" not in endpoint.node:
            continue
        body = resolve(document, endpoint.node["requestBody"])
        body.setdefault("required", True)
        for media in body["content"].values():
            schema = resolve(document, media["schema"])
            if body["required"] and len(schema.get("properties", {})) == 1:
                schema["required"] = list(schema["properties"])


def _required_answers(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for name in _response_schemas(document):
        schema = schemas[name]
        kept = [item for item in schema.pop("required", []) if item in _IDENTITY]
        if kept:
            schema["required"] = kept


def _only_used(document: Document) -> None:
    components = document["components"]
    used = references({"paths": document["paths"]}, document)
    for kind in ("schemas", "parameters", "responses", "requestBodies"):
        components[kind] = {name: node for name, node in components.get(kind, {}).items() if (kind, name) in used}
    for kind in [kind for kind, members in components.items() if not members]:
        del components[kind]


def _contents(document: Document) -> list[dict[str, Any]]:
    found = []
    for endpoint in operations(document):
        found.append(_body_content(document, endpoint.node))
        found += [resolve(document, answer).get("content", {}) for answer in endpoint.node["responses"].values()]
    return found


def _body_content(document: Document, node: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = resolve(document, node.get("requestBody", {})).get("content", {})
    return content


def _media_types(document: Document) -> list[dict[str, Any]]:
    named = [node for node in document["components"].get("parameters", {}).values() if "schema" in node]
    own = [p for e in operations(document) for p in e.node["parameters"] if "schema" in p]
    return [media for content in _contents(document) for media in content.values()] + named + own


def _all_schemas(document: Document) -> list[dict[str, Any]]:
    """Return every schema object, inner ones first."""
    found: list[dict[str, Any]] = []

    def visit(schema: Any) -> None:
        if isinstance(schema, dict):
            for _, _, child in children(schema):
                visit(child)
            found.append(schema)

    for schema in document["components"].get("schemas", {}).values():
        visit(schema)
    for media in _media_types(document):
        visit(media["schema"])
    return found


def _response_schemas(document: Document) -> set[str]:
    answers = [endpoint.node["responses"] for endpoint in operations(document)]
    return reachable(answers, document)


def _types(schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


PASSES = (
    Pass("own parameters", "each operation says all its parameters itself: readers need no second place", _own_parameters),
    Pass("no Accept parameter", "the methods set Accept: they can only read what they ask for", _drop_accept),
    Pass("free filters", "a pattern is no parameter: it becomes x-sdk.free_filters, a mapping in Python", _free_filters),
    Pass("null as a type", "OpenAPI 3.1 says null by type, the 3.0 keyword means nothing there", _nullable_keyword),
    Pass("no scalar components", "a name for a string or a list of strings makes no class", _inline_scalars),
    Pass("named enums", "one alias per set of words instead of one per place", name_enums),
    Pass("flat objects", "allOf of plain objects is one object with all their fields", _merge_all_of),
    Pass("single alternatives", "a choice of one is no choice", _single_alternatives),
    Pass("one policy object", "the free policy object has one name instead of one model per place", _policy_object),
    Pass("open enums", "a set marked open names the types that it takes beside the known words", _open_enums),
    Pass("request variants", "what only the server sets is no input; what a body must hold, an answer may lack", _request_variants),
    Pass("named objects", "every object has a name made by rule, so that models keep theirs", hoist_inline_objects),
    Pass("one error", "any status above 399 may come from any operation, with one body or none", _one_error),
    Pass("required bodies", "a change without its body type-checks and does nothing", _required_bodies),
    Pass("tolerant answers", "an answer that lacks a field is still an answer; only identity is required", _required_answers),
    Pass("only what is used", "a component that nothing refers to is no part of the API", _only_used),
)
