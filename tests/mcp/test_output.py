"""Results: both forms equal, whole rows within the budget, cut policies that nobody can write back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_adapter.catalog import read_catalog
from mcp_adapter.output import TEXT_BUDGET
from mcp_adapter.text import read_table
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, call

CATALOG = read_catalog()
LISTS = [
    entry
    for entry in CATALOG.entries.values()
    if entry["effect"] == "read"
    and entry["operation"] != "validateAndTestPolicyFile"
    and not any(parameter["required"] for parameter in entry["params"])
]


def same_in_text(structured: dict[str, Any], text: str) -> bool:
    return (read_table(text) if "rows" in structured else json.loads(text)) == structured


async def test_both_forms_of_every_answer_are_equal(connect: Connect) -> None:
    seen = 0
    async with connect() as client:
        for entry in LISTS:
            for detail in ("concise", "full"):
                structured, text, is_error = await call(
                    client, entry["tool"], action=entry["method"], detail=detail
                )
                assert not is_error, text
                assert same_in_text(structured, text), entry["operation"]
                seen += "rows" in structured
    assert seen > 5


def fill_policy(tailnet: FakeTailnet, text: str) -> None:
    tailnet.tailnet.policy_text = text


async def test_a_small_policy_comes_whole_with_its_etag(connect: Connect, tailnet: FakeTailnet) -> None:
    fill_policy(tailnet, '{\n\t// Who may.\n\t"acls": [],\n}\n')
    async with connect() as client:
        structured, text, _ = await call(client, "policy_read", action="get")
        selected, _, _ = await call(client, "policy_read", action="get", select=["etag"])
    assert structured["item"]["policy"] == '{\n\t// Who may.\n\t"acls": [],\n}\n'
    assert set(selected["item"]) == {"etag"}
    assert selected["item"]["etag"] == structured["item"]["etag"]
    assert "truncated" not in structured
    assert "altered" not in structured
    assert same_in_text(structured, text)


async def test_a_cut_policy_has_whole_lines_and_no_etag(connect: Connect, tailnet: FakeTailnet) -> None:
    lines = [f'\t// Line {number} of a long policy, "quoted".\n' for number in range(2000)]
    fill_policy(tailnet, "{\n" + "".join(lines) + "}\n")
    async with connect() as client:
        structured, text, is_error = await call(client, "policy_read", action="get")
    assert not is_error
    assert structured["truncated"] is True
    assert "etag" not in structured["item"]
    shown = structured["item"]["policy"]
    assert ("{\n" + "".join(lines)).startswith(shown)
    assert shown.endswith("\n")
    count = shown.count("\n")
    assert structured["note"] == (
        f"Showing {count} of 2002 lines, without the ETag: a cut policy must not be written back."
    )
    assert TEXT_BUDGET - 200 < len(text) <= TEXT_BUDGET
    assert same_in_text(structured, text)


async def test_a_policy_of_one_endless_line_is_too_large(connect: Connect, tailnet: FakeTailnet) -> None:
    fill_policy(tailnet, '{"acls": [' + '{"action": "accept"},' * 3000 + "]}")
    async with connect() as client:
        structured, _, is_error = await call(client, "policy_read", action="get")
        chosen, _, refused = await call(client, "policy_read", action="get", select=["etag"])
    assert is_error
    assert structured["error"]["code"] == "too_large"
    assert structured["error"]["operation"] == "getPolicyFile"
    assert not refused, chosen


async def test_what_a_policy_hides_is_marked(connect: Connect, tailnet: FakeTailnet) -> None:
    fill_policy(tailnet, "{\n\t// \u202e" + "tskey-" + "auth-kA1b2C3CNTRL-9f8e7d6c5b4a\n}\n")
    async with connect() as client:
        structured, text, _ = await call(client, "policy_read", action="get")
    assert structured["altered"] == "hidden characters or secrets in the policy are shown as marks"
    assert "9f8e7d6c5b4a" not in text
    assert "\u202e" not in text
    assert structured["item"]["policy"].count("\n") == 3


async def test_a_list_is_cut_between_rows_and_goes_on_there(connect: Connect, tailnet: FakeTailnet) -> None:
    for device in tailnet.tailnet.devices.values():
        device["tags"] = [f"tag:t{number}-{'x' * 40}" for number in range(150)]
    async with connect() as client:
        first, text, _ = await call(client, "devices_read", action="list", detail="full", limit=200)
        count = len(first["items"])
        assert 0 < count < first["total"] == len(tailnet.tailnet.devices)
        assert first["truncated"] is True
        assert first["note"].startswith(
            f"Showing {count} of {first['total']}. Next: the same call with cursor"
        )
        assert "filters" in first["note"]
        assert len(text) <= TEXT_BUDGET
        seen = [item["nodeId"] for item in first["items"]]
        page = first
        while "next_cursor" in page:
            page, _, is_error = await call(
                client, "devices_read", action="list", detail="full", limit=200, cursor=page["next_cursor"]
            )
            assert not is_error
            seen += [item["nodeId"] for item in page["items"]]
    assert sorted(seen) == sorted(device["nodeId"] for device in tailnet.tailnet.devices.values())


@pytest.mark.parametrize("action", ["list", "get"])
async def test_a_row_that_alone_is_too_large_is_said(
    connect: Connect, tailnet: FakeTailnet, action: str
) -> None:
    device = next(iter(tailnet.tailnet.devices.values()))
    for other in tailnet.tailnet.devices.values():
        other["tags"] = [f"tag:t{number}-{'x' * 60}" for number in range(600)]
    which = {"device_id": device["nodeId"]} if action == "get" else {}
    async with connect() as client:
        structured, _, is_error = await call(client, "devices_read", action=action, detail="full", **which)
        narrow, _, refused = await call(client, "devices_read", action=action, select=["os"], **which)
    assert is_error
    assert structured["error"]["code"] == "too_large"
    assert "select" in structured["error"]["message"]
    assert not refused, narrow


async def test_shown_fields_of_others_are_named_once(connect: Connect) -> None:
    async with connect() as client:
        narrow, _, _ = await call(client, "devices_read", action="list", select=["nodeId", "authorized"])
        wide, _, _ = await call(client, "devices_read", action="list", select=["nodeId", "hostname", "name"])
    assert "untrusted_fields" not in narrow
    assert set(wide["untrusted_fields"]) == {"hostname", "name"}
    assert [set(item) for item in wide["items"]] == [{"nodeId", "hostname", "name"}] * len(wide["items"])
