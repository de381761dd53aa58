"""Prompts, resources and completions: there where their tools are, with untrusted text shown as data."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from mcp_adapter.catalog import read_catalog
from mcp_adapter.completions import MAX_VALUES, matching
from mcp_adapter.exposure import EVERY, Exposure
from mcp_adapter.prompts import GUIDES
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, call
from tests.payloads import PAYLOADS

CATALOG = read_catalog()


async def test_every_prompt_and_argument_is_described(connect: Connect, era: str) -> None:
    async with connect(mode=era) as client:
        prompts = await client.list_prompts()
    assert {prompt.name for prompt in prompts} == {guide.name for guide in GUIDES}
    for prompt in prompts:
        assert prompt.description
        assert prompt.arguments
        assert all(argument.description for argument in prompt.arguments)


async def test_a_prompt_names_only_calls_that_exist(connect: Connect) -> None:
    known = {(e["tool"], e["method"]) for group in CATALOG.tools() for e in group.entries}
    tools = {group.name for group in CATALOG.tools() if group.choosing}
    for guide in GUIDES:
        words = guide.text.replace(".", " ").replace(",", " ").replace(":", " ").split()
        named = [(one, other) for one, other in itertools.pairwise(words) if one in tools]
        assert named, guide.name
        assert [pair for pair in named if pair not in known and pair[1] not in {"do", "and"}] == [], (
            guide.name
        )


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_an_argument_stays_one_word_of_data(connect: Connect, payload: str) -> None:
    async with connect() as client:
        clean = payload.encode("utf-8", "replace").decode()
        plain = await client.get_prompt("investigate_device", {"device": "web-1"})
        hostile = await client.get_prompt("investigate_device", {"device": clean})
    before, after = (answer.messages[0].content.text for answer in (plain, hostile))
    assert len(before.splitlines()) == len(after.splitlines())
    assert after.splitlines()[1:] == before.splitlines()[1:]


async def test_prompts_go_with_their_tools(connect: Connect) -> None:
    async with connect(Exposure(toolsets=frozenset({"devices"}))) as client:
        names = {prompt.name for prompt in await client.list_prompts()}
    assert names == {"investigate_device"}


async def test_resources_read_what_they_say(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    device = next(d for d in tailnet.tailnet.devices.values() if not d.get("isExternal"))
    async with connect(mode=era) as client:
        policy = (await client.read_resource("tailscale://policy/current"))[0].text
        catalog = json.loads((await client.read_resource("tailscale://catalog"))[0].text)
        one = json.loads((await client.read_resource(f"tailscale://devices/{device['nodeId']}"))[0].text)
    assert policy == tailnet.snapshot()["policy"]
    assert len(catalog["operations"]) == 90
    assert one["nodeId"] == device["nodeId"]
    assert "enabledRoutes" in one


@pytest.mark.parametrize(
    "uri", ["tailscale://devices/nNOBODYCNTRL", "tailscale://devices/web-1", "tailscale://nothing"]
)
async def test_an_unknown_resource_is_not_found(connect: Connect, era: str, uri: str) -> None:
    async with connect(mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code in {-32002, -32602}


async def test_resources_go_with_their_domain(connect: Connect) -> None:
    async with connect(Exposure(toolsets=frozenset({"dns"}))) as client:
        resources = {str(resource.uri) for resource in await client.list_resources()}
        templates = await client.list_resource_templates()
    assert resources == {"tailscale://catalog"}
    assert templates == []


async def complete(client: Any, name: str, typed: str) -> list[str]:
    reference = PromptReference(type="ref/prompt", name="investigate_device")
    found = await client.complete(reference, {"name": name, "value": typed})
    return list(found.values)


async def test_completions_come_from_the_tailnet(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    names = {str(d["name"]).split(".")[0] for d in tailnet.tailnet.devices.values()}
    some = min(name for name in names if name.isascii())
    async with connect(mode=era) as client:
        assert some in await complete(client, "device", some[:3])
        assert all("@" in user for user in await complete(client, "user", ""))
        assert all(tag.startswith("tag:") for tag in await complete(client, "tag", "tag:"))
        assert await complete(client, "nothing", "") == []
        template = ResourceTemplateReference(type="ref/resource", uri="tailscale://devices/{device_id}")
        ids = (await client.complete(template, {"name": "device_id", "value": "n"})).values
    assert ids


async def test_completions_of_what_is_not_served_are_empty(connect: Connect) -> None:
    async with connect(Exposure(toolsets=frozenset({"dns"}))) as client:
        assert await complete(client, "device", "") == []


def test_matching() -> None:
    assert matching(["web-2", "web-1", "a-web", None, "", "db"], "WEB") == ["web-1", "web-2", "a-web"]
    assert len(matching([f"n{number}" for number in range(500)], "n")) == MAX_VALUES
    assert matching(["a\x1b[31mb"], "a")[0].isprintable()


async def test_a_device_by_its_name(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    devices = [d for d in tailnet.tailnet.devices.values() if not d.get("isExternal")]
    one, two, three = devices[0], devices[1], devices[2]
    two["hostname"] = three["hostname"] = "twins"
    async with connect(Exposure(write=EVERY), era) as client:
        for spelled in (one["name"], str(one["name"]).split(".")[0].upper(), one["addresses"][0], one["id"]):
            found, text, is_error = await call(client, "devices_read", action="get", device_id=spelled)
            assert not is_error, text
            assert found["item"]["nodeId"] == one["nodeId"]
        unclear, _, _ = await call(client, "devices_write", action="set_name", device_id="twins", name="x")
        nobody, _, _ = await call(client, "devices_read", action="get", device_id="no-such-device")
    assert two["nodeId"] in unclear["error"]["message"]
    assert three["nodeId"] in unclear["error"]["message"]
    assert "devices_read list" in nobody["error"]["message"]
    assert len(tailnet.ledger.entries) == 0


async def test_a_policy_too_long_is_linked(connect: Connect, tailnet: FakeTailnet) -> None:
    long = "// a line that is there to be long\n" * 2000 + str(tailnet.snapshot()["policy"])
    tailnet.tailnet.policy_text = long
    async with connect() as client:
        answer = await client.call_tool("policy_read", {"action": "get"})
        whole = (await client.read_resource("tailscale://policy/current"))[0].text
    assert answer.structured_content["truncated"] is True
    assert answer.structured_content["resource"] == "tailscale://policy/current"
    assert [block.type for block in answer.content] == ["text", "resource_link"]
    assert whole == long
