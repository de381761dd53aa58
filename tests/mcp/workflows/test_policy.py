"""Changing the policy through a real client: planned, shown, confirmed, applied, listed and put back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastmcp.client.elicitation import ElicitResult

from mcp_adapter.exposure import EVERY, Exposure
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, call

ALLOWED = Exposure(delete=EVERY)
ADD = {"intent": "add_member", "name": "group:engineering", "value": "heidi@example.com"}


def stored(tailnet: FakeTailnet) -> str:
    return tailnet.tailnet.policy_text


def written(tailnet: FakeTailnet) -> list[str]:
    return [str(entry.operation) for entry in tailnet.ledger.entries]


async def change(client: Any, tool: str, **sent: Any) -> dict[str, Any]:
    """Plan a change, confirm it, and return what became of it."""
    shown, text, is_error = await call(client, tool, **sent)
    assert not is_error, text
    done, text, is_error = await call(client, tool, **sent, confirm=shown["confirm"])
    assert not is_error, text
    return done


async def test_neither_tool_is_served_without_the_right_to_delete(connect: Connect, era: str) -> None:
    async with connect(Exposure(write=EVERY), era) as client:
        names = {tool.name for tool in await client.list_tools()}
    assert "access_read" in names
    assert not {"policy_change", "policy_rollback"} & names


async def test_an_intent_is_planned_shown_and_applied(
    connect: Connect, tailnet: FakeTailnet, era: str
) -> None:
    before = stored(tailnet)
    async with connect(ALLOWED, era) as client:
        shown, text, is_error = await call(client, "policy_change", **ADD, reason="heidi joins")
        assert not is_error, text
        assert (shown["ok"], shown["executed"], written(tailnet)) == (False, False, [])
        assert shown["access"]["gained"]
        assert any(
            "heidi@example.com" in name
            for row in shown["access"]["gained"]
            for name in row["sources"]["names"]
        )
        assert any(line.startswith("+") and "heidi@example.com" in line for line in shown["text"])
        done, text, is_error = await call(
            client, "policy_change", **ADD, reason="heidi joins", confirm=shown["confirm"]
        )
        assert not is_error, text
        assert (done["ok"], done["verified"], done["rollback"]) == (True, True, "not_needed")
        after = stored(tailnet)
        pairs = list(zip(before.splitlines(), after.splitlines(), strict=True))
        assert ["heidi@example.com" in new for old, new in pairs if old != new] == [True]
        kept, _, _ = await call(client, "access_read", action="history")
        row = dict(zip(kept["columns"], kept["rows"][0], strict=True))
        assert (row["reason"], row["outcome"]) == ("heidi joins", "closed")
        back = await change(client, "policy_rollback", version=row["version"], reason="she does not")
        assert back["ok"] is True
    assert stored(tailnet) == before
    assert written(tailnet) == ["setPolicyFile"] * 2


async def test_other_arguments_than_the_planned_ones_are_refused(
    connect: Connect, tailnet: FakeTailnet
) -> None:
    async with connect(ALLOWED) as client:
        shown, _, _ = await call(client, "policy_change", **ADD)
        other, _, is_error = await call(
            client, "policy_change", **{**ADD, "value": "mallory@example.com"}, confirm=shown["confirm"]
        )
    assert is_error
    assert other["error"]["code"] == "plan_refused"
    assert written(tailnet) == []


async def test_a_person_reads_access_and_risks_before_saying_yes(
    connect: Connect, tailnet: FakeTailnet
) -> None:
    asked: list[str] = []

    async def answer(message: str, *_: Any) -> ElicitResult[Any]:
        asked.append(message)
        return ElicitResult(action="decline")

    grant = {"src": ["*"], "dst": ["tag:server"], "ip": ["tcp:22"]}
    async with connect(ALLOWED, "legacy", client_options={"elicitation_handler": answer}) as client:
        await call(client, "policy_change", intent="add_grant", rule=grant)
    assert len(asked) == 1
    assert "access: 1 gained" in asked[0]
    assert "high risk" in asked[0]
    assert "lets in *" in asked[0]
    assert written(tailnet) == []


async def test_a_lockout_is_refused_and_overridden_by_its_name(
    connect: Connect, tailnet: FakeTailnet
) -> None:
    without = json.dumps({"tagOwners": {}})
    async with connect(ALLOWED) as client:
        refused, text, is_error = await call(client, "policy_change", text=without)
        assert is_error
        assert "allow-all" in text
        assert "override" in text
        names = refused["error"]["message"].rpartition("override: ")[2].split(", ")
        done = await change(client, "policy_change", text=without, override=names)
    assert done["ok"] is True
    assert stored(tailnet) == without


@pytest.mark.parametrize(
    "sent, words",
    [
        ({"text": '{"acls": [{"action": "deny"}]}'}, '"deny" is not a valid action'),
        ({"patch": [{"op": "remove", "path": "/nothing"}]}, "value not found"),
        ({"intent": "add_member", "name": "group:none", "value": "x@example.com"}, "there is no group:none"),
        ({"intent": "add_member", "name": "group:engineering"}, "needs name and value"),
        ({"intent": "add_grant"}, "needs rule"),
        ({"reason": "none"}, "text"),
        ({"text": "{}", "intent": "add_test"}, "intent"),
    ],
)
async def test_what_cannot_be_changed_says_why(
    connect: Connect, tailnet: FakeTailnet, sent: dict[str, Any], words: str
) -> None:
    async with connect(ALLOWED) as client:
        _, text, is_error = await call(client, "policy_change", **sent)
    assert is_error
    assert words in text.replace('\\"', '"')
    assert written(tailnet) == []


async def test_somebody_elses_edit_is_shown_and_stays(
    connect: Connect, tailnet: FakeTailnet, era: str
) -> None:
    async with connect(ALLOWED, era) as client:
        shown, _, _ = await call(client, "policy_change", **ADD)
        theirs = stored(tailnet) + "// theirs\n"
        tailnet.tailnet.policy_text = theirs
        done, _, is_error = await call(client, "policy_change", **ADD, confirm=shown["confirm"])
    assert is_error or done["ok"] is False
    assert stored(tailnet) == theirs
    assert written(tailnet) == []
