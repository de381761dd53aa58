"""The pages about a fleet: every command is run in its order, and prints what the page shows.

``REWRITE_DOCS=1`` writes what the commands print into the pages, for review.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.changes import engine
from tailscale_sdk.cli import main
from tailscale_sdk.testing import FakeTailnet, no_sleep
from tests.operations.fleets import NOW

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs" / "fleet").glob("*.md")), ROOT / "docs" / "audit.md"]
SNAPSHOT = ROOT / "docs" / "examples" / "fleet-tailnet.json"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run is shown as it might be.
CHANGING = (
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "2026-06-30T12:00:00+00:00"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "5d2f0c7be1a94c3d8e6f7a8b9c0d1e2f"),
    (re.compile(r"changes apply [A-Za-z0-9_-]{43}"), "changes apply PLAN"),
    (re.compile(r"since 20\d\d-\d\d-\d\d only"), "since 2026-06-30 only"),
    (re.compile(r"sha256 [0-9a-f]{12}"), "sha256 0123456789ab"),
    (re.compile(r"\bk[A-Za-z0-9]{10,14}CNTRL\b"), "kNewSuccessorCNTRL"),
)


class Frozen(datetime):
    """Stands for the clock of the tailnet."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return NOW


class Reader:
    """Follows a page: runs its commands one after the other and shows what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._change = ""

    def shown(self, block: str) -> str:
        """Return a block with what its commands print now."""
        lines = []
        for line in block.splitlines():
            if line.startswith("$ "):
                lines += [line, *self._run(line)]
        return "\n".join(lines) + "\n"

    def _run(self, line: str) -> list[str]:
        program, *words = shlex.split(line.removeprefix("$ "))
        assert program == "tailscale-sdk"
        main([self._change if word == "CHANGE" else word for word in words])
        captured = self._capsys.readouterr()
        printed = captured.out + captured.err
        made = re.search(r"\bchange ([0-9a-f]{32})", printed)
        self._change = self._change or (made[1] if made else "")
        for pattern, example in CHANGING:
            printed = pattern.sub(example, printed)
        return [row.rstrip() for row in printed.rstrip("\n").splitlines()]


@pytest.fixture
def tailnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTailnet]:
    monkeypatch.setattr("tailscale_sdk.cli.fleet_inputs.datetime", Frozen)
    with FakeTailnet(snapshot=str(SNAPSHOT)) as running, no_sleep():
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TAILSCALE_API_KEY", running.api_key)
        monkeypatch.setenv("TAILSCALE_BASE_URL", running.base_url)
        monkeypatch.setenv("TAILSCALE_SDK_STATE", str(tmp_path / "state"))
        monkeypatch.setattr(engine, "own_principal", lambda: "os:1000")
        yield running


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_page_shows_what_the_commands_print(
    tailnet: FakeTailnet, capsys: pytest.CaptureFixture[str], page: Path
) -> None:
    reader = Reader(capsys)
    text = page.read_text(encoding="utf-8")
    now = BLOCK.sub(lambda found: f"```console\n{reader.shown(found[1])}```", text)
    if os.environ.get("REWRITE_DOCS"):
        page.write_text(now, encoding="utf-8")
    assert now == page.read_text(encoding="utf-8"), "REWRITE_DOCS=1 rewrites the page for review"


def test_each_area_has_a_page() -> None:
    assert {page.stem for page in PAGES} == {
        "audit",
        "changes",
        "devices",
        "keys",
        "lifecycle",
        "network",
        "people",
        "tags",
    }
