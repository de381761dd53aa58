"""Compile the map of workflow tools: actions that are functions of the SDK instead of operations of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from codegen.catalog_schemas import served_schema
from codegen.curation import EFFECTS, Entry, check_example, check_words, example_of, read_maps
from codegen.document import operations
from codegen.signatures import NoSuchFunction, Signature, read_signature
from mcp_adapter.schema import RESERVED, SchemaConflict, kind_of, merge_parameters

_TOOL_ORDER = ("access_read", "policy_change", "policy_rollback", "fleet_read", "fleet_write", "fleet_delete")
_FILE_KEYS = {"tool", "domain", "title", "effect", "about", "params", "op"}
_ACTION_KEYS = {
    "summary", "call", "apply", "arguments", "hide", "params", "example", "needs", "repeatable", "confirm", "exactly_one",
    "columns", "rows", "untrusted", "writes_file",
}  # fmt: skip
_PARAMETER_KEYS = {"description", "example", "brief", "schema", "target"}
_COPIED = ("columns", "rows", "untrusted", "exactly_one", "confirm", "writes_file")


@frozen
class _Needs:
    """Hold what the API description says of the operations that a workflow cannot do without."""

    marks: Mapping[str, Mapping[str, Any]]
    """The ``x-sdk`` block of every operation, by operation id."""

    def scopes(self, needed: Sequence[str]) -> list[str]:
        """Return every scope that is certainly needed."""
        known = [self.marks[name] for name in needed if name in self.marks]
        found = (scope for marks in known if marks["scopes_mode"] == "all" for scope in marks["scopes"])
        return list(dict.fromkeys(found))

    def settled_by(self, needed: Sequence[str]) -> str | None:
        """Return the read that tells whether the workflow's write was done."""
        changes = [self.marks[name].get("change") for name in needed if name in self.marks]
        reads = (change["read"] for change in changes if isinstance(change, Mapping))
        return next((read for read in reads if read != "none"), None)

    def faults(self, needed: Sequence[str], effect: str) -> Iterator[str]:
        """Name operations that do not exist, or do more than the tool says."""
        for name in needed:
            if name not in self.marks:
                yield f"needs names {name}, which is no operation of the API description"
            elif EFFECTS.index(self.marks[name]["effect"]) > EFFECTS.index(effect):
                yield f"needs {name}, which is more than {effect}"


