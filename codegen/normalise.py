"""The passes that bring any description of the API into the one shape the generators read.

They change how the structure is written, not what the API is; what the API really does differently
stands in the overlay. A comparison with the published document runs the same passes over it first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from attrs import frozen

from codegen.bodies import merge_object, one_error, request_variants, required_answers, required_bodies
from codegen.document import operations, reference_name, resolve
from codegen.hoisting import hoist_inline_objects, name_enums
from codegen.schemas import (
    all_schemas,
    children,
    contents,
    make_nullable,
    media_types,
    references,
)

Document = dict[str, Any]


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
    for schema in all_schemas(document):
        if not schema.pop("nullable", False):
            continue
        if "type" in schema:
            schema["type"] = make_nullable(schema["type"])
        elif "$ref" in schema:
            schema["oneOf"] = [{"$ref": schema.pop("$ref")}, {"type": "null"}]


def _inline_scalars(document: Document) -> None:
    schemas = document["components"]["schemas"]
    scalars = {name for name, schema in schemas.items() if not _deserves_a_name(schema)}
    for schema in [*all_schemas(document), *media_types(document)]:
        for holder, key, child in children(schema):
            name = reference_name(child)
            if name in scalars and "schemas" in child["$ref"]:
                holder[key] = {
                    **copy.deepcopy(schemas[name]),
                    **{k: v for k, v in child.items() if k != "$ref"},
                }
    for name in scalars:
        del schemas[name]


def _deserves_a_name(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    return (
        "enum" in schema or "object" in _types(schema) or bool({"properties", "allOf", "$ref"} & set(schema))
    )


def _merge_all_of(document: Document) -> None:
    for schema in all_schemas(document):
        if "allOf" in schema:
            merged: dict[str, Any] = {"type": "object"}
            for part in [*schema.pop("allOf"), dict(schema)]:
                merge_object(merged, resolve(document, part))
            schema.update(merged)


def _single_alternatives(document: Document) -> None:
    for schema in all_schemas(document):
        for kind in ("oneOf", "anyOf"):
            if len(schema.get(kind, [])) == 1:
                schema.update(schema.pop(kind)[0])


def _policy_object(document: Document) -> None:
    for content in contents(document):
        if "application/hujson" not in content or "application/json" not in content:
            continue
        media = content["application/json"]
        if media["schema"].get("type") == "object" and "properties" not in media["schema"]:
            document["components"]["schemas"]["PolicyObject"] = {
                "type": "object",
                "additionalProperties": True,
            }
            media["schema"] = {"$ref": "#/components/schemas/PolicyObject"}


def _open_enums(document: Document) -> None:
    named = document["components"]["schemas"]
    marked = {
        f"#/components/schemas/{name}": schema["x-sdk"] for name, schema in named.items() if _is_open(schema)
    }
    for schema in all_schemas(document):
        if schema.get("$ref") in marked:
            schema["x-sdk"] = {**marked[schema["$ref"]], **schema.get("x-sdk", {})}
    for schema in named.values():
        if _is_open(schema):
            del schema["x-sdk"]
    for schema in all_schemas(document):
        marks = schema.get("x-sdk", {})
        others = marks.pop("open", None)
        if others:
            if not marks:
                del schema["x-sdk"]
            known = {key: schema.pop(key) for key in ("type", "enum", "$ref") if key in schema}
            schema["anyOf"] = [known, *({"type": kind} for kind in others)]


def _only_used(document: Document) -> None:
    components = document["components"]
    used = references({"paths": document["paths"]}, document)
    for kind in ("schemas", "parameters", "responses", "requestBodies"):
        components[kind] = {
            name: node for name, node in components.get(kind, {}).items() if (kind, name) in used
        }
    for kind in [kind for kind, members in components.items() if not members]:
        del components[kind]


def _is_open(schema: dict[str, Any]) -> bool:
    return "enum" in schema and "open" in schema.get("x-sdk", {})


def _types(schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


PASSES = (
    Pass(
        "own parameters",
        "each operation says all its parameters itself: readers need no second place",
        _own_parameters,
    ),
    Pass("no Accept parameter", "the methods set Accept: they can only read what they ask for", _drop_accept),
    Pass(
        "free filters",
        "a pattern is no parameter: it becomes x-sdk.free_filters, a mapping in Python",
        _free_filters,
    ),
    Pass(
        "null as a type",
        "OpenAPI 3.1 says null by type, the 3.0 keyword means nothing there",
        _nullable_keyword,
    ),
    Pass("no scalar components", "a name for a string or a list of strings makes no class", _inline_scalars),
    Pass("named enums", "one alias per set of words instead of one per place", name_enums),
    Pass("flat objects", "allOf of plain objects is one object with all their fields", _merge_all_of),
    Pass("single alternatives", "a choice of one is no choice", _single_alternatives),
    Pass(
        "one policy object",
        "the free policy object has one name instead of one model per place",
        _policy_object,
    ),
    Pass("open enums", "a set marked open names the types that it takes beside the known words", _open_enums),
    Pass(
        "named objects",
        "every object has a name made by rule, so that models keep theirs",
        hoist_inline_objects,
    ),
    Pass(
        "request variants",
        "what only the server sets is no input; what a body must hold, an answer may lack",
        request_variants,
    ),
    Pass("one error", "any status above 399 may come from any operation, with one body or none", one_error),
    Pass("required bodies", "a change without its body type-checks and does nothing", required_bodies),
    Pass(
        "tolerant answers",
        "an answer that lacks a field is still an answer; only identity is required",
        required_answers,
    ),
    Pass("only what is used", "a component that nothing refers to is no part of the API", _only_used),
)
