"""Clients of others: they list the tools, read, rename a device, refuse a deletion and confirm one."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport

from scripts.judges.conformance import HANDSHAKE, MODERN
from scripts.judges.inspector import SURFACES
from scripts.judges.node import run
from scripts.judges.serving import EVERYTHING, OWN, ROOT, clean_environment, serving
from scripts.judges.verdict import Verdict, judging

CLIENT_SECONDS = 90
DEMO = (*OWN, "--demo", *EVERYTHING)
TYPESCRIPT = {
    "client-v1.mjs": f"TypeScript SDK v1, {HANDSHAKE}",
    "client-v2.mjs": f"TypeScript SDK v2, {MODERN}",
}
_NAME = "renamed-by-a-judge"
_TOOLS = SURFACES["portmanteau, everything"][1]


def judge_typescript(node: str) -> list[Verdict]:
    """Let both TypeScript SDKs work over stdio and over HTTP."""
    verdicts = []
    with serving(OWN, *EVERYTHING) as served:
        for script, name in TYPESCRIPT.items():
            with judging(name) as verdict:
                for how in (["stdio", *DEMO], ["http", served.url]):
                    told = {"JUDGE_TOOLS": str(_TOOLS)}
                    if how[0] == "http":
                        told["JUDGE_TOKEN"] = served.token
                    ran = run([node, script, *how], seconds=CLIENT_SECONDS, environment=told)
                    verdict.check(ran.code == 0, f"{how[0]}: exit code {ran.code}\n{ran.tail}")
            verdicts.append(verdict)
    return verdicts


def judge_fastmcp() -> list[Verdict]:
    """Let FastMCP's own client work over stdio in both eras, and look at every line it was sent."""
    verdicts = []
    for mode, version in (("legacy", HANDSHAKE), ("auto", MODERN)):
        with judging(f"FastMCP client, {version}") as verdict, tempfile.TemporaryDirectory() as folder:
            lines = Path(folder) / "stdout"
            asyncio.run(asyncio.wait_for(_converse(mode, version, lines, verdict), CLIENT_SECONDS))
            said = lines.read_text().splitlines()
            strange = [line for line in said if not _is_message(line)]
            verdict.check(bool(said) and not strange, f"on stdout, {len(said)} lines: {strange[:3]}")
        verdicts.append(verdict)
    return verdicts


async def _converse(mode: Any, version: str, lines: Path, verdict: Verdict) -> None:
    answers, asked = [("decline", None), ("accept", {"proceed": True})], []

    async def answer(message: str, kind: Any, params: Any, context: Any) -> Any:
        asked.append(message)
        action, content = answers.pop(0)
        return ElicitResult(action=action, content=content)  # type: ignore[arg-type]

    # A copy of what the server says is kept beside the conversation.
    transport = StdioTransport(
        "/bin/sh",
        ["-c", '"$@" | tee "$0"', str(lines), *DEMO],
        env=clean_environment(),
        cwd=str(ROOT),
        keep_alive=False,
    )
    async with Client(transport, mode=mode, elicitation_handler=answer) as client:
        verdict.check(client.protocol_version == version, f"speaks {client.protocol_version}")
        tools = await client.list_tools()
        verdict.check(len(tools) == _TOOLS, f"{len(tools)} tools, {_TOOLS} should be")

        async def call(tool: str, **arguments: Any) -> tuple[bool, Any]:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return not result.is_error, result.structured_content or {}

        listed = (await call("devices_read", action="list", limit=5))[1]
        device = listed["rows"][0][listed["columns"].index("nodeId")]
        fine, content = await call("devices_write", action="set_name", device_id=device, name=_NAME)
        verdict.check(fine and _NAME in json.dumps(content["after"]), f"rename: {content}")
        fine, content = await call("devices_delete", action="delete", device_id=device)
        verdict.check(not fine, f"a refused deletion: {content}")
        fine, content = await call("devices_delete", action="delete", device_id=device)
        verdict.check(fine, f"a confirmed deletion: {content}")
        fine, content = await call("devices_read", action="get", device_id=device)
        verdict.check(not fine and len(asked) == 2, f"asked {len(asked)} times; the device: {content}")


def _is_message(line: str) -> bool:
    try:
        return bool(json.loads(line)["jsonrpc"] == "2.0")
    except (ValueError, TypeError, KeyError):
        return False
