"""What the MCP server costs: many callers over HTTP, large pages, its own processor time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(Path(sys.executable).with_name("tailscale-mcp"))
TOKEN = "bench-demo-token-0123456789-abcdefXYZ"  # noqa: S105  # of a server that lives for this run
CALLERS, CALLS_EACH = 200, 6
UPSTREAM_SECONDS = 0.02
PAGES, MANY_DEVICES = 20, 10_000
CPU_ROUNDS, CPU_CALLS = 7, 100
VERSIONS = {"handshake": "2025-11-25", "modern": "2026-07-28"}
LIST = {"name": "devices_read", "arguments": {"action": "list", "limit": 10}}


@frozen
class Found:
    """Hold one measurement and what it must not exceed, or must at least be."""

    name: str
    value: float
    budget: float
    at_least: bool = False


@define
class Load:
    """Collect what the callers saw.

    Attributes:
        seconds: of each call.
        errors: calls that were not answered with a result.
    """

    seconds: list[float] = field(factory=list)
    errors: int = 0


def percentile(values: list[float], share: float) -> float:
    """Return the value that a share of all is not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def request(port: int, era: str) -> bytes:
    """Write one call as it goes over the wire."""
    parameters: dict[str, Any] = dict(LIST)
    headers = {
        "host": f"127.0.0.1:{port}",
        "authorization": f"Bearer {TOKEN}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSIONS[era],
    }
    if era == "modern":
        headers |= {"mcp-method": "tools/call", "mcp-name": LIST["name"]}  # type: ignore[dict-item]
        parameters["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": VERSIONS[era],
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}).encode()
    head = [f"{name}: {value}" for name, value in {**headers, "content-length": str(len(body))}.items()]
    return "\r\n".join(["POST /mcp HTTP/1.1", *head, "", ""]).encode() + body


async def caller(port: int, sent: bytes, calls: int, load: Load) -> None:
    """Call again and again over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in range(calls):
            begin = time.perf_counter()
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            body = await reader.readexactly(length)
            load.seconds.append(time.perf_counter() - begin)
            load.errors += not head.startswith(b"HTTP/1.1 200") or b'"isError":false' not in body
    finally:
        writer.close()
        await writer.wait_closed()


@contextlib.contextmanager
def running_server() -> Iterator[tuple[int, int]]:
    """Run the command over an embedded tailnet that answers after 20 ms; return its process id and port."""
    from tailscale_sdk.testing import FakeTailnet

    slow = [{"path": "*", "delay": UPSTREAM_SECONDS}]
    with FakeTailnet(devices=50, faults=slow) as tailnet, tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "TAILSCALE_API_KEY": tailnet.api_key,
            "TAILSCALE_BASE_URL": tailnet.base_url,
            "TAILSCALE_MCP_TOKEN": TOKEN,
            "TAILSCALE_SDK_STATE": str(Path(folder) / "state"),
        }
        words = [COMMAND, "--transport", "http", "--port", "0"]
        with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                line = next(line for line in process.stderr if "serving http://" in line)
                yield process.pid, int(line.rpartition(":")[2].partition("/")[0])
            finally:
                process.terminate()


def processor_seconds(process: int) -> float | None:
    """Return the processor time of another process, where the system tells."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many_callers() -> list[Found]:
    """Let 200 callers call at once, in both eras."""

    async def drive(port: int, era: str, calls: int, load: Load) -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(caller(port, request(port, era), calls, load) for _ in range(CALLERS)))
        return time.perf_counter() - begin

    found = []
    with running_server() as (process, port):
        for era, budget in (("handshake", 100.0), ("modern", 70.0)):
            asyncio.run(drive(port, era, 1, Load()))
            load, before = Load(), processor_seconds(process)
            seconds = asyncio.run(drive(port, era, CALLS_EACH, load))
            after = processor_seconds(process)
            if before is not None and after is not None:
                each = (after - before) / len(load.seconds) * 1000
                print(
                    f"     HTTP, {era}: {each:.1f} ms of processor time a call; p50 {percentile(load.seconds, 0.5):.2f} s"
                )
            name = f"HTTP, {CALLERS} callers, {era}"
            found += [
                Found(f"{name}: calls/s", len(load.seconds) / seconds, budget, at_least=True),
                Found(f"{name}: p95, seconds", percentile(load.seconds, 0.95), 2.5),
                Found(f"{name}: errors", load.errors, 0),
            ]
    return found


