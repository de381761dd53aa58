"""The fleet tools through a real client: each action once, planned first, confirmed, noted, resumed and taken back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_adapter import workflows
from mcp_adapter.catalog import read_catalog
from mcp_adapter.confirmation import ITEM_LINES, WHOLE_ITEMS, question_of
from mcp_adapter.exposure import EVERY, Exposure, all_tools
from mcp_adapter.runtime import Profile, Settings, single
from mcp_adapter.server import build_server
from mcp_adapter.written import ITEMS_SHOWN
from tailscale_sdk.operations.devices.actions import delete_devices
from tailscale_sdk.testing import FakeTailnet
from tests.changes.conftest import scratch_folder
from tests.mcp.conftest import Connect, call, sdk_client
from tests.operations.conftest import DEVICES
from tests.operations.fleets import NOW, POLICY, USERS, Admin, device

ALL = Exposure(write=EVERY, delete=EVERY)
SNAPSHOT = {"devices": DEVICES, "users": USERS, "policy": POLICY}


class Frozen(datetime):
    """Stands for the clock of the tailnet."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return NOW


@pytest.fixture
def tailnet(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTailnet]:
    monkeypatch.setattr(workflows, "datetime", Frozen)
    with FakeTailnet(snapshot=SNAPSHOT, faults=[]) as running:
        yield running


def written(tailnet: FakeTailnet) -> list[str]:
    return [str(entry.operation) for entry in tailnet.ledger.entries]


def named(tailnet: FakeTailnet, name: str) -> dict[str, Any]:
    return next(d for d in tailnet.tailnet.devices.values() if d["name"].startswith(f"{name}."))


READS: dict[str, tuple[dict[str, Any], str]] = {
    "find": ({"query": "tag:web online:no"}, "web-2"),
    "status": ({}, '"total":9'),
    "duplicates": ({}, '"total":0'),
    "stale": ({"days": 90}, "carol-phone"),
    "connectivity": ({}, "bob-laptop"),
    "routes": ({}, "10.20.0.0/16"),
    "exit_nodes": ({}, "router-1"),
    "expiring": ({"days": 100}, "alice-laptop"),
    "tags": ({}, "tag:old is defined"),
    "changes": ({}, '"total":0'),
}
WRITES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "authorize": ("fleet_write", {"query": "authorized:no"}, ["authorizeDevice"]),
    "tag": ("fleet_write", {"query": "tag:web", "add": ["tag:old"]}, ["setDeviceTags"] * 2),
    "apply_tag_rules": (
        "fleet_write",
        {"rules": [{"name": "r", "query": "name:web-*", "add": ["tag:old"]}]},
        ["setDeviceTags"] * 2,
    ),
    "mark_stale": ("fleet_write", {"days": 60}, ["batchUpdateCustomDevicePostureAttributes"]),
    "exit_node": ("fleet_write", {"device": "router-2", "enabled": True}, ["setDeviceRoutes"]),
    "onboard": ("fleet_write", {"login": "new@example.com"}, ["createUserInvites"]),
    "subnets": ("fleet_write", {"device": "router-2", "add": ["10.20.0.0/16"]}, ["setDeviceRoutes"]),
    "rotate_key": ("fleet_write", {"key_id": "kCiCNTRL"}, ["createKey"]),
    "remove": ("fleet_delete", {"query": "name:bob-laptop"}, ["deleteDevice"]),
    "quarantine": ("fleet_delete", {"days": 60}, ["expireDeviceKey"] * 2),
    "remove_stale": (
        "fleet_delete",
        {"days": 60, "skip_quarantine": True, "never_routers": True},
        ["deleteDevice"] * 2,
    ),
    "fix": ("fleet_delete", {"findings": ["SET-01", "set-02"]}, ["updateTailnetSettings"]),
    "offboard": (
        "fleet_delete",
        {"login": "bob@example.com"},
        ["suspendUser", "expireDeviceKey", "setPolicyFile"],
    ),
}
"""Every action of the fleet tools but those that need another one first, which have tests of their own."""


def test_every_action_is_among_these() -> None:
    actions = {
        entry["method"]
        for spec in all_tools(read_catalog())
        if spec.domain == "fleet"
        for entry in spec.entries
    }
    assert actions == {*READS, *WRITES, "undo", "resume", "retire_key"}


@pytest.mark.parametrize("action", READS)
async def test_a_question_is_answered(connect: Connect, era: str, tailnet: FakeTailnet, action: str) -> None:
    sent, said = READS[action]
    async with connect(Exposure(), era) as client:
        answer, text, is_error = await call(client, "fleet_read", action=action, **sent)
    assert not is_error, text
    assert said in text
    assert answer
    assert written(tailnet) == []


async def test_other_columns_are_selected(connect: Connect) -> None:
    async with connect() as client:
        answer, text, is_error = await call(
            client, "fleet_read", action="find", query="router-2", select=["name", "unapproved", "exit"]
        )
    assert not is_error, text
    assert answer["items"] == [
        {"name": "router-2.example.ts.net", "unapproved": ["10.20.0.0/16"], "exit": "pending"}
    ]


