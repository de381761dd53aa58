"""How long the MCP server takes from being spawned to its list of tools, beside others."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from scripts.bench_http import COMMAND, VERSIONS, Found

STARTS = 5
# All that both servers import; a first start without bytecode would measure the compiler.
PACKAGES = (
    "mcp_adapter",
    "tailscale_sdk",
    "fastmcp",
    "mcp",
    "mcp_types",
    "pydantic",
    "starlette",
    "uvicorn",
    "attr",
)
ONE_TOOL = """
from fastmcp import FastMCP

server = FastMCP("one-tool")


@server.tool
async def hello(name: str) -> str:
    return name


server.run("stdio", show_banner=False)
"""


def until_listed(words: list[str], environment: dict[str, str]) -> float:
    """Return the seconds from spawning a stdio server to its list of tools."""
    hello = {
        "protocolVersion": VERSIONS["handshake"],
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    }
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
    ]
    begin = time.perf_counter()
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        process.stdin.flush()
        while b'"tools"' not in (line := process.stdout.readline()) or b'"id":2' not in line:
            assert line, f"{words[-1]} ended without a list"
        seconds = time.perf_counter() - begin
        process.stdin.close()
        process.terminate()
    return seconds


def start() -> list[Found]:
    """Compare our start with that of a plain FastMCP server of one tool, and show a Node start beside it."""
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            compileall.compile_dir(Path(spec.origin).parent, quiet=2)
    own, plain, node = [], [], []
    engine = shutil.which("node")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "one_tool.py"
        script.write_text(ONE_TOOL)
        environment = {**os.environ, "TAILSCALE_API_KEY": "tskey-api-demo", "TAILSCALE_SDK_STATE": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(STARTS + 1):
            pair = (
                until_listed([COMMAND], environment),
                until_listed([sys.executable, str(script)], environment),
            )
            if number:
                own.append(pair[0])
                plain.append(pair[1])
            if engine is not None:
                begin = time.perf_counter()
                subprocess.run([engine, "-e", "console.log('hello')"], check=True, stdout=subprocess.DEVNULL)
                node.append(time.perf_counter() - begin)
    beside = f"; Node's hello world {statistics.median(node):.2f} s" if node else "; Node is not installed"
    print(
        f"     spawn to tools/list: {statistics.median(own):.2f} s, one-tool FastMCP {statistics.median(plain):.2f} s{beside}"
    )
    ratio = statistics.median(a / b for a, b in zip(own, plain, strict=True))
    return [Found("start, spawn to tools/list / one-tool FastMCP server", ratio, 1.0)]
