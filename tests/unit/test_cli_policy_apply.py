"""``tailscale-sdk policy apply FILE`` as a pipeline runs it, and what surrounds the watching of a new policy."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.cli import main
from tailscale_sdk.testing import FakeTailnet, no_sleep
from tests.unit.test_cli_policy import DEVICES, POLICY, USERS, Files

pytestmark = pytest.mark.each_row

ADD = ("--intent", "add_member", "--name", "group:dba", "--value", "bob@example.com")
NEWER = POLICY.replace('"10.0.0.0/8"', '"10.0.0.0/9"')


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    return Files(tmp_path, capsys)


@pytest.fixture
def tailnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTailnet]:
    with FakeTailnet(snapshot={"devices": DEVICES, "users": USERS, "policy": POLICY}) as running, no_sleep():
        monkeypatch.setenv("TAILSCALE_API_KEY", running.api_key)
        monkeypatch.setenv("TAILSCALE_BASE_URL", running.base_url)
        monkeypatch.setenv("TAILSCALE_SDK_STATE", str(tmp_path / "state"))
        yield running


def written(tailnet: FakeTailnet) -> list[str]:
    return [str(entry.operation) for entry in tailnet.ledger.entries]


def test_a_file_is_applied_once_and_then_left_alone(files: Files, tailnet: FakeTailnet) -> None:
    newer = files.write("newer.hujson", NEWER)
    told = files.run("apply", newer, "--reason", "smaller", tailnet=False)
    assert '+  "autoApprovers": {"routes": {"10.0.0.0/9": ["tag:web"]}' in told
    assert "applied and verified" in told
    assert tailnet.tailnet.policy_text == NEWER
    assert [row["reason"] for row in files.json("history", tailnet=False)] == ["smaller"]
    assert "in sync" in files.run("apply", newer, tailnet=False)
    assert files.json("apply", newer, tailnet=False) == {"ok": True, "change": None, "rollback": "not_needed"}
    assert written(tailnet) == ["setPolicyFile"]
    answer = files.json("apply", files.policy, tailnet=False)
    assert (answer["ok"], tailnet.tailnet.policy_text) == (True, POLICY)


def test_an_edit_from_outside_fails_it_until_it_is_named(files: Files, tailnet: FakeTailnet) -> None:
    newer = files.write("newer.hujson", NEWER)
    files.run("apply", newer, tailnet=False)
    theirs = tailnet.tailnet.policy_text = NEWER + "// theirs\n"
    told = files.run("apply", files.policy, code=3, tailnet=False)
    assert "somebody edited it elsewhere" in told
    assert tailnet.tailnet.policy_text == theirs
    files.run("apply", files.policy, "--override", "outside-edit", tailnet=False)
    assert tailnet.tailnet.policy_text == POLICY


def test_standard_input_is_a_file(
    files: Files, tailnet: FakeTailnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(NEWER.encode())))
    assert "applied and verified" in files.run("apply", "-", tailnet=False)
    assert tailnet.tailnet.policy_text == NEWER


def test_a_file_whose_name_looks_like_a_plan_is_a_file(
    files: Files, tailnet: FakeTailnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "p" * 43
    files.write(name, NEWER)
    monkeypatch.chdir(files.folder)
    assert "applied and verified" in files.run("apply", name, tailnet=False)


@pytest.mark.parametrize(
    "words, told",
    [
        (("--reason", "x"), "has its reason and safeguards already"),
        (("--override", "allow-all"), "has its reason and safeguards already"),
        (("--accept-warnings",), "has its reason and safeguards already"),
        (("--protect", "tag:db"), "has its reason and safeguards already"),
        (("--watch", "3"), "--watch needs --probe"),
    ],
)
def test_a_plan_is_what_it_was_planned_as(
    files: Files, tailnet: FakeTailnet, words: tuple[str, ...], told: str
) -> None:
    plan = files.json("plan", *ADD, tailnet=False)["plan"]
    assert told in files.run("apply", plan, *words, code=2, tailnet=False)
    assert written(tailnet) == []
    assert "applied and verified" in files.run("apply", plan, tailnet=False)


@pytest.mark.parametrize("command", ["plan", "apply", "drift"])
def test_a_file_that_is_no_text_is_refused(files: Files, tailnet: FakeTailnet, command: str) -> None:
    path = files.folder / "latin.hujson"
    path.write_bytes(b'{"groups": {"group:caf\xe9": []}}')
    assert "is not UTF-8 (byte 22)" in files.run(command, str(path), code=2, tailnet=False)
    assert "cannot be read" in files.run(command, str(files.folder / "none"), code=2, tailnet=False)
    assert written(tailnet) == []


@pytest.mark.parametrize("seconds", ["-1", "nan", "x", "86400", "inf"])
def test_the_time_of_a_watch_is_checked(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "plan", *ADD, "--apply", "--probe", "true", f"--watch={seconds}"]) == 2
    assert "is no number of seconds up to 3600" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("plan", *ADD), ("rollback",), ("apply", "-")])
def test_a_watch_needs_a_probe(files: Files, tailnet: FakeTailnet, command: tuple[str, ...]) -> None:
    assert "--watch needs --probe" in files.run(*command, "--watch", "5", code=2, tailnet=False)


def test_a_policy_that_stops_working_while_it_is_watched_is_put_back(
    files: Files, tailnet: FakeTailnet
) -> None:
    log = files.folder / "asked"
    probe = f"echo x >> {log}; test $(wc -l < {log}) -lt 3"
    told = files.run("plan", *ADD, "--apply", "--probe", probe, "--watch", "60", code=1, tailnet=False)
    assert "rolled back" in told
    assert len(log.read_text().splitlines()) == 3
    assert tailnet.tailnet.policy_text == POLICY
    assert json.loads(files.run("drift", files.policy, "--json", tailnet=False))["status"] == "in_sync"