async def confirmed(client: Any, tool: str, **sent: Any) -> dict[str, Any]:
    """Call a tool, and once more with the id of the plan it shows."""
    answer, text, is_error = await call(client, tool, **sent)
    assert not is_error, text
    if "confirm" in answer:
        answer, text, is_error = await call(client, tool, **sent, confirm=answer["confirm"])
        assert not is_error, text
    return answer


@pytest.mark.parametrize("action", WRITES)
async def test_a_change_is_shown_first_and_then_made(
    connect: Connect, era: str, tailnet: FakeTailnet, action: str
) -> None:
    tool, sent, operations = WRITES[action]
    capabilities = {"devices": {"create": {"reusable": True, "tags": ["tag:web"]}}}
    tailnet.tailnet.keys["kCiCNTRL"] = {
        "id": "kCiCNTRL",
        "keyType": "auth",
        "description": "ci",
        "created": "2026-06-01T00:00:00Z",
        "expires": "2026-08-30T00:00:00Z",
        "expirySeconds": 7776000,
        "capabilities": capabilities,
    }
    async with connect(ALL, era) as client:
        shown, text, is_error = await call(client, tool, action=action, **sent, dry_run=True)
        assert not is_error, text
        assert shown["executed"] is False
        assert len(shown["plan"]) == len(operations)
        assert written(tailnet) == []
        done = await confirmed(client, tool, action=action, **sent)
        assert done["ok"] is True
        if len(operations) > 1:
            assert [item["outcome"] for item in done["results"]] == ["ok"] * len(operations)
        listed, _, _ = await call(client, "fleet_read", action="changes")
    assert written(tailnet) == operations
    assert len(listed["items"]) == 1


