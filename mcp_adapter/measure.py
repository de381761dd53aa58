"""Measure the surface as a client receives it, and write the table of tools for the documentation."""

from __future__ import annotations

from typing import Any

from mcp_adapter.catalog import read_catalog
from mcp_adapter.exposure import EVERY, Exposure, ToolSpec, all_tools, served_tools
from mcp_adapter.registry import OpTool
from mcp_adapter.runtime import Runtime, single
from mcp_adapter.text import compact


def listed(spec: ToolSpec) -> dict[str, Any]:
    """Return a tool as ``tools/list`` describes it."""
    runtime = Runtime(read_catalog(), single(Exposure(), lambda: None))
    described: dict[str, Any] = (
        OpTool.build(spec, runtime).to_mcp_tool().model_dump(by_alias=True, exclude_none=True, mode="json")
    )
    return described


def listing_bytes(specs: list[ToolSpec]) -> int:
    """Return the length of a ``tools/list`` result as compact JSON."""
    return len(compact({"tools": [listed(spec) for spec in specs]}).encode())


def surface_bytes() -> dict[str, int]:
    """Return the bytes of the default listing and of the listing of every tool of the API."""
    catalog = read_catalog()
    return {
        "default": listing_bytes(served_tools(catalog, Exposure(), reveal=False)),
        "all": listing_bytes(all_tools(catalog)),
    }


async def device_list_bytes(count: int) -> int:
    """Return the bytes of the text block of one device list.

    Args:
        count: devices of the embedded tailnet, at most 200.
    """
    from fastmcp import Client

    from mcp_adapter.server import build_server
    from tailscale_sdk import AsyncTailscale
    from tailscale_sdk.testing import FakeTailnet

    with FakeTailnet(devices=count) as tailnet:
        make = lambda: AsyncTailscale(api_key=tailnet.api_key, base_url=tailnet.base_url)  # noqa: E731
        async with Client(build_server(single(Exposure(), make))) as client:
            answer = await client.call_tool("devices_read", {"action": "list", "limit": count})
    return len(answer.content[0].text.encode())


def tool_table() -> str:
    """Write the table of tools in Markdown, each with the flag it needs."""
    catalog = read_catalog()
    needs = {"read": "", "write": "`--allow-write`", "delete": "`--allow-delete`"}
    lines = ["| tool | actions | needs |", "|---|---|---|"]
    for spec in served_tools(catalog, Exposure(write=EVERY, delete=EVERY)):
        methods = ", ".join(f"`{entry['method']}`" for entry in spec.entries)
        actions = methods if spec.choosing else spec.entries[0]["summary"]
        lines.append(f"| `{spec.name}` | {actions} | {needs[spec.effect]} |")
    return "\n".join(lines)