def large_pages() -> list[Found]:
    """Page through 10,000 devices whose list was just read."""
    from fastmcp import Client

    from mcp_adapter.exposure import Exposure
    from mcp_adapter.runtime import single
    from mcp_adapter.server import build_server
    from tailscale_sdk import AsyncTailscale
    from tailscale_sdk.changes import LocalState
    from tailscale_sdk.changes.state_directory import StateDirectory
    from tailscale_sdk.testing import FakeTailnet

    async def walk(tailnet: FakeTailnet, folder: str) -> list[float]:
        settings = single(
            Exposure(),
            lambda: AsyncTailscale(api_key=tailnet.api_key, base_url=tailnet.base_url),
            make_state=lambda: LocalState(StateDirectory(folder)),
        )
        seconds: list[float] = []
        async with Client(build_server(settings)) as client:
            cursor: dict[str, str] = {}
            for number in range(PAGES + 1):
                begin = time.perf_counter()
                answer = await client.call_tool("devices_read", {"action": "list", "limit": 50, **cursor})
                if number:
                    seconds.append(time.perf_counter() - begin)
                assert answer.structured_content is not None
                cursor = {"cursor": answer.structured_content["next_cursor"]}
        return seconds

    with FakeTailnet(devices=MANY_DEVICES) as tailnet, tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(walk(tailnet, folder))
    return [Found(f"page of {MANY_DEVICES:,} devices, p95, seconds", percentile(seconds, 0.95), 1.5)]


def own_time() -> list[Found]:
    """Compare a small call with the same answer of a bare FastMCP server, both in memory."""
    from fastmcp import Client, FastMCP
    from fastmcp.tools.base import ToolResult
    from mcp_types import TextContent

    from mcp_adapter.exposure import Exposure
    from mcp_adapter.runtime import single
    from mcp_adapter.server import build_server
    from tailscale_sdk import AsyncTailscale
    from tailscale_sdk.changes import LocalState
    from tailscale_sdk.changes.state_directory import StateDirectory
    from tailscale_sdk.testing import FakeTailnet

    kept: dict[str, Any] = {}
    bare: FastMCP[Any] = FastMCP("bare")

    @bare.tool
    async def contacts_read(action: str) -> Any:
        text = TextContent(type="text", text=kept["text"])
        return ToolResult(content=[text], structured_content=kept["structured"])

    async def calls(client: Client[Any]) -> float:
        begin = time.process_time()
        for _ in range(CPU_CALLS):
            await client.call_tool("contacts_read", {"action": "get"})
        return (time.process_time() - begin) / CPU_CALLS * 1000

    async def compare(tailnet: FakeTailnet, folder: str, era: str) -> tuple[float, float]:
        settings = single(
            Exposure(),
            lambda: AsyncTailscale(api_key=tailnet.api_key, base_url=tailnet.base_url),
            make_state=lambda: LocalState(StateDirectory(folder)),
        )
        mode: Any = {"handshake": "legacy", "modern": "auto"}[era]
        async with Client(build_server(settings), mode=mode) as ours, Client(bare, mode=mode) as theirs:
            answer = await ours.call_tool("contacts_read", {"action": "get"})
            kept.update(text=answer.content[0].text, structured=answer.structured_content)
            await calls(theirs)
            samples = [(await calls(ours), await calls(theirs)) for _ in range(CPU_ROUNDS)]
        return statistics.median(a for a, _ in samples), statistics.median(b for _, b in samples)

    found = []
    with FakeTailnet(devices=2) as tailnet, tempfile.TemporaryDirectory() as folder:
        for era in VERSIONS:
            own, plain = asyncio.run(compare(tailnet, folder, era))
            print(f"     a small call, {era}: {own:.2f} ms of processor time, bare FastMCP {plain:.2f} ms")
            found.append(Found(f"adapter CPU over bare FastMCP, {era}, ms a call", own - plain, 2.0))
    return found


def measure() -> list[Found]:
    """Measure everything here."""
    return [found for part in (many_callers, large_pages, own_time) for found in part()]
