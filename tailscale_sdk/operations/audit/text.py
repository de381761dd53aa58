"""A report for a person at a terminal: what to do today, then what else there is, then what nobody could know."""

from __future__ import annotations

from collections.abc import Iterator

from tailscale_sdk.operations.audit.report import SHOWN, AuditReport
from tailscale_sdk.operations.audit.urgency import Task, most_urgent, tasks_of
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.visible import visible

_NAMED = 3
"""Resources that a line names."""


def to_text(report: AuditReport, *, everything: bool = False) -> str:
    """Return a report as lines of text, its names made harmless.

    Args:
        report: of an audit.
        everything: each finding with its fingerprint, not only what to do first.
    """
    blocks = [_head(report), _today(report), _rest(report, everything), _unknown(report), _resolved(report)]
    return "\n".join(f"{block}\n" for block in ("\n".join(lines) for lines in blocks) if block)


def _head(report: AuditReport) -> Iterator[str]:
    tailnet = str(report.run.audited.fleet.snapshot.content.get("tailnet") or "-")
    name = "tailnet" if tailnet == "-" else visible(tailnet)
    counts = [f"{count} {severity}" for severity, count in report.run.by_severity.items() if count]
    yield f"{name}, read {report.at}: {', '.join(counts) or 'nothing wrong found'}"
    summary = report.summary()
    if summary["new"] is not None:
        yield f"{summary['new']} new, {summary['persisting']} as before, {summary['resolved']} resolved"


def _today(report: AuditReport) -> Iterator[str]:
    tasks = most_urgent(report)
    if not tasks:
        return
    yield "today"
    for place, task in enumerate(tasks, 1):
        yield f"{place}. {task.severity} {task.check}: {task.findings[0].title}"
        yield f"   {_where(task.findings)}"
        yield f"   do: {task.findings[0].help}"
        if task.fixable:
            yield f"   plan it: tailscale-sdk audit fix {_chosen_by(task)}"


def _chosen_by(task: Task) -> str:
    """Return the check, or one finding where people would notice what mends it."""
    mended = [finding for finding in task.findings if finding.fix]
    if any(not call.get("risks") for call in mended[0].fix):
        return task.check
    return mended[0].fingerprint[:SHOWN]


def _where(findings: tuple[Finding, ...]) -> str:
    """Say of whom the first findings speak, and how many more there are."""
    shown = [f"{_name(finding)}: {visible(finding.message, limit=None)}" for finding in findings[:_NAMED]]
    more = f" (and {len(findings) - _NAMED} more)" if len(findings) > _NAMED else ""
    return "\n   ".join(shown) + more


def _name(finding: Finding) -> str:
    line = f" line {finding.place.line}" if finding.place is not None else ""
    return f"{finding.kind} {visible(finding.name or finding.resource or '')}{line}"


def _rest(report: AuditReport, everything: bool) -> Iterator[str]:
    done = {task.check for task in most_urgent(report)}
    tasks = [task for task in tasks_of(report) if everything or task.check not in done]
    if not tasks:
        return
    yield "everything" if everything else "then"
    for task in tasks:
        yield from _listed(report, task) if everything else _line(task)


def _line(task: Task) -> Iterator[str]:
    fix = f"  (fix {task.fixable})" if task.fixable else ""
    yield f"{task.severity:8} {task.check:7} {len(task.findings):5}  {task.findings[0].title}{fix}"


def _listed(report: AuditReport, task: Task) -> Iterator[str]:
    yield f"{task.severity} {task.check}: {task.findings[0].title}. {task.findings[0].help}"
    for finding in task.findings:
        state = report.state_of(finding)
        marks = [mark for mark in (state, "fixable" if finding.fix else None) if mark]
        tail = f" ({', '.join(marks)})" if marks else ""
        yield f"  {finding.fingerprint[:SHOWN]} {_name(finding)}: {visible(finding.message, limit=None)}{tail}"


def _unknown(report: AuditReport) -> Iterator[str]:
    counts = report.run.by_status
    waived, manual, broken = (counts.get(name, 0) for name in ("waived", "manual", "error"))
    undecided = [ran.check.id for ran in report.run.checks if ran.counts.get("unknown")]
    if undecided:
        yield f"not known: {', '.join(undecided)}"
        missing = {part: why for ran in report.run.checks for part, why in ran.missing.items()}
        yield from (f"  {part}: {visible(why, limit=None)}" for part, why in missing.items())
    if manual:
        yield f"for a person to confirm: {manual} (attestations go into the waivers file)"
    if waived:
        yield f"waived: {waived}"
    if broken:
        yield f"checks that broke: {broken}"


def _resolved(report: AuditReport) -> Iterator[str]:
    for each in report.resolved:
        name = (each.get("resource") or {}).get("name", "")
        yield f"resolved: {each['check']} {visible(str(name))}: {visible(str(each['message']), limit=None)}"
