"""Headers that repeat an argument, so that proxies can route by it: they are compared with the argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp.tools.base import Tool, ToolResult

from mcp_adapter.server import build_server
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import call_tool, http_settings, serving, tailnet_settings

HEADER_MISMATCH = -32020


class RegionTool(Tool):
    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult(content="done")


def build_with_region(*arguments: Any, **options: Any) -> Any:
    server = build_server(*arguments, **options)
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    server.add_tool(RegionTool(name="region", description="Take a region.", parameters=schema))
    return server


@pytest.mark.parametrize(
    "headers, status",
    [({"mcp-param-region": "eu"}, 200), ({"mcp-param-region": "us"}, 400), ({}, 400)],
    ids=["same", "another", "missing"],
)
def test_a_header_says_what_the_argument_says(
    headers: dict[str, str],
    status: int,
    tailnet: FakeTailnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_adapter.http.build_server", build_with_region)
    with (
        serving(tailnet_settings(tailnet), http_settings(), tmp_path) as running,
        httpx.Client() as client,
    ):
        answer = call_tool(client, running, "region", {"region": "eu"}, era="auto", headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["code"] == HEADER_MISMATCH
