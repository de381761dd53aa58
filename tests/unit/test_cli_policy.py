"""``tailscale-sdk policy …`` as a user runs it: offline on files, and against the embedded tailnet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.cli import main
from tailscale_sdk.testing import FakeTailnet, no_sleep

pytestmark = pytest.mark.each_row

POLICY = """{
  "groups": {"group:dba": ["alice@example.com"]},
  "tagOwners": {"tag:db": ["group:dba"], "tag:web": []},
  "grants": [
    {"src": ["group:dba"], "dst": ["tag:db"], "ip": ["tcp:5432"], "app": {"example.com/db": [{}]}},
    {"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"], "srcPosture": ["posture:ok"]},
  ],
  "postures": {"posture:ok": ["node:os == 'linux'"]},
  "ssh": [{"action": "check", "src": ["group:dba"], "dst": ["tag:db"], "users": ["ubuntu", "autogroup:nonroot"]}],
  "nodeAttrs": [{"target": ["tag:web"], "attr": ["funnel"]}],
  "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:web"]}, "exitNode": ["tag:web"]},
  "tests": [{"src": "alice@example.com", "accept": ["tag:db:5432"], "deny": ["tag:db:22"]}],
}"""
DEVICES: list[dict[str, Any]] = [
    {"nodeId": "nDb", "name": "db.example.ts.net", "tags": ["tag:db"], "addresses": ["100.64.0.1", "fd7a:115c:a1e0::1"]},
    {"nodeId": "nWeb", "name": "web.example.ts.net", "tags": ["tag:web"], "addresses": ["100.64.0.2"]},
    {"nodeId": "nPc", "name": "pc.example.ts.net", "user": "alice@example.com", "addresses": ["100.64.0.3", "fd7a:115c:a1e0::3"],
     "keyExpiryDisabled": False, "expires": "2026-05-02T00:00:00Z"},
]  # fmt: skip
USERS = [{"id": "u1", "loginName": "alice@example.com", "role": "owner", "type": "member"}]


class Files:
    """Writes policies and a snapshot, and runs the command on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.snapshot = self.write(
            "tailnet.json",
            json.dumps(
                {"devices": DEVICES, "users": USERS, "policy": POLICY, "taken": "2026-05-01T00:00:00Z"}
            ),
        )
        self.policy = self.write("policy.hujson", POLICY)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def run(self, *words: str, code: int = 0, tailnet: bool = True) -> str:
        """Run ``policy …`` and return what it printed on either stream."""
        given = ["--tailnet", self.snapshot] if tailnet else []
        assert main(["policy", *words, *given]) == code
        captured = self.capsys.readouterr()
        return captured.out + captured.err

    def json(self, *words: str, code: int = 0, tailnet: bool = True) -> Any:
        """Run a command with ``--json`` and return what it printed."""
        return json.loads(self.run(*words, "--json", code=code, tailnet=tailnet))


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    return Files(tmp_path, capsys)


PORT = [{"proto": [6], "ports": [5432, 5432]}]


def test_reach_prints_pairs_and_rows(files: Files) -> None:
    pair = {"v4": PORT, "v6": PORT, "caps": {"example.com/db": [{}]}}
    assert files.json("reach", "--policy", files.policy) == {"nDb": {"nPc": pair}}
    assert files.json("reach") == {"nDb": {"nPc": pair}}
    assert files.json("reach", "--src", "web") == {}
    assert files.json("reach", "--dst", "tag:db", "--src", "pc") == {"nDb": {"nPc": pair}}
    shown = files.run("reach")
    assert "alice@example.com  tag:db        tcp 5432, app example.com/db" in shown
    assert "uncertain" in files.run("reach", "--src", "web")
    assert "nothing is allowed" in files.run("reach", "--dst", "pc")


