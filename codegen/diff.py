"""What changed between two descriptions, operation by operation, whatever the schemas are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

_LIMITS = (
    "format",
    "default",
    "const",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
)
_SIZES = ("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "readOnly", "writeOnly")
_METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
_NO_RECURSION: frozenset[str] = frozenset()


class Kind(IntEnum):
    """Rank a change; the highest rank of a comparison is its exit code."""

    ADDED = 1
    CHANGED = 2
    BREAKING = 3


class Change(NamedTuple):
    """Describe one difference: its rank, the operation, what is different there."""

    kind: Kind
    operation: str  # "GET /tailnet/{tailnet}/devices"
    text: str

    def __str__(self) -> str:
        mark = ":" if self.text.startswith("operation") else " ->"
        return f"{self.kind.name:<8} {self.operation}{mark} {self.text}"


Found = tuple[Kind, str]
Fields = dict[str, dict[str, Any]]


def exit_code(changes: list[Change] | tuple[Change, ...]) -> int:
    """Return 0 for no change, 1 for compatible ones, 2 when one breaks users."""
    return 0 if not changes else 2 if any(change.kind is Kind.BREAKING for change in changes) else 1


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Compare two descriptions by their structure; prose, marks and component names do not count."""
    before, after = _shapes(old), _shapes(new)
    found = []
    for name in before | after:
        if name not in after:
            found.append(Change(Kind.BREAKING, name, "operation removed"))
        elif name not in before:
            found.append(Change(Kind.ADDED, name, "operation added"))
        elif before[name] != after[name]:
            found += [
                Change(kind, name, text) for kind, text in _compare_operation(before[name], after[name])
            ]
    return found


