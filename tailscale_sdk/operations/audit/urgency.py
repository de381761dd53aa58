"""What to do first: a few tasks, each worth more than the next, none of them the same trouble twice."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from tailscale_sdk.operations.audit.report import AuditReport
from tailscale_sdk.policy.findings import SEVERITIES, Finding, Severity

TASKS = 3
"""How many one can do today."""


@frozen
class Task:
    """Hold what one check wants done.

    Attributes:
        findings: what is wrong, the worst first.
        fixable: how many of them a plan can remove.
    """

    findings: tuple[Finding, ...]
    fixable: int

    @property
    def check(self) -> str:
        """Return the id of the check."""
        return self.findings[0].check

    @property
    def severity(self) -> Severity:
        """Return how bad the worst of it is."""
        return self.findings[0].severity


def tasks_of(report: AuditReport) -> tuple[Task, ...]:
    """Return everything that is wrong as tasks, the most urgent first.

    Args:
        report: of an audit.
    """
    by_check: dict[str, list[Finding]] = {}
    for finding in report.run.failed:
        by_check.setdefault(finding.check, []).append(finding)
    order = {ran.check.id: place for place, ran in enumerate(report.run.checks)}
    tasks = [Task(tuple(found), sum(bool(each.fix) for each in found)) for found in by_check.values()]
    return tuple(sorted(tasks, key=lambda task: _rank(task, report, order)))


def _rank(task: Task, report: AuditReport, order: Mapping[str, int]) -> tuple[int, bool, int]:
    is_old = all(report.state_of(finding) == "persisting" for finding in task.findings)
    return -SEVERITIES.index(task.severity), is_old, order[task.check]


def most_urgent(report: AuditReport, count: int = TASKS) -> tuple[Task, ...]:
    """Return what to do today; of checks that speak of the same resources the most urgent one stands for all.

    Args:
        report: of an audit.
        count: how many tasks at most.
    """
    chosen: list[Task] = []
    covered: set[tuple[str, str | None]] = set()
    for task in tasks_of(report):
        resources = {(finding.kind, finding.resource) for finding in task.findings}
        if len(chosen) < count and not resources <= covered:
            chosen.append(task)
            covered |= resources
    return tuple(chosen)