def test_ssh_prints_rules_by_pair(files: Files) -> None:
    rule = {"users": {"*": "=", "ubuntu": "ubuntu", "root": ""}, "action": "check"}
    assert files.json("ssh") == {"nDb": {"nPc": [rule]}}
    assert files.json("ssh", "--src", "web") == {}
    assert "pc      db           check   any but root, ubuntu" in files.run("ssh")
    assert "no SSH rule" in files.run("ssh", "--dst", "web")


def test_tests_pass_or_fail_with_the_services_message(files: Files) -> None:
    assert files.json("test") == {"message": "", "data": []}
    assert "1 tests and 0 sshTests pass" in files.run("test")
    failing = files.write(
        "failing.hujson", POLICY.replace('"deny": ["tag:db:22"]', '"deny": ["tag:db:5432"]')
    )
    errors = ['address "tag:db:5432": want: Drop, got: Accept']
    assert files.json("test", "--policy", failing, code=1) == {
        "message": "test(s) failed",
        "data": [{"user": "alice@example.com", "errors": errors}],
    }
    assert "want: Drop" in files.run("test", "--policy", failing, code=1)


def test_explain_answers_at_the_moment_of_the_snapshot(files: Files) -> None:
    answer = files.json("explain", "pc", "db:5432")
    assert (answer["answer"], answer["read"]) == ("yes", "2026-05-01T00:00:00Z")
    shown = files.run("explain", "pc", "db:22")
    assert shown.startswith("NO: grants[0] line 5 lets pc in, but only on tcp 5432")
    assert "> add the port to this rule" in shown
    assert "UNKNOWN" in files.run("explain", "web", "db:5432")
    several = files.run("explain", "tag:web", "tag:db:5432", "--proto", "tcp")
    assert several.startswith("UNKNOWN")


def test_diff_prints_rows_and_risks(files: Files) -> None:
    new = files.write(
        "new.hujson", POLICY.replace('"ip": ["tcp:5432"], "app"', '"ip": ["tcp:5432", "tcp:22"], "app"')
    )
    found = files.json("diff", files.policy, new)
    assert [row["what"] for row in found["gained"]] == ["tcp 22"]
    assert (found["lost"], found["risks"], found["effect"]) == ([], [], True)
    assert files.run("diff", files.policy, new, "--protect", "tag:db").splitlines() == [
        "! high: new access to tag:db: alice@example.com, tcp 22",
        "1 gained, 0 lost, 0 rights changed",
        "+ alice@example.com -> tag:db: tcp 22  [grants[0] line 5]",
    ]


def test_what_if_devices_change_and_a_rule_goes(files: Files) -> None:
    words = ("--tag", "web=", "--remove", "pc", "--approve", "db=10.0.0.0/8,10.9.0.0/16")
    found = files.json("what-if", *words)
    assert found["gained"] == []
    assert {row["what"] for row in found["lost"]} >= {"tcp 5432", "attribute funnel"}
    assert "2 gained, 5 lost" in files.run("what-if", "--tag", "pc=tag:web", "--protect", "tag:db")
    for words in (("--tag", "web"), ("--remove", "nobody")):
        assert "error" in files.json("what-if", *words, code=2)
    assert [row["what"] for row in files.json("rule", "grants[0]")["lost"]] == [
        "tcp 5432",
        "example.com/db [{}]",
    ]
    assert "value not found" in files.json("rule", "/grants/7", code=2)["error"]


def test_rights(files: Files) -> None:
    found = files.json("rights")
    assert [each["tag"] for each in found["tags"]] == ["tag:db", "tag:web"]
    assert [each["route"] for each in found["routes"]] == ["10.0.0.0/8", "exitNode"]
    assert found["funnel"] == ["web"]
    shown = files.run("rights")
    assert "own tag:web         admins alone" in shown
    assert "approve 10.0.0.0/8  tag:web" in shown
    assert files.json("rights", "--tag", "tag:db")["routes"] == []
    assert files.json("rights", "--route", "10.1.0.0/16")["tags"] == []
    empty = files.write("empty.hujson", "{}")
    assert "none of these rights" in files.run("rights", "--policy", empty)


