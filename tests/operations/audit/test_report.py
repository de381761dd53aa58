"""Runs beside each other: new, as before, resolved, and what could not be looked at; what to do first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit import audit_rules, one_finding
from tailscale_sdk.operations.audit.report import past_run
from tailscale_sdk.operations.audit.urgency import most_urgent, tasks_of
from tests.operations.audit.runs import SINS, left_open, report_of
from tests.operations.fleets import ago, device

_FIXED = {**SINS, "settings": {"devicesApprovalOn": True, "devicesKeyDurationDays": 365}}


def test_a_first_run_has_nothing_to_compare_with() -> None:
    report = report_of()
    assert report.summary()["new"] is None
    assert {report.state_of(finding) for finding in report.findings} == {None}
    assert len(report.counted("high", only_new=True)) == len(report.counted("high")) > 0


def test_the_same_again_is_no_news() -> None:
    first = report_of()
    again = report_of(past=left_open(first))
    assert again.summary()["new"] == again.summary()["resolved"] == 0
    assert again.summary()["persisting"] == len(again.run.failed)
    assert again.counted("info", only_new=True) == ()


def test_what_is_mended_is_resolved_and_what_comes_is_new() -> None:
    first = report_of()
    worse = {
        **_FIXED,
        "devices": [
            *SINS["devices"],
            device("bob-laptop", "bob@example.com", lastSeen=ago(days=90), connectedToControl=False),
        ],
    }
    second = report_of(worse, left_open(first))
    assert [each["check"] for each in second.resolved] == ["SET-01"]
    assert second.resolved[0]["first_seen"] == first.at
    new = [finding.check for finding in second.run.failed if second.state_of(finding) == "new"]
    assert "DEV-04" in new
    assert second.to_dict()["summary"]["resolved"] == 1


@pytest.mark.parametrize("part", ["settings", "keys", "policy"])
def test_what_was_not_looked_at_is_not_resolved_and_comes_back_as_before(part: str) -> None:
    first = report_of()
    blind = report_of({name: value for name, value in SINS.items() if name != part}, left_open(first))
    families = {"settings": {"SET"}, "keys": {"KEY"}, "policy": {"ACC", "SSH"}}[part]
    assert not [each for each in blind.resolved if each["check"].partition("-")[0] in families]
    seen_again = report_of(past=left_open(blind))
    assert seen_again.summary()["new"] == 0
    assert {seen_again.first_seen(finding) for finding in seen_again.run.failed} == {first.at}


def test_a_moved_rule_and_a_new_name_are_no_news() -> None:
    policy = '{"grants": [%s{"src": ["*"], "dst": ["tag:web"], "ip": ["22"]}], "tagOwners": {"tag:web": []}}'
    first = report_of({**SINS, "policy": policy % ""})
    moved = policy % '\n\n{"src": ["alice@example.com"], "dst": ["tag:web"], "ip": ["443"]},\n'
    second = report_of({**SINS, "policy": moved}, left_open(first))
    wide = next(finding for finding in second.run.failed if finding.check == "ACC-02")
    assert second.state_of(wide) == "persisting"


def test_a_report_can_be_the_baseline_of_the_next() -> None:
    first = report_of()
    past = past_run(json.loads(json.dumps(first.to_dict())))
    assert report_of(past=past).summary()["new"] == 0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "its schema has to be"),
        (
            {"schema": "tailscale-sdk/audit/1", "findings": [{"status": "fail"}]},
            r"findings\[0\]: is no finding",
        ),
    ],
)
def test_what_is_no_report_is_refused(document: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        past_run(document)


def test_an_expired_waiver_makes_a_finding_news_and_keeps_its_age() -> None:
    waiver = {"check": "SET-01", "resource": "*", "reason": "r", "owner": "alice@example.com"}
    held = audit_rules({"waivers": [{**waiver, "created": "2026-01-01", "expires": "2026-12-01"}]})
    ended = audit_rules({"waivers": [{**waiver, "created": "2026-01-01", "expires": "2026-06-01"}]})
    first = report_of(rules=held)
    second = report_of(past=left_open(first), rules=ended)
    found = next(finding for finding in second.run.failed if finding.check == "SET-01")
    assert second.state_of(found) == "new"
    assert second.first_seen(found) == first.at


def test_three_things_to_do_and_the_worst_of_them_first() -> None:
    tasks = most_urgent(report_of())
    assert [task.severity for task in tasks] == ["high"] * 3
    assert len({task.check for task in tasks}) == 3


def test_one_trouble_is_one_task() -> None:
    report = report_of(
        {
            "devices": [],
            "users": SINS["users"],
            "policy": '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}',
        }
    )
    checks = [task.check for task in tasks_of(report)]
    assert checks[:2] == ["ACC-01", "ACC-02"]
    assert [task.check for task in most_urgent(report)][:1] == ["ACC-01"]
    assert "ACC-02" not in [task.check for task in most_urgent(report)]


def test_one_finding_is_found_by_the_beginning_of_its_fingerprint() -> None:
    document = report_of().to_dict()
    wanted = document["findings"][0]
    assert one_finding(document["findings"], wanted["fingerprint"][:8].upper()) == wanted
    for word in ("", wanted["fingerprint"][:7], "z" * 8):
        with pytest.raises(ConfigurationError, match="no fingerprint of one finding"):
            one_finding(document["findings"], word)
