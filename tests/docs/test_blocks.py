"""Every code block of the documentation runs, against the embedded tailnet."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.docs.blocks import Block, blocks_of

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for path in FILES for block in blocks_of(path)]
KNOWN = {"python", "json", "console", "toml", "text", "yaml", ""}


@pytest.fixture(scope="module")
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=25, seed=3) as running:
        yield running


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=str)
def test_python_runs(block: Block, tailnet: FakeTailnet, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block.code)
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin:/bin",
        "PYTHONWARNINGS": "error",
        "TAILSCALE_API_KEY": tailnet.api_key,
        "TAILSCALE_BASE_URL": tailnet.base_url,
    }
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert tailnet.api_key not in done.stdout + done.stderr


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "json"], ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.code)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "console"], ids=str)
def test_commands_exist(block: Block) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    scripts = {"tailscale-sdk", "tailscale-mcp", "pip", "python", "make"}
    for line in block.code.splitlines():
        if not line.startswith("$ "):
            continue
        words = line.removeprefix("$ ").split()
        assert words[0] in scripts, line
        assert words[0] != "make" or words[1] in targets, line


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {block.language for block in BLOCKS} <= KNOWN
    assert sum(block.language == "python" for block in BLOCKS) >= 8


def test_the_tool_table_is_the_served_surface() -> None:
    from mcp_adapter.measure import tool_table

    text = (ROOT / "README.md").read_text()
    assert f"<!-- tools:begin -->\n{tool_table()}\n<!-- tools:end -->" in text


def test_version_and_changelog_agree() -> None:
    import tailscale_sdk

    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == tailscale_sdk.__version__