async def test_a_key_is_rotated_into_a_file_and_retired_later(
    connect: Connect, tailnet: FakeTailnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = {"devices": {"create": {"reusable": True, "tags": ["tag:web"]}}}
    tailnet.tailnet.keys["kCiCNTRL"] = {
        "id": "kCiCNTRL",
        "keyType": "auth",
        "description": "ci",
        "created": "2026-06-01T00:00:00Z",
        "expires": "2026-08-30T00:00:00Z",
        "expirySeconds": 7776000,
        "capabilities": capabilities,
    }
    async with connect(ALL) as client:
        answer, text, _ = await call(client, "fleet_write", action="rotate_key", key_id="kCiCNTRL")
        rotation = answer["rotation"]
        assert rotation["state"] == "verified"
        secret = await asyncio.to_thread(Path(rotation["sink"].removeprefix("file ")).read_text)
        assert secret.startswith("tskey-")
        assert secret.strip() not in text
        _, text, is_error = await call(client, "fleet_delete", action="retire_key", key_id="kCiCNTRL")
        assert is_error
        assert "the overlap is not over" in text
        monkeypatch.setattr(Frozen, "now", classmethod(lambda cls, tz=None: NOW.replace(month=8)))
        done = await confirmed(client, "fleet_delete", action="retire_key", key_id="kCiCNTRL")
    assert done["ok"] is True
    assert written(tailnet) == ["createKey", "deleteKey"]


async def test_over_http_no_key_is_made_whose_secret_nobody_gets(tailnet: FakeTailnet) -> None:
    profile = Profile("default", lambda: sdk_client(tailnet), ALL)
    async with Client(build_server(Settings(profiles=(profile,), over_http=True))) as client:
        _, text, is_error = await call(client, "fleet_write", action="rotate_key", key_id="kCiCNTRL")
    assert is_error
    assert "tailscale-sdk keys rotate" in text
    assert written(tailnet) == []


async def test_a_change_is_taken_back(connect: Connect, era: str, tailnet: FakeTailnet) -> None:
    async with connect(ALL, era) as client:
        made = await confirmed(client, "fleet_write", action="tag", query="tag:web", add=["tag:old"])
        assert named(tailnet, "web-1")["tags"] == ["tag:web", "tag:old"]
        back = await confirmed(client, "fleet_delete", action="undo", change=made["change"])
        assert back["ok"] is True
        one, _, _ = await call(client, "fleet_read", action="changes", change=made["change"])
    assert named(tailnet, "web-1")["tags"] == ["tag:web"]
    assert [item["outcome"] for item in one["items"]] == ["ok", "ok"]


async def test_a_change_of_somebody_else_is_nobodys_business(
    connect: Connect, tailnet: FakeTailnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(ALL) as client:
        made = await confirmed(client, "fleet_write", action="tag", query="tag:web", add=["tag:old"])
        monkeypatch.setattr("mcp_adapter.workflows.Provider._shared", someone_else)
        listed, _, _ = await call(client, "fleet_read", action="changes")
        assert listed["items"] == []
        for tool, action in (("fleet_read", "changes"), ("fleet_delete", "undo"), ("fleet_delete", "resume")):
            _, text, is_error = await call(client, tool, action=action, change=made["change"])
            assert is_error
            assert "no change is known here" in text
    assert written(tailnet) == ["setDeviceTags"] * 2


SHARED = workflows.Provider._shared


def someone_else(self: Any) -> Any:
    return {**SHARED(self), "principal": lambda: "token:other"}


async def test_what_broke_off_is_resumed_and_nothing_is_done_twice(
    connect: Connect, era: str, tailnet: FakeTailnet
) -> None:
    node = named(tailnet, "web-2")["nodeId"]
    tailnet.faults.add(
        {"path": f"/device/{node}/tags", "nth": 1, "times": 1, "when": "before_apply", "fault": "403"}
    )
    async with connect(ALL, era) as client:
        made = await confirmed(client, "fleet_write", action="tag", query="tag:web", add=["tag:old"])
        assert (made["ok"], [item["outcome"] for item in made["results"]]) == (False, ["ok", "failed"])
        assert made["change"] in made["resume"]
        rest = await confirmed(client, "fleet_delete", action="resume", change=made["change"])
        assert rest["ok"] is True
        _, text, is_error = await call(client, "fleet_delete", action="resume", change=made["change"])
    assert is_error
    assert "was begun as" in text
    assert written(tailnet) == ["setDeviceTags"] * 2


async def test_what_the_operator_protects_is_left_out(tailnet: FakeTailnet) -> None:
    profile = Profile("default", lambda: sdk_client(tailnet), ALL, frozenset({"tag:web"}))
    server = build_server(Settings(profiles=(profile,)))
    async with Client(server) as client:
        answer, text, is_error = await call(
            client, "fleet_write", action="tag", query="tag:web", add=["tag:old"]
        )
    assert "protects" in text
    assert written(tailnet) == []
    assert answer or is_error


@pytest.mark.parametrize(
    ("tool", "sent", "said"),
    [
        ("fleet_write", {"action": "tag", "query": "", "add": ["tag:old"]}, "needs a query"),
        ("fleet_write", {"action": "tag", "query": "name:*", "add": ["tag:old"]}, "every one of 9"),
        (
            "fleet_write",
            {"action": "tag", "query": "tag:web", "add": ["tag:new"]},
            "tagOwners do not define tag:new",
        ),
        ("fleet_write", {"action": "authorize", "query": "name:web-1"}, "approved already"),
        ("fleet_delete", {"action": "remove", "query": "tag:none", "max_changes": 1}, "max_changes=1"),
        ("fleet_delete", {"action": "offboard", "login": "alice@example.com"}, "last owner"),
        ("fleet_delete", {"action": "undo", "change": "0" * 32}, "no change is known here"),
        ("fleet_read", {"action": "find", "query": "tga:x"}, "did you mean 'tag'"),
        (
            "fleet_write",
            {"action": "exit_node", "device": "router-1", "enabled": False},
            "last approved exit node",
        ),
    ],
)
async def test_what_cannot_be_is_refused_with_the_next_step(
    connect: Connect, tailnet: FakeTailnet, tool: str, sent: dict[str, Any], said: str
) -> None:
    async with connect(ALL) as client:
        _, text, is_error = await call(client, tool, **sent)
    assert is_error, text
    assert said in text
    assert written(tailnet) == []


@asynccontextmanager
async def many(count: int) -> Any:
    records = [
        device(f"many-{number}", "", "tag:web") | {"nodeId": f"nM{number}CNTRL"} for number in range(count)
    ]
    with FakeTailnet(snapshot={"devices": records, "users": USERS, "policy": POLICY}) as running:
        yield running


async def test_of_many_items_some_are_shown_and_the_rest_is_counted() -> None:
    async with many(30) as running:
        server = build_server(single(ALL, lambda: sdk_client(running)))
        async with Client(server) as client:
            sent = {"action": "tag", "query": "tag:web -name:many-0", "add": ["tag:old"]}
            _, text, is_error = await call(client, "fleet_write", **sent)
            assert is_error
            assert "max_changes=20" in text
            wide = {**sent, "max_changes": 50, "max_percent": 100}
            shown, text, _ = await call(client, "fleet_write", **wide, dry_run=True)
            assert (len(shown["plan"]), shown["more"]) == (ITEMS_SHOWN, 29 - ITEMS_SHOWN)
            done = await confirmed(client, "fleet_write", **wide)
    assert done["counts"] == {"ok": 29}
    assert [item["index"] for item in done["results"]] == list(range(29))


def test_a_person_is_asked_about_many_in_few_lines() -> None:
    records = [device(f"d{number}") | {"nodeId": f"nD{number}CNTRL"} for number in range(ITEM_LINES + 5)]
    with scratch_folder() as folder, FakeTailnet(snapshot={"devices": records}) as running:
        admin = Admin(running, folder / "state")
        plan = admin.plan(delete_devices(admin.fleet().devices)).plan
        question = question_of(plan, "fleet_delete remove")
        admin.close()
    assert len(records) > WHOLE_ITEMS
    assert f"Operation: deleteDevice, {len(records)} times" in question
    assert question.count("\nTarget: ") == ITEM_LINES
    assert "5 more targets" in question
    assert json.dumps("d0.example.ts.net") in question
