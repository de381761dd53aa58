"""What the adapter's tests share: an embedded tailnet, and a client of a server over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from fastmcp import Client

from mcp_adapter.exposure import EVERY, Exposure
from mcp_adapter.runtime import single
from mcp_adapter.server import build_server
from tailscale_sdk import AsyncTailscale
from tailscale_sdk.testing import FakeTailnet

ERAS = ("legacy", "auto")
Connect = Callable[..., AbstractAsyncContextManager[Client[Any]]]


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=12, seed=11) as running:
        yield running


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Run a test in the handshake era and in the modern one."""
    return str(request.param)


def sdk_client(tailnet: FakeTailnet, **options: Any) -> AsyncTailscale:
    """Make a client of the embedded tailnet that is not slowed down."""
    return AsyncTailscale(api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None, **options)


@pytest.fixture
def connect(tailnet: FakeTailnet) -> Connect:
    """Return a way to connect to a fresh server over the tailnet."""

    @asynccontextmanager
    async def connection(
        exposure: Exposure | None = None,
        mode: str = "auto",
        settings: dict[str, Any] | None = None,
        client_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Client[Any]]:
        allowed = exposure or Exposure(write=EVERY)
        server = build_server(single(allowed, lambda: sdk_client(tailnet, **options), **(settings or {})))
        async with Client(server, mode=mode, **(client_options or {})) as client:  # type: ignore[arg-type]
            yield client

    return connection


async def call(client: Client[Any], tool: str, **arguments: Any) -> tuple[dict[str, Any], str, bool]:
    """Call a tool; return the structured form, the text, and whether it is an error."""
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    assert [block.type for block in answer.content[1:]] in ([], ["resource_link"])
    return answer.structured_content or {}, answer.content[0].text, bool(answer.is_error)  # type: ignore[union-attr]
