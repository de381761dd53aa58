"""The tools as clients list them: complete, truthful, small, and free of what breaks clients."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_adapter import exposure, registry
from mcp_adapter.catalog import Catalog, Entry, is_workflow, read_catalog
from mcp_adapter.exposure import EVERY, Exposure, Surface, ToolSpec, all_tools, served_tools
from mcp_adapter.measure import device_list_bytes, listed, listing_bytes, surface_bytes, tool_table
from mcp_adapter.registry import CHOICES_SHOWN, COMMON
from mcp_adapter.schema import ENUM_LIMIT, GIVEN, RESERVED
from scripts.judges.inspector import SURFACES
from tailscale_sdk import OPERATIONS
from tests.mcp.conftest import Connect
from tests.mcp.section_three import reviewed

GOLDENS = Path(__file__).with_name("goldens")
LOCK = GOLDENS / "lock.json"
REWRITE = bool(os.environ.get("REWRITE_GOLDENS"))
CATALOG: Catalog = read_catalog()
TOOLS: list[ToolSpec] = all_tools(CATALOG)
TOOL_IDS = [spec.name for spec in TOOLS]
API_TOOLS = [spec for spec in TOOLS if not any(is_workflow(entry) for entry in spec.entries)]
WORKFLOW_TOOLS = [spec for spec in TOOLS if all(is_workflow(entry) for entry in spec.entries)]
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


def action_of(entry: Entry) -> str:
    names = [p["name"] if p["required"] else f"{p['name']}?" for p in entry["params"]]
    return f"{entry['method']}({', '.join(names)})"


def shortened(action: str) -> str:
    """Leave out the optional arguments of an action that has very many."""
    method, _, listed_names = action.removesuffix(")").partition("(")
    names = [name for name in listed_names.split(", ") if name.removesuffix("?") not in COMMON]
    needed = [name for name in names if not name.endswith("?")]
    many = len(names) - len(needed) > CHOICES_SHOWN
    return f"{method}({', '.join([*needed, '...'] if many else names)})"


def test_the_surface_is_the_reviewed_one() -> None:
    wanted = reviewed()
    assert list(wanted) == TOOL_IDS
    assert {spec.name: [action_of(entry) for entry in spec.entries] for spec in TOOLS} == {
        name: actions for name, (_, actions) in wanted.items()
    }
    assert {spec.name: listed(spec)["annotations"]["idempotentHint"] for spec in TOOLS} == {
        name: repeatable for name, (repeatable, _) in wanted.items()
    }


def test_every_operation_has_exactly_one_action() -> None:
    served = [entry["operation"] for spec in API_TOOLS for entry in spec.entries]
    assert sorted(served) == sorted(OPERATIONS)
    assert len(API_TOOLS) == 39
    assert [sum(spec.effect == effect for spec in API_TOOLS) for effect in ("read", "write", "delete")] == [
        14,
        13,
        12,
    ]


def test_workflows_come_after_the_operations() -> None:
    assert [*API_TOOLS, *WORKFLOW_TOOLS] == TOOLS
    assert [(spec.name, spec.domain, spec.effect) for spec in WORKFLOW_TOOLS] == [
        ("access_read", "access", "read"),
        ("policy_change", "policy", "delete"),
        ("policy_rollback", "policy", "delete"),
        ("fleet_read", "fleet", "read"),
        ("fleet_write", "fleet", "write"),
        ("fleet_delete", "fleet", "delete"),
        ("audit_read", "audit", "read"),
    ]


def test_the_description_has_a_line_for_each_action() -> None:
    for spec in TOOLS:
        lines = [line.split(":")[0] for line in str(listed(spec)["description"]).splitlines()[1:]]
        actions = [shortened(action_of(entry)) for entry in spec.entries] if spec.choosing else []
        assert lines == actions


@pytest.mark.parametrize("spec", TOOLS, ids=TOOL_IDS)
def test_golden(spec: ToolSpec) -> None:
    text = json.dumps(listed(spec), indent=2, ensure_ascii=False) + "\n"
    path = GOLDENS / f"{spec.name}.json"
    if REWRITE:
        path.write_text(text, encoding="utf-8")
        hashes = {each.stem: _digest(each) for each in sorted(GOLDENS.glob("*_*.json"))}
        LOCK.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
    assert path.is_file(), f"no golden: run the test with REWRITE_GOLDENS=1 and review {path.name}"
    assert text == path.read_text(encoding="utf-8"), (
        "changed: REWRITE_GOLDENS=1 rewrites the goldens for review"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_lock_names_every_golden() -> None:
    if REWRITE:
        return  # the tests run in any order: only the next run can judge
    assert json.loads(LOCK.read_text()) == {
        path.stem: _digest(path) for path in sorted(GOLDENS.glob("*_*.json"))
    }
    assert sorted(path.stem for path in GOLDENS.glob("*_*.json")) == sorted(TOOL_IDS)


@pytest.mark.parametrize("spec", TOOLS, ids=TOOL_IDS)
def test_all_four_hints_are_true_to_the_effect(spec: ToolSpec) -> None:
    hints = listed(spec)["annotations"]
    assert set(hints) == set(HINTS)
    assert hints["readOnlyHint"] is (spec.effect == "read")
    assert hints["destructiveHint"] is (spec.effect == "delete")
    assert hints["openWorldHint"] is True
    assert {entry["effect"] for entry in spec.entries} == {spec.effect}


@pytest.mark.parametrize("spec", API_TOOLS, ids=[spec.name for spec in API_TOOLS])
def test_the_hints_are_true_to_the_operations(spec: ToolSpec) -> None:
    operations = [OPERATIONS[entry["operation"]] for entry in spec.entries]
    assert listed(spec)["annotations"]["idempotentHint"] is all(
        operation.retry_class in {"SAFE", "IDEM", "COND"} for operation in operations
    )
    assert {operation.effect for operation in operations} == {spec.effect}


def test_the_source_writes_all_four_hints() -> None:
    registered = Path(registry.__file__).read_text(encoding="utf-8")
    effects = Path(exposure.__file__).read_text(encoding="utf-8")
    assert registered.count("idempotent_hint=") == 1
    for hint in ("read_only_hint", "destructive_hint", "open_world_hint"):
        assert effects.count(f'"{hint}":') == 1


def every_schema(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for key, inner in schema.items():
            if key == "properties":
                for part in inner.values():
                    yield from every_schema(part)
            elif key != "enum":
                yield from every_schema(inner)
    elif isinstance(schema, list):
        for part in schema:
            yield from every_schema(part)


@pytest.mark.parametrize("spec", TOOLS, ids=TOOL_IDS)
def test_schema_lint(spec: ToolSpec) -> None:
    schema = listed(spec)["inputSchema"]
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert not {"oneOf", "anyOf", "allOf", "not", "if", "$defs"} & set(schema)
    assert set(schema.get("required", ())) <= set(schema["properties"])
    if spec.choosing:
        assert schema["required"][0] == "action"
        assert schema["properties"]["action"]["enum"] == [entry["method"] for entry in spec.entries]
    else:
        assert "action" not in schema["properties"]
        assert schema.get("required") != []
    for part in every_schema(schema):
        assert "$ref" not in part
        assert not isinstance(part.get("type"), list)
        assert len(part.get("enum", ())) <= ENUM_LIMIT
        assert part.get("properties", True), "an object without properties says type: object only"
    parameters = {parameter["name"] for entry in spec.entries for parameter in entry["params"]}
    assert not parameters & {*RESERVED, *GIVEN}
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", spec.name)


@pytest.mark.parametrize("spec", TOOLS, ids=TOOL_IDS)
def test_description_lint(spec: ToolSpec) -> None:
    description = str(listed(spec)["description"])
    first, *actions = description.splitlines()
    assert first.endswith(".")
    assert len(actions) == (len(spec.entries) if spec.choosing else 0)
    assert description.isascii()
    assert all(character.isprintable() for character in description.replace("\n", ""))
    assert not re.search(r"https?://|[*_`#<>]{2}|\b(?:must|always|never|ignore)\b", description)
    assert all(len(entry["summary"]) <= 60 for entry in spec.entries)


def test_common_parameters() -> None:
    for spec in TOOLS:
        properties = set(listed(spec)["inputSchema"]["properties"])
        listing = any(entry["answer"] in {"list", "values", "rows"} for entry in spec.entries)
        if spec.effect == "read":
            assert {"detail", "select"} <= properties
            assert ({"limit", "cursor"} <= properties) is listing
        else:
            assert not {"detail", "select", "limit", "cursor"} & properties
            assert "dry_run" in properties
        assert ("confirm" in properties) is (spec.effect == "delete")
        assert ("reveal" in properties) is any(entry.get("once") for entry in spec.entries)


def test_reveal_is_offered_where_the_operator_allows_it() -> None:
    everything = Exposure(write=EVERY, delete=EVERY)
    for spec in served_tools(CATALOG, everything, reveal=False):
        assert "reveal" not in listed(spec)["inputSchema"]["properties"]


@pytest.mark.parametrize("surface", ["portmanteau", "granular"])
@pytest.mark.parametrize(
    "tier, allowed", [("read-only", Exposure()), ("everything", Exposure(write=EVERY, delete=EVERY))]
)
def test_the_judges_expect_as_many_tools_as_are_served(
    surface: Surface, tier: str, allowed: Exposure
) -> None:
    _, expected = SURFACES[f"{surface}, {tier}"]
    assert len(served_tools(CATALOG, allowed, surface=surface)) == expected


def test_budgets() -> None:
    sizes = surface_bytes()
    assert sizes["default"] <= 12 * 1024
    assert sizes["all"] <= 32 * 1024
    characters = listing_bytes(TOOLS)
    assert characters / 4 <= 8 * 1024


async def test_a_hundred_devices_fit_six_kilobytes() -> None:
    assert await device_list_bytes(100) <= 6 * 1024


async def test_the_listing_on_the_wire_is_what_is_measured(connect: Connect, era: str) -> None:
    async with connect(Exposure(), era) as client:
        tools = await client.list_tools()
    described = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]
    assert described == [listed(spec) for spec in served_tools(CATALOG, Exposure())]


def test_the_table_for_the_readme_names_every_served_tool() -> None:
    lines = tool_table().splitlines()
    assert len(lines) == 2 + len(TOOLS)
    assert "| `devices_read` | `list`, `get`, `get_routes`, `get_attributes` |  |" in lines
    assert any(
        line.startswith("| `devices_write` |") and line.endswith("| `--allow-write` |") for line in lines
    )
    assert any(
        line.startswith("| `keys_delete` |") and line.endswith("| `--allow-delete` |") for line in lines
    )
