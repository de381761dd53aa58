"""Read the signature of a function of the SDK from its source, without running a line of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen

from mcp_adapter.schema import GIVEN

_PACKAGE = "tailscale_sdk"
_SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_ARRAYS = {"Sequence", "Iterable", "Collection", "list", "tuple"}
_OBJECTS = {"Mapping", "dict"}
_STEPS = 8  # imports that are followed from one name to its definition

Schema = dict[str, Any]


class NoSuchFunction(ValueError):
    """Say why a call does not lead to a function that can be served."""


@frozen
class Parameter:
    """Describe one argument a caller may give: its schema is None where the annotation cannot be served."""

    name: str
    required: bool
    schema: Schema | None


@frozen
class Signature:
    """Describe a workflow's function.

    Attributes:
        given: arguments the server provides, by name.
        parameters: arguments the caller gives, in order.
    """

    given: tuple[str, ...]
    parameters: tuple[Parameter, ...]


@frozen
class _Place:
    """Hold a definition and the module whose names it uses."""

    package: Path
    module: Path
    node: ast.AST


def read_signature(package: Path, call: str) -> Signature:
    """Return the signature of the function a call leads to.

    Args:
        package: folder of the SDK.
        call: dotted path below it, such as ``operations.access.explain``.

    Raises:
        NoSuchFunction: there is none, or it is no function of a workflow; the text says why.
    """
    *parts, name = call.split(".")
    module = _module_file(package, parts)
    if module is None:
        raise NoSuchFunction(f"the SDK has no module {'.'.join(parts) or call}")
    place = _find(package, module, name)
    if place is None or not isinstance(place.node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise NoSuchFunction(f"the SDK has no function {call}")
    if not isinstance(place.node, ast.AsyncFunctionDef):
        raise NoSuchFunction(f"{call} is not async")
    return _signature(call, place, place.node.args)


def _signature(call: str, place: _Place, arguments: ast.arguments) -> Signature:
    positional = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    if positional != ["client"] or arguments.vararg or arguments.kwarg:
        raise NoSuchFunction(f"{call} must take client, and everything else by keyword")
    named = list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    given = tuple(argument.arg for argument, _ in named if argument.arg in GIVEN)
    missing = [name for name in ("now", "progress") if name not in given]
    if missing:
        raise NoSuchFunction(f"{call} must take {' and '.join(missing)}")
    parameters = tuple(
        Parameter(argument.arg, default is None, _root_schema(place, argument.annotation))
        for argument, default in named
        if argument.arg not in GIVEN
    )
    return Signature(given, parameters)


def _module_file(package: Path, parts: list[str]) -> Path | None:
    folder = package.joinpath(*parts)
    found = (path for path in (folder.with_suffix(".py"), folder / "__init__.py") if path.is_file())
    return next(found, None) if parts else None


@cache
def _parsed(module: Path, changed: int) -> ast.Module:
    return ast.parse(module.read_bytes())


def _find(package: Path, module: Path, name: str, steps: int = _STEPS) -> _Place | None:
    """Follow a name through imports to where it is defined."""
    for node in reversed(list(_statements(_parsed(module, module.stat().st_mtime_ns)))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return _Place(package, module, node)
        if isinstance(node, ast.Assign) and any(_is_name(target, name) for target in node.targets):
            return _Place(package, module, node.value)
        if isinstance(node, ast.AnnAssign) and _is_name(node.target, name) and node.value is not None:
            return _Place(package, module, node.value)
        if isinstance(node, ast.ImportFrom) and steps and (node.module or "").startswith(f"{_PACKAGE}."):
            original = next((alias.name for alias in node.names if (alias.asname or alias.name) == name), "")
            source = _module_file(package, (node.module or "").split(".")[1:]) if original else None
            if source is not None:
                return _find(package, source, original, steps - 1)
    return None


def _statements(module: ast.Module) -> Iterator[ast.stmt]:
    """Walk a module's statements, those for type checkers included."""
    for node in module.body:
        yield node
        if isinstance(node, ast.If):
            yield from node.body


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _root_schema(place: _Place, annotation: ast.AST | None) -> Schema | None:
    """Return the schema of a parameter; None stands for what is left out, so it is no value of its own."""
    found = None if annotation is None else _schema(place, annotation)
    if found is None or "anyOf" not in found:
        return found
    rest = [part for part in found["anyOf"] if part != {"type": "null"}]
    return rest[0] if len(rest) == 1 else {"anyOf": rest}


def _schema(place: _Place, node: ast.AST, steps: int = _STEPS) -> Schema | None:
    """Return the schema of an annotation, None where it has none that can be served."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return {"type": "null"}
        return (
            _schema(place, ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else None
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        parts = [_schema(place, part, steps) for part in _alternatives(node)]
        return None if None in parts else {"anyOf": parts}
    if isinstance(node, ast.Name):
        if node.id in _SCALARS:
            return {"type": _SCALARS[node.id]}
        if node.id in _OBJECTS:
            return {"type": "object"}
        alias = _find(place.package, place.module, node.id) if steps else None
        return None if alias is None else _schema(alias, alias.node, steps - 1)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return _subscript(place, node.value.id, node.slice, steps)
    return None


def _alternatives(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node


def _subscript(place: _Place, name: str, inner: ast.AST, steps: int) -> Schema | None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return {"enum": [part.value for part in parts if isinstance(part, ast.Constant)]}
    if name in _OBJECTS:
        return {"type": "object"}
    if name in _ARRAYS:
        items = _schema(place, parts[0], steps)
        return None if items is None else {"type": "array", "items": items}
    return None
