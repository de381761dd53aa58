"""SARIF 2.1.0: the parts of the official schema that are used, and what code scanning needs beyond."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from attrs import evolve
from hypothesis import given
from jsonschema import Draft7Validator

from tailscale_sdk.policy.findings import Finding, to_sarif
from tailscale_sdk.policy.language.model import Place
from tests.policy.findings.samples import (
    ALL,
    ALLOW_ALL,
    HOSTILE,
    MANUAL,
    PASSED,
    STALE,
    UNREAD,
    UNUSED,
    WAIVED,
    any_findings,
)


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """Describe an object that has no other members, as nearly all in SARIF."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def listed(items: Mapping[str, Any], *, unique: bool = False) -> dict[str, Any]:
    """Describe a list."""
    return {"type": "array", "items": items, "uniqueItems": unique}


TEXT = {"type": "string"}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
# A bag may hold anything; only its tags have a form.
BAG = {"type": "object", "properties": {"tags": listed(TEXT, unique=True)}}
MESSAGE = closed("text", text=TEXT)
ARTIFACT = closed("", uri={"type": "string", "pattern": r"^[!#$%&'()*+,/:;=?@\[\]\w.~-]+$"}, uriBaseId=TEXT)
REGION = closed(
    "", startLine={"type": "integer", "minimum": 1}, startColumn={"type": "integer", "minimum": 1}
)
LOCATION = closed(
    "",
    physicalLocation=closed("artifactLocation", artifactLocation=ARTIFACT, region=REGION),
    logicalLocations=listed(closed("", name=TEXT, fullyQualifiedName=TEXT, kind=TEXT), unique=True),
)
RESULT = closed(
    "message",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    kind={"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
    level=LEVEL,
    message=MESSAGE,
    locations=listed(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    baselineState={"enum": ["new", "unchanged", "updated", "absent"]},
    suppressions=listed(
        closed(
            "kind",
            kind={"enum": ["inSource", "external"]},
            status={"enum": ["accepted", "underReview", "rejected"]},
        ),
        unique=True,
    ),
    properties=BAG,
)
RULE = closed(
    "id",
    id=TEXT,
    shortDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed("", level=LEVEL),
    properties=BAG,
)
DRIVER = closed("name", name=TEXT, version=TEXT, rules=listed(RULE, unique=True))
RUN = closed(
    "tool",
    tool=closed("driver", driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=listed(RESULT),
)
LOG = closed(
    "version runs", **{"$schema": {"type": "string"}, "version": {"enum": ["2.1.0"]}, "runs": listed(RUN)}
)
VALIDATOR = Draft7Validator(LOG)


def run_of(*findings: Finding, **options: Any) -> dict[str, Any]:
    """Return the run, checked against the schema and against what the schema cannot say."""
    return checked(to_sarif(findings, tool_version="1.2.3", **options))


def checked(log: dict[str, Any]) -> dict[str, Any]:
    """Return the run of a log, checked as ``run_of`` says."""
    problems = [problem.message for problem in VALIDATOR.iter_errors(json.loads(json.dumps(log)))]
    assert problems == []
    run: dict[str, Any] = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "none" or result["kind"] == "fail"
        assert len(result["locations"]) == 1
    assert len({rule["id"] for rule in rules}) == len(rules)
    return run


def test_one_run_of_this_tool() -> None:
    run = run_of(*ALL)
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == ("tailscale-sdk", "1.2.3")
    assert len(run["results"]) == len(ALL) - 1


def test_a_finding_has_its_place_and_its_fingerprint() -> None:
    result = run_of(UNUSED, policy_path="infra/policy file.hujson")["results"][0]
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "infra/policy%20file.hujson", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 12, "startColumn": 5},
            },
            "logicalLocations": [{"name": "group:old", "fullyQualifiedName": "group:old", "kind": "group"}],
        }
    ]
    assert result["partialFingerprints"] == {"finding/v1": UNUSED.fingerprint}
    assert result["properties"]["fix"] == list(UNUSED.fix)
    assert (result["ruleId"], result["level"], result["kind"]) == ("unused-group", "note", "fail")


def test_columns_count_characters() -> None:
    finding = evolve(UNUSED, place=Place("/é", 2, 8))
    region = run_of(finding, policy_text='{\n  "é":1}')["results"][0]["locations"][0]["physicalLocation"][
        "region"
    ]
    assert region == {"startLine": 2, "startColumn": 7}


def test_what_stands_nowhere_has_a_file_but_no_line() -> None:
    location = run_of(STALE)["results"][0]["locations"][0]
    assert "region" not in location["physicalLocation"]
    assert location["logicalLocations"][0] == {
        "name": "web-1",
        "fullyQualifiedName": "n1CNTRL",
        "kind": "device",
    }


def test_an_absolute_path_is_a_file_address() -> None:
    artifact = run_of(ALLOW_ALL, policy_path="/srv/a:b.hujson")["results"][0]["locations"][0][
        "physicalLocation"
    ]
    assert artifact["artifactLocation"] == {"uri": "file:///srv/a%3Ab.hujson"}
    assert unquote(artifact["artifactLocation"]["uri"]) == "file:///srv/a:b.hujson"


@pytest.mark.parametrize(
    ("finding", "kind", "level"),
    [
        (ALLOW_ALL, "fail", "error"),
        (STALE, "fail", "warning"),
        (UNREAD, "open", "none"),
        (MANUAL, "review", "none"),
        (WAIVED, "fail", "error"),
    ],
)
def test_outcomes_have_their_kinds(finding: Finding, kind: str, level: str) -> None:
    result = run_of(finding)["results"][0]
    assert (result["kind"], result["level"]) == (kind, level)
    assert ("suppressions" in result) == (finding is WAIVED)


@pytest.mark.parametrize("status", ["pass", "not_applicable"])
def test_what_is_no_finding_is_a_rule_only(status: str) -> None:
    run = run_of(evolve(PASSED, status=status))
    assert run["results"] == []
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["safe-approvers"]


def test_a_rule_is_as_severe_as_its_worst_finding() -> None:
    rules = run_of(UNUSED, evolve(UNUSED, severity="high", resource="b"))["tool"]["driver"]["rules"]
    assert len(rules) == 1
    assert rules[0]["properties"]["security-severity"] == "8.0"
    assert rules[0]["defaultConfiguration"] == {"level": "error"}
    assert rules[0]["help"] == {"text": "Remove it."}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_a_link_or_a_placeholder(name: str) -> None:
    run = run_of(evolve(UNUSED, message=name, title=name, help=name))
    rule = run["tool"]["driver"]["rules"][0]
    for text in (
        run["results"][0]["message"]["text"],
        rule["shortDescription"]["text"],
        rule["help"]["text"],
    ):
        assert "](" not in text
        assert "{" not in text.replace("{{", "")
        assert "\u202e" not in text
        assert text.isprintable()


@given(any_findings)
def test_any_finding_is_valid(findings: list[Finding]) -> None:
    run = run_of(*findings)
    expected = [finding for finding in findings if finding.status not in {"pass", "not_applicable"}]
    assert len(run["results"]) == len(expected)


def test_the_schema_here_refuses_what_the_official_one_refuses() -> None:
    log = to_sarif([ALLOW_ALL], tool_version="1.2.3")
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    log["runs"][0]["results"][0]["other"] = 1
    del log["runs"][0]["tool"]
    assert len(list(VALIDATOR.iter_errors(log))) == 3
