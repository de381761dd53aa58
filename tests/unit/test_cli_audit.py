"""``tailscale-sdk audit`` as CI and a person at a terminal run it: exit codes, files, history, fixes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.operations.audit.runs import SINS
from tests.unit.test_cli_fleet import Terminal, terminal

__all__ = ["terminal"]
pytestmark = pytest.mark.each_row


@pytest.fixture
def snapshot(tmp_path: Path) -> str:
    path = tmp_path / "tailnet.json"
    path.write_text(json.dumps(SINS))
    return str(path)


def test_the_first_screen_is_what_to_do_today(terminal: Terminal, snapshot: str) -> None:
    said = terminal.run("audit", "--tailnet", snapshot, code=1)
    assert said.index("today\n1. high ") < said.index("\nthen\n")


def test_json_is_what_the_other_formats_are_made_of(terminal: Terminal, snapshot: str) -> None:
    found = terminal.json("audit", "--tailnet", snapshot, code=1)
    assert found["schema"] == "tailscale-sdk/audit/1"
    assert {"coverage", "summary", "findings", "checks", "trend", "resolved"} <= set(found)
    finding = found["findings"][0]
    assert {"fingerprint", "first_seen", "state", "controls", "evidence", "location"} <= set(finding)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 1),
        (("--fail-on", "critical"), 0),
        (("--fail-on", "low"), 1),
        (("--fail-on", "none"), 0),
        (("--fail-on", "none", "--fail-on-unknown"), 1),
        (("--check", "SET-02"), 0),
        (("--check", "set-01"), 1),
        (("--check", "SET-1"), 2),
        (("--waivers", "/nonexistent"), 2),
        (("--baseline", "/nonexistent"), 2),
    ],
)
def test_exit_codes(terminal: Terminal, snapshot: str, words: tuple[str, ...], code: int) -> None:
    terminal.run("audit", "--tailnet", snapshot, "--no-history", *words, code=code)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"devices": {}}, "devices: must be a list"),
        ({"users": []}, "devices: is missing"),
        ({"devices": [], "keys": [7]}, "keys[0]: must be an object"),
    ],
)
def test_an_unreadable_snapshot_names_the_bad_value(
    terminal: Terminal, content: dict[str, Any], said: str
) -> None:
    path = terminal.write("bad.json", json.dumps(content))
    assert said in terminal.run("audit", "--tailnet", path, code=2)


def test_only_what_is_new_fails(terminal: Terminal, snapshot: str) -> None:
    terminal.run("audit", "--tailnet", snapshot, "--only-new", code=1)
    assert "0 new, " in terminal.run("audit", "--tailnet", snapshot, "--only-new", code=0)


def test_a_baseline_takes_the_place_of_the_history(terminal: Terminal, snapshot: str) -> None:
    baseline = terminal.folder / "last.json"
    terminal.run("audit", "--tailnet", snapshot, "--format", "json", "--out", str(baseline), code=1)
    assert baseline.stat().st_mode & 0o777 == 0o600
    terminal.run("audit", "--tailnet", snapshot, "--baseline", str(baseline), "--only-new", code=0)
    wrong = terminal.write("wrong.json", "{}")
    assert f"{wrong}: it is no report" in terminal.run(
        "audit", "--tailnet", snapshot, "--baseline", wrong, code=2
    )


def test_an_expired_waiver_does_not_hide_and_one_that_holds_does(terminal: Terminal, snapshot: str) -> None:
    waiver = (
        '[[waivers]]\ncheck = "SET-01"\nresource = "*"\nreason = "r"\nowner = "alice@example.com"\n'
        'created = "{}"\nexpires = "{}"\n'
    )
    held = terminal.write("held.toml", waiver.format("2026-06-01", "2026-12-31"))
    ended = terminal.write("ended.toml", waiver.format("2026-01-01", "2026-05-31"))
    only = ("audit", "--tailnet", snapshot, "--check", "SET-01", "--no-history")
    assert "waived: 1" in terminal.run(*only, "--waivers", held, code=0)
    assert "has expired" in terminal.run(*only, "--waivers", ended, code=1)


@pytest.mark.parametrize("form", ["html", "sarif", "junit", "markdown", "csv", "evidence-csv", "prometheus"])
def test_every_format_goes_into_a_file(terminal: Terminal, snapshot: str, form: str) -> None:
    out = terminal.folder / "report"
    terminal.run("audit", "--tailnet", snapshot, "--format", form, "--out", str(out), code=1)
    assert out.read_text()


def test_the_tailnet_itself_is_audited_and_the_runs_are_listed(terminal: Terminal) -> None:
    assert "SET-01" in terminal.run("audit", code=1)
    assert terminal.json("audit", "history")[0]["by_severity"]["high"] >= 1
    assert terminal.run("audit", "history").splitlines()[0].startswith("at ")
    assert terminal.written() == []


def test_deep_reads_device_by_device(terminal: Terminal) -> None:
    missing = {ran["check"]: ran["missing"] for ran in terminal.json("audit", code=1)["checks"]}
    deep = {ran["check"]: ran["missing"] for ran in terminal.json("audit", "--deep", code=1)["checks"]}
    assert "attributes" in missing["DEV-12"]
    assert deep["DEV-12"] == {}


def test_a_fix_is_shown_then_made(terminal: Terminal) -> None:
    terminal.run("audit", code=1)
    assert "apply it within 15 minutes" in terminal.run("audit", "fix", "SET-01")
    assert terminal.written() == []
    assert "1 ok" in terminal.run("audit", "fix", "SET-01", "--apply")
    assert terminal.written() == ["updateTailnetSettings"]
    assert "SET-01" in terminal.run("audit", code=1).split("resolved:")[1]


def test_a_finding_is_explained(terminal: Terminal, snapshot: str) -> None:
    found = terminal.json("audit", "--tailnet", snapshot, code=1)["findings"]
    wanted = next(each for each in found if each["check"] == "SET-01")
    said = terminal.run("audit", "explain", wanted["fingerprint"][:12], "--tailnet", snapshot)
    assert "devicesApprovalOn" in said
    assert f"tailscale-sdk audit fix {wanted['fingerprint'][:12]}" in said
    placed = next(each for each in found if each["location"])
    assert "policy line" in terminal.run("audit", "explain", placed["fingerprint"], "--tailnet", snapshot)
    assert "no fingerprint" in terminal.run("audit", "explain", "00000000", "--tailnet", snapshot, code=2)


def test_the_catalogue_is_listed(terminal: Terminal) -> None:
    assert len(terminal.json("audit", "checks")) == 54
    assert "KEY-02" in terminal.run("audit", "checks")


def test_a_tailnet_that_cannot_be_reached_is_three(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCALE_API_KEY", "tskey-api-demo")
    terminal.run("audit", code=3)
