"""JUnit XML: well formed for any name, and the structure that build servers read."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from attrs import evolve
from hypothesis import given

from tailscale_sdk.policy.findings import Finding, to_junit
from tests.policy.findings.samples import (
    ALL,
    ALLOW_ALL,
    HOSTILE,
    MANUAL,
    PASSED,
    UNREAD,
    UNUSED,
    WAIVED,
    any_findings,
)

# From the schema that the best known build server publishes for the format.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped"},
    "failure": set(),
    "error": set(),
    "skipped": set(),
}


def suite_of(*findings: Finding, **options: object) -> ET.Element:
    """Return the test suite, its structure checked."""
    return checked(to_junit(findings, suite="policy", **options))  # type: ignore[arg-type]


def checked(text: str) -> ET.Element:
    """Return the test suite of a file, its structure checked."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    top = ET.fromstring(text.encode("utf-8"))  # noqa: S314  # our own output
    for element in top.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= CHILDREN[element.tag]
    suite = top[0]
    assert len(top) == 1
    assert top.attrib == suite.attrib
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    return suite


def outcomes(suite: ET.Element) -> dict[str, str]:
    """Return what came out of each test case."""
    return {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in suite}


def test_each_check_is_a_test_case() -> None:
    suite = suite_of(*ALL, checks=["allow-all", "wildcard-ssh"])
    assert outcomes(suite) == {
        "allow-all": "failure",
        "broad-rule": "passed",
        "no-recorder": "skipped",
        "safe-approvers": "passed",
        "sign-in": "skipped",
        "stale-device": "failure",
        "unused-group": "failure",
        "wildcard-ssh": "passed",
    }
    assert {case.attrib["classname"] for case in suite} == {"policy"}


def test_a_failure_lists_every_finding_with_its_line() -> None:
    failure = suite_of(UNUSED, evolve(UNUSED, resource="group:b", severity="medium", message="group:b too."))[
        0
    ][0]
    assert failure.attrib == {"message": "2 findings, the first: group:b too.", "type": "medium"}
    assert failure.text is not None
    assert failure.text.split("\n") == [
        "medium: line 12, column 5: group:b too. [group:b]",
        "low: line 12, column 5: group:old is used by nothing. [group:old]",
    ]


def test_what_failed_and_is_unknown_failed() -> None:
    failure = suite_of(evolve(UNREAD, check="allow-all"), ALLOW_ALL)[0][0]
    assert failure.tag == "failure"
    assert "unknown: The recorders were not read." in (failure.text or "")


@pytest.mark.parametrize(
    ("finding", "outcome"), [(UNREAD, "skipped"), (MANUAL, "skipped"), (WAIVED, "passed"), (PASSED, "passed")]
)
def test_other_outcomes(finding: Finding, outcome: str) -> None:
    suite = suite_of(finding)
    assert outcomes(suite) == {finding.check: outcome}
    if outcome == "skipped":
        assert suite[0][0].attrib["message"] == finding.message


def test_nothing_found_and_nothing_run() -> None:
    assert suite_of().attrib["tests"] == "0"


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text(name: str) -> None:
    suite = suite_of(evolve(UNUSED, check=name, message=name, resource=name))
    assert [element.tag for element in suite.iter()] == ["testsuite", "testcase", "failure"]


@given(any_findings)
def test_any_finding_is_well_formed(findings: list[Finding]) -> None:
    suite = suite_of(*findings)
    assert len(suite) == len({finding.check for finding in findings})
