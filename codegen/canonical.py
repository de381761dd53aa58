"""One way to write a description down: fixed order of keys, one style, same content same bytes."""

from __future__ import annotations

from typing import Any

import yaml

_WIDTH = 110
_HEAD = "# The Tailscale API as this SDK sees it: structure as published, corrections from overlay.yaml, wording our own.\n"
_ORDER = (
    *("openapi", "info", "servers", "security", "title", "version", "get", "put", "post", "patch", "delete"),
    *("$ref", "operationId", "name", "in", "summary", "description", "tags", "deprecated", "x-sdk"),
    *("parameters", "required", "requestBody", "responses", "headers", "content"),
    *("type", "format", "enum", "const", "default"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"),
    *("schema", "items", "properties", "additionalProperties", "oneOf", "anyOf"),
    *("resource", "method", "unwrap", "flatten", "body", "manual", "provisional", "free_filters", "rename"),
    *(
        "effect",
        "retry_class",
        "scopes",
        "scopes_mode",
        "returns",
        "change",
        "since",
        "secret",
        "read",
        "fields",
        "inverse",
    ),
    *("paths", "components", "securitySchemes", "schemas"),
)
_RANK = {key: rank for rank, key in enumerate(_ORDER)}
# Maps whose keys are names out of the API: their order is the document's, or the alphabet's for components.
_NAMED = frozenset({"paths", "properties", "patternProperties", "responses", "headers", "content", "rename"})
_SORTED = frozenset({"schemas", "parameters", "securitySchemes", "requestBodies"})


class _Dumper(yaml.CSafeDumper):
    """Write short lists of scalars on one line, and everything else as a block."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: yaml.CSafeDumper, data: list[Any]) -> yaml.SequenceNode:
    short = all(isinstance(item, str | int | float | bool) or item is None for item in data)
    flow = short and sum(len(str(item)) + 4 for item in data) < _WIDTH - 30
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


_Dumper.add_representer(list, _represent_list)


def to_yaml(document: dict[str, Any]) -> str:
    """Return the canonical text of a description."""
    body = yaml.dump(
        ordered(document),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
        default_flow_style=False,
    )
    return _HEAD + body


def ordered(node: Any, within: str = "") -> Any:
    """Return a copy with the keys of every object in canonical order."""
    if isinstance(node, list):
        return [ordered(item, "") for item in node]
    if not isinstance(node, dict):
        return node
    keys = list(node)
    if within in _SORTED:
        keys.sort()
    elif within not in _NAMED:
        keys.sort(key=lambda key: (_RANK.get(key, len(_RANK)), key))
    names_below = within in _SORTED | _NAMED
    return {key: ordered(node[key], "" if names_below else key) for key in keys}
