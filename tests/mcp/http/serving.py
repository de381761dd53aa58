"""A server over HTTP on a thread of its own, and the smallest client that can speak to it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from attrs import define, field

from mcp_adapter.exposure import EVERY, Exposure
from mcp_adapter.http import PATH, Application, build_application
from mcp_adapter.http_settings import HttpSettings
from mcp_adapter.listening import HttpServer, open_sockets, server_config, tls_context
from mcp_adapter.runtime import Settings, single
from tailscale_sdk.changes import LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import sdk_client

TOKEN = "demo-token-for-tests-0123456789abcdefXYZ"
OTHER_TOKEN = "another-demo-token-9876543210fedcbaXYZ"
LOOPBACK = ((socket.AF_INET, "127.0.0.1"),)
START_SECONDS = 20
MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
VERSIONS = {"legacy": HANDSHAKE, "auto": MODERN}


def http_settings(**changes: Any) -> HttpSettings:
    """Return settings of a loopback server with two static tokens."""
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "sockets": LOOPBACK,
        "tokens": (TOKEN, OTHER_TOKEN),
        **changes,
    }
    if options.get("oauth"):
        options["tokens"] = None
    return HttpSettings(**options)


@define(eq=False)
class Running:
    """Hold a server that runs."""

    port: int
    served: Application
    server: HttpServer
    loop: asyncio.AbstractEventLoop
    scheme: str = "http"
    state: Any = field(default=None)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{PATH}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


def tailnet_settings(tailnet: FakeTailnet, **changes: Any) -> Settings:
    """Return settings of a server over an embedded tailnet in which everything is allowed."""
    exposure = changes.pop("exposure", Exposure(write=EVERY, delete=EVERY))
    return single(exposure, lambda: sdk_client(tailnet), **changes)


@contextmanager
def serving(
    settings: Settings, http: HttpSettings, folder: Path, *, plans: Any = None, key_client: Any = None
) -> Iterator[Running]:
    """Serve until the context ends.

    Args:
        settings: what is served.
        http: how.
        folder: for the local state.
        plans: store of plans that is shared with other servers.
        key_client: fetches an issuer's keys.
    """
    state = LocalState(StateDirectory(folder), plans=plans)
    ready = threading.Event()
    found: dict[str, Any] = {}
    listeners = open_sockets(http)
    port = int(listeners[0].getsockname()[1])

    async def serve() -> None:
        application = await build_application(settings, http, port=port, state=state, key_client=key_client)
        context = tls_context(*http.certificate) if http.certificate else None
        server = HttpServer(server_config(application.app, http, context), application.admission, ready.set)
        found.update(served=application, server=server, loop=asyncio.get_running_loop())
        await server.serve(sockets=listeners)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="http-server")
    thread.start()
    try:
        assert ready.wait(START_SECONDS)
        yield Running(port, scheme=http.scheme, state=state, **found)
    finally:
        if "server" in found:
            found["loop"].call_soon_threadsafe(found["server"].handle_exit, signal.SIGTERM, None)
        thread.join(START_SECONDS)
        for listener in listeners:
            listener.close()
        state.close()


def message(
    method: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    era: str,
    number: int = 1,
    asking: bool = False,
) -> bytes:
    """Write a request of either era; of a client that can ask its user, where the era lets it say so."""
    content = dict(parameters or {})
    if era == "auto":
        content["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}} if asking else {},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        }
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": content}).encode()


def headers_of(
    era: str, method: str, name: str | None = None, *, token: str | None = TOKEN
) -> dict[str, str]:
    """Return the headers of a request of either era."""
    found = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if token is not None:
        found["authorization"] = f"Bearer {token}"
    found["mcp-protocol-version"] = VERSIONS[era]
    if era == "auto":
        found["mcp-method"] = method
        if name is not None:
            found["mcp-name"] = name
    return found


def ask(
    client: httpx.Client,
    running: Running,
    method: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    era: str = "legacy",
    token: str | None = TOKEN,
    headers: Mapping[str, str] | None = None,
    asking: bool = False,
) -> httpx.Response:
    """Send one request and return its answer."""
    name = (parameters or {}).get("name")
    return client.post(
        running.url,
        content=message(method, parameters, era=era, asking=asking),
        headers={**headers_of(era, method, name, token=token), **(headers or {})},
    )


def call_tool(
    client: httpx.Client, running: Running, tool: str, arguments: Mapping[str, Any], **options: Any
) -> httpx.Response:
    """Call a tool and return the answer of HTTP."""
    return ask(client, running, "tools/call", {"name": tool, "arguments": arguments}, **options)


def result_of(response: httpx.Response) -> dict[str, Any]:
    """Return the structured result of a tool call."""
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()["result"]["structuredContent"]
    return content
