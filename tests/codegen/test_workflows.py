"""The map of workflow tools beside the SDK's functions: what fits is compiled, and each misfit is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codegen.catalog import compile_catalog
from codegen.document import load_document
from codegen.signatures import NoSuchFunction, read_signature
from codegen.workflows import compile_workflows

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = load_document(ROOT / "openapi" / "tailscale.yaml")

FUNCTIONS = """
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tailscale_sdk.operations.words import Kind
from tailscale_sdk.operations.words import Count as Number

if TYPE_CHECKING:
    from tailscale_sdk.operations.words import Late


async def look(client, *, now, progress, snapshots=None, name: str, kind: Kind | None = None, most: int = 5,
               deep: bool = False, tags: Sequence[str] = (), more: "Mapping[str, Any] | None" = None): ...
async def words(client, *, now, progress, late: "Late", number: Number, either: str | bool): ...
async def plan(client, *, now, progress, changes, principal, digest, name: str): ...
async def apply(client, *, now, progress, changes, principal, digest, plan_id): ...
async def greedy(client, *, now, progress, plan_id, name: str): ...
async def odd(client, *, now, progress, name: object): ...
async def positional(client, name: str, *, now, progress): ...
async def starred(client, *, now, progress, **rest: Any): ...
async def timeless(client, *, progress, name: str): ...
def blocking(client, *, now, progress, name: str): ...
value = 3
"""

WORDS = """
from typing import Literal

Kind = Literal["short", "long"]
Late = list[Kind]
Count: type = int
"""

READ = """
tool = "sample_read"
domain = "sample"
title = "Sample"
effect = "read"
about = "Look at things."

[params.name]
description = "of a device"
example = "web-1"

[op.look]
summary = "one device"
call = "operations.sample.look"
arguments = ["name", "kind?", "most?", "tags?", "more?"]
needs = ["listTailnetDevices"]

[op.look.hide]
deep = "too slow"
"""

CHANGE = """
tool = "sample_change"
domain = "sample"
title = "Change"
effect = "delete"
about = "Change a thing."

