"""A whole conversation over real HTTP, in both eras, with a client that was not written for this server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StreamableHttpTransport
from mcp.shared.exceptions import MCPError

from mcp_adapter.catalog import read_catalog
from mcp_adapter.exposure import EVERY, Exposure
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import call
from tests.mcp.http.serving import (
    TOKEN,
    Running,
    call_tool,
    http_settings,
    result_of,
    serving,
    tailnet_settings,
)
from tests.tls import make_certificate

Connect = Callable[..., AbstractAsyncContextManager[Client[Any]]]


@pytest.fixture
def connect(era: str) -> Connect:
    """Return a way to connect to a running server."""

    @asynccontextmanager
    async def connection(running: Running, **options: Any) -> AsyncIterator[Client[Any]]:
        transport = StreamableHttpTransport(running.url, auth=TOKEN, verify=options.pop("verify", None))
        async with Client(transport, mode=era, **options) as client:  # type: ignore[arg-type]
            yield client

    return connection


async def test_a_conversation(shared: Running, shared_tailnet: FakeTailnet, connect: Connect) -> None:
    async with connect(shared) as client:
        names = [tool.name for tool in await client.list_tools()]
        assert names[:3] == ["devices_read", "devices_write", "devices_delete"]
        assert len(names) == 39 + len(read_catalog().workflows)
        listed, _, _ = await call(client, "devices_read", action="list", limit=3)
        device_id = listed["rows"][0][0]
        seen, _, _ = await call(client, "devices_read", action="get", device_id=device_id)
        renamed, text, is_error = await call(
            client, "devices_write", action="set_name", device_id=device_id, name="over-http"
        )
        assert not is_error, text
        assert renamed["after"]["name"].startswith("over-http.")
        wrong, _, is_error = await call(client, "devices_read", action="remove")
        assert is_error
        assert wrong["error"]["code"] == "invalid_arguments"
    names = [
        device["name"] for device in shared_tailnet.snapshot()["devices"] if device["nodeId"] == device_id
    ]
    assert names[0].startswith("over-http.")
    assert seen["item"]["nodeId"] == device_id


async def test_a_deletion_is_asked_about_or_planned(
    shared: Running, shared_tailnet: FakeTailnet, connect: Connect, era: str
) -> None:
    asked: list[str] = []

    async def accept(message: str, *rest: Any) -> ElicitResult[Any]:
        asked.append(message)
        return ElicitResult(action="accept", content={"proceed": True})

    before = len(shared_tailnet.ledger.of("setDnsSearchPaths"))
    arguments = {"action": "set_search_paths", "search_paths": [f"{era}.example.com"]}
    async with connect(shared, elicitation_handler=accept) as client:
        answer, _, _ = await call(client, "dns_delete", **arguments)
        if era == "legacy":
            # A stateless server of the handshake era has no way to ask, so it says how to go on.
            assert len(shared_tailnet.ledger.of("setDnsSearchPaths")) == before
            answer, _, _ = await call(client, "dns_delete", **arguments, confirm=answer["confirm"])
        else:
            assert len(asked) == 1
        assert answer["ok"] is True
    assert len(shared_tailnet.ledger.of("setDnsSearchPaths")) == before + 1


@pytest.mark.parametrize(
    "tool, arguments",
    [
        ("keys_write", {"action": "create", "key_type": "auth", "capabilities": {"devices": {"create": {}}}}),
        (
            "webhooks_write",
            {
                "action": "create",
                "endpoint_url": "https://hooks.example.com",
                "subscriptions": ["nodeCreated"],
            },
        ),
    ],
)
def test_a_secret_that_cannot_be_handed_over_is_not_made(
    shared: Running,
    shared_tailnet: FakeTailnet,
    web: httpx.Client,
    era: str,
    tool: str,
    arguments: dict[str, Any],
) -> None:
    writes = len(shared_tailnet.ledger)
    for more, code in (({}, "secret_not_deliverable"), ({"reveal": True}, None)):
        found = result_of(call_tool(web, shared, tool, {**arguments, **more}, era=era))
        assert code in {None, found["error"]["code"]}
    assert len(shared_tailnet.ledger) == writes
    assert not (shared.state.directory.path / "secrets").exists()


def test_a_secret_that_the_operator_lets_be_shown_is_shown_once_and_kept_nowhere(
    shared_tailnet: FakeTailnet, tmp_path: Path, web: httpx.Client, era: str
) -> None:
    settings = tailnet_settings(shared_tailnet, reveal_secrets=True)
    arguments = {"action": "create", "key_type": "auth", "capabilities": {"devices": {"create": {}}}}
    with serving(settings, http_settings(), tmp_path) as running:
        answer = call_tool(web, running, "keys_write", {**arguments, "reveal": True}, era=era)
        found = result_of(answer)
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    secret = str(next(value for value in _texts(found) if value.startswith("tskey-auth-")))
    assert secret.encode() not in kept


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for element in value.values() for text in _texts(element)]
    if isinstance(value, list):
        return [text for element in value for text in _texts(element)]
    return [value] if isinstance(value, str) else []


async def test_over_tls(tmp_path: Path, shared_tailnet: FakeTailnet, connect: Connect) -> None:
    pem = make_certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=pem)
    settings = tailnet_settings(shared_tailnet, exposure=Exposure(write=EVERY))
    with serving(settings, http_settings(certificate=(pem, pem)), tmp_path / "state") as running:
        async with connect(running, verify=trusted) as client:
            assert len(await client.list_tools()) == 27 + len(
                ["access_read", "audit_read", "fleet_read", "fleet_write"]
            )
        async with httpx.AsyncClient(verify=trusted, trust_env=False) as web:
            for origin, status in ((running.origin, 200), (running.origin.replace("https", "http"), 403)):
                answer = await web.get(f"{running.origin}/healthz", headers={"origin": origin})
                assert answer.status_code == status


async def test_a_client_without_a_token_gets_nowhere(shared: Running, era: str) -> None:
    client = Client(StreamableHttpTransport(shared.url), mode=era)  # type: ignore[arg-type]
    with pytest.raises(MCPError, match="error response"):
        await client.__aenter__()


async def test_a_client_that_asks_too_much_reads_that_it_must_wait(
    shared_tailnet: FakeTailnet, tmp_path: Path, connect: Connect
) -> None:
    with serving(tailnet_settings(shared_tailnet), http_settings(rate=2.0), tmp_path) as running:
        async with connect(running) as client:
            answers = await asyncio.gather(*(client.list_tools() for _ in range(50)), return_exceptions=True)
    told = [answer for answer in answers if isinstance(answer, MCPError)]
    assert told
    assert told[0].error.message.startswith("too many requests: wait")
    assert told[0].error.data == {"retry_after": 1}
    assert len(told) + len([answer for answer in answers if isinstance(answer, list)]) == 50
