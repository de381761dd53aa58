"""Watch the wire and hold it against openapi/tailscale.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import jsonschema_rs
import yaml
from attrs import define, field, frozen

DESCRIPTION = Path(__file__).resolve().parents[2] / "openapi" / "tailscale.yaml"


@frozen
class Exchange:
    """Hold one request and its answer as they were on the wire."""

    method: str
    url: str
    request_type: str
    request_body: bytes
    status: int
    response_type: str
    response_body: bytes


@define
class Watch:
    """Collect exchanges from both kinds of transport."""

    seen: list[Exchange] = field(factory=list)

    def keep(self, request: httpx.Request, status: int, headers: httpx.Headers, body: bytes) -> None:
        """Remember one exchange."""
        self.seen.append(
            Exchange(
                method=request.method,
                url=str(request.url),
                request_type=request.headers.get("content-type", ""),
                request_body=request.content,
                status=status,
                response_type=headers.get("content-type", ""),
                response_body=body,
            )
        )


class WatchedTransport(httpx.BaseTransport):
    """Send for real and keep what went over the wire."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._inner = watch, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        body = response.read()
        self._watch.keep(request, response.status_code, response.headers, body)
        headers = [(k, v) for k, v in response.headers.multi_items() if k.lower() != "content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=body)

    def close(self) -> None:
        self._inner.close()


class AsyncWatchedTransport(httpx.AsyncBaseTransport):
    """Send for real and keep what went over the wire."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._inner = watch, httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        self._watch.keep(request, response.status_code, response.headers, body)
        headers = [(k, v) for k, v in response.headers.multi_items() if k.lower() != "content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def description() -> dict[str, Any]:
    """Read the API description once."""
    document: dict[str, Any] = yaml.load(DESCRIPTION.read_text(), Loader=yaml.CSafeLoader)
    return document


def resolve(node: Any) -> Any:
    """Follow references into the components."""
    while isinstance(node, Mapping) and "$ref" in node:
        target: Any = description()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def problems(schema: Any, value: Any, where: str) -> list[str]:
    """Name every place at which a value breaks a schema (JSON Schema 2020-12)."""
    found = _validator(json.dumps(schema)).iter_errors(value)
    return [f"{where}{_place(error.instance_path)}: {error.message[:160]}" for error in found]


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    components = description()["components"]
    return jsonschema_rs.Draft202012Validator(
        {"$ref": "#/schema", "schema": json.loads(schema), "components": components}
    )


def _place(path: list[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def violations(operation_id: str, exchange: Exchange) -> list[str]:
    """Name each way in which an exchange differs from the description of its operation."""
    path, method, operation, shared = _find(operation_id)
    found = []
    if method.upper() != exchange.method:
        found.append(f"method {exchange.method}, described {method.upper()}")
    segments = urlsplit(exchange.url).path.removeprefix("/api/v2").split("/")
    template = path.split("/")
    fits = len(segments) == len(template) and all(
        t.startswith("{") or t == unquote(s) for s, t in zip(segments, template, strict=True)
    )
    if not fits:
        found.append(f"path {exchange.url}, described {path}")
    parameters = [resolve(p) for p in (*shared, *operation.get("parameters", []))]
    found += _query_violations(operation, parameters, exchange)
    found += _request_violations(operation, exchange)
    return found + _response_violations(operation, exchange)


@cache
def _find(operation_id: str) -> tuple[str, str, dict[str, Any], list[Any]]:
    for path, item in description()["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and operation.get("operationId") == operation_id:
                return path, method, operation, item.get("parameters", [])
    raise LookupError(operation_id)


def _query_violations(operation: dict[str, Any], parameters: list[Any], exchange: Exchange) -> list[str]:
    described = {p["name"]: p for p in parameters if p["in"] == "query"}
    sent = parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)
    found = [f"query {name} is not described" for name, _ in sent if name not in described]
    if operation["x-sdk"].get("free_filters"):
        found = []
    names = {name for name, _ in sent}
    return found + [
        f"query {n} is required" for n, p in described.items() if p.get("required") and n not in names
    ]


def _request_violations(operation: dict[str, Any], exchange: Exchange) -> list[str]:
    described = resolve(operation.get("requestBody", {}))
    if not described:
        return ["a body was sent, none is described"] if exchange.request_body else []
    content = described["content"].get(exchange.request_type)
    if content is None:
        return [f"request type {exchange.request_type!r} is not described"]
    if exchange.request_type != "application/json":
        return []
    return problems(content["schema"], json.loads(exchange.request_body), "request")


def _response_violations(operation: dict[str, Any], exchange: Exchange) -> list[str]:
    described = operation["responses"]
    response = resolve(described.get(str(exchange.status)) or described.get(f"{exchange.status // 100}XX"))
    if response is None:
        return [f"status {exchange.status} is not described"]
    content = response.get("content")
    if not content:
        return [] if exchange.response_body in {b"", b"{}", b"null"} else ["a body came, none is described"]
    kind = exchange.response_type.partition(";")[0]
    if kind not in content:
        return [f"response type {kind!r} is not described"]
    if kind != "application/json":
        return []
    return problems(content[kind]["schema"], json.loads(exchange.response_body), "response")
