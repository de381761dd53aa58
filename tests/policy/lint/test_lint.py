"""Each check of a policy: one policy that has the problem, one that has not, and the fix."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.compile import compile_policy, reach_rows
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.lint import CHECKS, generate_tests, lint
from tests.policy import brute_force
from tests.policy.small import Json, compiled, device, tailnet, user

RECORDS = (
    device("web", "", "tag:web"),
    device("db", "", "tag:db"),
    device("laptop", "alice@example.com"),
    device("router", "", "tag:web", advertised=["10.0.0.0/16"]),
    user("alice@example.com", "admin"),
    user("bob@example.com"),
)
TESTS = [{"src": "tag:web", "accept": ["tag:db:5432"], "deny": ["tag:db:22"]}]
CLEAN: Json = {
    "tagOwners": {"tag:web": [], "tag:db": []},
    "grants": [{"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"]}],
    "tests": TESTS,
}


def changed(**parts: Any) -> Json:
    """Return the clean policy with other parts."""
    return {**CLEAN, **parts}


def grants(*more: Json) -> Json:
    """Return the clean policy with more grants."""
    return changed(grants=[*CLEAN["grants"], *more])


def found(policy: Json, *records: Json) -> list[Finding]:
    """Return the findings of a policy in a tailnet."""
    engine = compiled(policy, *(records or RECORDS))
    return lint(engine.policy, engine)


def ssh(**parts: Any) -> Json:
    """Return a policy with one SSH rule that is in order but for these parts."""
    rule = {
        "action": "check",
        "src": ["alice@example.com"],
        "dst": ["tag:db"],
        "users": ["ubuntu"],
        "recorder": ["tag:web"],
    }
    tests = [{"src": "alice@example.com", "dst": ["tag:db"], "check": ["ubuntu"]}]
    return changed(ssh=[{**rule, **parts}], sshTests=tests)


PEOPLE = [f"user{number}@example.com" for number in range(12)]
SHARED = {**user("guest@example.org"), "type": "shared"}
MANY = [device(f"d{'i' * n}", "", "tag:db") for n in range(100)]
CASES: list[tuple[str, Json, tuple[Json, ...]]] = [
    ("allow-all", {"tagOwners": CLEAN["tagOwners"]}, ()),
    ("any-source", grants({"src": ["*"], "dst": ["tag:db"], "ip": ["tcp:443"]}), ()),
    ("any-destination", grants({"src": ["tag:web"], "dst": ["*"], "ip": ["tcp:443"]}), ()),
    ("all-ports", grants({"src": ["alice@example.com"], "dst": ["tag:db"], "ip": ["*"]}), ()),
    ("danger-all-source", grants({"src": ["autogroup:danger-all"], "dst": ["tag:db"], "ip": ["tcp:443"]}), ()),
    ("many-devices", CLEAN, (*RECORDS, *MANY)),
    ("ssh-root", ssh(action="accept", users=["root"]), ()),
    ("ssh-nonroot", ssh(action="accept", users=["autogroup:nonroot"]), ()),
    ("ssh-any-source", ssh(src=["autogroup:member"]), ()),
    ("ssh-no-recorder", ssh(recorder=[]), ()),
    ("tag-owners-broad", changed(tagOwners={"tag:web": ["autogroup:member"], "tag:db": []}), ()),
    ("tag-owners-broad", changed(tagOwners={"tag:web": [], "tag:db": ["tag:web", "group:all"]}, groups={"group:all": PEOPLE}), ()),
    ("approvers-broad", changed(autoApprovers={"routes": {"10.0.0.0/7": ["tag:web"]}}), ()),
    ("approvers-broad", changed(autoApprovers={"exitNode": ["autogroup:member"]}), ()),
    ("no-posture", grants() | {"postures": {"posture:x": ["node:os == 'linux'"]}, "defaultSrcPosture": []}, ()),
    ("member-with-shared", grants({"src": ["autogroup:member"], "dst": ["tag:db"], "ip": ["tcp:443"]}), (*RECORDS, SHARED)),
    ("unused-group", changed(groups={"group:x": ["alice@example.com"]}), ()),
    ("unused-host", changed(hosts={"x": "100.64.0.9"}), ()),
    ("unused-tag", changed(tagOwners={**CLEAN["tagOwners"], "tag:x": []}), ()),
    ("unused-ipset", changed(ipsets={"ipset:x": ["10.0.0.0/8"]}), ()),
    ("unused-posture", changed(postures={"posture:x": ["node:os == 'linux'"]}), ()),
    ("empty-group", grants({"src": ["group:x"], "dst": ["tag:db"], "ip": ["tcp:1"]}) | {"groups": {"group:x": []}}, ()),
    ("unknown-member", grants({"src": ["group:x"], "dst": ["tag:db"], "ip": ["tcp:1"]}) | {"groups": {"group:x": ["eve@example.com", "alice@example.com"]}}, ()),
    ("duplicate-member", changed(tagOwners={"tag:web": ["bob@example.com"] * 2, "tag:db": []}), ()),
    ("rule-matches-nobody", grants({"src": ["bob@example.com"], "dst": ["tag:db"], "ip": ["tcp:1"]}), ()),
    ("rule-matches-nobody", grants({"src": ["tag:web"], "dst": ["172.16.0.0/16"], "ip": ["tcp:1"]}), ()),
    ("redundant-rule", grants({"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5000-6000"]}), ()),
    ("duplicate-rule", grants(*CLEAN["grants"]), ()),
    ("no-tests", changed(tests=[]), ()),
    ("tag-without-accept-test", changed(tests=[{"src": "tag:web", "deny": ["tag:db:22"]}]), ()),
    ("tag-without-deny-test", changed(tests=[{"src": "tag:web", "accept": ["tag:db:5432"]}]), ()),
    ("no-ssh-tests", {**ssh(), "sshTests": []}, ()),
    ("unknown-key", changed(grnats=[]), ()),
]  # fmt: skip


def test_a_clean_policy_has_no_findings() -> None:
    assert found(CLEAN) == []
    assert found(ssh()) == []


def test_every_check_has_a_case() -> None:
    assert {check for check, _, _ in CASES} == set(CHECKS)


@pytest.mark.parametrize("check, policy, records", CASES, ids=[check for check, _, _ in CASES])
def test_each_check_finds_its_problem_and_says_where(
    check: str, policy: Json, records: tuple[Json, ...]
) -> None:
    mine = [finding for finding in found(policy, *records) if finding.check == check]
    assert mine, [finding.check for finding in found(policy, *records)]
    for finding in mine:
        assert finding.place is not None
        assert (finding.title, finding.help) == (CHECKS[check].title, CHECKS[check].help)
        pointer = finding.place.pointer
        assert hujson.find(json.dumps(policy), pointer) is not None


@pytest.mark.parametrize("check, policy, records", CASES, ids=[check for check, _, _ in CASES])
def test_a_fix_removes_the_finding_and_changes_no_access(
    check: str, policy: Json, records: tuple[Json, ...]
) -> None:
    text = json.dumps(policy, indent=1)
    network = tailnet(*(records or RECORDS))
    before = read_policy(text)
    access = list(reach_rows(compile_policy(before, network)))
    for finding in found(policy, *records):
        if finding.check != check or not finding.fix:
            continue
        fixed = read_policy(hujson.patch(text, finding.fix))
        left = lint(fixed, compile_policy(fixed, network))
        assert finding.fingerprint not in {each.fingerprint for each in left} or check == "duplicate-rule"
        assert len([each for each in left if each.check == check]) < len(
            [each for each in found(policy, *records) if each.check == check]
        )
        assert list(reach_rows(compile_policy(fixed, network))) == access


def test_without_a_tailnet_only_the_text_is_judged() -> None:
    policy = grants({"src": ["bob@example.com"], "dst": ["tag:db"], "ip": ["tcp:1"]})
    policy["tagOwners"] = {**CLEAN["tagOwners"], "tag:x": []}
    assert lint(read_policy(json.dumps(policy))) == []


def test_findings_are_the_same_when_lines_move() -> None:
    policy = changed(groups={"group:x": []})
    text = json.dumps(policy)
    moved = "// moved\n\n" + text
    one, other = (lint(read_policy(each)) for each in (text, moved))
    assert [finding.fingerprint for finding in one] == [finding.fingerprint for finding in other]
    assert [finding.place.line for finding in other if finding.place] == [3] * len(other)


GENERATED = {
    **ssh(),
    "groups": {"group:dba": ["alice@example.com"]},
    "grants": [
        *CLEAN["grants"],
        {"src": ["group:dba"], "dst": ["tag:db"], "ip": ["tcp:5432", "22-23"]},
    ],
    "tests": [],
    "sshTests": [],
}


def test_generated_tests_pass_here_and_by_the_definition() -> None:
    engine = compiled(GENERATED, *RECORDS)
    made = generate_tests(engine)
    assert made["tests"] == [
        {"src": "group:dba", "accept": ["tag:db:22", "tag:db:5432"]},
        {"src": "tag:web", "accept": ["tag:db:5432"]},
    ]
    assert made["sshTests"] == [
        {"src": "alice@example.com", "dst": ["tag:db"], "check": ["ubuntu"], "deny": ["root"]}
    ]
    with_tests = {**GENERATED, **made}
    snapshot = {
        "devices": [record for record in RECORDS if "nodeId" in record],
        "users": [record for record in RECORDS if "loginName" in record],
    }
    assert brute_force.run_tests(with_tests, snapshot) == {"message": "", "data": []}


def test_a_generated_test_notices_what_is_opened_or_closed() -> None:
    engine = compiled(CLEAN | {"tests": []}, *RECORDS, device("other", "bob@example.com"))
    made = generate_tests(engine)["tests"]
    assert {"src": "alice@example.com", "deny": ["tag:db:22"]} in made
    from tailscale_sdk.policy.verdicts import run_tests

    opened = read_policy(
        json.dumps(grants({"src": ["autogroup:member"], "dst": ["tag:db"], "ip": ["22"]}) | {"tests": made})
    )
    closed = read_policy(json.dumps(changed(grants=[], tests=made)))
    for policy in (opened, closed):
        assert not run_tests(policy, engine.tailnet).ok
