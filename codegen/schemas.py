"""Where the schemas of a description stand, and what they lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from codegen.document import operations, reference_name, resolve

Document = dict[str, Any]
Child = tuple[Any, Any, Any]  # the container, the key or index in it, the schema there

_ONE = ("schema", "items", "additionalProperties", "not", "contains", "propertyNames")
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs")
_HOLDERS = frozenset((*_ONE, *_SEVERAL, *_NAMED))


def children(schema: Mapping[str, Any]) -> Iterator[Child]:
    """Walk the schemas directly inside a schema, or inside a media type or parameter by ``schema``."""
    if _HOLDERS.isdisjoint(schema):
        return
    for key in _ONE:
        if isinstance(schema.get(key), dict):
            yield schema, key, schema[key]
    for key in _SEVERAL:
        for index, child in enumerate(schema.get(key, [])):
            yield schema[key], index, child
    for key in _NAMED:
        for name, child in list(schema.get(key, {}).items()):
            yield schema[key], name, child


def make_nullable(kinds: str | list[str]) -> list[str]:
    """Add null to the types of a schema."""
    listed = [kinds] if isinstance(kinds, str) else list(kinds)
    return listed if "null" in listed else [*listed, "null"]


def references(node: Any, document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return all components a node leads to, directly or through others, as (kind, name)."""
    found: set[tuple[str, str]] = set()
    open_nodes = [node]
    while open_nodes:
        current = open_nodes.pop()
        if isinstance(current, list):
            open_nodes += current
        elif isinstance(current, Mapping):
            name = reference_name(current)
            if name is not None:
                kind = current["$ref"].split("/")[-2]
                if (kind, name) not in found:
                    found.add((kind, name))
                    open_nodes.append(document["components"][kind][name])
            open_nodes += current.values()
    return found


def reachable(node: Any, document: Mapping[str, Any]) -> set[str]:
    """Return the named schemas a node leads to."""
    return {name for kind, name in references(node, document) if kind == "schemas"}


def places(document: Document) -> list[Child]:
    """Return every place that holds a schema, inner ones first: the container, the key, the schema."""
    found: list[Child] = []

    def visit(holder: Any, key: Any, schema: Any) -> None:
        if isinstance(schema, dict):
            for inner in children(schema):
                visit(*inner)
            found.append((holder, key, schema))

    schemas = document["components"].get("schemas", {})
    for name, schema in schemas.items():
        visit(schemas, name, schema)
    for node in media_types(document):
        visit(node, "schema", node["schema"])
    return found


def all_schemas(document: Document) -> list[dict[str, Any]]:
    """Return every schema object, inner ones first."""
    return [schema for _, _, schema in places(document)]


def media_types(document: Document) -> list[dict[str, Any]]:
    """Return every node that holds a schema under ``schema``: media types and parameters."""
    named = list(document["components"].get("parameters", {}).values())
    own = [
        parameter for endpoint in operations(document) for parameter in endpoint.node.get("parameters", [])
    ]
    media = [media for content in contents(document) for media in content.values()]
    return [node for node in (*media, *named, *own) if "schema" in node]


def contents(document: Document) -> list[dict[str, Any]]:
    """Return the content of every body and every answer, by media type."""
    found = []
    for endpoint in operations(document):
        found.append(body_content(document, endpoint.node))
        found += [
            resolve(document, answer).get("content", {}) for answer in endpoint.node["responses"].values()
        ]
    return found


def body_content(document: Document, node: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an operation's request body, empty when it has none."""
    content: dict[str, Any] = resolve(document, node.get("requestBody", {})).get("content", {})
    return content
