"""The tailnet-mcp command: flags, credentials, and a real conversation over stdio."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcp_adapter import cli, flags
from mcp_adapter.exposure import EVERY, Exposure
from tests.mcp.conftest import call

COMMAND = str(Path(sys.executable).with_name("tailscale-mcp"))


@pytest.mark.parametrize(
    "words, environment, said",
    [
        ([], {}, "set TAILSCALE_API_KEY"),
        (["--surface", "flat"], {}, "invalid choice: 'flat'"),
        (["--demo", "--allow-delete=devises"], {}, "--allow-delete: unknown domain devises"),
        (["--profile", "prod", "--profile", "prod"], {}, "the same profile twice"),
        (["--unknown"], {}, "unrecognized arguments: --unknown"),
        (["--demo", "--toolsets", "devises"], {}, "unknown domain devises; known are devices"),
        (["--demo", "--profile", "prod"], {}, "--demo reads no profile"),
        (["--profile", "prod"], {}, "no profile 'prod'"),
        ([], {"TAILSCALE_API_KEY": "tskey-client-demo"}, "OAuth client secret"),
        ([], {"TAILSCALE_API_KEY": "a", "TAILSCALE_IDENTITY_TOKEN": "b"}, "more than one credential"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tailscale-mcp ")


def options(**changes: Any) -> argparse.Namespace:
    return argparse.Namespace(
        **{
            "allow_write": None,
            "allow_delete": None,
            "toolsets": None,
            "exclude": None,
            "read_only": False,
            **changes,
        }
    )


@pytest.mark.parametrize(
    "changes, environment, exposure",
    [
        ({}, {}, Exposure()),
        ({"allow_write": "*"}, {}, Exposure(write=EVERY)),
        ({"allow_write": "dns, devices"}, {}, Exposure(write=frozenset({"dns", "devices"}))),
        ({}, {"TAILSCALE_MCP_ALLOW_WRITE": "1"}, Exposure(write=EVERY)),
        ({}, {"TAILSCALE_MCP_ALLOW_WRITE": "0"}, Exposure()),
        ({"allow_write": "dns"}, {"TAILSCALE_MCP_ALLOW_WRITE": "1"}, Exposure(write=frozenset({"dns"}))),
        ({"allow_delete": "keys"}, {}, Exposure(delete=frozenset({"keys"}))),
        ({}, {"TAILSCALE_MCP_ALLOW_DELETE": "on"}, Exposure(delete=EVERY)),
        ({}, {"TAILSCALE_MCP_READ_ONLY": "yes"}, Exposure(read_only=True)),
        (
            {"toolsets": "dns"},
            {"TAILSCALE_MCP_EXCLUDE": "keys"},
            Exposure(frozenset({"dns"}), frozenset({"keys"})),
        ),
    ],
)
def test_flags_and_environment(
    changes: dict[str, Any], environment: dict[str, str], exposure: Exposure
) -> None:
    assert flags.read_exposure(options(**changes), environment) == exposure


def test_a_profile_only_takes_away() -> None:
    wide = Exposure(write=EVERY, delete=EVERY)
    assert flags.tighten(wide, "p", {}) == wide
    assert flags.tighten(wide, "p", {"tier": "read"}).read_only
    writer = flags.tighten(wide, "p", {"tier": "write"})
    assert (writer.write, writer.delete) == (EVERY, frozenset())
    assert flags.tighten(wide, "p", {"toolsets": ["dns"]}).toolsets == {"dns"}
    narrow = Exposure(toolsets=frozenset({"dns", "keys"}))
    assert flags.tighten(narrow, "p", {"toolsets": "dns,users"}).toolsets == {"dns"}
    with pytest.raises(flags.WrongUse, match="tier is one of"):
        flags.tighten(wide, "p", {"tier": "root"})
    assert flags.protected_of("p", {"protected": ["tag:x"]}) == {"tag:x"}
    with pytest.raises(flags.WrongUse, match="protected is a list"):
        flags.protected_of("p", {"protected": "tag:x"})


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TAILSCALE_API_KEY": "not-to-be-read", **kept}


async def test_a_conversation_over_stdio(tmp_path: Path, era: str) -> None:
    transport = StdioTransport(COMMAND, ["--demo", "--allow-write=devices"], env=environment(tmp_path))
    async with Client(transport, mode=era) as client:  # type: ignore[arg-type]
        tools = [tool.name for tool in await client.list_tools()]
        assert tools[:2] == ["devices_read", "devices_write"]
        assert len(tools) == 14 + len(["devices_write", "access_read", "audit_read", "fleet_read"])
        listed, _, _ = await call(client, "devices_read", action="list", limit=1)
        device_id = listed["rows"][0][0]
        written, text, is_error = await call(
            client, "devices_write", action="set_name", device_id=device_id, name="stdio-renamed"
        )
        assert not is_error, text
        assert written["after"]["name"].startswith("stdio-renamed.")


@pytest.mark.parametrize("how", ["hang up", "interrupt"])
def test_the_process_ends_cleanly(tmp_path: Path, how: str) -> None:
    with subprocess.Popen(
        [COMMAND, "--demo"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(
            b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
            b'"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}\n'
        )
        process.stdin.flush()
        assert b'"serverInfo"' in process.stdout.readline()
        if how == "interrupt":
            process.send_signal(signal.SIGINT)
        else:
            process.stdin.close()
        assert process.wait(timeout=20) == (130 if how == "interrupt" else 0)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
