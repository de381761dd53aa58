"""The commands that look after a fleet, as cron and a person at a terminal run them, on the embedded tailnet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk import Tailscale
from tailscale_sdk.cli import main
from tailscale_sdk.cli.progress import Bar
from tailscale_sdk.testing import FakeTailnet, no_sleep
from tests.operations.conftest import DEVICES
from tests.operations.fleets import NOW, POLICY, USERS, ago, ahead

pytestmark = pytest.mark.each_row


class Terminal:
    """Runs commands and holds the tailnet they change."""

    def __init__(self, tailnet: FakeTailnet, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.tailnet, self.folder, self._capsys = tailnet, folder, capsys

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command that ends with a code, and return all it said."""
        ended = main(words)
        said = self._capsys.readouterr()
        assert ended == code, said
        return said.out + said.err

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with --json and return what it printed."""
        ended = main([*words, "--json"])
        said = self._capsys.readouterr()
        assert ended == code, said
        return json.loads(said.out)

    def write(self, name: str, text: str) -> str:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def device(self, name: str) -> dict[str, Any]:
        """Return a device as the tailnet has it."""
        return next(d for d in self.tailnet.tailnet.devices.values() if d["name"].startswith(f"{name}."))

    def written(self) -> list[str]:
        """Return the operations that changed something."""
        return [str(entry.operation) for entry in self.tailnet.ledger.entries]


class Frozen(datetime):
    """Stands for the clock of the tailnet."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return NOW


TOKEN = {
    "id": "kTokenCNTRL",
    "keyType": "api",
    "description": "report script",
    "userId": "u1",
    "created": ago(days=10),
    "expires": ahead(days=80),
    "scopes": ["all"],
}


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    snapshot = {"devices": DEVICES, "users": USERS, "policy": POLICY, "keys": [TOKEN]}
    monkeypatch.setattr("tailscale_sdk.cli.fleet_inputs.datetime", Frozen)
    with FakeTailnet(snapshot=snapshot) as running, no_sleep():
        monkeypatch.setenv("TAILSCALE_API_KEY", running.api_key)
        monkeypatch.setenv("TAILSCALE_BASE_URL", running.base_url)
        monkeypatch.setenv("TAILSCALE_SDK_STATE", str(tmp_path / "state"))
        yield Terminal(running, tmp_path, capsys)


READS: list[tuple[tuple[str, ...], int, str]] = [
    (("devices", "list", "tag:web"), 0, "web-2.example.ts.net"),
    (("devices", "list", "tag:nope"), 0, "no device matches"),
    (("devices", "search", "lap"), 0, "bob-laptop"),
    (("devices", "search", "nothing-here"), 1, "no device is meant"),
    (("devices", "show", "router-2"), 0, '"waiting": ["10.20.0.0/16"]'),
    (("devices", "status"), 0, "no router of 10.3.0.0/16 is online"),
    (("devices", "duplicates"), 0, "no duplicates"),
    (("network", "dns"), 0, "MagicDNS"),
    (("network", "routes"), 1, "router-2 pending"),
    (("network", "exit-nodes"), 0, "may use them: autogroup:member"),
    (("network", "resolve", "web-1"), 1, "MagicDNS is off"),
    (("network", "4via6", "7", "10.1.1.0/24"), 0, "fd7a:115c:a1e0:b1a:0:7:a01:100/120"),
    (("network", "4via6", "fd7a:115c:a1e0:b1a:0:7:a01:100/120"), 0, "site 7, 10.1.1.0/24"),
    (("network", "4via6", "10.0.0.0/8"), 1, "no 4via6 prefix"),
    (("network", "services"), 0, "no services"),
    (("lifecycle", "status"), 1, "carol-phone"),
    (("connectivity",), 1, "bob-laptop"),
    (("tags", "list"), 1, "tag:old is defined"),
    (("keys", "list"), 0, "report script"),
    (("keys", "forecast", "--days", "100"), 1, "api"),
    (("keys", "rotations"), 0, "no rotations"),
    (("users", "idle"), 0, "nobody is idle"),
    (("changes", "list"), 0, "nothing was changed from here"),
    (("changes", "open"), 0, "nothing is open"),
]


