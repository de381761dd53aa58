"""A report in every format it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from tailscale_sdk._version import __version__
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit.html import to_html
from tailscale_sdk.operations.audit.report import AuditReport
from tailscale_sdk.operations.audit.text import to_text
from tailscale_sdk.operations.audit.urgency import most_urgent
from tailscale_sdk.operations.reporting.rows import export_rows
from tailscale_sdk.policy.findings import (
    to_annotations,
    to_junit,
    to_markdown,
    to_sarif,
)
from tailscale_sdk.policy.findings.markdown import as_text

Json = Mapping[str, Any]
FINDING_COLUMNS: Final = (
    "check",
    "severity",
    "status",
    "state",
    "kind",
    "id",
    "name",
    "message",
    "remediation",
    "line",
    "first_seen",
    "controls",
    "fingerprint",
)
EVIDENCE_COLUMNS: Final = (
    "controls",
    "check",
    "version",
    "title",
    "severity",
    "kind",
    "id",
    "name",
    "status",
    "message",
    "evidence",
    "waiver_owner",
    "waiver_expires",
    "tailnet",
    "observed_at",
)


@frozen
class OutputOptions:
    """Hold what formats let one choose.

    Attributes:
        policy_path: the policy file, relative to the repository, where code scanning shows findings.
        everything: the text shows each finding, not only what to do first.
    """

    policy_path: str = "policy.hujson"
    everything: bool = False


def write_report(report: AuditReport, form: str, options: OutputOptions | None = None) -> str:
    """Return a report as text of some format.

    Args:
        report: of an audit.
        form: one of ``FORMS``.
        options: what formats let one choose.

    Raises:
        ConfigurationError: there is no such format.
    """
    if form not in _WRITERS:
        raise ConfigurationError(f"there is no format {form!r}: {', '.join(FORMS)}")
    return _WRITERS[form](report, options or OutputOptions())


def _json(report: AuditReport, options: OutputOptions) -> str:
    # Escaped: names may hold halves of characters, which no file can take otherwise.
    return json.dumps(report.to_dict(), indent=1) + "\n"


def _rows(report: AuditReport) -> Iterator[Json]:
    for finding in report.findings:
        told = report.finding_dict(finding)
        resource, location = told["resource"] or {}, told["location"] or {}
        yield {**told, **resource, "line": location.get("line")}


def _table(form: str) -> Callable[[AuditReport, OutputOptions], str]:
    return lambda report, options: "".join(export_rows(_rows(report), form, FINDING_COLUMNS))


def evidence_rows(report: AuditReport) -> Iterator[Json]:
    """Yield evidence for auditors: one row for each resource and check, whatever came out, with its SOC 2 criteria.

    Args:
        report: of an audit.
    """
    fleet = report.run.audited.fleet
    waivers = {
        (check.id, outcome.subject, outcome.aspect): report.run.waivers.get(fingerprint)
        for fingerprint, (check, outcome) in report.run.causes.items()
    }
    tailnet = fleet.snapshot.content.get("tailnet")
    for ran in report.run.checks:
        for outcome in ran.outcomes:
            waiver = waivers.get((ran.check.id, outcome.subject, outcome.aspect))
            yield {
                "controls": list(ran.check.controls),
                "check": ran.check.id,
                "version": ran.check.version,
                "title": ran.check.title,
                "severity": outcome.severity or ran.check.severity,
                "kind": outcome.subject.kind,
                "id": outcome.subject.id,
                "name": outcome.subject.name,
                "status": outcome.status,
                "message": outcome.message,
                "evidence": list(outcome.evidence),
                "waiver_owner": None if waiver is None else waiver.owner,
                "waiver_expires": None if waiver is None else waiver.expires.isoformat(),
                "tailnet": tailnet,
                "observed_at": fleet.observed_at,
            }


def _evidence(form: str) -> Callable[[AuditReport, OutputOptions], str]:
    return lambda report, options: "".join(export_rows(evidence_rows(report), form, EVIDENCE_COLUMNS))


def _markdown(report: AuditReport, options: OutputOptions) -> str:
    fleet = report.run.audited.fleet
    tasks = most_urgent(report)
    first = [
        f"{place}. **{task.severity}** {task.check}: {as_text(task.findings[0].title)} ({len(task.findings)}). "
        f"{as_text(task.findings[0].help)}\n"
        for place, task in enumerate(tasks, 1)
    ]
    today = f"### Today\n\n{''.join(first)}\n" if first else ""
    tailnet = fleet.snapshot.content.get("tailnet") or "tailnet"
    listed = to_markdown(
        report.findings,
        title=f"Audit of {tailnet}",
        policy_path=options.policy_path,
        policy_text=fleet.snapshot.policy,
    )
    return today + listed


def _sarif(report: AuditReport, options: OutputOptions) -> str:
    states = {finding.fingerprint: report.state_of(finding) for finding in report.findings}
    found = to_sarif(
        report.findings,
        tool_version=__version__,
        policy_path=options.policy_path,
        policy_text=report.run.audited.fleet.snapshot.policy,
        states={fingerprint: state for fingerprint, state in states.items() if state is not None},
    )
    return json.dumps(found, indent=1) + "\n"


def _junit(report: AuditReport, options: OutputOptions) -> str:
    return to_junit(report.findings, suite="audit", checks=[ran.check.id for ran in report.run.checks])


def _github(report: AuditReport, options: OutputOptions) -> str:
    text = report.run.audited.fleet.snapshot.policy
    return to_annotations(report.findings, policy_path=options.policy_path, policy_text=text)


def _prometheus(report: AuditReport, options: OutputOptions) -> str:
    """Write the two metrics for a textfile collector."""
    moment = datetime.fromisoformat(report.at).timestamp()
    counts = "".join(
        f'tailscale_audit_findings{{severity="{severity}"}} {count}\n'
        for severity, count in report.run.by_severity.items()
    )
    return (
        "# HELP tailscale_audit_findings What an audit found wrong.\n"
        "# TYPE tailscale_audit_findings gauge\n"
        f"{counts}"
        "# HELP tailscale_audit_last_run_timestamp_seconds When the audited tailnet was read.\n"
        "# TYPE tailscale_audit_last_run_timestamp_seconds gauge\n"
        f"tailscale_audit_last_run_timestamp_seconds {moment:.0f}\n"
    )


Writer = Callable[[AuditReport, OutputOptions], str]
_WRITERS: Final[Mapping[str, Writer]] = {
    "text": lambda report, options: to_text(report, everything=options.everything),
    "json": _json,
    "ndjson": _table("ndjson"),
    "csv": _table("csv"),
    "markdown": _markdown,
    "html": lambda report, options: to_html(report.to_dict()),
    "sarif": _sarif,
    "junit": _junit,
    "github": _github,
    "evidence-csv": _evidence("csv"),
    "evidence-json": _evidence("json"),
    "prometheus": _prometheus,
}
FORMS: Final = tuple(_WRITERS)
"""Formats of a report."""
