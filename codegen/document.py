"""An OpenAPI document in memory: parse it, walk its operations, follow its references, point into it."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
SIZE_CAP = 8 * 1024 * 1024  # bytes; the published document has 0.3 MB
NODE_CAP = 300_000  # values; the published document has 5,400. One whose aliases multiply is refused early
DEPTH_CAP = 200


class DocumentRefused(Exception):
    """Say why a document is not used; no file has been touched when this is raised.

    Args:
        json_pointer: place of the fault in the document, RFC 6901; empty for the whole of it.
        message: what is wrong there.
    """

    def __init__(self, json_pointer: str, message: str) -> None:
        super().__init__(f"{json_pointer or '(document)'}: {message}")
        self.json_pointer = json_pointer
        self.message = message


class Endpoint(NamedTuple):
    """Name one operation of a document and give its node."""

    path: str
    method: str
    node: dict[str, Any]


def pointer(parts: tuple[Any, ...] | list[Any]) -> str:
    """Return the JSON pointer of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def load_document(path: Path) -> dict[str, Any]:
    """Read one of our own documents without validating it.

    Raises:
        DocumentRefused: it is no JSON or YAML object.
    """
    return parse_document(path.read_bytes())


def parse_document(data: bytes) -> dict[str, Any]:
    """Read JSON or YAML.

    Raises:
        DocumentRefused: neither, no object, or larger than a description can be.
    """
    if len(data) > SIZE_CAP:
        raise DocumentRefused("", f"larger than {SIZE_CAP} bytes")
    try:
        text = data.decode("utf-8-sig")
        loaded = (
            json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=yaml.CSafeLoader)
        )
    except UnicodeDecodeError as problem:
        raise DocumentRefused("", f"not UTF-8 at byte {problem.start}") from problem
    except json.JSONDecodeError as problem:
        raise DocumentRefused("", f"not JSON: {problem.msg} at line {problem.lineno}") from problem
    except yaml.YAMLError as problem:
        raise DocumentRefused("", f"neither JSON nor YAML: {one_line(problem)}") from problem
    except RecursionError as problem:
        raise DocumentRefused("", "nested too deeply") from problem
    if not isinstance(loaded, dict):
        raise DocumentRefused("", f"an OpenAPI document is an object, this is {type(loaded).__name__}")
    budget = [NODE_CAP]
    bounded: dict[str, Any] = _bounded(loaded, (), budget)
    return bounded


def _bounded(value: Any, where: tuple[Any, ...], budget: list[int]) -> Any:
    """Copy with text keys (a bare ``200:`` is a number in YAML) and without shared or endless parts."""
    budget[0] -= 1
    if budget[0] < 0 or len(where) > DEPTH_CAP:
        raise DocumentRefused(pointer(where[:8]), "the document grows beyond every bound here")
    if isinstance(value, dict):
        return {str(key): _bounded(item, (*where, key), budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item, (*where, index), budget) for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def operations(document: Mapping[str, Any]) -> Iterator[Endpoint]:
    """Walk all operations in the document's order."""
    for path, item in document["paths"].items():
        if not isinstance(item, dict):
            raise DocumentRefused(pointer(("paths", path)), "an object is needed here")
        for method in METHODS:
            if method in item:
                if not isinstance(item[method], dict):
                    raise DocumentRefused(pointer(("paths", path, method)), "an object is needed here")
                yield Endpoint(path, method, item[method])


def resolve(document: Mapping[str, Any], node: Any) -> Any:
    """Follow a node's ``$ref``, and the next one, to what it names.

    Raises:
        LookupError: it leads nowhere or in a circle.
    """
    for _ in range(DEPTH_CAP):
        if not (isinstance(node, Mapping) and isinstance(node.get("$ref"), str)):
            return node
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = _step(target, urllib.parse.unquote(part).replace("~1", "/").replace("~0", "~"))
        node = target
    raise LookupError("circular reference")


def _step(node: Any, key: str) -> Any:
    if isinstance(node, Mapping) and key in node:
        return node[key]
    if isinstance(node, list) and key.isdigit() and int(key) < len(node):
        return node[int(key)]
    raise LookupError(key)


def reference_name(node: Any) -> str | None:
    """Return the component that a node refers to, if it is a reference."""
    target = node.get("$ref") if isinstance(node, Mapping) else None
    return target.rsplit("/", 1)[1] if isinstance(target, str) else None


def one_line(problem: object) -> str:
    """Return the words of a problem on one line, without the detail that follows below it."""
    return " ".join(str(problem).split())[:300]
