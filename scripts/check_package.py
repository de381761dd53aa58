"""Build the wheel and use it in empty environments: alone without any MCP package, and with [mcp]."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.judges.inspector import SURFACES

ROOT = Path(__file__).resolve().parent.parent
ALONE = """
import importlib.util, json, sys
import tailscale_sdk
from tailscale_sdk import OPERATIONS, Tailscale
client = Tailscale(api_key="tskey-api-demo")
methods = [getattr(getattr(client, o.resource), o.method) for o in OPERATIONS.values()]
absent = [name for name in ("fastmcp", "mcp", "pydantic", "starlette") if importlib.util.find_spec(name) is None]
print(json.dumps({"version": tailscale_sdk.__version__, "methods": len(methods), "absent": absent}))
"""
OPEN_POLICY = '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}'
SERVER = """
import asyncio, json, sys
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

async def talk():
    async with Client(StdioTransport(sys.argv[1], ["--demo"])) as client:
        tools = await client.list_tools()
        print(json.dumps({"tools": len(tools)}))

asyncio.run(talk())
"""


def run(*command: str, **options: object) -> str:
    """Run a command, fail loudly with its output, return its standard output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
    return str(done.stdout)


def locked(extra: list[str]) -> list[str]:
    """Hold every dependency to the version of the lock file."""
    return ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", str(extra[0]), *extra[1:]]


def constraints(folder: Path) -> Path:
    """Write the locked versions without hashes, as constraints."""
    pins = [
        line.split(" \\")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    ]
    path = folder / "constraints.txt"
    path.write_text("\n".join(pin for pin in pins if not pin.startswith(("#", " "))) + "\n")
    return path


def environment(folder: Path, name: str) -> str:
    """Create an empty virtual environment and return its Python."""
    venv.create(folder / name, with_pip=True)
    return str(folder / name / "bin" / "python")


def audit_page(command: str, folder: Path) -> str:
    """Let the installed command write the page of an audit, whose parts are data files of the wheel."""
    snapshot, page = folder / "tailnet.json", folder / "audit.html"
    snapshot.write_text(
        json.dumps({"schema": "tailscale-sdk/snapshot/1", "devices": [], "policy": OPEN_POLICY})
    )
    of_snapshot = ("--tailnet", str(snapshot), "--no-history", "--fail-on", "none")
    run(command, "audit", *of_snapshot, "--format", "html", "--out", str(page))
    return page.read_text()


def main() -> int:
    """Build, install twice, and say what was seen."""
    with tempfile.TemporaryDirectory(prefix="package-") as scratch:
        folder = Path(scratch)
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT))
        wheel = next((folder / "dist").glob("*.whl"))
        pins = constraints(folder)
        alone = environment(folder, "alone")
        run(alone, *locked([str(pins), str(wheel)]))
        seen = json.loads(run(alone, "-c", ALONE, cwd=folder))
        assert seen["methods"] == 90, seen
        assert seen["absent"] == ["fastmcp", "mcp", "pydantic", "starlette"], seen
        operations = json.loads(run(str(Path(alone).with_name("tailscale-sdk")), "operations", "--json"))
        assert len(operations) == 90
        assert "ACC-01" in audit_page(str(Path(alone).with_name("tailscale-sdk")), folder)
        print(f"{wheel.name}: imports alone, 90 methods, no MCP package, writes the page of an audit")
        served = environment(folder, "served")
        run(served, *locked([str(pins), f"{wheel}[mcp]"]))
        answer = json.loads(
            run(served, "-c", SERVER, str(Path(served).with_name("tailscale-mcp")), cwd=folder)
        )
        assert answer["tools"] == SURFACES["portmanteau, read-only"][1], answer
        print(
            f"{wheel.name}[mcp]: tailscale-mcp --demo answered initialize and listed {answer['tools']} tools"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
