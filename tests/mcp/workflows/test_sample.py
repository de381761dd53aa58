"""Workflows are served like operations: same tool class, same flags, same way to a change."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from fastmcp.client.elicitation import ElicitResult

from mcp_adapter.doctor import diagnose
from mcp_adapter.exposure import EVERY, Exposure, served_tools
from mcp_adapter.measure import listed
from mcp_adapter.output import TEXT_BUDGET
from mcp_adapter.runtime import single
from mcp_adapter.scopes import filter_by_scopes
from tailscale_sdk import AsyncTailscale, Hooks, OAuthClient
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, call
from tests.mcp.test_calls import parse_text
from tests.mcp.workflows.conftest import EVERYTHING, sample_catalog

PATHS = {"paths": ["one.example.com", "two.example.com"]}


def writes(tailnet: FakeTailnet) -> int:
    return len(tailnet.ledger.entries)


def answering(action: str, asked: list[str]) -> dict[str, Any]:
    async def answer(message: str, response_type: Any, params: Any, context: Any) -> ElicitResult[Any]:
        asked.append(message)
        return ElicitResult(action=action, content={"proceed": True})  # type: ignore[arg-type]

    return {"elicitation_handler": answer}


async def test_a_read_is_given_what_it_takes(connect_sample: Connect, tailnet: FakeTailnet, era: str) -> None:
    device = next(d for d in tailnet.tailnet.devices.values() if not d.get("isExternal"))
    async with connect_sample(Exposure(), era) as client:
        short, text, is_error = await call(client, "sample_read", action="look", device=device["nodeId"])
        full, _, _ = await call(
            client, "sample_read", action="look", device=device["nodeId"], kind="LONG", detail="full"
        )
        some, _, _ = await call(
            client, "sample_read", action="look", device=device["nodeId"], select=["asked"]
        )
    assert not is_error, text
    assert parse_text(text) == short
    assert set(short["item"]) == {"device", "facts"}
    assert short["untrusted_fields"] == ["device", "facts"]
    assert len(full["item"]["facts"]) > 2
    assert full["item"]["asked"] is True
    assert full["item"]["principal"].startswith("os:")
    assert some == {"item": {"asked": True}}


async def test_questions_share_their_readings_until_something_is_written(
    connect_sample: Connect, tailnet: FakeTailnet
) -> None:
    device = next(d for d in tailnet.tailnet.devices.values() if not d.get("isExternal"))
    sent: Counter[str] = Counter()
    hooks = Hooks(on_request=lambda request: sent.update([request.operation]))
    look = {"action": "look", "device": device["nodeId"]}
    async with connect_sample(EVERYTHING, hooks=hooks) as client:
        kinds = [{}, {"kind": "short"}, {"kind": "long"}, {"detail": "full"}]
        await asyncio.gather(*(call(client, "sample_read", **look, **kind) for kind in kinds))
        assert (sent["listTailnetDevices"], sent["getPolicyFile"]) == (1, 1)
        shown, _, _ = await call(client, "sample_change", **PATHS)
        await call(client, "sample_change", **PATHS, confirm=shown["confirm"])
        await call(client, "sample_read", **look)
    assert (sent["listTailnetDevices"], sent["getPolicyFile"]) == (2, 2)


async def test_rows_are_paged(connect_sample: Connect, era: str) -> None:
    async with connect_sample(Exposure(), era) as client:
        page, text, _ = await call(client, "sample_read", action="count", to=7, limit=5)
        rest, _, _ = await call(
            client, "sample_read", action="count", to=7, limit=5, cursor=page["next_cursor"]
        )
        other, _, _ = await call(
            client, "sample_read", action="count", to=8, limit=5, cursor=page["next_cursor"]
        )
        full, _, _ = await call(client, "sample_read", action="count", to=1, detail="full")
    assert page["columns"] == ["number", "word"]
    assert [row[0] for row in page["rows"] + rest["rows"]] == list(range(7))
    assert page["asked"] == rest["asked"] == 7
    assert page["untrusted_fields"] == ["word"]
    assert page["total"] == 7
    assert json.loads(text.splitlines()[-1])["asked"] == 7
    assert other["error"]["code"] == "invalid_arguments"
    assert full["items"] == [{"number": 0, "word": "word 0", "name": ""}]


async def test_progress_is_told(connect_sample: Connect, era: str) -> None:
    told: list[tuple[float, float | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async with connect_sample(Exposure(), era) as client:
        await client.call_tool("sample_read", {"action": "count", "to": 50}, progress_handler=listen)
    assert told[0] == (1, 50)
    assert told[-1] == (50, 50)
    assert len(told) < 10


@pytest.mark.parametrize(
    "sent, said",
    [
        (
            {"action": "look"},
            'sample_read.look: missing device. Accepts device, kind, detail, select. Example: {"action":"look","device":"web-1"}',
        ),
        ({"action": "look", "device": "a", "kind": "round"}, "kind must be one of short, long"),
        ({"action": "look", "device": "a", "principal": "root"}, "unexpected principal"),
        ({"action": "look", "device": "a", "limit": 5}, "look does not answer a list"),
        ({"action": "count", "to": 3, "wide": 9}, "unexpected wide"),
        ({"action": "change", **PATHS}, "Use tool sample_change."),
        ({"action": "look", "device": "nobody"}, "sample_read.look: no device is called like that"),
    ],
)
async def test_wrong_arguments_say_what_is_right(
    connect_sample: Connect, sent: dict[str, Any], said: str
) -> None:
    async with connect_sample() as client:
        answer, _, is_error = await call(client, "sample_read", **sent)
    assert is_error
    assert answer["error"]["code"] == "invalid_arguments"
    assert said in answer["error"]["message"]


async def test_a_refusal_names_the_scope(tailnet: FakeTailnet, connect_sample: Connect) -> None:
    from fastmcp import Client

    from mcp_adapter.server import build_server

    key = tailnet.add_credential(scopes=["dns"])
    settings = single(Exposure(), lambda: AsyncTailscale(api_key=key, base_url=tailnet.base_url))
    async with Client(build_server(settings, catalog=sample_catalog())) as client:
        refused, _, _ = await call(client, "sample_read", action="look", device="a")
    assert refused["error"]["code"] == "permission_denied"
    assert refused["error"]["operation"] == "sample.look"
    assert "devices:core:read and policy_file:read" in refused["error"]["hint"]


async def test_long_lists_of_an_object_are_cut(connect_sample: Connect, tailnet: FakeTailnet) -> None:
    device = next(d for d in tailnet.tailnet.devices.values() if not d.get("isExternal"))
    device |= {f"field{number:03}": "x" * 200 for number in range(300)}
    async with connect_sample() as client:
        cut, text, is_error = await call(
            client, "sample_read", action="look", device=device["nodeId"], kind="long"
        )
    assert not is_error
    assert len(text) <= TEXT_BUDGET
    assert cut["truncated"] is True
    assert cut["cut"]["item.facts"] > 300 > len(cut["item"]["facts"]) > 50
    assert f"after {len(cut['item']['facts'])} entries" in cut["cut_note"]


async def test_a_change_is_planned_shown_and_applied_by_its_id(
    connect_sample: Connect, tailnet: FakeTailnet, era: str
) -> None:
    async with connect_sample(EVERYTHING, era) as client:
        shown, text, is_error = await call(client, "sample_change", **PATHS, reason="because")
        assert not is_error, text
        assert (shown["ok"], shown["executed"], shown["told"]) == (False, False, "because")
        assert shown["untrusted_fields"] == ["told"]
        assert shown["plan"][0]["after"]["searchPaths"] == PATHS["paths"]
        assert writes(tailnet) == 0
        other, _, _ = await call(client, "sample_change", **PATHS, reason="why not", confirm=shown["confirm"])
        assert other["error"]["code"] == "plan_refused"
        done, _, _ = await call(client, "sample_change", **PATHS, reason="because", confirm=shown["confirm"])
        again, _, _ = await call(client, "sample_change", **PATHS, reason="because", confirm=shown["confirm"])
    assert (done["ok"], done["verified"], done["told"]) == (True, True, "it is done")
    assert done["after"]["searchPaths"] == PATHS["paths"]
    assert again["error"]["code"] == "plan_refused"
    assert writes(tailnet) == 1


async def test_what_is_not_done_says_what_the_workflow_knows(
    connect_sample: Connect, tailnet: FakeTailnet, era: str
) -> None:
    async with connect_sample(EVERYTHING, era) as client:
        shown, _, _ = await call(client, "sample_change", **PATHS)
        other = {"action": "set_search_paths", "search_paths": ["three.example.com"]}
        between, _, _ = await call(client, "dns_delete", **other)
        await call(client, "dns_delete", **other, confirm=between["confirm"])
        failed, text, is_error = await call(client, "sample_change", **PATHS, confirm=shown["confirm"])
    assert is_error
    assert failed["error"]["code"] == "changed"
    assert failed["error"]["facts"] == {"told": "it is done"}
    assert parse_text(text) == failed
    assert writes(tailnet) == 1


@pytest.mark.parametrize("action, done", [("accept", True), ("decline", False)])
async def test_a_person_is_asked(
    connect_sample: Connect, tailnet: FakeTailnet, era: str, action: str, done: bool
) -> None:
    asked: list[str] = []
    async with connect_sample(EVERYTHING, era, client_options=answering(action, asked)) as client:
        result, _, is_error = await call(client, "sample_change", **PATHS)
    [question] = asked
    assert question.splitlines()[0] == "Confirm: sample_change"
    assert "Operation: setDnsSearchPaths" in question
    assert (result["ok"], is_error, writes(tailnet)) == (done, not done, int(done))


async def test_dry_run_and_deny(connect_sample: Connect, tailnet: FakeTailnet, era: str) -> None:
    async with connect_sample(EVERYTHING, era, {"confirm_fallback": "deny"}) as client:
        dry, _, is_error = await call(client, "sample_change", **PATHS, dry_run=True)
        denied, _, _ = await call(client, "sample_change", **PATHS)
    assert not is_error
    assert "confirm" not in dry
    assert denied["error"]["code"] == "confirmation_denied"
    assert denied["error"]["operation"] == "sample.change"
    assert writes(tailnet) == 0


@pytest.mark.parametrize(
    "exposure, served",
    [
        (Exposure(), ["sample_read"]),
        (Exposure(delete=frozenset({"sample"})), ["sample_read", "sample_change"]),
        (Exposure(delete=EVERY, read_only=True), ["sample_read"]),
        (Exposure(delete=EVERY, exclude=frozenset({"sample"})), []),
        (Exposure(delete=EVERY, toolsets=frozenset({"sample"})), ["sample_read", "sample_change"]),
        (Exposure(delete=EVERY, toolsets=frozenset({"dns"})), []),
        (
            Exposure(delete=EVERY, granted=frozenset({"dns", "devices:core"})),
            ["sample_read", "sample_change"],
        ),
        (Exposure(delete=EVERY, granted=frozenset({"dns:read"})), ["sample_read"]),
    ],
)
def test_flags_and_scopes_choose(exposure: Exposure, served: list[str]) -> None:
    exposure.check(sample_catalog().domain_names)
    specs = served_tools(sample_catalog(), exposure)
    assert [spec.name for spec in specs if spec.domain == "sample"] == served
    assert all(spec.domain == "sample" for spec in specs[len(specs) - len(served) :])


def test_an_action_without_its_scopes_is_left_out() -> None:
    specs = served_tools(sample_catalog(), Exposure(granted=frozenset({"dns:read"})))
    [spec] = [spec for spec in specs if spec.name == "sample_read"]
    assert list(spec.by_method) == ["count"]
    assert spec.missing["look"] == (
        "The credential of this server lacks devices:core:read and policy_file:read (tool sample_read, not enabled)."
    )


def test_the_granular_surface_has_one_tool_per_action() -> None:
    specs = served_tools(sample_catalog(), EVERYTHING, surface="granular")
    mine = {spec.name: listed(spec) for spec in specs if spec.domain == "sample"}
    assert list(mine) == ["sample_look", "sample_count", "sample_change"]
    assert mine["sample_look"]["description"] == "sample: one device with facts"
    assert mine["sample_look"]["inputSchema"]["required"] == ["device"]
    assert "action" not in mine["sample_change"]["inputSchema"]["properties"]
    assert len({spec.name for spec in specs}) == len(specs)


def test_schema_and_hints_of_the_tools() -> None:
    read, change = [listed(s) for s in served_tools(sample_catalog(), EVERYTHING) if s.domain == "sample"]
    assert read["description"].splitlines() == [
        "Look at things and count.",
        "look(device, kind?): one device with facts",
        "count(to): numbers up to a number",
    ]
    assert list(read["inputSchema"]["properties"]) == [
        "action", "device", "kind", "to", "detail", "select", "limit", "cursor",
    ]  # fmt: skip
    assert read["inputSchema"]["properties"]["kind"] == {"enum": ["short", "long"]}
    assert change["description"] == "Replace the search paths by a workflow."
    assert change["inputSchema"] == {
        "type": "object",
        "properties": {
            "paths": {"type": "array", "items": {"type": "string"}},
            "reason": {"type": "string"},
            "dry_run": {"type": "boolean"},
            "confirm": {"type": "string"},
        },
        "required": ["paths"],
        "additionalProperties": False,
    }
    assert change["annotations"] == {
        "readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": True,
    }  # fmt: skip


async def test_what_is_off_says_how_to_switch_it_on(connect_sample: Connect) -> None:
    async with connect_sample(Exposure()) as client:
        _, text, is_error = await call(client, "sample_change", **PATHS)
    assert is_error
    assert "Deleting needs --allow-delete (tool sample_change, not enabled)." in text


async def test_doctor_and_scopes_count_workflows(tailnet: FakeTailnet) -> None:
    identifier, secret = tailnet.add_oauth_client(scopes=["dns:read"])
    make = lambda: AsyncTailscale(auth=OAuthClient(identifier, secret), base_url=tailnet.base_url)  # noqa: E731
    settings = single(Exposure(toolsets=frozenset({"sample"}), delete=EVERY), make)
    found = await diagnose(settings.profiles[0], sample_catalog())
    assert found.refused == {
        "sample_read": ["look: devices:core:read and policy_file:read"],
        "sample_change": ["change: dns"],
    }
    [narrowed], [line] = await asyncio.to_thread(filter_by_scopes, settings.profiles, sample_catalog())
    assert line == "profile default: 2 of 3 actions are left out for lack of scopes"
    assert [spec.name for spec in served_tools(sample_catalog(), narrowed.exposure)] == ["sample_read"]


async def test_the_catalog_resource_lists_workflows(connect_sample: Connect) -> None:
    async with connect_sample(Exposure()) as client:
        content = json.loads((await client.read_resource("tailscale://catalog"))[0].text)
    look = next(each for each in content["workflows"] if each["operation"] == "sample.look")
    assert look["parameters"]["kind"]["schema"] == {"enum": ["short", "long"]}
    assert len(content["operations"]) == 90


async def test_the_audit_line_names_the_workflow(connect_sample: Connect, tailnet: FakeTailnet) -> None:
    from tailscale_sdk.changes import LocalState

    async with connect_sample(EVERYTHING) as client:
        await call(client, "sample_change", **PATHS, dry_run=True)
    state = LocalState()
    lines = [
        json.loads(line)
        for path in state.directory.path.rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    [line] = [line for line in lines if line.get("event") == "tool_call"]
    assert (line["tool"], line["action"], line["operation"]) == ("sample_change", "change", "sample.change")
    assert "one.example.com" not in json.dumps(line)
