"""Join the operation map of the MCP server with the API description into the catalog it starts from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codegen.catalog_schemas import answer_of, has_path, parameters_of, served_schema
from codegen.curation import EFFECTS, check_example, check_words, example_of, read_maps
from codegen.document import operations
from codegen.workflows import compile_transaction, compile_workflows
from mcp_adapter.schema import RESERVED, SchemaConflict, merge_parameters

DERIVED = {"short_name": "name", "ipv4": "addresses", "owner": "user", "seen": "lastSeen"}
"""Columns the server derives, each with the field it is made from."""

_DOMAIN_ORDER = (
    "devices", "device_invites", "user_invites", "users", "keys", "policy", "dns", "logging", "posture_integrations",
    "webhooks", "settings", "contacts", "services", "oauth_apps",
)  # fmt: skip
_FILE_KEYS = {"domain", "title", "about", "about_write", "about_delete", "params", "op"}
_OPERATION_KEYS = {
    "summary", "columns", "untrusted", "secret_out", "shown", "once", "confirm", "paginate", "hide", "params", "example",
    "widen", "exactly_one", "transaction",
}  # fmt: skip

_SDK = Path(__file__).resolve().parent.parent / "tailscale_sdk"

Entry = dict[str, Any]


def compile_catalog(
    document: dict[str, Any], maps_dir: Path, package: Path = _SDK
) -> tuple[bytes, list[str]]:
    """Compile the catalog.

    Args:
        document: the API description.
        maps_dir: folder with one TOML file per domain, ``excluded.toml``, and one file per workflow tool below
            ``workflows``.
        package: folder of the SDK, in whose source the functions of workflows are looked up.

    Returns:
        The catalog's bytes, and one line per problem; an operation with a problem of its own is still
        part of the catalog when it can be called, an unmapped one is not.
    """
    problems: list[str] = []
    described = {
        (e.node["x-sdk"]["resource"], e.node["x-sdk"]["method"]): e
        for e in operations(document)
        if "x-sdk" in e.node
    }
    domains = []
    mapped: dict[tuple[str, str], str] = {}
    for name, content in read_maps(maps_dir, problems):
        domain = content.get("domain", "")
        problems += [f"{name}: unknown key {key}" for key in sorted(set(content) - _FILE_KEYS)]
        entries = []
        for method, curated in content.get("op", {}).items():
            key = (domain, method)
            if key in mapped:
                problems.append(f"{name}: {domain}.{method} is already mapped in {mapped[key]}")
            elif key not in described:
                problems.append(f"{name}: {domain}.{method} is no operation of the API description")
            else:
                mapped[key] = name
                found = [*check_words(curated), *_check_keys(curated)]
                problems += [f"{name}: {domain}.{method}: {problem}" for problem in found]
                entry, faults = _entry(document, described[key], curated, content.get("params", {}), package)
                problems += [f"{name}: {domain}.{method}: {fault}" for fault in faults]
                entries.append(entry)
        problems += [f"{name}: {problem}" for problem in _check_domain(domain, content, entries)]
        domains.append(_domain(content, entries))
    problems += _check_coverage(document, mapped, _excluded(maps_dir, problems))
    domains.sort(key=lambda item: (_place(item["domain"]), item["domain"]))
    workflows, faults = compile_workflows(maps_dir / "workflows", package, document, domains)
    content = {"domains": domains, "workflows": workflows}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode(), [*problems, *faults]


def _place(domain: str) -> int:
    return _DOMAIN_ORDER.index(domain) if domain in _DOMAIN_ORDER else len(_DOMAIN_ORDER)


def _excluded(folder: Path, problems: list[str]) -> dict[str, str]:
    path = folder / "excluded.toml"
    excluded: dict[str, str] = (
        tomllib.loads(path.read_text(encoding="utf-8")).get("excluded", {}) if path.is_file() else {}
    )
    problems += [
        f"excluded.toml: {name} needs a reason"
        for name, reason in excluded.items()
        if not str(reason).strip()
    ]
    return excluded


def _domain(content: Mapping[str, Any], entries: list[Entry]) -> dict[str, Any]:
    about = {
        "read": content.get("about", ""),
        "write": content.get("about_write", ""),
        "delete": content.get("about_delete", ""),
    }
    used = [effect for effect in EFFECTS if any(entry["effect"] == effect for entry in entries)]
    return {
        "domain": content.get("domain", ""),
        "title": content.get("title", ""),
        "about": {effect: about[effect] for effect in used},
        "operations": sorted(entries, key=lambda entry: EFFECTS.index(entry["effect"])),
    }


def _entry(
    document: Mapping[str, Any],
    endpoint: Any,
    curated: Mapping[str, Any],
    shared: Mapping[str, Any],
    package: Path,
) -> tuple[Entry, list[str]]:
    """Describe one operation: what the description says, then what a person chose."""
    marks = endpoint.node["x-sdk"]
    faults: list[str] = []
    hidden = curated.get("hide", {})
    parameters = parameters_of(document, endpoint)
    names = {parameter["name"] for parameter in parameters}
    mentioned = [*hidden, *curated.get("params", {}), *curated.get("exactly_one", [])]
    faults += [f"parameter {name} does not exist" for name in mentioned if name not in names]
    params = [_parameter(p, shared, curated.get("params", {})) for p in parameters if p["name"] not in hidden]
    params.sort(key=lambda p: (p["in"] != "path", not p["required"]))
    faults += [
        f"parameter {p['name']} has a name the server keeps for itself"
        for p in params
        if p["name"] in RESERVED
    ]
    answer = answer_of(document, endpoint)
    change = marks.get("change")
    entry: Entry = {
        "operation": endpoint.node["operationId"],
        "method": marks["method"],
        "tool": f"{marks['resource']}_{marks['effect']}",
        "http_method": endpoint.method.upper(),
        "path": endpoint.path,
        "call": f"{marks['resource']}.{marks['method']}",
        "effect": marks["effect"],
        "idempotent": marks["retry_class"] in {"SAFE", "IDEM", "COND"},
        "retry_class": marks["retry_class"],
        "scopes": marks["scopes"],
        "scopes_mode": marks["scopes_mode"],
        "summary": curated.get("summary", ""),
        "params": params,
        "answer": answer.kind,
        "fields": sorted(answer.fields),
        "example": curated.get("example", example_of(params, shared, curated.get("params", {}))),
    }
    for key in ("columns", "untrusted", "secret_out", "shown", "exactly_one"):
        if key in curated:
            entry[key] = curated[key]
    for key in ("once", "confirm", "widen"):
        if key in curated:
            entry[key] = curated[key]
    if "paginate" in curated:
        entry["sort"] = curated["paginate"].get("sort", "")
    if isinstance(change, Mapping) and change["read"] != "none":
        entry["change"] = {"read": change["read"], "fields": change["fields"]}
    if "transaction" in curated:
        entry["transaction"], problems = compile_transaction(package, curated["transaction"], params)
        faults += problems
    faults += _check_paths(entry, answer, curated)
    faults += check_example(entry)
    return entry, faults


def _parameter(
    parameter: Mapping[str, Any], shared: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    chosen = {**shared.get(parameter["name"], {}), **own.get(parameter["name"], {})}
    schema = served_schema(parameter["schema"])
    described = chosen.get("description") or (
        "RFC 3339" if schema.pop("format", None) == "date-time" else None
    )
    schema.pop("format", None)
    entry = {
        "name": parameter["name"],
        "api": parameter["api"],
        "in": parameter["in"],
        "required": bool(chosen.get("required", parameter["required"])),
        "schema": schema,
    }
    if parameter["secret"]:
        entry["secret"] = True
    if described:
        entry["description"] = described
    if chosen.get("brief") and described and "type" in schema:
        entry["brief"] = True
    return entry


def _check_keys(curated: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in sorted(set(curated) - _OPERATION_KEYS))
    yield from (
        f"hidden parameter {name} needs a reason" for name, why in curated.get("hide", {}).items() if not why
    )


def _check_paths(entry: Entry, answer: Any, curated: Mapping[str, Any]) -> Iterator[str]:
    for key in ("columns", "untrusted", "secret_out", "shown"):
        for path in curated.get(key, []):
            known = DERIVED.get(path, path) if key == "columns" else path
            if not has_path(answer.schema, known):
                yield f"{key} names {path}, which the answer does not have"
    if entry.get("sort") and entry["sort"] not in answer.fields:
        yield f"paginate.sort names {entry['sort']}, which the answer does not have"
    wanted = curated.get("paginate", {}).get("items", answer.list_key)
    if wanted != answer.list_key:
        yield f"paginate.items is {wanted!r}, the answer's list is {answer.list_key!r}"
    if ("paginate" in curated) != (answer.kind in {"list", "values"}) and entry["effect"] == "read":
        yield "paginate belongs to the operations that answer a list, and to them only"
    if entry["effect"] == "delete" and entry.get("confirm") == "never":
        yield "confirm may not be never in the delete tier"


def _check_domain(domain: str, content: Mapping[str, Any], entries: Sequence[Entry]) -> Iterator[str]:
    for key in ("domain", "title", "about"):
        if not content.get(key):
            yield f"{key} is missing"
    for effect in EFFECTS:
        tool = [entry for entry in entries if entry["effect"] == effect]
        if tool and effect != "read" and not content.get(f"about_{effect}"):
            yield f"about_{effect} is missing"
        try:
            merge_parameters(tool)
        except SchemaConflict as conflict:
            yield f"{domain}_{effect}: {conflict}"


def _check_coverage(
    document: Mapping[str, Any], mapped: Mapping[tuple[str, str], str], excluded: Mapping[str, str]
) -> Iterator[str]:
    known = set()
    for endpoint in operations(document):
        name, marks = endpoint.node["operationId"], endpoint.node.get("x-sdk", {})
        known.add(name)
        is_mapped = (marks.get("resource"), marks.get("method")) in mapped
        if is_mapped and name in excluded:
            yield f"excluded.toml: {name} is mapped as well"
        if not is_mapped and name not in excluded:
            yield f"{name} ({marks.get('resource')}.{marks.get('method')}) is neither mapped nor excluded"
    yield from (
        f"excluded.toml: {name} is no operation of the API description"
        for name in excluded
        if name not in known
    )
