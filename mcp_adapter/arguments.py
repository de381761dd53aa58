"""Check the arguments of a tool call per action, and say what is wrong without repeating any value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from mcp_adapter.catalog import Entry, is_listing
from mcp_adapter.coercion import Mismatch, coerce
from mcp_adapter.exposure import ToolSpec
from mcp_adapter.schema import POLICY_TEXTS

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
TEXT_CAP = 64 * 1024  # characters of any text argument
POLICY_CAP = 768 * 1024  # characters of a policy text
DEPTH_CAP = 64

_CREDENTIAL = re.compile(r"tskey-[a-z]+-[A-Za-z0-9]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_SYNONYMS = {
    "remove": "delete", "destroy": "delete", "revoke": "delete", "add": "create", "new": "create", "invite": "create",
    "edit": "update", "modify": "update", "change": "update", "patch": "update", "show": "get", "read": "get",
    "describe": "get", "rename": "set_name", "tag": "set_tags", "authorize": "set_authorized",
}  # fmt: skip


class ArgumentError(ValueError):
    """Say what is wrong with a call, what is accepted, and give one valid example."""


@frozen
class Options:
    """Hold how a call is to be carried out and its result to be shown."""

    detail: str = "concise"
    select: tuple[str, ...] = ()
    limit: int = LIMIT_DEFAULT
    cursor: str | None = None
    dry_run: bool = False
    confirm: str | None = None
    reveal: bool = False
    tailnet: str | None = None


@frozen
class CheckedCall:
    """Hold one call that may be carried out."""

    entry: Entry
    arguments: Mapping[str, Any]
    options: Options


_OPTION_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "detail": {"enum": ["concise", "full"]},
    "select": {"type": "array", "items": {"type": "string"}},
    "limit": {"type": "integer", "maximum": LIMIT_MAX},
    "cursor": {"type": "string"},
    "dry_run": {"type": "boolean"},
    "confirm": {"type": "string"},
    "reveal": {"type": "boolean"},
}


def option_schemas(spec: ToolSpec) -> dict[str, dict[str, Any]]:
    """Return the parameters a tool has besides those of the API."""
    chosen = {name: _OPTION_SCHEMAS[name] for name in _option_names(spec)}
    return chosen | ({"tailnet": {"enum": list(spec.profiles)}} if spec.profiles else {})


def _option_names(spec: ToolSpec) -> tuple[str, ...]:
    if spec.effect != "read":
        return spec.extra
    listing = any(is_listing(entry) for entry in spec.entries)
    return ("detail", "select", *(("limit", "cursor") if listing else ()), *spec.extra)


def check_call(spec: ToolSpec, given: Mapping[str, Any]) -> CheckedCall:
    """Check a call completely; every problem is in the one error.

    Args:
        spec: the tool.
        given: arguments as the client sent them.

    Raises:
        ArgumentError: with what is wrong, what is accepted and an example.
    """
    entry = _entry(spec, given.get("action")) if spec.choosing else spec.entries[0]
    place = place_of(spec, entry)
    rest = {
        name: value
        for name, value in given.items()
        if not (name == "action" and spec.choosing) and value is not None
    }
    if _any_text(rest, _CREDENTIAL.search):
        raise ArgumentError(
            f"{place}: an argument looks like a Tailscale credential. Credentials are configuration of this server, "
            "never arguments; do not repeat it."
        )
    if not within_bounds(rest):
        raise ArgumentError(f"{place}: an argument is too long or nested too deeply.")
    accepted, problems = {p["name"]: p for p in entry["params"]}, []
    options = {name: schema for name, schema in option_schemas(spec).items() if _fits(name, entry)}
    aliases = {p["api"]: p["name"] for p in entry["params"] if p["api"] not in accepted}
    values: dict[str, Any] = {}
    for original, value in rest.items():
        name = aliases.get(original, original)
        schema = accepted[name]["schema"] if name in accepted else options.get(name)
        if schema is None:
            problems.append(_unexpected(spec, entry, name))
            continue
        try:
            values[name] = coerce(schema, value)
        except Mismatch as mismatch:
            problems.append(f"{name}{mismatch.path} must be {mismatch.expected} (got {mismatch.got})")
    missing = [
        name
        for name, p in accepted.items()
        if p["required"] and name not in values and not _was_given(name, rest, aliases)
    ]
    problems = [*([f"missing {', '.join(missing)}"] if missing else []), *problems, *_rules(entry, values)]
    if problems:
        raise ArgumentError(_explain(place, problems, entry, [*accepted, *options], choosing=spec.choosing))
    return CheckedCall(
        entry,
        {name: value for name, value in values.items() if name in accepted},
        _options({name: value for name, value in values.items() if name in options}),
    )


def place_of(spec: ToolSpec, entry: Entry) -> str:
    """Name the tool, and the action where it has several: errors begin with that."""
    return f"{spec.name}.{entry['method']}" if spec.choosing else spec.name


def _was_given(name: str, rest: Mapping[str, Any], aliases: Mapping[str, str]) -> bool:
    return name in rest or any(aliases.get(original) == name for original in rest)


def _fits(name: str, entry: Entry) -> bool:
    if name == "reveal":
        return bool(entry.get("once"))
    return name not in {"limit", "cursor"} or is_listing(entry)


def _options(values: Mapping[str, Any]) -> Options:
    chosen = {name: value for name, value in values.items() if name != "select"}
    return Options(**chosen, select=tuple(values.get("select", ())))


def _entry(spec: ToolSpec, action: Any) -> Entry:
    methods = spec.by_method
    valid = f"Valid: {', '.join(methods)}."
    if not isinstance(action, str):
        wrong = "missing action" if action is None else "action must be a string"
        example = json.dumps(_example(spec.entries[0]), separators=(",", ":"))
        raise ArgumentError(f"{spec.name}: {wrong}. {valid} Example: {example}")
    name = action.strip().lower().removeprefix(f"{spec.domain}.").replace("-", "_")
    if name in methods:
        return methods[name]
    shown = f' "{action}"' if _NAME.fullmatch(action) else ""
    meant = name if name in spec.missing else _SYNONYMS.get(name, "")
    hint = f'Use action "{meant}".' if meant in methods else spec.missing.get(meant, "")
    raise ArgumentError(f"{spec.name}: unknown action{shown}. {valid} {hint}".strip())


def _unexpected(spec: ToolSpec, entry: Entry, name: str) -> str:
    shown = name if _NAME.fullmatch(name) else "a parameter"
    owners = [other["method"] for other in spec.entries if any(p["name"] == name for p in other["params"])]
    if owners:
        return f"unexpected {shown}, which belongs to {', '.join(owners)}"
    if name in option_schemas(spec):
        why = "makes no secret" if name == "reveal" else "does not answer a list"
        return f"unexpected {shown}: {entry['method']} {why}"
    return f"unexpected {shown}"


def _rules(entry: Entry, values: Mapping[str, Any]) -> Iterator[str]:
    choice = entry.get("exactly_one")
    if choice and sum(bool(values.get(name)) for name in choice) != 1:
        yield f"exactly one of {' and '.join(choice)} is needed, and not empty"
    limit = values.get("limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        yield f"limit must be from 1 to {LIMIT_MAX}"
    unknown = [name for name in values.get("select", ()) if not selectable(entry, name)]
    if unknown:
        yield f"select names fields the answer does not have; it has {', '.join(_selectable_names(entry))}"


def _selectable_names(entry: Entry) -> list[str]:
    derived = [name for name in entry.get("columns", ()) if name not in entry["fields"] and "." not in name]
    return [*derived, *entry["fields"]]


def selectable(entry: Entry, name: str) -> bool:
    """Tell whether a field can be asked for; of an answer without known fields any can."""
    return not entry["fields"] or name in _selectable_names(entry) or name.split(".")[0] in entry["fields"]


def _example(entry: Entry, *, choosing: bool = True) -> dict[str, Any]:
    return {**({"action": entry["method"]} if choosing else {}), **entry["example"]}


def _explain(
    place: str, problems: list[str], entry: Entry, accepted: list[str], *, choosing: bool = True
) -> str:
    example = json.dumps(_example(entry, choosing=choosing), separators=(",", ":"), ensure_ascii=False)
    takes = ", ".join(accepted) or ("nothing but action" if choosing else "nothing")
    return f"{place}: {'; '.join(problems)}. Accepts {takes}. Example: {example}"


def _any_text(value: Any, matches: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and matches(item):
            return True
        if isinstance(item, Mapping):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
    return False


def within_bounds(arguments: Mapping[str, Any]) -> bool:
    """Tell whether no text is too long and nothing is nested too deeply."""
    waiting: list[tuple[Any, int, int]] = [
        (value, 1, POLICY_CAP if name in POLICY_TEXTS else TEXT_CAP) for name, value in arguments.items()
    ]
    while waiting:
        item, depth, cap = waiting.pop()
        if depth > DEPTH_CAP or (isinstance(item, str) and len(item) > cap):
            return False
        if isinstance(item, Mapping):
            waiting += [(part, depth + 1, cap) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1, cap) for part in item]
    return True