@pytest.mark.parametrize(("words", "code", "said"), READS, ids=[" ".join(words) for words, _, _ in READS])
def test_a_question_is_answered_and_its_exit_code_says_whether_something_is_found(
    terminal: Terminal, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in terminal.run(*words, code=code)
    assert terminal.written() == []
    if words != ("network", "4via6", "10.0.0.0/8"):
        terminal.json(*words, code=code)


def test_a_snapshot_answers_without_the_tailnet(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(terminal.folder / "tailnet.json")
    terminal.run("snapshot", "--out", path)
    for name in ("TAILSCALE_API_KEY", "TAILSCALE_BASE_URL"):
        monkeypatch.delenv(name)
    for words in (
        ("devices", "list", "online:no"),
        ("devices", "status"),
        ("network", "routes"),
        ("lifecycle", "status"),
        ("tags", "list"),
        ("keys", "list"),
        ("connectivity",),
        ("users", "idle"),
    ):
        assert main([*words, "--tailnet", path, "--json"]) in {0, 1}
    assert len(json.loads(Path(path).read_text())["devices"]) == len(DEVICES)


def test_a_plan_is_shown_and_applied_by_its_id(terminal: Terminal) -> None:
    told = terminal.run("devices", "authorize", "authorized:no")
    assert "authorized: false -> true" in told
    assert terminal.written() == []
    plan = told.split("changes apply ")[1].split()[0]
    assert "1 ok: change" in terminal.run("changes", "apply", plan)
    assert terminal.device("kiosk")["authorized"] is True
    terminal.run("changes", "apply", plan, code=3)
    assert terminal.written() == ["authorizeDevice"]
    assert terminal.run("devices", "authorize", "name:kiosk").startswith("nothing is to be changed")
    assert terminal.json("devices", "authorize", "name:kiosk")["items"] == 0


WRITES: list[tuple[tuple[str, ...], list[str]]] = [
    (("devices", "deauthorize", "name:web-1"), ["authorizeDevice"]),
    (("devices", "expire", "name:alice-laptop"), ["expireDeviceKey"]),
    (("devices", "delete", "name:bob-laptop"), ["deleteDevice"]),
    (("devices", "key-expiry", "off", "name:alice-laptop"), ["updateDeviceKey"]),
    (("devices", "rename", "web-1", "front-1"), ["setDeviceName"]),
    (("devices", "address", "web-1", "100.64.77.7"), ["setDeviceIp"]),
    (("devices", "tags", "tag:web", "--add", "old"), ["setDeviceTags"] * 2),
    (
        ("devices", "attribute", "custom:tier", "--value", "gold", "tag:web"),
        ["batchUpdateCustomDevicePostureAttributes"],
    ),
    (("network", "approve-routes", "router-2", "10.20.0.0/16"), ["setDeviceRoutes"]),
    (("network", "revoke-routes", "router-2", "10.3.0.0/16"), ["setDeviceRoutes"]),
    (("network", "set-routes", "router-2", "10.1.0.0/16"), ["setDeviceRoutes"]),
    (("network", "approve-pending", "--allow", "10.0.0.0/8"), ["setDeviceRoutes"]),
    (("network", "approve-exit", "router-2"), ["setDeviceRoutes"]),
    (("network", "revoke-exit", "router-1", "--insist"), ["setDeviceRoutes"]),
    (("network", "nameservers", "--add", "9.9.9.9"), ["setDnsNameservers"]),
    (("network", "search-paths", "--add", "corp.example.com"), ["setDnsSearchPaths"]),
    (("network", "split-dns", "corp.example.com", "10.1.0.53"), ["updateSplitDns"]),
    (("network", "define-service", "svc:wiki", "--port", "tcp:443"), ["updateService"]),
    (("lifecycle", "mark", "--stale", "60d"), ["batchUpdateCustomDevicePostureAttributes"]),
    (("lifecycle", "quarantine", "--quarantine", "60d"), ["expireDeviceKey"] * 2),
    (
        ("lifecycle", "remove", "--remove", "60d", "--skip-quarantine", "--never-routers"),
        ["deleteDevice"] * 2,
    ),
    (
        ("lifecycle", "run", "--stale", "35d", "--quarantine", "60d"),
        ["batchUpdateCustomDevicePostureAttributes", "expireDeviceKey", "expireDeviceKey"],
    ),
    (("users", "onboard", "new@example.com", "--group", "group:dev"), ["createUserInvites", "setPolicyFile"]),
    (("users", "offboard", "bob@example.com"), ["suspendUser", "expireDeviceKey", "setPolicyFile"]),
]


@pytest.mark.parametrize(("words", "operations"), WRITES, ids=[" ".join(words) for words, _ in WRITES])
def test_a_change_is_planned_first_and_carried_out_when_told(
    terminal: Terminal, words: tuple[str, ...], operations: list[str]
) -> None:
    due = 1 if words[0] == "lifecycle" else 0
    terminal.run(*words, code=due)
    planned = terminal.json(*words, code=due)
    assert len(planned["items"]) == len(operations)
    assert terminal.written() == []
    done = terminal.json(*words, "--apply")
    assert (done["ok"], done["counts"]) == (True, {"ok": len(operations)})
    assert terminal.written() == operations
    (last, *_) = terminal.json("changes", "list")
    assert (last["change"], last["left"]) == (done["change"], 0)
    assert [item["outcome"] for item in terminal.json("changes", "show", done["change"])["items"]] == [
        "ok"
    ] * len(operations)


def test_a_change_is_taken_back(terminal: Terminal) -> None:
    change = terminal.json("devices", "tags", "tag:web", "--add", "tag:old", "--apply")["change"]
    assert terminal.device("web-1")["tags"] == ["tag:web", "tag:old"]
    assert "2 ok" in terminal.run("changes", "undo", change, "--apply")
    assert terminal.device("web-1")["tags"] == ["tag:web"]
    assert "takes back change" in terminal.run("changes", "list")


def test_what_failed_is_resumed(terminal: Terminal) -> None:
    node = terminal.device("web-2")["nodeId"]
    with FakeTailnet(snapshot={"devices": DEVICES, "users": USERS, "policy": POLICY}, faults=[]) as other:
        other.faults.add(
            {"path": f"/device/{node}/tags", "nth": 1, "times": 1, "when": "before_apply", "fault": "403"}
        )
        patch = pytest.MonkeyPatch()
        patch.setenv("TAILSCALE_API_KEY", other.api_key)
        patch.setenv("TAILSCALE_BASE_URL", other.base_url)
        try:
            failed = terminal.json("devices", "tags", "tag:web", "--add", "tag:old", "--apply", code=1)
            assert (failed["ok"], failed["counts"]) == (False, {"failed": 1, "ok": 1})
            assert "1 left" in terminal.run("changes", "show", failed["change"], code=1)
            assert "1 ok" in terminal.run("changes", "resume", failed["change"], "--apply")
            assert [str(entry.operation) for entry in other.ledger.entries] == ["setDeviceTags"] * 2
            assert "nothing of change" in terminal.run(
                "changes", "resume", terminal.json("changes", "list")[0]["change"], code=3
            )
        finally:
            patch.undo()


def test_a_term_may_stand_behind_an_option_or_begin_with_a_minus(terminal: Terminal) -> None:
    told = terminal.run("devices", "list", "--limit", "9", "tag:web", "--sort", "name", "-online:yes")
    assert "web-2" in told
    assert "web-1" not in told
    assert "unrecognized arguments: --odd" in terminal.run("devices", "list", "--odd", code=2)
    assert "unrecognized arguments: more" in terminal.run("devices", "status", "more", code=2)


def test_caps_are_named_and_raised(terminal: Terminal) -> None:
    words = ("devices", "key-expiry", "off", "tag:none", "--max-changes", "2")
    assert "max_changes=2" in terminal.run(*words, code=3)
    assert "devices.set_key" in terminal.run(*words[:-1], "4", "--max-percent", "90")


def test_a_selection_that_means_nothing_or_everything_asks_again(terminal: Terminal) -> None:
    assert "needs a query" in terminal.run("devices", "expire", code=2)
    assert "no device matches" in terminal.run("devices", "expire", "tag:nope", code=2)
    assert "every one of 9" in terminal.run("devices", "expire", "name:*", code=2)
    assert "tagOwners do not define tag:new: they define tag:db" in terminal.run(
        "devices", "tags", "tag:web", "--add", "new", code=2
    )
    assert "may mean" in terminal.run("devices", "rename", "web", "x", code=2)


def test_what_the_profile_protects_is_left_in_the_plan_as_skipped(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terminal.folder / "config" / "tailscale-sdk"
    folder.mkdir(parents=True)
    file = folder / "config.toml"
    file.write_text(
        f'[profiles.office]\napi_key = "{terminal.tailnet.api_key}"\nbase_url = "{terminal.tailnet.base_url}"\n'
        'protected = ["tag:web"]\n'
    )
    file.chmod(0o600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(terminal.folder / "config"))
    told = terminal.run("devices", "deauthorize", "name:web-1", "--profile", "office")
    assert "skipped: the operator protects it" in told
    assert "1 skipped" in terminal.run(
        "devices", "deauthorize", "name:web-1", "--profile", "office", "--apply"
    )
    assert terminal.written() == []


def test_exports_go_to_a_file_or_into_its_block(terminal: Terminal) -> None:
    out = terminal.folder / "inventory.yml"
    terminal.run("devices", "export", "tag:web", "--format", "ansible", "--out", str(out))
    assert '"web-1.example.ts.net"' in out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    hosts = terminal.write("hosts", "127.0.0.1 localhost\n")
    terminal.run("devices", "export", "tag:db", "--format", "hosts", "--into", hosts)
    terminal.run("devices", "export", "tag:web", "--format", "hosts", "--into", hosts)
    text = Path(hosts).read_text()
    assert text.startswith("127.0.0.1 localhost\n# BEGIN")
    assert "web-1" in text
    assert "db-1" not in text
    assert "takes a whole file" in terminal.run(
        "devices", "export", "--format", "csv", "--into", hosts, code=2
    )
    assert "tailscale_tailnet_settings" in terminal.run("devices", "export", "--format", "terraform")
    words = ("devices", "export", "--format", "ssh-config", "--ssh-user", "web")
    assert "write tag:NAME=USER" in terminal.run(*words, code=2)


def test_tags_come_from_a_rules_file(terminal: Terminal) -> None:
    rules = terminal.write("rules.toml", '[[rule]]\nname = "web"\nquery = "name:web-*"\nadd = ["tag:old"]\n')
    assert "web-1: by web" in terminal.run("tags", "run", rules)
    assert terminal.json("tags", "run", rules, "--apply")["ok"]
    assert terminal.json("tags", "run", rules) == {"items": 0}
    assert terminal.written() == ["setDeviceTags"] * 2


def test_settings_are_those_of_a_file(terminal: Terminal) -> None:
    declared = terminal.write("declared.json", '{"settings": {"devicesKeyDurationDays": 30}}')
    assert "devicesKeyDurationDays" in terminal.run("settings", "drift", declared, code=1)
    assert terminal.json("settings", "apply", declared, "--apply")["ok"]
    assert "as declared" in terminal.run("settings", "drift", declared)
    wrong = terminal.write("wrong.json", '{"settings": {"devicesKeyDuration": 30}}')
    assert "did you mean settings.devicesKeyDurationDays" in terminal.run("settings", "drift", wrong, code=2)


def test_lifecycle_rules_come_from_a_file_and_owners_are_told_first(terminal: Terminal) -> None:
    rules = terminal.write("life.toml", '[[rule]]\nquery = "os:iOS"\nremove = "400d"\n')
    told = terminal.json("lifecycle", "status", "--rules", rules, code=1)
    assert {row["name"].split(".")[0]: row["stage"] for row in told["devices"]}["carol-phone"] == "quarantine"
    notices = terminal.folder / "notices"
    terminal.run("lifecycle", "quarantine", "--notify", f"cat > {notices}", code=1)
    assert not notices.exists(), "nobody is told of what is only looked at"
    terminal.run("lifecycle", "quarantine", "--notify", f"cat > {notices}", "--apply")
    assert [json.loads(line)["owner"] for line in notices.read_text().splitlines()] == [
        "carol@example.com",
        "bob@example.com",
    ]
    before = len(terminal.written())
    told_again = terminal.run(
        "lifecycle", "remove", "--skip-quarantine", "--notify", "exit 3", "--apply", code=2
    )
    assert "nothing was changed" in told_again
    assert len(terminal.written()) == before
    for text, said in (("[[rule]]\nquiet = 3\n", "rule 1 needs a query"), ("[[", "is not TOML")):
        assert said in terminal.run("lifecycle", "status", "--rules", terminal.write("x.toml", text), code=2)


def ci_key(terminal: Terminal) -> str:
    capabilities = {"devices": {"create": {"reusable": True, "tags": ["tag:web"]}}}
    terminal.tailnet.tailnet.keys["kCiCNTRL"] = {
        "id": "kCiCNTRL",
        "keyType": "auth",
        "description": "ci runners",
        "created": "2026-06-01T00:00:00Z",
        "expires": "2026-08-30T00:00:00Z",
        "expirySeconds": 7776000,
        "capabilities": capabilities,
    }
    return "kCiCNTRL"


def test_rotate_the_ci_auth_key(terminal: Terminal) -> None:
    """Plan, apply, nothing of the secret on the screen, and the old one retired when it is time."""
    old, file = ci_key(terminal), terminal.folder / "ci.key"
    told = terminal.run("keys", "rotate", "ci", "--to", f"file:{file}")
    assert "gets the successor 'ci runners g2'" in told
    assert not file.exists()
    done = terminal.run("keys", "rotate", "ci runners", "--to", f"file:{file}", "--apply")
    secret = file.read_text().strip()
    assert secret.startswith("tskey-auth-")
    assert secret not in done
    assert file.stat().st_mode & 0o777 == 0o600
    assert "verified" in terminal.run("keys", "rotations")
    assert "is verified already" in terminal.run(
        "keys", "rotate", old, "--to", f"file:{file}", "--apply", code=3
    )
    assert "the overlap is not over" in terminal.run("keys", "retire", old, code=3)
    assert "is deleted" in terminal.run("keys", "retire", old, "--early")
    assert terminal.json("keys", "retire", old, "--early", "--apply")["rotation"]["state"] == "retired"
    assert terminal.written() == ["createKey", "deleteKey"]
    assert "nothing to resume" in terminal.run("keys", "resume", old, code=3)
    kept = b"".join(path.read_bytes() for path in (terminal.folder / "state").rglob("*") if path.is_file())
    assert secret.encode() not in kept


def test_what_cannot_be_rotated_says_what_to_do(terminal: Terminal) -> None:
    ci_key(terminal)
    assert "admin console" in terminal.run("keys", "rotate", "kTokenCNTRL", "--to", "file:x", code=2)
    assert "is no credential" in terminal.run("keys", "rotate", "nothing", "--to", "file:x", code=2)
    assert "a secret goes to" in terminal.run("keys", "rotate", "ci", "--to", "mail:me", code=2)
    nowhere = terminal.folder / "no" / "such"
    terminal.run("keys", "rotate", "ci", "--to", f"file:{nowhere}", code=3)
    assert terminal.written() == []


def test_credentials_are_checked_against_rules_and_forecast(terminal: Terminal) -> None:
    ci_key(terminal)
    assert "max_age_days" in terminal.run("keys", "check", "--max-age", "20", code=1)
    assert "all keep to the rules" in terminal.run("keys", "check", "--max-age", "900")
    assert terminal.run("keys", "forecast", "--days", "90", "--markdown", code=1).startswith("| expires |")
    assert "BEGIN:VCALENDAR" in terminal.run("keys", "forecast", "--days", "90", "--calendar", code=1)


def test_a_webhook_gets_another_secret(terminal: Terminal) -> None:
    terminal.tailnet.tailnet.webhooks["w1"] = {
        "endpointId": "w1",
        "endpointUrl": "https://hooks.example.com/x",
        "subscriptions": ["nodeCreated"],
        "secret": "tskey-webhook-demo",
    }
    file = terminal.folder / "hook.env"
    terminal.run("keys", "rotate-webhook", "w1", "--to", f"env:{file}:HOOK_SECRET")
    assert terminal.written() == []
    done = terminal.run("keys", "rotate-webhook", "w1", "--to", f"env:{file}:HOOK_SECRET", "--apply")
    assert file.read_text().startswith("HOOK_SECRET=")
    assert file.read_text().partition("=")[2].strip() not in done
    assert terminal.written() == ["rotateWebhookSecret"]


def test_services_are_approved_and_deleted(terminal: Terminal) -> None:
    terminal.json("network", "define-service", "svc:wiki", "--port", "tcp:443", "--apply")
    assert "svc:wiki" in terminal.run("network", "services", code=1)
    assert "there is no service" in terminal.run("network", "approve-hosts", "svc:no", code=2)
    terminal.run("network", "approve-hosts", "svc:wiki")
    assert terminal.json("network", "delete-service", "svc:wiki", "--apply")["ok"]
    assert terminal.written() == ["updateService", "deleteService"]


def test_duplicates_are_cleaned_up_and_changes_since_a_snapshot_told(terminal: Terminal) -> None:
    path = str(terminal.folder / "before.json")
    terminal.run("snapshot", "--out", path)
    terminal.device("bob-laptop")["machineKey"] = terminal.device("alice-laptop")["machineKey"] = "mkey:demo"
    assert "same machine key" in terminal.run("devices", "duplicates", code=1)
    assert terminal.json("devices", "clean-up", "--apply")["counts"] == {"ok": 1}
    assert terminal.written() == ["deleteDevice"]
    told = json.loads(terminal.run("devices", "duplicates", "--since", path, code=1))
    assert [each["name"] for each in told["removed"]] == ["bob-laptop.example.ts.net"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_commands_are_completed_in_a_shell(terminal: Terminal, shell: str) -> None:
    script = terminal.run("completion", shell)
    for word in ("devices", "clean-up", "approve-routes", "changes"):
        assert word in script


def test_a_missing_scope_is_named_and_the_rest_still_runs(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tailscale(api_key=terminal.tailnet.api_key, base_url=terminal.tailnet.base_url) as client:
        limited = client.keys.create(key_type="client", description="limited", scopes=["devices:core:read"])
    monkeypatch.delenv("TAILSCALE_API_KEY")
    monkeypatch.setenv("TAILSCALE_OAUTH_CLIENT_ID", str(limited.id))
    monkeypatch.setenv("TAILSCALE_OAUTH_CLIENT_SECRET", str(limited.key))
    told = terminal.run("tags", "list")
    assert "tag:web" in told
    assert "policy was not read" in told
    assert "takes the scope policy_file:read" in told
    assert "takes the scope users:read" in terminal.run("users", "idle", code=2)
    refused = terminal.run("devices", "rename", "web-1", "front-1", "--apply", code=1)
    assert "takes the scope devices:core" in refused
    assert terminal.written() == ["createKey"]


def test_a_bar_is_for_terminals_only() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, pipe = Screen(), io.StringIO()
    for stream in (screen, pipe):
        bar = Bar("changes", stream)
        for done in range(1, 4):
            bar(done, 3)
        bar.end()
    assert screen.getvalue().endswith("[##############################] 3/3 changes\n")
    assert pipe.getvalue() == ""
