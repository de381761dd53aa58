"""An OpenAPI document: read it from a file or a URL, refuse a broken one, walk it, point into it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any, NamedTuple

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
SIZE_CAP = 8 * 1024 * 1024  # bytes; the published document has 0.3 MB
NODE_CAP = 2_000_000  # values; a document whose aliases multiply is refused before it fills the memory
DEPTH_CAP = 200
FETCH_TIMEOUT = 30.0  # seconds
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


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


def read_document(source: str) -> dict[str, Any]:
    """Read and validate a document of unknown origin.

    Args:
        source: a path, or an https URL; plain http only for this machine.

    Raises:
        DocumentRefused: unreadable, too large, not OpenAPI 3.1, or broken.
    """
    document = parse_document(_fetch(source))
    validate(document)
    return document


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
        raise DocumentRefused("", f"neither JSON nor YAML: {_one_line(problem)}") from problem
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


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only where the first request was allowed to go."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DocumentRefused(
            "", f"{parts.scheme or 'this'} is no way to fetch a description: use https or a file"
        )


def _fetch(source: str) -> bytes:
    if "://" not in source:
        try:
            with Path(source).open("rb") as file:
                return file.read(SIZE_CAP + 1)
        except OSError as problem:
            raise DocumentRefused("", f"{source}: {problem.strerror}") from problem
    _require_https(source)
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        with opener.open(source, timeout=FETCH_TIMEOUT) as reply:
            data: bytes = reply.read(SIZE_CAP + 1)
            return data
    except (urllib.error.URLError, OSError) as problem:
        raise DocumentRefused(
            "", f"not fetched: {_one_line(getattr(problem, 'reason', problem))}"
        ) from problem


def validate(document: Mapping[str, Any]) -> None:
    """Refuse what is not a complete OpenAPI 3.1 document.

    Raises:
        DocumentRefused: at the first fault, with its place.
    """
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3.1."):
        raise DocumentRefused("/openapi", f"OpenAPI 3.1 is needed, this says {version!r}")
    for kind in ("paths", "components"):
        if not isinstance(document.get(kind, {} if kind == "components" else None), dict):
            raise DocumentRefused(f"/{kind}", "an object is needed here")
    _check_references(document, document, ())
    _check_operations(document)
    for problem in OpenAPIV31SpecValidator(document).iter_errors():
        raise DocumentRefused(pointer(list(problem.absolute_path)), _one_line(problem.message))


def _check_references(document: Mapping[str, Any], node: Any, where: tuple[Any, ...]) -> None:
    """Refuse references that lead out of the document or nowhere, before anything resolves them."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            _check_references(document, item, (*where, index))
    if not isinstance(node, Mapping):
        return
    target = node.get("$ref")
    if isinstance(target, str):
        if not target.startswith("#/"):
            raise DocumentRefused(pointer((*where, "$ref")), "a reference must stay inside the document")
        try:
            resolve(document, node)
        except LookupError as problem:
            raise DocumentRefused(pointer((*where, "$ref")), f"{target} leads nowhere") from problem
    for key, item in node.items():
        if key not in ("example", "examples", "default", "enum", "const"):
            _check_references(document, item, (*where, key))


def _check_operations(document: Mapping[str, Any]) -> None:
    seen: dict[str, str] = {}
    for path, method, node in operations(document):
        where = pointer(("paths", path, method))
        name = node.get("operationId")
        if not isinstance(name, str) or not name:
            raise DocumentRefused(f"{where}/operationId", "every operation needs an operationId")
        if name in seen:
            raise DocumentRefused(f"{where}/operationId", f"{name} is already the name of {seen[name]}")
        seen[name] = where


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


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())[:300]