def _shapes(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": _operation_shape(document, item, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    }


def operation_shape(document: Mapping[str, Any], endpoint: Any) -> dict[str, Any]:
    """Return an operation with everything it refers to, flat and without a word: parameters, body, answers.

    Args:
        endpoint: anything with ``path`` and ``node``.
    """
    return _operation_shape(document, document["paths"][endpoint.path], endpoint.node)


def _operation_shape(
    document: Mapping[str, Any], item: Mapping[str, Any], node: Mapping[str, Any]
) -> dict[str, Any]:
    parameters = [_target(document, p) for p in [*item.get("parameters", []), *node.get("parameters", [])]]
    body = _target(document, node.get("requestBody", {}))
    answers = {status: _target(document, answer) for status, answer in node.get("responses", {}).items()}
    return {
        "": {"operationId": node.get("operationId"), "deprecated": bool(node.get("deprecated"))},
        "parameters": {
            f"{p['in']} parameter {p['name']}": {
                "required": bool(p.get("required")),
                "fields": _flatten(document, p.get("schema", {})),
            }
            for p in parameters
        },
        "body": {"required": bool(body.get("required")), **_contents(document, body)} if body else {},
        "answers": {status: _contents(document, answer) for status, answer in answers.items()},
        "headers": {status: sorted(answer.get("headers", {})) for status, answer in answers.items()},
    }


def _contents(document: Mapping[str, Any], holder: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "types": {
            kind: _flatten(document, media["schema"]) for kind, media in holder.get("content", {}).items()
        }
    }


def _target(document: Mapping[str, Any], node: Any) -> Any:
    while isinstance(node, Mapping) and "$ref" in node:
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = {**target, **siblings}
    return node


def _flatten(document: Mapping[str, Any], schema: Any) -> Fields:
    """List every field below a schema by its path: ``.devices[].tags[]``."""
    fields: Fields = {}
    _visit(document, schema, "", False, fields, _NO_RECURSION)
    return fields


def _visit(
    document: Mapping[str, Any],
    schema: Any,
    path: str,
    required: bool,
    fields: Fields,
    open_refs: frozenset[str],
) -> None:
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    entry = fields.setdefault(path, {"types": set(), "enum": set(), "open": False, "required": required})
    if reference in open_refs:
        entry["types"].add(f"again {reference}")
        return
    if reference is not None:
        open_refs = open_refs | {reference}
    node = _target(document, schema)
    if not isinstance(node, Mapping):
        entry["types"].add("any" if node else "nothing")
        return
    for choice in [*node.get("anyOf", []), *node.get("oneOf", []), *node.get("allOf", [])]:
        _visit(document, choice, path, required, fields, open_refs)
    _note(entry, node)
    for name, child in node.get("properties", {}).items():
        _visit(document, child, f"{path}.{name}", name in node.get("required", []), fields, open_refs)
    if isinstance(node.get("additionalProperties"), Mapping):
        _visit(document, node["additionalProperties"], f"{path}.*", False, fields, open_refs)
    if "items" in node:
        _visit(document, node["items"], f"{path}[]", False, fields, open_refs)


def _note(entry: dict[str, Any], node: Mapping[str, Any]) -> None:
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if node.get("nullable"):
        kinds.append("null")
    if not kinds and not {"anyOf", "oneOf", "allOf"} & set(node):
        kinds = ["object"] if "properties" in node else ["any"]
    entry["types"].update(kinds)
    entry["enum"].update(str(value) for value in node.get("enum", []))
    entry["open"] |= "string" in kinds and "enum" not in node
    entry.update({key: node[key] for key in (*_LIMITS, *_SIZES) if key in node})


def _compare_operation(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Found]:
    for key, before in old[""].items():
        if before != new[""][key]:
            kind = Kind.BREAKING if key == "operationId" else Kind.CHANGED
            yield kind, f"operation {key}: {before} -> {new[''][key]}"
    yield from _compare_parameters(old["parameters"], new["parameters"])
    yield from _compare_bodies(old["body"], new["body"])
    for status in old["answers"] | new["answers"]:
        if status not in new["answers"]:
            yield Kind.BREAKING if status.startswith("2") else Kind.CHANGED, f"{status}: answer removed"
        elif status not in old["answers"]:
            yield Kind.ADDED, f"{status}: answer added"
        else:
            yield from _compare_contents(
                status, old["answers"][status], new["answers"][status], incoming=False
            )
            yield from _compare_headers(status, old["headers"][status], new["headers"][status])


def _compare_headers(status: str, old: list[str], new: list[str]) -> Iterator[Found]:
    yield from ((Kind.BREAKING, f"{status}: header {name} removed") for name in old if name not in new)
    yield from ((Kind.ADDED, f"{status}: header {name} added") for name in new if name not in old)


def _compare_parameters(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Found]:
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Kind.BREAKING, f"{name} removed"
        elif name not in old:
            required = new[name]["required"]
            yield Kind.BREAKING if required else Kind.ADDED, f"{name} added{', required' if required else ''}"
        else:
            yield from _compare_required(name, old[name]["required"], new[name]["required"], incoming=True)
            yield from _compare_fields(name, old[name]["fields"], new[name]["fields"], incoming=True)


def _compare_bodies(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Found]:
    if old and not new:
        yield Kind.BREAKING, "body removed"
    elif new and not old:
        yield Kind.BREAKING if new["required"] else Kind.ADDED, "body added"
    elif old and new:
        yield from _compare_required("body", old["required"], new["required"], incoming=True)
        yield from _compare_contents("body", old, new, incoming=True)


def _compare_contents(
    place: str, old: Mapping[str, Any], new: Mapping[str, Any], *, incoming: bool
) -> Iterator[Found]:
    before, after = old["types"], new["types"]
    yield from ((Kind.BREAKING, f"{place}: {kind} removed") for kind in before if kind not in after)
    yield from ((Kind.ADDED, f"{place}: {kind} added") for kind in after if kind not in before)
    for kind in before:
        if kind in after:
            where = place if kind == "application/json" else f"{place} {kind}"
            yield from _compare_fields(f"{where}:", before[kind], after[kind], incoming=incoming)


def _compare_fields(place: str, old: Fields, new: Fields, *, incoming: bool) -> Iterator[Found]:
    """Compare the fields of one body; a field inside an added or removed one is not told again."""
    for path in old | new:
        parent = path.rpartition(".")[0] if not path.endswith("[]") else path[:-2]
        where = f"{place} {path}".rstrip()
        if path not in new:
            if parent in new or not path:
                yield Kind.BREAKING, f"{where} removed"
        elif path not in old:
            if parent in old or not path:
                forced = incoming and new[path]["required"]
                yield (
                    Kind.BREAKING if forced else Kind.ADDED,
                    f"{where} added{', required' if forced else ''}",
                )
        else:
            yield from (
                (kind, f"{where} {text}") for kind, text in _compare_field(old[path], new[path], incoming)
            )


def _compare_field(old: Mapping[str, Any], new: Mapping[str, Any], incoming: bool) -> Iterator[Found]:
    yield from _compare_required("", old["required"], new["required"], incoming=incoming)
    if old["types"] != new["types"]:
        narrower = incoming and not old["types"] <= new["types"] and "any" not in new["types"]
        text = " -> ".join("|".join(sorted(side["types"])) for side in (old, new))
        yield Kind.BREAKING if narrower else Kind.CHANGED, f"type: {text}"
    if bool(old["enum"]) != bool(new["enum"]):
        text = "enum: now closed" if new["enum"] else "enum: no longer listed"
        yield Kind.BREAKING if incoming and new["enum"] else Kind.CHANGED, text
    else:
        yield from ((Kind.ADDED, f"enum: {word}") for word in sorted(new["enum"] - old["enum"]))
        gone = Kind.BREAKING if incoming else Kind.CHANGED
        yield from ((gone, f"enum: {word} removed") for word in sorted(old["enum"] - new["enum"]))
        if old["enum"] and old["open"] != new["open"]:
            yield Kind.CHANGED, "enum: open" if new["open"] else "enum: closed"
    for key in (*_LIMITS, *_SIZES):
        if old.get(key) != new.get(key):
            yield Kind.CHANGED, f"{key}: {old.get(key)} -> {new.get(key)}"


def _compare_required(place: str, old: bool, new: bool, *, incoming: bool) -> Iterator[Found]:
    if old != new:
        kind = Kind.BREAKING if incoming and new else Kind.CHANGED
        yield kind, f"{place} required: {old} -> {new}".strip()
