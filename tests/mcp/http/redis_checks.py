"""Two replicas of the real command that share plans in a real Redis; run by scripts/check_redis.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen

from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import OTHER_TOKEN, TOKEN, ask, call_tool, result_of

COMMAND = str(Path(sys.executable).with_name("tailscale-mcp"))
URL = os.environ["CHECK_REDIS_URL"]
TOOL = "devices_delete"


@frozen
class Replica:
    """Hold where a replica is."""

    url: str


@contextmanager
def replica(tailnet: FakeTailnet, folder: Path) -> Iterator[Any]:
    """Run one server until the context ends; it must end well."""
    folder.mkdir()
    tokens = folder / "tokens"
    tokens.write_text(f"{TOKEN}\n{OTHER_TOKEN}\n")
    tokens.chmod(0o600)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TAILSCALE_API_KEY": tailnet.api_key,
        "TAILSCALE_BASE_URL": tailnet.base_url,
        "TAILSCALE_SDK_STATE": str(folder / "state"),
        "TAILSCALE_MCP_PLAN_STORE": URL,
        "TAILSCALE_MCP_STATE_KEYS": "shared-demo-key-of-both-replicas-0123456789",
    }
    words = [
        "--transport",
        "http",
        "--port",
        "0",
        "--replicas",
        "2",
        "--allow-delete",
        "--token-file",
        str(tokens),
    ]
    with subprocess.Popen([COMMAND, *words], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "serving http://" in line)
            yield Replica(line.split()[-1])
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()


@pytest.fixture(scope="module")
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=8, seed=5) as running:
        yield running


@pytest.fixture(scope="module")
def replicas(tailnet: FakeTailnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        yield [stack.enter_context(replica(tailnet, folder / name)) for name in ("one", "two")]


@pytest.fixture
def web() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


def deletion(tailnet: FakeTailnet, **more: Any) -> dict[str, Any]:
    first = min(device["nodeId"] for device in tailnet.snapshot()["devices"])
    return {"action": "delete", "device_id": first, **more}


def deleted(tailnet: FakeTailnet) -> int:
    return len(tailnet.ledger.of("deleteDevice"))


def test_a_plan_of_one_replica_is_carried_out_by_the_other_and_only_once(
    replicas: list[Any], tailnet: FakeTailnet, web: httpx.Client, era: str
) -> None:
    one, two = replicas
    before = deleted(tailnet)
    wanted = deletion(tailnet)
    planned = result_of(call_tool(web, one, TOOL, wanted, era=era))
    confirmed = {**wanted, "confirm": planned["confirm"]}
    assert "error" in result_of(call_tool(web, two, TOOL, confirmed, era=era, token=OTHER_TOKEN))
    assert deleted(tailnet) == before

    def carry_out(place: Any) -> dict[str, Any]:
        with httpx.Client(timeout=30, trust_env=False) as client:
            return result_of(call_tool(client, place, TOOL, confirmed, era=era))

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(carry_out, [one, two, one, two]))
    assert ["error" in outcome for outcome in outcomes].count(False) == 1
    assert deleted(tailnet) == before + 1


def test_a_round_trip_begun_at_one_replica_ends_at_the_other(
    replicas: list[Any], tailnet: FakeTailnet, web: httpx.Client
) -> None:
    one, two = replicas
    before = deleted(tailnet)
    wanted = deletion(tailnet)
    asked = call_tool(web, one, TOOL, wanted, era="auto", asking=True).json()["result"]
    assert asked["resultType"] == "input_required"
    said = {"confirm": {"action": "accept", "content": {"proceed": True}}}
    parameters = {
        "name": TOOL,
        "arguments": wanted,
        "inputResponses": said,
        "requestState": asked["requestState"],
    }
    done = ask(web, two, "tools/call", parameters, era="auto", asking=True).json()["result"]
    assert done["structuredContent"]["ok"] is True
    assert deleted(tailnet) == before + 1
