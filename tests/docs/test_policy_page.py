"""The walk through a policy: every command of the page is run in its order, and prints what the page shows.

``REWRITE_DOCS=1`` writes what the commands print into the page, for review.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.changes import engine
from tailscale_sdk.cli import main
from tailscale_sdk.testing import FakeTailnet, no_sleep

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "policy.md"
SNAPSHOT = ROOT / "docs" / "examples" / "policy-tailnet.json"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run is shown as it might be, in the same width.
CHANGING = (
    (re.compile(r"\d{8}T\d{6}\.\d{6}Z"), "20260701T090000.000000Z"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "2026-07-01T09:00:00+00:00"),
    (re.compile(r"\bchange [0-9a-f]{32}"), "change 5d2f0c7be1a94c3d8e6f7a8b9c0d1e2f"),
    (re.compile(r"policy apply [A-Za-z0-9_-]{43}"), "policy apply PLAN"),
)


class Reader:
    """Follows the page: runs its commands one after the other and shows what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._plan = ""

    def shown(self, block: str) -> str:
        """Return a block with what its commands print now."""
        lines = []
        for line in block.splitlines():
            if line.startswith("$ "):
                lines += [line, *self._run(line)]
        return "\n".join(lines) + "\n"

    def _run(self, line: str) -> list[str]:
        program, *words = shlex.split(line.removeprefix("$ "))
        if program != "tailscale-sdk":
            return []
        main([self._plan if word == "PLAN" else word for word in words])
        captured = self._capsys.readouterr()
        printed = captured.out + captured.err
        self._plan = printed.rsplit(" ", 1)[-1].strip() if "policy apply" in printed else self._plan
        for pattern, example in CHANGING:
            printed = pattern.sub(example, printed)
        return printed.rstrip("\n").splitlines()


@pytest.fixture
def tailnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTailnet]:
    with FakeTailnet(snapshot=str(SNAPSHOT)) as running, no_sleep():
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv("TAILSCALE_API_KEY", running.api_key)
        monkeypatch.setenv("TAILSCALE_BASE_URL", running.base_url)
        monkeypatch.setenv("TAILSCALE_SDK_STATE", str(tmp_path / "state"))
        monkeypatch.setattr(engine, "own_principal", lambda: "os:1000")
        yield running


def test_the_page_shows_what_the_commands_print(
    tailnet: FakeTailnet, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(capsys)
    text = PAGE.read_text(encoding="utf-8")
    now = BLOCK.sub(lambda found: f"```console\n{reader.shown(found[1])}```", text)
    if os.environ.get("REWRITE_DOCS"):
        PAGE.write_text(now, encoding="utf-8")
    assert now == PAGE.read_text(encoding="utf-8"), "REWRITE_DOCS=1 rewrites the page for review"


def test_the_page_answers_one_question_for_five_reasons() -> None:
    text = PAGE.read_text(encoding="utf-8")
    reasons = text.partition("## Why can't")[2].partition("## Who can reach")[0]
    assert reasons.count("\nNO: ") == 5
    assert reasons.count("\nYES: ") == 1
