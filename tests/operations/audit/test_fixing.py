"""Findings turned into one plan, and what became of the tailnet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError, NothingToChangeError
from tailscale_sdk.operations.audit import CHECKS, AuditRun, run_checks
from tailscale_sdk.operations.audit.fixing import plan_fix, propose_fix
from tailscale_sdk.operations.audit.reading import read_audited
from tailscale_sdk.operations.fleet_changes import FleetPlan
from tailscale_sdk.policy.edits import PatchText, edited
from tailscale_sdk.policy.language import read_policy
from tests.operations.audit.runs import run_of
from tests.operations.fleets import NOW, USERS, Admin, ahead, device


def _audit(admin: Admin, **more: Any) -> AuditRun:
    fleet = admin.run(read_audited(admin.client, **more))
    return run_checks(fleet, CHECKS.values(), now=NOW)


def _plan(admin: Admin, run: AuditRun, *wanted: str, risky: bool = False) -> FleetPlan:
    plan: FleetPlan = admin.run(
        plan_fix(admin.client, run, propose_fix(run, wanted, risky=risky), changes=admin.engine)
    )
    return plan


def _fingerprint(run: AuditRun, check: str) -> str:
    return next(finding.fingerprint for finding in run.failed if finding.check == check)


def test_settings_are_mended_in_one_call(admin: Admin) -> None:
    run = _audit(admin)
    report = admin.apply(_plan(admin, run, "SET-01", "set-02", "SET-03"))
    assert report.ok
    assert admin.written() == ["updateTailnetSettings"]
    settings = admin.tailnet.tailnet.settings
    assert (settings["devicesApprovalOn"], settings["devicesKeyDurationDays"]) == (True, 90)
    mended = {finding.check for finding in _audit(admin).failed}
    assert not mended & {"SET-01", "SET-02", "SET-03"}


def test_what_people_notice_needs_its_finding_named(admin: Admin) -> None:
    run = _audit(admin)
    with pytest.raises(NothingToChangeError, match="is let into the tailnet: name it by"):
        _plan(admin, run, "DEV-05")
    assert admin.apply(_plan(admin, run, _fingerprint(run, "DEV-05")[:8])).ok
    assert admin.device("kiosk")["authorized"] is True


def test_risky_names_them_all(admin: Admin) -> None:
    run = _audit(admin)
    assert admin.apply(_plan(admin, run, "DEV-05", "NET-02", risky=True)).ok
    assert "10.20.0.0/16" in admin.device("router-2")["enabledRoutes"]
    assert "10.4.0.0/16" in admin.device("router-2")["enabledRoutes"]


def test_the_policy_is_cleaned_up_by_a_patch_that_leaves_its_comments(admin: Admin) -> None:
    run = _audit(admin)
    report = admin.apply(_plan(admin, run, "ACC-07"))
    assert report.ok
    text = admin.tailnet.tailnet.policy_text
    assert "// who is who" in text
    assert "tag:old" not in text
    assert "group:dev" not in text
    assert "ACC-07" not in {finding.check for finding in _audit(admin).failed}


def test_a_policy_changed_meanwhile_is_left(admin: Admin) -> None:
    run = _audit(admin)
    document = admin.run(admin.client.policy.get())
    admin.run(admin.client.policy.set(document.text + "\n", if_match=document.etag))
    with pytest.raises(ChangeRefusedError, match="was changed since"):
        _plan(admin, run, "ACC-07")


def test_what_only_people_can_do_is_left_alone(admin: Admin) -> None:
    run = _audit(admin)
    with pytest.raises(NothingToChangeError, match="a person has to act"):
        _plan(admin, run, "LOG-01")


@pytest.mark.parametrize("wanted", [(), ("SET-99",), ("0" * 12,), ("ab",)])
def test_what_is_not_there_cannot_be_fixed(wanted: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        propose_fix(run_of(), wanted)


def test_a_key_that_would_end_at_once_has_no_fix() -> None:
    late = device("a", "alice@example.com", keyExpiryDisabled=True, expires="2026-01-01T00:00:00Z")
    soon = device("b", "alice@example.com", keyExpiryDisabled=True, expires=ahead(days=30))
    fixes = {
        finding.resource: finding.fix
        for finding in run_of({"devices": [late, soon]}).failed
        if finding.check == "DEV-01"
    }
    assert fixes["nACNTRL"] == ()
    (call,) = fixes["nBCNTRL"]
    assert call["arguments"] == {"device_id": "nBCNTRL", "key_expiry_disabled": False}


def test_clean_ups_of_the_policy_do_not_move_each_other() -> None:
    policy = (
        '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}, '
        + ", ".join(f'{{"src": ["*"], "dst": ["*"], "ip": ["{port}"]}}' for port in range(1, 12))
        + '], "groups": {"group:a": ["nobody@example.com", "alice@example.com"], "group:b": []}}'
    )
    run = run_of({"devices": [device("a", "alice@example.com")], "users": USERS, "policy": policy})
    remedy = propose_fix(run, ["ACC-07", "ACC-08"])
    text = edited(policy, [PatchText([dict(each) for each in remedy.patch])])
    again = run_of({"devices": [device("a", "alice@example.com")], "users": USERS, "policy": text})
    assert '"ip": ["*"]' in text
    assert not {finding.check for finding in again.failed} & {"ACC-07", "ACC-08"}


def test_deep_reads_attributes_and_invites(admin: Admin) -> None:
    shallow, deep = _audit(admin), _audit(admin, deep=True)
    missing = {ran.check.id: dict(ran.missing) for ran in shallow.checks if ran.missing}
    assert "--deep" in missing["DEV-12"]["attributes"]
    assert not any(ran.missing for ran in deep.checks if ran.check.id == "DEV-12")
    words = [each.message for ran in deep.checks if ran.check.id == "DEV-10" for each in ran.outcomes]
    assert not [message for message in words if "invites cannot be judged" in message]


def test_the_tests_a_policy_lacks_are_written_into_it(admin: Admin) -> None:
    run = _audit(admin)
    assert admin.apply(_plan(admin, run, "ACC-06")).ok
    text = admin.tailnet.tailnet.policy_text
    assert "// who is who" in text
    tests = _content(text)["tests"]
    assert {"src": "tag:web", "accept": ["tag:db:5432"]} in tests
    assert {text for test in tests for text in test.get("deny", ())} == {"tag:db:22", "tag:web:22"}
    assert "ACC-06" not in {finding.check for finding in _audit(admin).failed}


def _tested(tests: str, ssh: str = "", ssh_tests: str = "") -> Any:
    policy = f"""{{
      "tagOwners": {{"tag:db": [], "tag:web": []}},
      "grants": [{{"src": ["alice@example.com"], "dst": ["tag:db"], "ip": ["tcp:5432"]}}],
      "ssh": [{ssh}], "sshTests": {ssh_tests or "null"}, "tests": {tests},
    }}"""
    run = run_of({"devices": [device("a", "alice@example.com"), device("db", "", "tag:db"), device("web", "", "tag:web")],
                  "users": USERS, "policy": policy})  # fmt: skip
    patch = [dict(each) for each in propose_fix(run, ["ACC-06"]).patch]
    return _content(edited(policy, [PatchText(patch)]))


def _content(text: str) -> Any:
    return read_policy(text).tree.data()


def test_tests_that_are_there_stay_and_only_what_lacks_is_added() -> None:
    there = {"src": "alice@example.com", "accept": ["tag:db:5432"]}
    assert _tested(json.dumps([there]))["tests"] == [there, {"src": "tag:web", "deny": ["tag:db:22"]}]


@pytest.mark.parametrize("ssh_tests", ["", "[]"])
def test_ssh_rules_get_tests_of_their_own(ssh_tests: str) -> None:
    rule = '{"action": "check", "src": ["alice@example.com"], "dst": ["tag:db"], "users": ["admin"]}'
    content = _tested('[{"src": "tag:web", "deny": ["tag:db:22"]}]', rule, ssh_tests)
    asked = {"src": "alice@example.com", "dst": ["tag:db"], "check": ["admin"], "deny": ["root"]}
    assert content["sshTests"] == [asked]
    assert content["tests"] == [{"src": "tag:web", "deny": ["tag:db:22"]}]


def test_where_everybody_is_let_in_no_test_can_be_written() -> None:
    policy = """{"tagOwners": {"tag:db": []}, "grants": [{"src": ["*"], "dst": ["*", "tag:db"], "ip": ["*"]}],
      "tests": [{"src": "alice@example.com", "accept": ["tag:db:1"]}]}"""
    run = run_of({"devices": [device("a", "alice@example.com"), device("db", "", "tag:db")], "users": USERS, "policy": policy})  # fmt: skip
    remedy = propose_fix(run, ["ACC-06"])
    assert remedy.patch == ()
    (left,) = remedy.proposal.left_alone
    assert "no test of it would pass" in left.reason
