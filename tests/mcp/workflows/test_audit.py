"""The audit through a real client: a run, its findings, one of them whole, the plan that mends, and the report again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import McpError

from mcp_adapter import workflows
from mcp_adapter.exposure import EVERY, Exposure
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, call
from tests.mcp.workflows.test_fleet import SNAPSHOT, Frozen, confirmed, written

DELETES = Exposure(write=EVERY, delete=EVERY)


@pytest.fixture
def tailnet(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTailnet]:
    monkeypatch.setattr(workflows, "datetime", Frozen)
    with FakeTailnet(snapshot=SNAPSHOT, faults=[]) as running:
        yield running


async def _run(client: Client[Any]) -> dict[str, Any]:
    answer, text, is_error = await call(client, "audit_read", action="run")
    assert not is_error, text
    return answer


async def test_a_run_says_what_to_do_today(connect: Connect, era: str, tailnet: FakeTailnet) -> None:
    async with connect(Exposure(), era) as client:
        answer = await _run(client)
    assert len(answer["today"]) == 3
    assert answer["rows"][0][0] in {"critical", "high"}
    assert answer["summary"]["by_severity"]["high"] >= 1
    assert answer["summary"]["new"] is None
    assert "attributes" in answer["not_read"]
    assert written(tailnet) == []


async def test_findings_are_filtered_and_explained(connect: Connect) -> None:
    async with connect(Exposure()) as client:
        await _run(client)
        answer, text, is_error = await call(client, "audit_read", action="findings", filter="SET-01")
        assert not is_error, text
        (row,) = answer["rows"]
        found = dict(zip(answer["columns"], row, strict=True))
        assert (found["check"], found["severity"]) == ("SET-01", "high")
        answer, text, is_error = await call(
            client, "audit_read", action="explain", finding=found["fingerprint"]
        )
    assert not is_error, text
    answer = answer["item"]
    assert answer["evidence"] == [{"source": "getTailnetSettings", "devicesApprovalOn": False}]
    assert answer["fix"][0]["operation"] == "updateTailnetSettings"


@pytest.mark.parametrize("word", ["high", "SET", "web-2", "fail"])
async def test_a_filter_takes_many_kinds_of_word(connect: Connect, word: str) -> None:
    async with connect(Exposure()) as client:
        answer, text, is_error = await call(client, "audit_read", action="findings", filter=word)
    assert not is_error, text
    assert answer["rows"]


async def test_what_nobody_knows_is_said(connect: Connect) -> None:
    async with connect(Exposure()) as client:
        _, text, is_error = await call(client, "audit_read", action="explain", finding="00000000")
    assert is_error
    assert "is no fingerprint of one finding" in text


async def test_a_fix_is_planned_then_made_and_the_next_run_says_so(
    connect: Connect, tailnet: FakeTailnet
) -> None:
    async with connect(DELETES) as client:
        await _run(client)
        await confirmed(client, "fleet_delete", action="fix", findings=["SET-01"])
        answer = await _run(client)
    assert written(tailnet) == ["updateTailnetSettings"]
    assert tailnet.tailnet.settings["devicesApprovalOn"] is True
    assert answer["summary"]["resolved"] == 1


async def test_a_report_can_be_read_again_by_its_id(connect: Connect) -> None:
    async with connect(Exposure()) as client:
        answer = await _run(client)
        (content,) = await client.read_resource(f"tailscale://audit/{answer['report']}")
        report = json.loads(content.text)  # type: ignore[union-attr]
        with pytest.raises(McpError, match="Resource not found"):
            await client.read_resource("tailscale://audit/none")
    assert report["schema"] == "tailscale-sdk/audit/1"
    assert report["report"] == answer["report"]
    assert report["findings"]