@pytest.mark.parametrize(
    "form, beginning", [("mermaid", "---"), ("dot", "digraph"), ("html", "<!doctype html>"), ("json", "{")]
)
def test_graphs(files: Files, form: str, beginning: str) -> None:
    assert files.run("graph", "--policy", files.policy, "--format", form, tailnet=False).startswith(beginning)
    assert files.run("graph", "--effective", "--format", form).startswith(beginning)
    new = files.write("new.hujson", POLICY.replace("tcp:5432", "tcp:5433"))
    old = files.write("old.hujson", POLICY.replace('"deny": ["tag:db:22"]', '"deny": []'))
    out = files.folder / "graph.out"
    assert files.run("graph", "--policy", new, "--against", old, "--format", form, "--out", str(out)) == ""
    assert out.read_text().startswith(beginning)
    assert "5433" in out.read_text()


def test_lint_and_its_formats(files: Files) -> None:
    found = files.json("lint", code=1)
    assert {"no-ssh-tests", "ssh-no-recorder"} <= {each["check"] for each in found}
    assert "low:9 no-ssh-tests: 1 ssh rules and no sshTests" in files.run("lint", code=1)
    assert files.json("lint", "--severity", "critical") == []
    assert files.run("lint", "--severity", "critical") == "nothing found\n"
    sarif = json.loads(files.run("lint", "--format", "sarif", "--policy", files.policy, code=1))
    assert sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] > 1
    assert files.run("lint", "--format", "junit", code=1).startswith("<?xml")
    assert "::notice file=policy.hujson,line=9" in files.run("lint", "--format", "github", code=1)
    assert files.run("lint", "--format", "markdown", code=1).startswith("## ")


def test_the_three_assertions(files: Files) -> None:
    new = files.write("new.hujson", POLICY.replace('"ip": ["tcp:5432"], "app"', '"ip": ["tcp:22"], "app"'))
    (finding,) = files.json("check-no-new-access", files.policy, new, code=1)
    assert finding["location"]["line"] == 5
    assert files.json("check-no-new-access", files.policy, new, "--allow", "alice@example.com->tag:db") == []
    assert files.json("check-no-new-access", files.policy, files.policy) == []
    assert len(files.json("check-access-not-granted", "pc", "db:5432", code=1)) == 1
    assert files.json("check-access-not-granted", "pc", "db:22") == []
    (doubt,) = files.json("check-access-not-granted", "web", "db:5432", code=1)
    assert doubt["status"] == "unknown"
    assert "(unknown)" in files.run("check-access-not-granted", "web", "db:5432", code=1)
    assert files.json("check-access-not-granted", "web", "db:5432", "--allow-unknown") == []
    assert len(files.json("check-no-public-access", "tag:web", code=1)) == 1
    assert files.json("check-no-public-access", "tag:db") == []


def test_generated_tests(files: Files) -> None:
    found = files.json("generate-tests", "--protect", "tag:db")
    assert {"src": "group:dba", "accept": ["tag:db:5432"]} in found["tests"]
    assert found["sshTests"][0]["dst"] == ["tag:db"]


REFUSED = '{\n "acls": [{"action": "deny"}]}'


@pytest.mark.parametrize(
    "command", [["reach"], ["ssh"], ["test"], ["explain", "pc", "db:1"], ["lint"], ["rights"], ["graph"]]
)
def test_a_refused_policy_ends_every_command_with_2(files: Files, command: list[str]) -> None:
    bad = files.write("bad.hujson", REFUSED)
    answer = files.json(*command, "--policy", bad, code=2)
    assert answer == {
        "error": '"deny" is not a valid action',
        "pointer": "/acls/0/action",
        "line": 2,
        "column": 22,
    }
    shown = files.run(*command, "--policy", bad, code=2)
    assert shown == 'tailscale-sdk: line 2, column 22: "deny" is not a valid action\n'


