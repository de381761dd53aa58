"""Talk to the MCP server over stdio, on an embedded tailnet: read, be refused a change, be allowed one.

Nothing outside this machine is touched and no credential is read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
from typing import Any

os.environ["FASTMCP_LOG_ENABLED"] = "false"
os.environ["FASTMCP_CHECK_FOR_UPDATES"] = "off"

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp_types import TextContent

WIDTH = 110
LONGEST = 4 * WIDTH  # of a line is printed; the model receives all of it
NEW_NAME = "design-laptop"


class Unexpected(Exception):
    """Say which step of the demonstration did not go as it should."""


def server(*flags: str) -> Client[StdioTransport]:
    """Describe a server process; it starts when the client connects and ends with it."""
    command = ["-m", "mcp_adapter", "--demo", *flags]
    print(f"\n$ tailscale-mcp {' '.join(command[2:])}")
    return Client(StdioTransport(sys.executable, command, keep_alive=False))


async def ask(client: Client[Any], tool: str, *, refused: bool = False, **arguments: Any) -> dict[str, Any]:
    """Call a tool, print what was said by both sides, and return the structured answer.

    Raises:
        Unexpected: the call was refused, or should have been.
    """
    print(f"\n→ {tool} {json.dumps(arguments, ensure_ascii=False)}")
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    text = "".join(block.text for block in answer.content if isinstance(block, TextContent))
    for line in text.expandtabs(20).splitlines():
        shown = line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
        print(
            "\n".join(
                textwrap.wrap(
                    shown, WIDTH, initial_indent="← ", subsequent_indent="  ", drop_whitespace=False
                )
            )
        )
    if answer.is_error is not refused:
        raise Unexpected(f"{tool}: {'refused' if answer.is_error else 'not refused'}")
    return dict(answer.structured_content or {})


async def read_only() -> None:
    """Look around with a server started without flags."""
    async with server() as client:
        tools = [tool.name for tool in await client.list_tools()]
        print(f"{len(tools)} tools, all read-only: {', '.join(tools)}")
        listed = await ask(client, "devices_read", action="list", limit=5)
        policy = (await ask(client, "policy_read", action="get"))["item"]
        print(f"  (a policy of {len(policy['policy'].splitlines())} lines, ETag {policy['etag'][:12]}…)")
        device = listed["rows"][0][0]
        await ask(client, "devices_write", refused=True, action="set_name", device_id=device, name=NEW_NAME)


async def allowed() -> None:
    """Rename a device with a server that may write, and read it back."""
    async with server("--allow-write") as client:
        print(f"{len(await client.list_tools())} tools, changes included")
        listed = await ask(client, "devices_read", action="list", filters={"os": "macOS"}, limit=1)
        device = listed["rows"][0][0]
        await ask(client, "devices_write", action="set_name", device_id=device, name=NEW_NAME)
        back = await ask(client, "devices_read", action="get", device_id=device, select=["nodeId", "name"])
        if not back["item"]["name"].startswith(f"{NEW_NAME}."):
            raise Unexpected("the device does not have its new name")


async def main() -> None:
    """Hold both conversations."""
    await read_only()
    await allowed()
    print("\nDone: listed, read, refused without --allow-write, renamed with it, and read back.")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Unexpected as problem:
        sys.exit(f"demo: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
