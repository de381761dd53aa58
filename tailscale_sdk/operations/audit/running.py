"""Run every check over a tailnet: one that cannot look says why, one that breaks ends only itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.operations.audit.model import TAILNET, Audited, Check, Outcome, Subject
from tailscale_sdk.operations.audit.options import AuditOptions
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.policy.findings import SEVERITIES, Finding, Severity, Status, sort_findings

SCHEMA: Final = "tailscale-sdk/audit/1"
SHOWN: Final[frozenset[Status]] = frozenset({"fail", "unknown", "error", "manual", "waived"})


@frozen
class CheckRun:
    """Hold what one check came to.

    Attributes:
        check: the check.
        counts: how many resources had each status.
        missing: parts it needed that were not read, with the reason.
    """

    check: Check
    counts: Mapping[Status, int]
    missing: Mapping[str, str] = field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "check": self.check.id,
            "version": self.check.version,
            "title": self.check.title,
            "severity": self.check.severity,
            "inputs": ["devices", *self.check.inputs],
            "missing": dict(self.missing),
            "counts": dict(self.counts),
        }


@frozen
class AuditRun:
    """Hold what an audit found.

    Attributes:
        checks: every check that ran, in the order of the catalogue.
        findings: whatever is not in order or not known, the worst first.
        tailnet: whose it is, as the snapshot says.
        observed_at: moment of the reading.
        coverage: why parts were not read, by name.
    """

    checks: tuple[CheckRun, ...]
    findings: tuple[Finding, ...]
    tailnet: str | None = None
    observed_at: str | None = None
    coverage: Mapping[str, str] = field(factory=dict)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Return what is wrong."""
        return tuple(finding for finding in self.findings if finding.status == "fail")

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Return what is wrong and at least so bad.

        Args:
            severity: the least that counts.
        """
        least = SEVERITIES.index(severity)
        return tuple(finding for finding in self.failed if SEVERITIES.index(finding.severity) >= least)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data, its texts untouched."""
        severities = Counter(finding.severity for finding in self.failed)
        statuses = Counter[str]()
        for ran in self.checks:
            statuses.update(ran.counts)
        return {
            "schema": SCHEMA,
            "tailnet": self.tailnet,
            "observed_at": self.observed_at,
            "coverage": dict(self.coverage),
            "summary": {
                "by_severity": {name: severities[name] for name in reversed(SEVERITIES)},
                "by_status": dict(sorted(statuses.items())),
            },
            "checks": [ran.to_dict() for ran in self.checks],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def run_checks(fleet: Fleet, checks: Iterable[Check], *, options: AuditOptions, now: datetime) -> AuditRun:
    """Run checks over a tailnet.

    Args:
        fleet: devices, and whatever else was read.
        checks: of the catalogue, in the order they are listed.
        options: what they measure by.
        now: moment of asking, with a zone.
    """
    audited = Audited(fleet, options, now)
    ran: list[CheckRun] = []
    findings: list[Finding] = []
    for check in checks:
        missing = {name: why for name in check.inputs if (why := audited.why_missing(name)) is not None}
        outcomes = [*_outcomes(check, audited, missing)]
        ran.append(CheckRun(check, Counter(outcome.status for outcome in outcomes), missing))
        findings.extend(_finding(check, outcome) for outcome in outcomes if outcome.status in SHOWN)
    content = fleet.snapshot.content
    tailnet = content.get("tailnet")
    return AuditRun(tuple(ran), tuple(sort_findings(findings)), tailnet, fleet.observed_at, fleet.coverage)


def _outcomes(check: Check, audited: Audited, missing: Mapping[str, str]) -> Iterator[Outcome]:
    whole = Subject(TAILNET, TAILNET)
    if missing:
        needed = "; ".join(f"{name}: {why}" for name, why in missing.items())
        yield Outcome(whole, "unknown", f"it cannot be judged: {needed}")
        return
    try:
        yield from [*check.evaluate(audited)]
    except Exception as error:  # noqa: BLE001  # whatever a check does, the others have their say
        # The error's text may hold values of the tailnet, so only its kind is told.
        yield Outcome(whole, "error", f"the check broke with {type(error).__name__}: report it")


def _finding(check: Check, outcome: Outcome) -> Finding:
    subject = outcome.subject
    return Finding(
        check=check.id,
        severity=outcome.severity or check.severity,
        message=outcome.message,
        place=outcome.place,
        resource=subject.id,
        status=outcome.status,
        help=check.remediation,
        fix=outcome.fix,
        title=check.title,
        kind=subject.kind,
        name=subject.name,
        aspect=outcome.aspect,
        evidence=outcome.evidence,
    )
