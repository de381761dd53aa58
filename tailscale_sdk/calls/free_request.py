"""The escape hatch: any request below ``/api/v2``, judged by the strictest class where it is not described."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from tailscale_sdk._generated.operations import OPERATIONS, Operation
from tailscale_sdk._generated.types import WireRequest, encode_json, header_pairs, query_pairs
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.transport.context import find_operation

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIXED_HEADERS = {"authorization", "host", "content-length", "content-type", "accept-encoding", "cookie"}


def check_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Accept the caller's own headers.

    Raises:
        ConfigurationError: one of them is the client's to set, or cannot be sent.
    """
    pairs = header_pairs(*(headers or {}).items())
    for name, value in pairs:
        if not _HEADER_NAME.fullmatch(name) or not value.isascii():
            raise ConfigurationError(
                f"header {name!r} cannot be sent: name and value are ASCII, the name one word"
            )
        if name.lower() in _FIXED_HEADERS:
            raise ConfigurationError(f"headers must not hold {name}: the client sets it")
    return pairs


def free_request(
    tailnet: str,
    method: str,
    path: str,
    params: Mapping[str, Any] | None,
    json: Any,
    content: bytes | str | None,
    headers: Mapping[str, str] | None,
) -> tuple[Operation, WireRequest]:
    """Build a request of the escape hatch and find the class its repetition is judged by.

    Raises:
        ValueError: method or path cannot be, or there are two bodies.
        ConfigurationError: a header is the client's to set.
    """
    method = method.upper()
    if method not in _METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(_METHODS)}")
    if json is not None and content is not None:
        raise ValueError("pass json or content, not both")
    path = _check_path(path.replace("{tailnet}", quote(tailnet, safe="")))
    given = {name.lower(): value for name, value in (headers or {}).items()}
    content_type = given.pop("content-type", None) or ("application/json" if json is not None else None)
    request = WireRequest(
        method,
        path,
        query=query_pairs(*(params or {}).items()),
        content=_body(json, content),
        content_type=content_type,
        accept=given.pop("accept", None),
        headers=check_headers(given),
    )
    return find_operation(method, path) or _undescribed(method, path), request


def _check_path(path: str) -> str:
    dotted = any(unquote(part) in {".", ".."} for part in path.split("/"))
    if not path.startswith("/") or dotted or not path.isprintable() or any(mark in path for mark in "{?#"):
        raise ValueError(
            "path is a path below /api/v2 with every placeholder filled in, such as /tailnet/-/devices; "
            "query values go into params"
        )
    return path


def _body(json: Any, content: bytes | str | None) -> bytes | None:
    if json is not None:
        return encode_json(json)
    return content.encode() if isinstance(content, str) else content


@cache
def _known_words() -> frozenset[str]:
    segments = {part for operation in OPERATIONS.values() for part in operation.path.split("/")}
    return frozenset(part for part in segments if not part.startswith("{"))


def _template(path: str) -> str:
    """Leave the words that described paths are made of: anything else in a path may be an id or a name."""
    return "/".join(part if part in _known_words() else "*" for part in path.split("/"))


def _undescribed(method: str, path: str) -> Operation:
    read = method in {"GET", "HEAD"}
    path = _template(path)
    return Operation(
        operation_id=f"{method} {path}",
        http_method=method,
        path=path,
        resource="",
        method="request",
        effect="read" if read else "write",
        retry_class="SAFE" if read else "CREATE",
        scopes=(),
        scopes_mode="none",
        returns="object",
    )