def compile_workflows(
    folder: Path, package: Path, document: dict[str, Any], domains: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compile the workflow tools.

    Args:
        folder: one TOML file per tool.
        package: folder of the SDK.
        document: the API description.
        domains: compiled domains, whose tools and actions keep their names.

    Returns:
        The tools in the order they are listed, and one line per problem. An action whose function does not exist,
        or takes other arguments than the map says, is left out.
    """
    problems: list[str] = []
    needs = _Needs(
        {e.node["operationId"]: e.node["x-sdk"] for e in operations(document) if "x-sdk" in e.node}
    )
    taken = {entry["tool"]: "the operation map" for domain in domains for entry in domain["operations"]}
    taken |= {entry["call"]: "the operation map" for domain in domains for entry in domain["operations"]}
    tools = []
    for name, content in read_maps(folder, problems):
        place = f"workflows/{name}"
        found = [*_check_file(content), *_check_taken(content, taken, place)]
        problems += [f"{place}: {problem}" for problem in found]
        if not found:
            tool, faults = _tool(content, package, needs)
            problems += [f"{place}: {fault}" for fault in faults]
            tools += [tool] if tool["operations"] else []
    tools.sort(key=_place)
    return tools, problems


def _place(tool: Mapping[str, Any]) -> tuple[int, int, str]:
    name = tool["tool"]
    known = _TOOL_ORDER.index(name) if name in _TOOL_ORDER else len(_TOOL_ORDER)
    return known, EFFECTS.index(tool["effect"]), name


def _check_file(content: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in sorted(set(content) - _FILE_KEYS))
    missing = [key for key in ("tool", "domain", "title", "effect", "about", "op") if not content.get(key)]
    yield from (f"{key} is missing" for key in missing)
    if missing:
        return
    if content["effect"] not in EFFECTS:
        yield f"effect is one of {', '.join(EFFECTS)}"
    names = {f"{content['domain']}_{content['effect']}", *(_alone(content) or ())}
    if content["tool"] not in names:
        yield f"tool must be {' or '.join(sorted(names))}"


def _alone(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name a tool may have that does one thing only, and so takes no action."""
    return tuple(f"{content['domain']}_{method}" for method in content["op"] if len(content["op"]) == 1)


def _check_taken(content: Mapping[str, Any], taken: dict[str, str], place: str) -> Iterator[str]:
    """Name tools and actions there are already: the granular surface calls them by domain and method."""
    tool, domain = content.get("tool", ""), content.get("domain", "")
    for name in (tool, *(f"{domain}.{method}" for method in content.get("op", {}))):
        if name in taken:
            yield f"{name} is already in {taken[name]}"
        else:
            taken[name] = place


def _tool(content: Mapping[str, Any], package: Path, needs: _Needs) -> tuple[dict[str, Any], list[str]]:
    faults: list[str] = []
    entries = []
    for method, curated in content["op"].items():
        entry, found = _entry(content, method, curated, package, needs)
        faults += [f"{method}: {fault}" for fault in found]
        entries += [entry] if entry is not None else []
    try:
        merge_parameters(entries)
    except SchemaConflict as conflict:
        faults.append(str(conflict))
    tool = {
        "tool": content["tool"],
        "domain": content["domain"],
        "title": content["title"],
        "effect": content["effect"],
        "about": content["about"],
        "choosing": content["tool"] not in _alone(content),
        "operations": entries,
    }
    return tool, faults


def _entry(
    content: Mapping[str, Any], method: str, curated: Mapping[str, Any], package: Path, needs: _Needs
) -> tuple[Entry | None, list[str]]:
    """Describe one action: what its function says, then what a person chose."""
    effect, needed = content["effect"], curated.get("needs", [])
    faults = [
        *(f"unknown key {key}" for key in sorted(set(curated) - _ACTION_KEYS)),
        *check_words(curated),
        *needs.faults(needed, effect),
        *_check_tier(effect, curated),
    ]
    try:
        signature = read_signature(package, curated.get("call", ""))
        applied = {"apply": _applied(package, curated["apply"])} if "apply" in curated else {}
    except NoSuchFunction as problem:
        return None, [*faults, str(problem)]
    chosen = {**content.get("params", {}), **curated.get("params", {})}
    misfits = list(_check_signature(signature, curated))
    params, unserved = _parameters(signature, curated, content.get("params", {}))
    settled_by = needs.settled_by(needed)
    entry: Entry = {
        "operation": f"{content['domain']}.{method}",
        "method": method,
        "tool": content["tool"],
        "call": curated["call"],
        "given": list(signature.given),
        "effect": effect,
        "idempotent": effect == "read" or bool(curated.get("repeatable")),
        "needs": needed,
        "scopes": needs.scopes(needed),
        "scopes_mode": "all",
        "summary": curated.get("summary", ""),
        "params": params,
        "answer": "rows" if "rows" in curated else "object",
        "fields": [],
        "example": curated.get("example", example_of(params, chosen, {})),
        **applied,
        **{key: curated[key] for key in _COPIED if key in curated},
        **({"change": {"read": settled_by, "fields": []}} if settled_by and effect != "read" else {}),
    }
    faults += [*misfits, *unserved, *check_example(entry)]
    return (None if misfits or unserved else entry), faults


def compile_transaction(
    package: Path, curated: Mapping[str, Any], params: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """Compile the functions that carry out an operation in more than one call.

    Args:
        package: folder of the SDK.
        curated: ``call``, which plans with the operation's own arguments, and ``apply``.
        params: arguments of the operation.

    Returns:
        What the server calls, and one line per problem.
    """
    try:
        signature = read_signature(package, curated.get("call", ""))
        found = {
            "call": curated["call"],
            "given": list(signature.given),
            "apply": _applied(package, curated["apply"]),
        }
    except (NoSuchFunction, KeyError) as problem:
        return {}, [f"transaction: {problem}"]
    names = {parameter["name"] for parameter in params}
    accepted = {parameter.name for parameter in signature.parameters}
    faults = [f"transaction: {curated['call']} does not take {name}" for name in sorted(names - accepted)]
    required = {parameter.name for parameter in signature.parameters if parameter.required}
    faults += [f"transaction: {curated['call']} needs {name}" for name in sorted(required - names)]
    return found, faults


def _check_tier(effect: str, curated: Mapping[str, Any]) -> Iterator[str]:
    if effect == "delete" and curated.get("confirm") == "never":
        yield "confirm may not be never in the delete tier"
    if ("repeatable" in curated) == (effect == "read"):
        yield "repeatable says of a change whether it may be made twice, and of nothing else"
    if ("apply" in curated) == (effect == "read"):
        yield "apply names the function that carries a plan out: every change has one, and nothing else"
    if effect != "read" and {"rows", "columns"} & set(curated):
        yield "rows and columns belong to reads"


def _check_signature(signature: Signature, curated: Mapping[str, Any]) -> Iterator[str]:
    """Compare the arguments of the map with those of the function."""
    mapped = {name.removesuffix("?"): not name.endswith("?") for name in curated.get("arguments", [])}
    hidden = curated.get("hide", {})
    accepted = {parameter.name: parameter.required for parameter in signature.parameters}
    if "plan_id" in signature.given:
        yield f"{curated['call']} takes plan_id, which only the function of apply gets"
    yield from (
        f"{curated['call']} has no parameter {name}" for name in [*mapped, *hidden] if name not in accepted
    )
    for name, required in accepted.items():
        if name in hidden:
            if required or name in mapped:
                yield f"{name} may not be hidden: {curated['call']} {'needs it' if required else 'offers it'}"
            if not hidden[name]:
                yield f"hidden parameter {name} needs a reason"
        elif name not in mapped:
            yield f"{curated['call']} takes {name}, which is neither an argument nor hidden"
        elif mapped[name] != required:
            yield f"{name} is {'required' if required else 'optional'} in {curated['call']}"
    yield from (
        f"parameter {name} has a name the server keeps for itself" for name in mapped if name in RESERVED
    )


def _applied(package: Path, call: str) -> dict[str, Any]:
    signature = read_signature(package, call)
    if "plan_id" not in signature.given or signature.parameters:
        raise NoSuchFunction(f"{call} must take plan_id, and nothing from the caller")
    return {"call": call, "given": list(signature.given)}


def _parameters(
    signature: Signature, curated: Mapping[str, Any], shared: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Describe the arguments in the order of the map, and name what cannot be served."""
    found = {parameter.name: parameter for parameter in signature.parameters}
    own = curated.get("params", {})
    names = [name.removesuffix("?") for name in curated.get("arguments", [])]
    faults = [
        f"parameter {name} does not exist"
        for name in [*own, *curated.get("exactly_one", [])]
        if name not in names
    ]
    params = []
    for name in [name for name in names if name in found]:
        chosen = {**shared.get(name, {}), **own.get(name, {})}
        faults += [f"parameter {name}: unknown key {key}" for key in sorted(set(chosen) - _PARAMETER_KEYS)]
        derived = found[name].schema
        schema = served_schema(chosen.get("schema", derived or {}))
        if derived is None and "schema" not in chosen:
            faults.append(f"the type of {name} cannot be served: give its schema")
        elif derived is not None and schema.get("type") != served_schema(derived).get("type"):
            faults.append(f"{name} is {kind_of(derived)} in {curated['call']}, not {kind_of(schema)}")
        params.append(_parameter(name, schema, chosen, required=found[name].required))
    return params, faults


def _parameter(
    name: str, schema: Mapping[str, Any], chosen: Mapping[str, Any], *, required: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "api": name,
        "in": "target" if chosen.get("target") else "argument",
        "required": required,
        "schema": dict(schema),
        **({"description": chosen["description"]} if chosen.get("description") else {}),
        **({"brief": True} if chosen.get("brief") else {}),
    }