def test_wrong_use_says_what_is_wrong(files: Files) -> None:
    assert "no device" in files.json("explain", "nobody", "db:1", code=2)["error"]
    assert "cannot be read" in files.json("reach", "--policy", "/nonexistent.hujson", code=2)["error"]
    broken = files.write(
        "broken.json", json.dumps({"devices": [{"nodeId": "n", "addresses": ["300.1.1.1"]}]})
    )
    assert main(["policy", "reach", "--policy", files.policy, "--tailnet", broken, "--json"]) == 2
    assert (
        "devices[0].addresses[0]: '300.1.1.1' is no IP address"
        in json.loads(files.capsys.readouterr().out)["error"]
    )
    without = files.write("without.json", json.dumps({"devices": []}))
    assert main(["policy", "reach", "--tailnet", without, "--json"]) == 2
    assert "has no policy" in json.loads(files.capsys.readouterr().out)["error"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["tailscale-sdk"])
        assert main(["policy"]) == 2


@pytest.fixture
def tailnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTailnet]:
    snapshot = {"devices": DEVICES, "users": USERS, "policy": POLICY}
    with FakeTailnet(snapshot=snapshot) as running, no_sleep():
        monkeypatch.setenv("TAILSCALE_API_KEY", running.api_key)
        monkeypatch.setenv("TAILSCALE_BASE_URL", running.base_url)
        monkeypatch.setenv("TAILSCALE_SDK_STATE", str(tmp_path / "state"))
        yield running


def stored(tailnet: FakeTailnet) -> str:
    return tailnet.tailnet.policy_text


def test_without_a_snapshot_the_tailnet_is_read(files: Files, tailnet: FakeTailnet) -> None:
    assert set(files.json("reach", tailnet=False)["nDb"]) == {"nPc"}


ADD = ("--intent", "add_member", "--name", "group:dba", "--value", "bob@example.com")


def test_plan_apply_history_and_rollback(files: Files, tailnet: FakeTailnet) -> None:
    shown = files.run("plan", *ADD, "--reason", "bob joins", tailnet=False)
    assert '+  "groups": {"group:dba": ["alice@example.com","bob@example.com"]},' in shown
    plan = shown.rsplit(" ", 1)[-1].strip()
    assert stored(tailnet) == POLICY
    assert "applied and verified" in files.run("apply", plan, tailnet=False)
    assert "bob@example.com" in stored(tailnet)
    assert "bob joins" in files.run("history", tailnet=False)
    (row,) = files.json("history", tailnet=False)
    assert (row["reason"], row["outcome"]) == ("bob joins", "closed")
    assert files.json("rollback", row["version"][:30], tailnet=False)["access"]["summary"] == (
        "the text changes, nobody's access does"
    )
    assert files.json("rollback", "--apply", tailnet=False)["ok"] is True
    assert stored(tailnet) == POLICY
    assert "this plan cannot be used" in files.run("apply", plan, code=3, tailnet=False)


def test_a_rule_a_patch_and_a_file(files: Files, tailnet: FakeTailnet) -> None:
    rule = json.dumps({"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:80"]})
    answer = files.json("plan", "--intent", "add_grant", "--rule", rule, "--apply", tailnet=False)
    assert answer["ok"] is True
    patch = json.dumps([{"op": "remove", "path": "/nodeAttrs"}])
    assert "applied and verified" in files.run("plan", "--patch", patch, "--apply", tailnet=False)
    assert "funnel" not in stored(tailnet)
    whole = files.write("whole.hujson", POLICY)
    assert "applied and verified" in files.run("plan", whole, "--apply", tailnet=False)
    assert stored(tailnet) == POLICY


@pytest.mark.parametrize(
    "words, told",
    [
        ((), "say what to change"),
        (("policy.hujson", *ADD), "give one of FILE, --intent and --patch"),
        (("--intent", "add_member", "--name", "group:dba"), "needs name and value"),
        (("--intent", "add_grant", "--rule", "{"), "--rule: is not JSON"),
        (("--intent", "add_member", "--name", "dba", "--value", "x"), "is not the name of a group"),
    ],
)
def test_a_change_that_cannot_be_meant(
    files: Files, tailnet: FakeTailnet, words: tuple[str, ...], told: str
) -> None:
    words = tuple(files.policy if word == "policy.hujson" else word for word in words)
    assert told in files.run("plan", *words, code=2, tailnet=False)
    assert stored(tailnet) == POLICY


