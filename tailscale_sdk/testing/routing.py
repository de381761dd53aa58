"""From method and raw path to an operation: only described paths exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from attrs import define, field

from tailscale_sdk._generated.operations import OPERATIONS, Operation
from tailscale_sdk.testing.exchange import Refusal

PREFIX = "/api/v2"
ALIASES = {"services": "vip-services"}


class Match(NamedTuple):
    """Hold an operation and its percent-decoded path parameters."""

    operation: Operation
    parameters: Mapping[str, str]
    path: str


@define
class _Node:
    fixed: dict[str, _Node] = field(factory=dict)
    variable: _Node | None = None
    operations: dict[str, tuple[Operation, tuple[str, ...]]] = field(factory=dict)


class Router:
    """Find operations by path; a fixed segment wins over a parameter."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            for path in _spellings(operation.path):
                self._add(path, operation)

    def _add(self, path: str, operation: Operation) -> None:
        node = self._root
        names = []
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.operations[operation.http_method] = (operation, tuple(names))

    def find(self, method: str, raw_path: str) -> Match:
        """Return the operation a request asks for.

        Args:
            method: HTTP method.
            raw_path: path as it was sent, percent-encoded, without the query.

        Raises:
            Refusal: 404 for a path that is not described, 405 for another method of a described one.
        """
        if not raw_path.startswith(f"{PREFIX}/"):
            raise _unknown_path()
        segments = [_decode(segment) for segment in raw_path.removeprefix(f"{PREFIX}/").split("/")]
        candidates = list(_reach(self._root, segments, ()))
        for node, values in candidates:
            if method in node.operations:
                operation, names = node.operations[method]
                return Match(operation, dict(zip(names, values, strict=True)), "/" + "/".join(segments))
        if candidates:
            allowed = sorted({m for node, _ in candidates for m in node.operations})
            raise Refusal(
                405, f"method {method} is not allowed here", headers=(("Allow", ", ".join(allowed)),)
            )
        raise _unknown_path()


def _spellings(path: str) -> list[str]:
    """Return a path and its older spelling: official clients call services by their former name."""
    parts = path.split("/")
    if len(parts) > 3 and parts[3] in ALIASES:
        return [path, "/".join([*parts[:3], ALIASES[parts[3]], *parts[4:]])]
    return [path]


def _reach(
    node: _Node, segments: list[str], values: tuple[str, ...]
) -> Iterable[tuple[_Node, tuple[str, ...]]]:
    if not segments:
        if node.operations:
            yield node, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.fixed:
        yield from _reach(node.fixed[first], rest, values)
    if node.variable is not None and first:
        yield from _reach(node.variable, rest, (*values, first))


def _decode(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise _unknown_path() from None


def _unknown_path() -> Refusal:
    return Refusal(404, "not found: no such path in the API")


@cache
def build_router() -> Router:
    """Return the router of all described operations."""
    return Router(OPERATIONS.values())
