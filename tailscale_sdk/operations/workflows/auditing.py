"""Audits: what is wrong, one finding whole, and the plan that mends some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import audit as audits
from tailscale_sdk.operations.audit.fixing import plan_fix, propose_fix
from tailscale_sdk.operations.audit.history import AuditHistory, noted
from tailscale_sdk.operations.audit.reading import read_audited
from tailscale_sdk.operations.audit.report import SHORTEST, SHOWN, AuditReport
from tailscale_sdk.operations.audit.urgency import Task, most_urgent, tasks_of
from tailscale_sdk.operations.fleet_changes import FleetPlan, Limits
from tailscale_sdk.operations.snapshots import SnapshotSource

_NAMED: Final = 5
_TEXTS: Final = ("check", "severity", "status", "state")


async def run(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """Audit the tailnet: what to do today, and each check that found something, the most urgent first.

    Args:
        client: reads.
        now: moment of asking, with a zone.
        progress: not used.
        changes: engine whose state keeps the report.
        principal: who asks; nobody else is shown the report.
        snapshots: where reads are shared.

    Raises:
        TailscaleError: the devices cannot be read.

    Scope: ``devices:core:read``, and for each further part its own.
    """
    report = await _audited(client, now, changes, principal, snapshots)
    unknown = {part: why for ran in report.run.checks for part, why in ran.missing.items()}
    return {
        "rows": [_row(task, report) for task in tasks_of(report)],
        "report": report.id,
        "today": [task.check for task in most_urgent(report)],
        "summary": report.summary(),
        "not_read": unknown,
    }


def _row(task: Task, report: AuditReport) -> dict[str, Any]:
    first = task.findings[0]
    return {
        "severity": task.severity,
        "check": task.check,
        "title": first.title,
        "found": len(task.findings),
        "new": sum(report.state_of(finding) == "new" for finding in task.findings),
        "fixable": task.fixable,
        "resources": [finding.name or finding.resource for finding in task.findings[:_NAMED]],
        "remediation": first.help,
    }


async def _audited(
    client: AsyncTailscale,
    now: datetime,
    changes: AsyncChanges | None,
    principal: str | None,
    snapshots: SnapshotSource | None,
) -> AuditReport:
    engine = changes or AsyncChanges(client)
    fleet = await read_audited(client, snapshots=snapshots)
    found = audits.run_checks(fleet, audits.CHECKS.values(), now=now)
    history = AuditHistory(engine.state, engine.policy_shelf)
    return noted(history, found, now=now, principal=principal)[0]


async def findings(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    filter: str | None = None,
    report: str | None = None,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List the findings of a report, the worst first.

    Args:
        client: reads, where there is no report yet.
        now: moment of asking, with a zone.
        progress: not used.
        filter: check, severity, status, new, persisting, or part of a resource's name or id.
        report: id that ``run`` gave; the last one of the caller when left out.
        changes: engine whose state keeps reports.
        principal: who asks.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: there is no such report for whoever asks.
        TailscaleError: the devices cannot be read.

    Scope: ``devices:core:read``, and for each further part its own.
    """
    found = await _kept(client, now, report, changes, principal, snapshots)
    word = (filter or "").strip().lower()
    rows = [_finding_row(each) for each in found["findings"] if _matches(each, word)]
    return {"rows": rows, "report": found["report"], "observed_at": found["observed_at"]}


def _finding_row(found: Mapping[str, Any]) -> dict[str, Any]:
    resource = found["resource"] or {}
    return {
        **{name: found[name] for name in ("severity", "check", "status", "state", "message", "remediation")},
        "resource": resource.get("name") or resource.get("id"),
        "id": resource.get("id"),
        "kind": resource.get("kind"),
        "line": (found["location"] or {}).get("line"),
        "fixable": bool(found["fix"]),
        "first_seen": found["first_seen"],
        "fingerprint": found["fingerprint"][:SHOWN],
    }


def _matches(found: Mapping[str, Any], word: str) -> bool:
    if not word:
        return str(found["status"]) != "unknown"
    exact = [str(found[name] or "").lower() for name in _TEXTS]
    resource = found["resource"] or {}
    named = any(word in str(resource.get(name) or "").lower() for name in ("id", "name"))
    is_family = found["check"].lower().startswith(f"{word}-")
    is_fingerprint = len(word) >= SHORTEST and found["fingerprint"].startswith(word)
    return word in exact or named or is_family or is_fingerprint


async def _kept(
    client: AsyncTailscale,
    now: datetime,
    report: str | None,
    changes: AsyncChanges | None,
    principal: str | None,
    snapshots: SnapshotSource | None,
) -> dict[str, Any]:
    engine = changes or AsyncChanges(client)
    found = AuditHistory(engine.state, engine.policy_shelf).report(report, principal=principal)
    if found is not None:
        return found
    if report is not None:
        raise ConfigurationError(f"there is no report {report!r} of yours: run the audit again")
    return (await _audited(client, now, engine, principal, snapshots)).to_dict()


async def explain(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    finding: str,
    report: str | None = None,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """Return everything that is known of one finding: evidence, place in the policy, fix.

    Args:
        client: reads, where there is no report yet.
        now: moment of asking, with a zone.
        progress: not used.
        finding: its fingerprint, of which eight characters are enough.
        report: id that ``run`` gave; the last one of the caller when left out.
        changes: engine whose state keeps reports.
        principal: who asks.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: there is no such report or finding for whoever asks.
        TailscaleError: the devices cannot be read.

    Scope: ``devices:core:read``, and for each further part its own.
    """
    found = await _kept(client, now, report, changes, principal, snapshots)
    return audits.one_finding(found["findings"], finding)


async def fix(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    findings: Sequence[str],
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan what removes findings of an audit made now; what people will notice only where a finding is named itself.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        findings: checks such as SET-01, or fingerprints.
        max_changes: most items.
        max_percent: most of all objects of a kind, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: a word is neither a check that found something nor a fingerprint.
        NothingToChangeError: nothing of it can be fixed by a call; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: of what it writes.
    """
    engine = changes or AsyncChanges(client)
    fleet = await read_audited(client, snapshots=snapshots)
    found = audits.run_checks(fleet, audits.CHECKS.values(), now=now)
    return await plan_fix(
        client,
        found,
        propose_fix(found, findings),
        changes=engine,
        principal=principal,
        digest=digest,
        limits=Limits(max_changes, max_percent),
    )
