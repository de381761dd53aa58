"""Findings as JUnit XML: one test case a check, so that a build server shows them as tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from tailscale_sdk.policy.findings.model import Finding, sort_findings
from tailscale_sdk.visible import visible

TEXT_LIMIT = 1000


def to_junit(findings: Iterable[Finding], *, suite: str, checks: Iterable[str] = ()) -> str:
    """Return findings as a JUnit file; a check fails when one of its findings does.

    Undecided and manual checks count as skipped, waived ones as passed; a check that broke off is an error.

    Args:
        findings: in any order.
        suite: name of the test suite.
        checks: ids of the checks that ran; those without a finding passed.
    """
    by_check: dict[str, list[Finding]] = {check: [] for check in checks}
    for finding in sort_findings(findings):
        by_check.setdefault(finding.check, []).append(finding)
    cases = [_case(check, by_check[check], visible(suite)) for check in sorted(by_check)]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
    }
    top = ET.Element("testsuites", {"name": visible(suite), **counts})
    ET.SubElement(top, "testsuite", {"name": visible(suite), **counts}).extend(cases)
    ET.indent(top)
    text = ET.tostring(top, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(check: str, findings: Sequence[Finding], suite: str) -> ET.Element:
    case = ET.Element("testcase", {"name": visible(check), "classname": suite, "time": "0"})
    failed = [finding for finding in findings if finding.status == "fail"]
    broken = [finding for finding in findings if finding.status == "error"]
    undecided = [finding for finding in findings if finding.status in {"unknown", "manual"}]
    if broken:
        error = ET.SubElement(case, "error", {"message": _summary(broken), "type": "error"})
        error.text = "\n".join(map(_line, (*broken, *failed, *undecided)))
    elif failed:
        attributes = {"message": _summary(failed), "type": failed[0].severity}
        failure = ET.SubElement(case, "failure", attributes)
        failure.text = "\n".join(map(_line, (*failed, *undecided)))
    elif undecided:
        skipped = ET.SubElement(case, "skipped", {"message": _summary(undecided)})
        skipped.text = "\n".join(map(_line, undecided))
    return case


def _summary(findings: Sequence[Finding]) -> str:
    first = visible(findings[0].message, limit=TEXT_LIMIT)
    return first if len(findings) == 1 else f"{len(findings)} findings, the first: {first}"


def _line(finding: Finding) -> str:
    where = f"line {finding.place.line}, column {finding.place.column}: " if finding.place is not None else ""
    about = f" [{visible(finding.name or finding.resource)}]" if finding.resource else ""
    what = finding.severity if finding.status == "fail" else finding.status
    return f"{what}: {where}{visible(finding.message, limit=TEXT_LIMIT)}{about}"
