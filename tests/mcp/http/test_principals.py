"""What belongs to one caller is of no use to another, and of as much use at one replica as at another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.plan_store import SQLitePlanStore
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import (
    OTHER_TOKEN,
    TOKEN,
    Running,
    ask,
    call_tool,
    http_settings,
    result_of,
    serving,
    tailnet_settings,
)

CURRENT, PREVIOUS = (
    "current-demo-key-for-round-trips-0123456789",
    "previous-demo-key-for-round-trips-012345678",
)
TOOL = "devices_delete"


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=6, seed=5) as running:
        yield running


@pytest.fixture
def replicas(tailnet: FakeTailnet, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    """Run two servers that share plans and keys, and nothing else."""
    with Database(StateDirectory(tmp_path / "shared")) as database:
        plans = SQLitePlanStore(database)
        settings = tailnet_settings(tailnet)
        first = http_settings(state_keys=(PREVIOUS,))
        second = http_settings(state_keys=(CURRENT, PREVIOUS))
        with (
            serving(settings, first, tmp_path / "first", plans=plans) as one,
            serving(settings, second, tmp_path / "second", plans=plans) as two,
        ):
            yield one, two


def device_ids(tailnet: FakeTailnet) -> list[str]:
    return sorted(device["nodeId"] for device in tailnet.snapshot()["devices"])


def deletion(tailnet: FakeTailnet, **more: Any) -> dict[str, Any]:
    return {"action": "delete", "device_id": device_ids(tailnet)[0], **more}


def deleted(tailnet: FakeTailnet) -> int:
    return len(tailnet.ledger.of("deleteDevice"))


def test_a_plan_is_of_no_use_to_another_caller(
    replicas: tuple[Running, Running], tailnet: FakeTailnet, web: httpx.Client, era: str
) -> None:
    one, _ = replicas
    planned = result_of(call_tool(web, one, TOOL, deletion(tailnet), era=era))
    foreign = result_of(
        call_tool(web, one, TOOL, deletion(tailnet, confirm=planned["confirm"]), era=era, token=OTHER_TOKEN)
    )
    unknown = result_of(
        call_tool(web, one, TOOL, deletion(tailnet, confirm="p" * 43), era=era, token=OTHER_TOKEN)
    )
    assert foreign == unknown
    assert "error" in foreign
    assert deleted(tailnet) == 0
    own = result_of(call_tool(web, one, TOOL, deletion(tailnet, confirm=planned["confirm"]), era=era))
    assert "error" not in own
    used = result_of(call_tool(web, one, TOOL, deletion(tailnet, confirm=planned["confirm"]), era=era))
    assert used["error"]["code"] == unknown["error"]["code"]
    assert deleted(tailnet) == 1


def test_a_cursor_is_of_no_use_to_another_caller(
    replicas: tuple[Running, Running], web: httpx.Client, era: str
) -> None:
    one, two = replicas
    first = result_of(call_tool(web, one, "devices_read", {"action": "list", "limit": 2}, era=era))
    following = {"action": "list", "limit": 2, "cursor": first["next_cursor"]}
    foreign = result_of(call_tool(web, one, "devices_read", following, era=era, token=OTHER_TOKEN))
    made_up = {**following, "cursor": "bm90aGluZw"}
    unknown = result_of(call_tool(web, one, "devices_read", made_up, era=era, token=OTHER_TOKEN))
    assert foreign["error"]["code"] == unknown["error"]["code"] == "invalid_arguments"
    page = result_of(call_tool(web, two, "devices_read", following, era=era))
    assert page["rows"] != first["rows"]
    assert len(page["rows"]) == 2


def test_a_plan_of_one_replica_is_carried_out_by_the_other_once(
    replicas: tuple[Running, Running], tailnet: FakeTailnet, web: httpx.Client, era: str
) -> None:
    one, two = replicas
    planned = result_of(call_tool(web, one, TOOL, deletion(tailnet), era=era))
    confirmed = deletion(tailnet, confirm=planned["confirm"])
    assert "error" not in result_of(call_tool(web, two, TOOL, confirmed, era=era))
    for replica in replicas:
        assert "error" in result_of(call_tool(web, replica, TOOL, confirmed, era=era))
    assert deleted(tailnet) == 1
    assert two.state.journal is not one.state.journal


def round_trip(web: httpx.Client, running: Running, arguments: dict[str, Any]) -> dict[str, Any]:
    """Let a modern client begin a deletion, and return what it is asked."""
    answer = call_tool(web, running, TOOL, arguments, era="auto", asking=True)
    assert answer.status_code == 200, answer.text
    asked: dict[str, Any] = answer.json()["result"]
    assert asked["resultType"] == "input_required"
    return asked


def accept(
    web: httpx.Client, running: Running, arguments: dict[str, Any], state: str, token: str = TOKEN
) -> httpx.Response:
    """Come back with the answer of the client's user."""
    said = {"confirm": {"action": "accept", "content": {"proceed": True}}}
    parameters = {"name": TOOL, "arguments": arguments, "inputResponses": said, "requestState": state}
    return ask(web, running, "tools/call", parameters, era="auto", token=token, asking=True)


def test_a_round_trip_begun_at_one_replica_ends_at_the_other(
    replicas: tuple[Running, Running], tailnet: FakeTailnet, web: httpx.Client
) -> None:
    one, two = replicas
    arguments = deletion(tailnet)
    state = round_trip(web, one, arguments)["requestState"]
    foreign = accept(web, two, arguments, state, token=OTHER_TOKEN)
    changed = accept(web, two, {**arguments, "device_id": device_ids(tailnet)[1]}, state)
    bent = accept(web, two, arguments, state[:-4] + ("AAAA" if state[-4:] != "AAAA" else "BBBB"))
    refusals = [answer.json()["error"] for answer in (foreign, changed, bent)]
    assert refusals[0] == refusals[1] == refusals[2]
    assert refusals[0]["message"] == "Invalid or expired requestState"
    assert deleted(tailnet) == 0
    done = accept(web, two, arguments, state)
    assert "error" not in done.json()["result"]["structuredContent"]
    assert deleted(tailnet) == 1
    again = accept(web, one, arguments, state)
    assert "error" in again.json()["result"]["structuredContent"]
    assert deleted(tailnet) == 1


def test_a_server_with_other_keys_knows_nothing_of_a_round_trip(
    replicas: tuple[Running, Running], tailnet: FakeTailnet, tmp_path: Path, web: httpx.Client
) -> None:
    one, two = replicas
    arguments = deletion(tailnet)
    newer = round_trip(web, two, arguments)["requestState"]
    # It was sealed with a key the first replica was not given yet.
    assert accept(web, one, arguments, newer).json()["error"]["message"] == "Invalid or expired requestState"
    with serving(tailnet_settings(tailnet), http_settings(), tmp_path / "third") as alone:
        assert "error" in accept(web, alone, arguments, newer).json()
    assert deleted(tailnet) == 0


def test_two_callers_get_each_their_own_answers(
    replicas: tuple[Running, Running], tailnet: FakeTailnet, web: httpx.Client, era: str
) -> None:
    one, _ = replicas
    plans = {
        token: result_of(call_tool(web, one, TOOL, deletion(tailnet), era=era, token=token))["confirm"]
        for token in (TOKEN, OTHER_TOKEN)
    }
    assert plans[TOKEN] != plans[OTHER_TOKEN]
    audit = b"".join(path.read_bytes() for path in (one.state.directory.path).rglob("*") if path.is_file())
    assert not [plan for plan in plans.values() if plan.encode() in audit]
