"""Read a description of unknown origin: from a file or a URL, and only if it is whole."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from codegen.document import SIZE_CAP, DocumentRefused, one_line, operations, parse_document, pointer, resolve
from codegen.structure import structure

FETCH_TIMEOUT = 30.0  # seconds
# Keywords whose value is data, never a schema; keywords whose keys are names, where such a word is a name.
_DATA = frozenset({"example", "examples", "default", "enum", "const"})
_NAMES = frozenset(
    {"properties", "patternProperties", "$defs", "schemas", "parameters", "headers", "responses", "content"}
)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


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
            "", f"not fetched: {one_line(getattr(problem, 'reason', problem))}"
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
    structure(document)
    for problem in OpenAPIV31SpecValidator(document).iter_errors():
        raise DocumentRefused(pointer(list(problem.absolute_path)), one_line(problem.message.split("\n")[0]))


def _check_references(
    document: Mapping[str, Any], node: Any, where: tuple[Any, ...], names: bool = False
) -> None:
    """Refuse references that lead out of the document or nowhere, before anything resolves them.

    Args:
        names: the keys of this node are names out of the API, not keywords.
    """
    if isinstance(node, list):
        for index, item in enumerate(node):
            _check_references(document, item, (*where, index))
    if not isinstance(node, Mapping):
        return
    target = node.get("$ref")
    if isinstance(target, str) and not names:
        if not target.startswith("#/"):
            raise DocumentRefused(pointer((*where, "$ref")), "a reference must stay inside the document")
        try:
            resolve(document, node)
        except LookupError as problem:
            raise DocumentRefused(pointer((*where, "$ref")), f"{target} leads nowhere") from problem
    for key, item in node.items():
        if names or key not in _DATA:
            _check_references(document, item, (*where, key), names=not names and key in _NAMES)


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