[op.change]
summary = "change it"
call = "operations.sample.plan"
apply = "operations.sample.apply"
arguments = ["name"]
needs = ["getPolicyFile", "setPolicyFile"]
repeatable = true
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a package folder with a few functions."""
    operations = tmp_path / "package" / "operations"
    operations.mkdir(parents=True)
    (operations / "sample.py").write_text(FUNCTIONS, encoding="utf-8")
    (operations / "words.py").write_text(WORDS, encoding="utf-8")
    (operations / "__init__.py").write_text("from tailscale_sdk.operations.sample import look\n")
    return tmp_path / "package"


def compiled(package: Path, *maps: str) -> tuple[list[dict[str, Any]], list[str]]:
    folder = package.parent / "maps"
    folder.mkdir()
    for index, text in enumerate(maps):
        (folder / f"{index}.toml").write_text(text, encoding="utf-8")
    domains = json.loads((ROOT / "mcp_adapter" / "_catalog.json").read_bytes())["domains"]
    return compile_workflows(folder, package, DOCUMENT, domains)


def test_a_good_map_is_compiled(package: Path) -> None:
    tools, problems = compiled(package, CHANGE, READ)
    assert problems == []
    assert [tool["tool"] for tool in tools] == ["sample_read", "sample_change"]
    [look], [change] = (tool["operations"] for tool in tools)
    assert (look["operation"], look["call"], look["tool"]) == (
        "sample.look",
        "operations.sample.look",
        "sample_read",
    )
    assert look["given"] == ["now", "progress", "snapshots"]
    assert [(p["name"], p["required"], p["schema"]) for p in look["params"]] == [
        ("name", True, {"type": "string"}),
        ("kind", False, {"enum": ["short", "long"]}),
        ("most", False, {"type": "integer"}),
        ("tags", False, {"type": "array", "items": {"type": "string"}}),
        ("more", False, {"type": "object"}),
    ]
    assert look["params"][0]["description"] == "of a device"
    assert look["example"] == {"name": "web-1"}
    assert (look["scopes"], look["idempotent"], look["answer"]) == (["devices:core:read"], True, "object")
    assert (tools[0]["choosing"], tools[1]["choosing"]) == (True, False)
    assert change["apply"] == {
        "call": "operations.sample.apply",
        "given": ["now", "progress", "changes", "principal", "digest", "plan_id"],
    }
    assert change["scopes"] == ["policy_file:read", "policy_file"]
    assert change["change"] == {"read": "getPolicyFile", "fields": []}


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ('call = "operations.sample.look"', 'call = "operations.sample.gaze"', "look: the SDK has no function operations.sample.gaze"),
        ('call = "operations.sample.look"', 'call = "operations.other.look"', "look: the SDK has no module operations.other"),
        ('call = "operations.sample.look"', 'call = "look"', "look: the SDK has no module look"),
        ('call = "operations.sample.look"', 'call = "operations.sample.value"', "look: the SDK has no function operations.sample.value"),
        ('call = "operations.sample.look"', 'call = "operations.sample.blocking"', "look: operations.sample.blocking is not async"),
        ('call = "operations.sample.look"', 'call = "operations.sample.positional"', "must take client, and everything else by keyword"),
        ('call = "operations.sample.look"', 'call = "operations.sample.starred"', "must take client, and everything else by keyword"),
        ('call = "operations.sample.look"', 'call = "operations.sample.timeless"', "operations.sample.timeless must take now"),
        ('call = "operations.sample.look"', 'call = "operations.sample.greedy"', "takes plan_id, which only the function of apply gets"),
        ('call = "operations.sample.look"', "", "look: the SDK has no module"),
        ('"kind?", ', "", "look: operations.sample.look takes kind, which is neither an argument nor hidden"),
        ('"kind?"', '"colour?"', "look: operations.sample.look has no parameter colour"),
        ('"kind?"', '"kind"', "look: kind is optional in operations.sample.look"),
        ('"name", ', '"name?", ', "look: name is required in operations.sample.look"),
        ('deep = "too slow"', 'deep = ""', "look: hidden parameter deep needs a reason"),
        ('deep = "too slow"', 'deep = "too slow"\nname = "no"', "look: name may not be hidden: operations.sample.look needs it"),
        ('deep = "too slow"', 'deep = "too slow"\nkind = "no"', "look: kind may not be hidden: operations.sample.look offers it"),
        ('deep = "too slow"', 'deep = "too slow"\nwide = "no"', "look: operations.sample.look has no parameter wide"),
        ('["listTailnetDevices"]', '["listThings"]', "look: needs names listThings, which is no operation of the API description"),
        ('["listTailnetDevices"]', '["deleteDevice"]', "look: needs deleteDevice, which is more than read"),
        ('"one device"', f'"{"x" * 61}"', "look: the summary has 61 characters, 60 are allowed"),
        ('"one device"', '"one device"\ncolour = "red"', "look: unknown key colour"),
        ('"one device"', '"one device"\nrepeatable = true', "look: repeatable says of a change whether it may be made twice"),
        ('"one device"', '"one device"\napply = "operations.sample.apply"', "look: apply names the function that carries a plan out"),
        ('"one device"', '"one device"\nexample = { shape = "x" }', "look: the example has the unknown argument shape"),
        ('"one device"', '"one device"\nexactly_one = ["shape"]', "look: parameter shape does not exist"),
        ("[op.look.hide]", '[op.look.params.shape]\ndescription = "x"\n[op.look.hide]', "look: parameter shape does not exist"),
        ("[op.look.hide]", '[op.look.params.kind]\ncolour = "x"\n[op.look.hide]', "look: parameter kind: unknown key colour"),
        ("[op.look.hide]", '[op.look.params.most]\nschema = { type = "string" }\n[op.look.hide]', "look: most is an integer in operations.sample.look, not a string"),
        ('tool = "sample_read"', 'tool = "sample_look_at"', "tool must be sample_look or sample_read"),
        ('tool = "sample_read"', 'tool = "devices_read"\n', "tool must be sample_look or sample_read"),
        ('domain = "sample"', 'domain = "devices"', "tool must be devices_look or devices_read"),
        ('effect = "read"', 'effect = "reading"', "effect is one of read, write, delete"),
        ('title = "Sample"\n', "", "title is missing"),
        ('title = "Sample"\n', 'title = "Sample"\nflavour = "mild"\n', "unknown key flavour"),
        ("tool =", "tool", "0.toml: not TOML"),
    ],
)  # fmt: skip
def test_each_misfit_is_named(package: Path, old: str, new: str, problem: str) -> None:
    assert old in READ
    tools, problems = compiled(package, READ.replace(old, new))
    assert any(problem in found for found in problems), problems
    served = [entry["operation"] for tool in tools for entry in tool["operations"]]
    if "operations." in problem or "needs" not in problem:
        assert all(found.startswith(("workflows/0.toml: ", "0.toml: ")) for found in problems)
    assert served in ([], ["sample.look"])


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ('apply = "operations.sample.apply"\n', "", "change: apply names the function that carries a plan out"),
        ('"operations.sample.apply"', '"operations.sample.plan"', "change: operations.sample.plan must take plan_id, and nothing from the caller"),
        ('"operations.sample.apply"', '"operations.sample.greedy"', "change: operations.sample.greedy must take plan_id, and nothing from the caller"),
        ("repeatable = true", 'confirm = "never"\nrepeatable = true', "change: confirm may not be never in the delete tier"),
        ("repeatable = true", "", "change: repeatable says of a change whether it may be made twice"),
        ("repeatable = true", 'repeatable = true\nrows = "rows"', "change: rows and columns belong to reads"),
    ],
)  # fmt: skip
def test_each_misfit_of_a_change_is_named(package: Path, old: str, new: str, problem: str) -> None:
    assert old in CHANGE
    _, problems = compiled(package, CHANGE.replace(old, new))
    assert any(problem in found for found in problems), problems


def test_what_does_not_fit_is_not_served(package: Path) -> None:
    tools, problems = compiled(
        package, READ.replace("kind?", "colour?"), CHANGE.replace('apply"', 'nothing"')
    )
    assert tools == []
    assert len(problems) == 3


def test_names_there_are_already_are_refused(package: Path) -> None:
    other = READ.replace("Look at things", "Look again")
    _, problems = compiled(
        package, READ, other, CHANGE.replace("sample", "policy").replace("[op.change]", "[op.get]")
    )
    assert "workflows/1.toml: sample_read is already in workflows/0.toml" in problems
    assert "workflows/1.toml: sample.look is already in workflows/0.toml" in problems
    assert "workflows/2.toml: policy.get is already in the operation map" in problems


def test_one_parameter_has_one_type_in_a_tool(package: Path) -> None:
    more = '\n[op.count]\nsummary = "numbers"\ncall = "operations.sample.counting"\narguments = ["name"]\nexample = { name = 1 }\n'
    sample = package / "operations" / "sample.py"
    sample.write_text(FUNCTIONS + "async def counting(client, *, now, progress, name: int): ...\n")
    _, problems = compiled(package, READ + more)
    assert problems == ["workflows/0.toml: parameter name has two types: a string and an integer"]


def test_annotations_are_followed_to_where_they_are_defined(package: Path) -> None:
    found = read_signature(package, "operations.sample.words")
    assert {p.name: p.schema for p in found.parameters} == {
        "late": {"type": "array", "items": {"enum": ["short", "long"]}},
        "number": {"type": "integer"},
        "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    }
    assert read_signature(package, "operations.look") == read_signature(package, "operations.sample.look")


def test_a_type_without_a_schema_needs_one_in_the_map(package: Path) -> None:
    odd = READ.replace("operations.sample.look", "operations.sample.odd").replace(
        ', "kind?", "most?", "tags?", "more?"', ""
    )
    odd = odd.replace("[op.look.hide]", "[op.look.params.name]").replace('deep = "too slow"', "{}")
    _, problems = compiled(package, odd.replace("{}", ""))
    assert problems == ["workflows/0.toml: look: the type of name cannot be served: give its schema"]
    (package.parent / "maps" / "0.toml").write_text(
        odd.replace("{}", 'schema = { type = "object" }\nexample = { a = 1 }')
    )
    tools, problems = compile_workflows(package.parent / "maps", package, DOCUMENT, [])
    assert problems == []
    assert tools[0]["operations"][0]["params"][0]["schema"] == {"type": "object"}


def test_nothing_of_the_package_is_run(package: Path) -> None:
    (package / "operations" / "sample.py").write_text("raise SystemExit(3)\n" + FUNCTIONS)
    assert read_signature(package, "operations.sample.look").given == ("now", "progress", "snapshots")
    with pytest.raises(NoSuchFunction):
        read_signature(package, "operations.nothing.here")


def test_the_catalog_is_the_operations_and_the_workflows(package: Path) -> None:
    maps = package.parent / "all"
    (maps / "workflows").mkdir(parents=True)
    for path in (ROOT / "mcp_adapter" / "operations").glob("*.toml"):
        (maps / path.name).write_bytes(path.read_bytes())
    (maps / "workflows" / "sample.toml").write_text(READ)
    content, problems = compile_catalog(DOCUMENT, maps, package)
    # The transaction of an operation is looked up in the package too, and this one has none.
    missing = "policy.toml: policy.set: transaction: the SDK has no module operations.policy_workflows"
    assert problems == [missing]
    assert [tool["tool"] for tool in json.loads(content)["workflows"]] == ["sample_read"]
    (maps / "workflows" / "sample.toml").write_text(READ.replace('name"', 'nome"'))
    assert compile_catalog(DOCUMENT, maps, package)[1][1:2] == [
        "workflows/sample.toml: look: operations.sample.look has no parameter nome"
    ]
