"""A run: counts, order, fingerprints, and checks that cannot look or break."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk import Tailscale
from tailscale_sdk.operations.audit import CHECKS, AuditRun, Outcome, Subject, run_checks
from tailscale_sdk.operations.audit.history import alone
from tailscale_sdk.operations.fleet import read_fleet
from tailscale_sdk.policy.findings import to_junit
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.operations.audit.cases import auth, client, contact, key
from tests.operations.fleets import NOW, USERS, ago

SINS: dict[str, Any] = {
    "devices": [],
    "tailnet": "example.com",
    "users": USERS,
    "user_invites": [{"id": "i1", "email": "dave@example.com", "created": ago(days=30)}],
    "keys": [
        key(id=f"k{n}", userId=f"u{n}", capabilities=auth(reusable=True, ephemeral=False)) for n in range(5)
    ]
    + [client("all", tags=None)],
    "settings": {"devicesApprovalOn": False, "devicesKeyDurationDays": 365},
    **contact(email=""),
}


def _run(content: dict[str, Any]) -> AuditRun:
    fleet = read_fleet(TailnetSnapshot.from_dict(content))
    return run_checks(fleet, CHECKS.values(), now=NOW)


def _broken(audited: object) -> Iterator[Outcome]:
    yield Outcome(Subject("key", "k1"), "pass")
    raise ValueError("tskey-auth-demo")


def test_the_worst_comes_first_and_is_counted() -> None:
    run = _run(SINS)
    document = alone(run, now=NOW).to_dict()
    assert document["schema"] == "tailscale-sdk/audit/1"
    assert document["tailnet"] == "example.com"
    severities = [finding["severity"] for finding in document["findings"] if finding["status"] == "fail"]
    assert severities == sorted(severities, key=["critical", "high", "medium", "low", "info"].index)
    assert document["summary"]["by_severity"]["high"] == severities.count("high") > 0
    assert [ran["check"] for ran in document["checks"]] == [*CHECKS]
    assert json.loads(json.dumps(document)) == document


def test_only_what_is_bad_enough_counts() -> None:
    run = _run(SINS)
    assert {finding.severity for finding in run.at_least("high")} == {"high"}
    assert set(run.at_least("info")) == set(run.failed)


@pytest.mark.parametrize("seed", range(5))
def test_another_order_changes_no_fingerprint(seed: int) -> None:
    shuffled = {
        name: random.Random(seed).sample(value, len(value)) if isinstance(value, list) else value
        for name, value in SINS.items()
    }
    assert [f.fingerprint for f in _run(shuffled).findings] == [f.fingerprint for f in _run(SINS).findings]


def test_another_name_changes_no_fingerprint() -> None:
    renamed = {**SINS, "keys": [{**each, "description": "renamed"} for each in SINS["keys"]]}
    assert {f.fingerprint for f in _run(renamed).findings} == {f.fingerprint for f in _run(SINS).findings}


def test_no_two_findings_share_a_fingerprint() -> None:
    findings = _run(SINS).findings
    assert len({finding.fingerprint for finding in findings}) == len(findings)


def test_a_check_that_breaks_is_a_finding_and_tells_no_value() -> None:
    broken = evolve(CHECKS["KEY-01"], id="KEY-99", evaluate=_broken)
    fleet = read_fleet(TailnetSnapshot.from_dict(SINS))
    run = run_checks(fleet, [broken, CHECKS["SET-01"]], now=NOW)
    error = next(finding for finding in run.findings if finding.status == "error")
    assert (error.check, error.message) == ("KEY-99", "the check broke with ValueError: report it")
    assert run.checks[0].counts == {"error": 1}
    assert run.checks[1].counts == {"fail": 1}
    assert 'errors="1"' in to_junit(run.findings, suite="audit")


def test_a_fix_names_calls_that_exist() -> None:
    with Tailscale(api_key="tskey-api-demo", base_url="http://127.0.0.1:9") as api:
        for finding in _run(SINS).findings:
            for step in finding.fix:
                prepared = api.prepare(step["operation"], **step["arguments"])
                assert prepared.operation_id == step["operation"]


def test_a_longer_key_is_worse() -> None:
    finding = next(finding for finding in _run(SINS).findings if finding.check == "SET-03")
    assert finding.severity == "high"
    assert finding.fix[0]["arguments"] == {"devices_key_duration_days": 90}


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(was_enabled: bool) -> None:
    seen: list[bool] = []

    def look(audited: Any) -> Iterator[Outcome]:
        seen.append(gc.isenabled())
        raise KeyboardInterrupt
        yield

    fleet = read_fleet(TailnetSnapshot.from_dict({"devices": []}))
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_checks(fleet, [evolve(CHECKS["SET-01"], inputs=(), evaluate=look)], now=NOW)
        assert (gc.isenabled(), seen) == (was_enabled, [False])
    finally:
        gc.enable()