def test_a_lockout_is_named_and_overridden(files: Files, tailnet: FakeTailnet) -> None:
    empty = files.write("empty.hujson", '{"tagOwners": {"tag:db": [], "tag:web": []}}')
    told = files.run("plan", empty, code=3, tailnet=False)
    assert "allow-all" in told
    names = told.strip().rpartition("override: ")[2].split(", ")
    words = [word for name in names for word in ("--override", name)]
    assert "applied and verified" in files.run("plan", empty, *words, "--apply", tailnet=False)


def test_a_probe_that_fails_rolls_back(files: Files, tailnet: FakeTailnet) -> None:
    told = files.run("plan", *ADD, "--apply", "--probe", "exit 3", code=1, tailnet=False)
    assert "rolled back: the probe 'exit 3' ended with 3" in told
    assert stored(tailnet) == POLICY
    assert "applied and verified" in files.run("plan", *ADD, "--apply", "--probe", "true", tailnet=False)


def test_somebody_elses_edit_is_shown(files: Files, tailnet: FakeTailnet) -> None:
    plan = files.json("plan", *ADD, tailnet=False)["plan"]
    tailnet.tailnet.policy_text = POLICY + "\n// theirs\n"
    told = files.run("apply", plan, code=1, tailnet=False)
    assert "not applied" in told
    assert "+// theirs" in told
    assert stored(tailnet).endswith("// theirs\n")


def test_drift(files: Files, tailnet: FakeTailnet) -> None:
    assert "in sync" in files.run("drift", files.policy, tailnet=False)
    newer = files.write("newer.hujson", POLICY.replace("tcp:5432", "tcp:5433").replace(":5432", ":5433"))
    assert "they differ" in files.run("drift", newer, code=1, tailnet=False)
    files.run("plan", newer, "--apply", tailnet=False)
    assert files.json("drift", files.policy, code=1, tailnet=False)["status"] == "pending"
    tailnet.tailnet.policy_text = stored(tailnet).replace("tcp:5433", "tcp:5434")
    assert files.json("drift", newer, code=1, tailnet=False)["status"] == "outside_edit"
    assert "conflict" in files.run("drift", files.policy, code=1, tailnet=False)


def test_the_apis_preview_is_compared_with_our_answer(files: Files, tailnet: FakeTailnet) -> None:
    assert "names the same rules" in files.run("cross-check", "alice@example.com", tailnet=False)
    assert files.json("cross-check", "100.64.0.1:5432", tailnet=False) == {
        "agrees": True,
        "only_ours": [],
        "only_theirs": [],
    }
    assert "give a login name" in files.run("cross-check", "nonsense", code=2, tailnet=False)


def test_a_preview_that_differs_is_told(
    files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = {
        "matches": [{"users": ["x"], "ports": ["*:*"], "lineNumber": 99}],
        "type": "user",
        "previewFor": "x",
    }
    faults = {"rules": [{"operation": "previewRuleMatches", "fault": {"status": 200, "body": answer}}]}
    with FakeTailnet(
        snapshot={"devices": DEVICES, "users": USERS, "policy": POLICY}, faults=faults["rules"]
    ) as running:
        monkeypatch.setenv("TAILSCALE_API_KEY", running.api_key)
        monkeypatch.setenv("TAILSCALE_BASE_URL", running.base_url)
        told = files.run("cross-check", "alice@example.com", code=1, tailnet=False)
    assert "only this compiler names the rules in lines [5]" in told
    assert "only the API names the rules in lines [99]" in told


def test_history_of_nothing(files: Files, tailnet: FakeTailnet) -> None:
    assert "no version is kept" in files.run("history", tailnet=False)
    assert "no kept version" in files.run("rollback", code=3, tailnet=False)
