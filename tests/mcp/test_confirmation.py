"""Deleting takes a person, or the plan's id: in both eras, for every kind of client, and never by accident."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client.elicitation import ElicitResult

from mcp_adapter.confirmation import NAME_LIMIT, difference, quoted
from mcp_adapter.exposure import EVERY, Exposure
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, call
from tests.payloads import PAYLOADS

EVERYTHING = Exposure(write=EVERY, delete=EVERY)
Asked = list[str]
YES = {"proceed": True}


def answering(action: str, asked: Asked, content: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the options of a client whose person answers one way."""

    async def answer(message: str, response_type: Any, params: Any, context: Any) -> ElicitResult[Any]:
        asked.append(message)
        return ElicitResult(action=action, content=content)  # type: ignore[arg-type]

    return {"elicitation_handler": answer}


def own_device(tailnet: FakeTailnet, index: int = 0) -> dict[str, Any]:
    return [d for d in tailnet.tailnet.devices.values() if not d.get("isExternal")][index]


def deletions(tailnet: FakeTailnet) -> int:
    return len(tailnet.ledger.of("deleteDevice"))


async def test_who_accepts_gets_it_done(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    device, asked = own_device(tailnet), Asked()
    async with connect(EVERYTHING, era, client_options=answering("accept", asked, YES)) as client:
        done, text, is_error = await call(
            client, "devices_delete", action="delete", device_id=device["nodeId"]
        )
    assert not is_error, text
    assert done["ok"] is True
    assert done["verified"] is True
    assert deletions(tailnet) == 1
    [question] = asked
    lines = question.splitlines()
    assert lines[0] == "Confirm: devices_delete delete"
    assert lines[1] == f"Operation: deleteDevice (DELETE /device/{device['nodeId']})"
    assert lines[2].startswith(f"Target: device {device['nodeId']} (100.")
    assert lines[3].startswith('Name: "')


@pytest.mark.parametrize(
    "action, content",
    [
        ("decline", None),
        ("cancel", None),
        ("accept", {"proceed": False}),
        ("accept", {}),
        ("accept", {"x": 1}),
    ],
)
async def test_anything_but_yes_means_not_done(
    connect: Connect, tailnet: FakeTailnet, era: str, action: str, content: dict[str, Any] | None
) -> None:
    device, asked = own_device(tailnet), Asked()
    async with connect(EVERYTHING, era, client_options=answering(action, asked, content)) as client:
        result, _, is_error = await call(
            client, "devices_delete", action="delete", device_id=device["nodeId"]
        )
        assert is_error
        assert result["executed"] is False
        assert result["note"].startswith("Nothing was done")
        assert deletions(tailnet) == 0
        # A client that declines by itself can still go on, without being asked again.
        done, _, is_error = await call(
            client, "devices_delete", action="delete", device_id=device["nodeId"], confirm=result["confirm"]
        )
    assert not is_error
    assert done["ok"] is True
    assert len(asked) == 1
    assert deletions(tailnet) == 1


async def test_without_a_person_the_plan_is_shown_first(
    connect: Connect, tailnet: FakeTailnet, era: str
) -> None:
    device, other = own_device(tailnet), own_device(tailnet, 1)
    async with connect(EVERYTHING, era) as client:
        sent = {"action": "delete", "device_id": device["nodeId"]}
        shown, _, is_error = await call(client, "devices_delete", **sent)
        assert not is_error
        assert shown["executed"] is False
        [item] = shown["plan"]
        assert item["request"] == {"method": "DELETE", "path": f"/device/{device['nodeId']}"}
        assert item["target"]["id"] == device["nodeId"]
        assert item["reversible"] == "no"
        assert deletions(tailnet) == 0
        wrong, _, _ = await call(
            client, "devices_delete", action="delete", device_id=other["nodeId"], confirm=shown["confirm"]
        )
        assert wrong["error"]["code"] == "plan_refused"
        done, _, _ = await call(client, "devices_delete", **sent, confirm=shown["confirm"])
        assert done["ok"] is True
        again, _, _ = await call(client, "devices_delete", **sent, confirm=shown["confirm"])
        unknown, _, _ = await call(client, "devices_delete", **sent, confirm="A" * 43)
    assert again == unknown
    assert again["error"]["code"] == "plan_refused"
    assert deletions(tailnet) == 1


async def test_two_at_once_are_one(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    sent = {"action": "delete", "device_id": own_device(tailnet)["nodeId"]}
    async with connect(EVERYTHING, era) as client:
        shown, _, _ = await call(client, "devices_delete", **sent)
        answers = await asyncio.gather(
            *(call(client, "devices_delete", **sent, confirm=shown["confirm"]) for _ in range(4))
        )
    assert sum(not is_error for _, _, is_error in answers) == 1
    assert deletions(tailnet) == 1


async def test_a_moved_state_is_refused(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    device = own_device(tailnet)
    async with connect(EVERYTHING, era) as client:
        sent = {"action": "delete", "device_id": device["nodeId"]}
        shown, _, _ = await call(client, "devices_delete", **sent)
        device["name"] = "somebody-else-renamed.example.com"
        refused, _, is_error = await call(client, "devices_delete", **sent, confirm=shown["confirm"])
    assert is_error
    assert refused["error"]["code"] == "changed"
    assert "name changed since the plan was made" in refused["error"]["message"]
    assert deletions(tailnet) == 0


async def test_deny_never_gives_an_id(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    sent = {"action": "delete", "device_id": own_device(tailnet)["nodeId"]}
    settings, asked = {"confirm_fallback": "deny"}, Asked()
    async with connect(EVERYTHING, era, settings) as client:
        denied, _, is_error = await call(client, "devices_delete", **sent)
        assert is_error
        assert denied["error"]["code"] == "confirmation_denied"
        dry, _, _ = await call(client, "devices_delete", **sent, dry_run=True)
        assert "confirm" not in dry
    async with connect(EVERYTHING, era, settings, answering("decline", asked)) as client:
        declined, _, _ = await call(client, "devices_delete", **sent)
        assert "confirm" not in declined
    async with connect(EVERYTHING, era, settings, answering("accept", asked, YES)) as client:
        done, _, _ = await call(client, "devices_delete", **sent)
    assert done["ok"] is True
    assert deletions(tailnet) == 1


@pytest.mark.parametrize("effect", ["write", "delete"])
async def test_a_dry_run_only_reads(connect: Connect, tailnet: FakeTailnet, era: str, effect: str) -> None:
    device, asked = own_device(tailnet), Asked()
    actions = {
        "write": ("devices_write", {"action": "set_name", "name": "renamed"}),
        "delete": ("dns_delete", {"action": "set_search_paths", "search_paths": ["other.example.com"]}),
    }
    tool, sent = actions[effect]
    sent = {**sent, **({"device_id": device["nodeId"]} if effect == "write" else {})}
    async with connect(EVERYTHING, era, client_options=answering("accept", asked, YES)) as client:
        shown, _, is_error = await call(client, tool, **sent, dry_run=True)
    assert not is_error
    assert shown["executed"] is False
    [item] = shown["plan"]
    assert item["before"] != item["after"]
    assert item["request"]["body"]
    assert ("confirm" in shown) is (effect == "delete")
    assert asked == []
    assert len(tailnet.ledger.entries) == 0


async def test_a_write_tells_how_it_was(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    device, asked = own_device(tailnet), Asked()
    async with connect(EVERYTHING, era, client_options=answering("decline", asked)) as client:
        done, _, is_error = await call(
            client, "devices_write", action="set_tags", device_id=device["nodeId"], tags=["tag:server"]
        )
    assert not is_error, done
    assert done["after"]["tags"] == ["tag:server"]
    assert done["before"]["tags"] == (device.get("tags") and done["before"]["tags"])
    assert asked == [], "a reversible change needs no person"


async def test_the_own_credential_and_what_is_protected_stay(
    connect: Connect, tailnet: FakeTailnet, era: str
) -> None:
    own = tailnet.api_key.split("-")[3]
    async with connect(EVERYTHING, era) as client:
        refused, _, is_error = await call(client, "keys_delete", action="delete", key_id=own)
    assert is_error
    assert refused["error"]["code"] == "refused"
    assert "cut itself off" in refused["error"]["message"]
    assert len(tailnet.ledger.entries) == 0


async def test_a_secret_lands_in_a_private_file(connect: Connect, tailnet: FakeTailnet, era: str) -> None:
    sent = {"action": "create", "key_type": "auth", "capabilities": {"devices": {"create": {}}}}
    async with connect(EVERYTHING, era) as client:
        made, text, is_error = await call(client, "keys_write", **sent)
        assert not is_error, text
        refused, _, _ = await call(client, "keys_write", **sent, reveal=True)
    assert refused["error"]["code"] == "invalid_arguments"
    path = made["secret_ref"]["path"]
    secret = await asyncio.to_thread(Path(path).read_text)
    assert secret.startswith("tskey-auth-")
    assert secret not in text
    assert made["item"]["key"] == "***"
    assert len(tailnet.ledger.of("createKey")) == 1


async def test_a_secret_is_shown_once_where_both_sides_want_it(connect: Connect, era: str) -> None:
    sent = {"action": "create", "key_type": "auth", "capabilities": {"devices": {"create": {}}}}
    async with connect(EVERYTHING, era, {"reveal_secrets": True}) as client:
        made, text, _ = await call(client, "keys_write", **sent, reveal=True)
    assert made["key"].startswith("tskey-auth-")
    assert text.count(made["key"]) == 1
    assert made["secret_out"] == ["key"]


async def test_over_http_no_secret_is_made_that_cannot_be_handed_over(
    connect: Connect, tailnet: FakeTailnet, era: str
) -> None:
    sent = {"action": "create", "key_type": "auth", "capabilities": {"devices": {"create": {}}}}
    async with connect(EVERYTHING, era, {"over_http": True}) as client:
        refused, _, _ = await call(client, "keys_write", **sent)
    assert refused["error"]["code"] == "secret_not_deliverable"
    assert len(tailnet.ledger.of("createKey")) == 0


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_name_stays_within_its_quotes(payload: str) -> None:
    shown = quoted(payload)
    assert "\n" not in shown
    assert "\r" not in shown
    assert shown.isprintable() or all(ord(c) > 0x20 for c in shown if not c.isprintable() and c != " ")
    assert shown.startswith('"')
    assert shown.endswith('"')
    inside = shown[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inside
    assert len(shown) <= 2 * NAME_LIMIT + 32


def test_a_long_difference_says_how_much_more() -> None:
    before = {"policy": "\n".join(f"// line {n}" for n in range(100))}
    lines = difference(before, {"policy": "// one\n"})
    assert lines[-1] == "81 more lines"
    assert all("\n" not in line for line in lines)
