"""A report in every format: the schemas of others hold, names stay harmless, nothing is lost."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit import CHECKS, audit_rules
from tailscale_sdk.operations.audit.outputs import (
    EVIDENCE_COLUMNS,
    FINDING_COLUMNS,
    FORMS,
    OutputOptions,
    write_report,
)
from tests.operations.audit.runs import SINS, left_open, report_of
from tests.operations.audit.test_waivers import WAIVER
from tests.operations.fleets import device
from tests.policy.findings import test_junit, test_sarif

HOSTILE = "=cmd|'/c x'!A1<script>\x1b[31m](http://192.0.2.1)"
_NAMED = {**device("a", "alice@example.com", keyExpiryDisabled=True), "name": HOSTILE, "hostname": HOSTILE}
_HOSTILE = {**SINS, "devices": [_NAMED]}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("content", [SINS, _HOSTILE, {"devices": []}], ids=["sins", "hostile", "empty"])
def test_every_format_takes_every_report(form: str, content: dict[str, Any]) -> None:
    report = report_of(content)
    written = write_report(report, form)
    assert written == write_report(report, form)
    if "csv" not in form:
        assert "\x1b" not in written
    written.encode()


def test_there_is_no_other_format() -> None:
    with pytest.raises(ConfigurationError, match="there is no format 'xml'"):
        write_report(report_of(), "xml")


def test_sarif_holds_its_schema_and_says_what_is_new() -> None:
    first = report_of()
    second = report_of({**SINS, "settings": {"devicesApprovalOn": False}}, left_open(first))
    run = test_sarif.checked(json.loads(write_report(second, "sarif", OutputOptions("acl/policy.hujson"))))
    by_rule = {result["ruleId"]: result for result in run["results"]}
    assert by_rule["SET-01"]["baselineState"] == "unchanged"
    assert by_rule["SET-01"]["level"] == "error"
    placed = by_rule["NET-04"]["locations"][0]["physicalLocation"]
    assert placed["artifactLocation"]["uri"] == "acl/policy.hujson"
    assert placed["region"]["startLine"] == 9
    assert by_rule["SET-01"]["properties"]["fix"][0]["operation"] == "updateTailnetSettings"


def test_junit_has_one_case_for_each_check() -> None:
    suite = test_junit.checked(write_report(report_of(), "junit"))
    outcomes = test_junit.outcomes(suite)
    assert set(outcomes) == set(CHECKS)
    assert (outcomes["SET-01"], outcomes["ACC-01"], outcomes["LOG-01"]) == ("failure", "passed", "skipped")


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_tables_have_every_finding() -> None:
    report = report_of()
    rows = _rows(write_report(report, "csv"))
    assert tuple(rows[0]) == FINDING_COLUMNS
    assert [row["fingerprint"] for row in rows] == [finding.fingerprint for finding in report.findings]
    lines = [json.loads(line) for line in write_report(report, "ndjson").splitlines()]
    assert [line["check"] for line in lines] == [row["check"] for row in rows]


def test_evidence_has_a_row_for_each_resource_and_check_also_where_it_passed() -> None:
    rules = audit_rules({"waivers": [WAIVER]})
    report = report_of(rules=rules)
    rows = _rows(write_report(report, "evidence-csv"))
    assert tuple(rows[0]) == EVIDENCE_COLUMNS
    assert len(rows) == sum(report.run.by_status.values())
    waived = next(row for row in rows if row["check"] == "SET-01")
    assert (waived["status"], waived["waiver_owner"]) == ("waived", "alice@example.com")
    assert (waived["controls"], waived["tailnet"]) == ("CC7.1", "example.com")
    passed = next(row for row in rows if row["check"] == "DEV-01" and row["status"] == "pass")
    assert passed["controls"] == "CC6.1;CC6.3;CC7.1"
    assert len(json.loads(write_report(report, "evidence-json"))) == len(rows)


def test_a_cell_is_no_formula() -> None:
    rows = _rows(write_report(report_of(_HOSTILE), "csv"))
    assert next(row for row in rows if row["check"] == "DEV-01")["name"].startswith("'=cmd")


def test_metrics_count_by_severity() -> None:
    report = report_of()
    written = write_report(report, "prometheus")
    assert f'tailscale_audit_findings{{severity="high"}} {report.run.by_severity["high"]}\n' in written
    assert "tailscale_audit_last_run_timestamp_seconds 1782820800\n" in written


def test_the_first_lines_are_what_to_do_today() -> None:
    written = write_report(report_of(), "text")
    lines = written.splitlines()
    assert lines[0].startswith("example.com, read 2026-06-30T12:00:00Z: ")
    assert lines[2] == "today"
    assert [line[:2] for line in lines if line[:1].isdigit()] == ["1.", "2.", "3."]
    assert "plan it: tailscale-sdk audit fix " in written
    assert "not known: " in written
    assert "for a person to confirm: 4" in written


def test_everything_names_each_finding_by_its_fingerprint() -> None:
    report = report_of()
    written = write_report(report, "text", OutputOptions(everything=True))
    assert all(finding.fingerprint[:12] in written for finding in report.run.failed)


def test_what_is_resolved_is_said() -> None:
    first = report_of()
    mended = report_of(
        {**SINS, "settings": {"devicesApprovalOn": True, "devicesKeyDurationDays": 365}}, left_open(first)
    )
    assert "resolved: SET-01 devicesApprovalOn" in write_report(mended, "text")


def test_markdown_begins_with_today() -> None:
    written = write_report(report_of(), "markdown")
    assert written.startswith("### Today\n\n1. **high** ")
