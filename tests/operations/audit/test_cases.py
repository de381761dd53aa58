"""Every check: what it fails, what it passes, what it cannot know."""

from __future__ import annotations

import pytest
from attrs import evolve

from tailscale_sdk.operations.audit import CHECKS, AuditOptions, AuditRun, audit_rules, run_checks
from tailscale_sdk.operations.fleet import read_fleet
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.operations.audit.case import Case
from tests.operations.audit.cases import CASES, NO_FAIL, NO_PASS, NO_UNKNOWN
from tests.operations.fleets import NOW


def _run(case: Case) -> AuditRun:
    fleet = read_fleet(TailnetSnapshot.from_dict({"devices": [], **case.content}))
    told = audit_rules({"attestations": case.attestations})
    rules = evolve(told, options=AuditOptions(**case.options))
    return run_checks(fleet, [CHECKS[case.check]], rules=rules, now=NOW)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.check}-{case.status}" for case in CASES])
def test_a_check_says_what_an_expert_would(case: Case) -> None:
    run = _run(case)
    assert run.checks[0].counts[case.status] >= 1
    if case.status in {"fail", "unknown", "manual"}:
        found = [finding for finding in run.findings if finding.status == case.status]
        assert [finding for finding in found if case.resource in {None, finding.resource}]
        assert any(case.message in finding.message for finding in found)
    elif case.status == "pass":
        assert not run.failed


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_its_three_cases(check: str) -> None:
    statuses = {case.status for case in CASES if case.check == check}
    good = "not_applicable" if check in NO_PASS else "pass"
    wanted = {"fail", good} if check in NO_UNKNOWN else {"fail", good, "unknown"}
    assert ({"manual", good} if check in NO_FAIL else wanted) <= statuses


@pytest.mark.parametrize("check", [check for check in CHECKS.values() if check.inputs], ids=str)
def test_nothing_but_devices_passes_no_check_that_needs_more(check: object) -> None:
    fleet = read_fleet(TailnetSnapshot.from_dict({"devices": []}))
    run = run_checks(fleet, CHECKS.values(), now=NOW)
    counts = next(ran.counts for ran in run.checks if ran.check is check)
    assert counts == {"unknown": 1}


@pytest.mark.parametrize("case", [case for case in CASES if case.status == "fail"])
def test_what_is_wrong_has_its_facts(case: Case) -> None:
    for finding in _run(case).failed:
        assert finding.evidence
        assert all(fact["source"] for fact in finding.evidence)
        assert finding.help
