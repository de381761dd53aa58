"""Small questions about schemas that several passes ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from codegen.document import reference_name

Child = tuple[Any, Any, Any]  # the container, the key or index in it, the schema there


def children(schema: Mapping[str, Any]) -> Iterator[Child]:
    """Walk the schemas directly inside a schema, or inside a media type or parameter by ``schema``."""
    for key in ("schema", "items", "additionalProperties", "not", "contains", "propertyNames"):
        if isinstance(schema.get(key), dict):
            yield schema, key, schema[key]
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for index, child in enumerate(schema.get(key, [])):
            yield schema[key], index, child
    for key in ("properties", "patternProperties", "$defs"):
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
