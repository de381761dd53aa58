"""Findings as SARIF 2.1.0, the format of code scanning.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tailscale_sdk.policy.findings.model import Columns, Finding, Severity, sort_findings
from tailscale_sdk.visible import visible

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
TEXT_LIMIT = 1000

_LEVELS: Mapping[Severity, str] = {
    "info": "note",
    "low": "note",
    "medium": "warning",
    "high": "error",
    "critical": "error",
}
# Code scanning sorts security findings by a number: above 9 critical, from 7 high, from 4 medium.
_SCORES: Mapping[Severity, str] = {
    "info": "0.1",
    "low": "2.0",
    "medium": "5.0",
    "high": "8.0",
    "critical": "9.5",
}
# Passed and not applicable are no results: a scanner that does not know kinds would show each as an alert.
_KINDS = {"fail": "fail", "waived": "fail", "unknown": "open", "manual": "review", "error": "open"}


def to_sarif(
    findings: Iterable[Finding],
    *,
    tool_version: str,
    policy_path: str = "policy.hujson",
    policy_text: str | None = None,
    states: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return findings as one SARIF run; what passed or does not apply is listed as a rule only.

    Args:
        findings: in any order.
        tool_version: of this package.
        policy_path: the policy file, relative to the repository, with forward slashes.
        policy_text: the policy, so that columns count characters also behind others than ASCII.
        states: ``new`` or ``persisting`` by fingerprint, where there was a run before.
    """
    ordered = sort_findings(findings)
    rules = _rules(ordered)
    positions = {rule["id"]: index for index, rule in enumerate(rules)}
    artifact, columns = _artifact(policy_path), Columns(policy_text)
    driver = {"name": "tailscale-sdk", "version": tool_version, "rules": rules}
    results = [
        {
            "ruleId": (rule_id := visible(finding.check)),
            "ruleIndex": positions[rule_id],
            **_result(finding),
            **_baseline((states or {}).get(finding.fingerprint)),
            "locations": [_location(finding, artifact, columns)],
        }
        for finding in ordered
        if finding.status in _KINDS
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(ordered: Sequence[Finding]) -> list[dict[str, Any]]:
    """Describe each check once, by its most severe finding."""
    worst: dict[str, Finding] = {}
    for finding in ordered:
        worst.setdefault(visible(finding.check), finding)
    return [_rule(rule_id, worst[rule_id]) for rule_id in sorted(worst)]


def _rule(rule_id: str, finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": rule_id,
        "shortDescription": {"text": _message(finding.title or finding.check)},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {"security-severity": _SCORES[finding.severity], "tags": ["security"]},
    }
    if finding.help:
        rule["help"] = {"text": _message(finding.help)}
    return rule


def _result(finding: Finding) -> dict[str, Any]:
    kind = _KINDS[finding.status]
    result: dict[str, Any] = {
        "kind": kind,
        # The standard allows no level beside a kind that is no failure.
        "level": _LEVELS[finding.severity] if kind == "fail" else "none",
        "message": {"text": _message(finding.message)},
        "partialFingerprints": {"finding/v1": finding.fingerprint},
        "properties": {"severity": finding.severity, "status": finding.status},
    }
    if finding.status == "waived":
        result["suppressions"] = [{"kind": "external", "status": "accepted"}]
    if finding.fix:
        result["properties"]["fix"] = [dict(operation) for operation in finding.fix]
    return result


def _baseline(state: str | None) -> dict[str, str]:
    return {} if state is None else {"baselineState": "new" if state == "new" else "unchanged"}


def _location(finding: Finding, artifact: Mapping[str, str], columns: Columns) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": dict(artifact)}
    if finding.place is not None and finding.place.line > 0:
        region = {"startLine": finding.place.line, "startColumn": max(1, columns.of(finding.place))}
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if finding.resource:
        logical = {
            "name": visible(finding.name or finding.resource),
            "fullyQualifiedName": visible(finding.resource),
        }
        if finding.kind:
            logical["kind"] = visible(finding.kind)
        location["logicalLocations"] = [logical]
    return location


def _artifact(policy_path: str) -> dict[str, str]:
    path = quote(policy_path.encode("utf-8", "surrogatepass"), safe="/")
    if path.startswith("/"):
        return {"uri": f"file://{path}"}
    return {"uri": path, "uriBaseId": "%SRCROOT%"}


def _message(text: str) -> str:
    """Write text so that nothing in it is a link or a placeholder for an argument."""
    shown = visible(text, limit=TEXT_LIMIT)
    return shown.replace("](", "] (").replace("{", "{{").replace("}", "}}")
