"""Run every check over a tailnet: one that cannot look says why, one that breaks ends only itself."""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from attrs import evolve, field, frozen

from tailscale_sdk.operations.audit.model import TAILNET, Audited, Check, Outcome, Subject
from tailscale_sdk.operations.audit.rules import USUAL, AuditRules
from tailscale_sdk.operations.audit.waivers import WAIVERS, Waived, Waiver, apply_waivers
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.policy.findings import SEVERITIES, Finding, Severity, Status, sort_findings

SHOWN: Final[frozenset[Status]] = frozenset({"fail", "unknown", "error", "manual", "waived"})


@frozen
class CheckRun:
    """Hold what one check came to.

    Attributes:
        check: the check.
        outcomes: its word on every resource.
        missing: parts it needed that were not read, with the reason.
    """

    check: Check
    outcomes: tuple[Outcome, ...] = field(repr=False)
    missing: Mapping[str, str] = field(factory=dict)

    @cached_property
    def counts(self) -> Mapping[Status, int]:
        """Return how many resources had each status."""
        return Counter(outcome.status for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "check": self.check.id,
            "version": self.check.version,
            "title": self.check.title,
            "severity": self.check.severity,
            "family": self.check.family,
            "inputs": ["devices", *self.check.inputs],
            "missing": dict(self.missing),
            "counts": dict(self.counts),
            "controls": list(self.check.controls),
            "remediation": self.check.remediation,
        }


@frozen
class AuditRun:
    """Hold what an audit found.

    Attributes:
        checks: every check that ran, in the order of the catalogue.
        findings: whatever is not in order or not known, the worst first.
        causes: check and outcome behind each finding, by its fingerprint.
        waivers: waiver of each waived finding, by its fingerprint.
        audited: what was looked at.
    """

    checks: tuple[CheckRun, ...]
    findings: tuple[Finding, ...]
    causes: Mapping[str, tuple[Check, Outcome]] = field(repr=False)
    waivers: Mapping[str, Waiver] = field(repr=False)
    audited: Audited = field(repr=False)

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

    @property
    def by_severity(self) -> dict[str, int]:
        """Return how much is wrong, by severity, the worst first."""
        found = Counter(finding.severity for finding in self.failed)
        return {name: found[name] for name in reversed(SEVERITIES)}

    @property
    def by_status(self) -> dict[str, int]:
        """Return how many words were said, by status."""
        found = Counter[str]()
        for ran in self.checks:
            found.update(ran.counts)
        return dict(sorted(found.items()))


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Let the garbage collector rest: what a run makes it keeps, and looking for cycles in it takes a third of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_without_collections()
def run_checks(
    fleet: Fleet,
    checks: Iterable[Check],
    *,
    now: datetime,
    rules: AuditRules = USUAL,
    today: date | None = None,
    allow_broad: bool = False,
) -> AuditRun:
    """Run checks over a tailnet.

    Args:
        fleet: devices, and whatever else was read.
        checks: of the catalogue, in the order they are listed.
        now: moment the tailnet was read at, with a zone; ages are counted up to it.
        rules: what they measure by, waivers and attestations.
        today: day on which waivers and attestations have to hold; that of ``now`` when left out.
        allow_broad: a waiver for everything a critical check can find may count.
    """
    audited = Audited(fleet, rules.options, now, rules.attestations, today or now.date())
    ran = [_ran(_weighed(check, rules.severities), audited) for check in checks]
    judged = {each.check: each.outcomes for each in ran}
    waived = apply_waivers(rules.waivers, judged, audited, allow_broad=allow_broad)
    if rules.waivers:
        ran.append(CheckRun(WAIVERS, waived.outcomes))
    return _settled(ran, waived, audited)


def _weighed(check: Check, severities: Mapping[str, Severity]) -> Check:
    """Return a check with the severity this tailnet gives it, which then holds for all its outcomes."""
    severity = severities.get(check.id)
    if severity is None:
        return check

    def evaluate(audited: Audited) -> Iterator[Outcome]:
        return (evolve(outcome, severity=None) for outcome in check.evaluate(audited))

    return evolve(check, severity=severity, evaluate=evaluate)


def _ran(check: Check, audited: Audited) -> CheckRun:
    missing = {name: why for name in check.inputs if (why := audited.why_missing(name)) is not None}
    return CheckRun(check, tuple(_outcomes(check, audited, missing)), missing)


def _settled(ran: Iterable[CheckRun], waived: Waived, audited: Audited) -> AuditRun:
    """Put waivers on what they are for, and make findings of what is not in order or not known."""
    checks: list[CheckRun] = []
    findings: list[Finding] = []
    causes: dict[str, tuple[Check, Outcome]] = {}
    waivers: dict[str, Waiver] = {}
    for each in ran:
        outcomes = waived.settled(each.check, each.outcomes)
        settled = each if outcomes is each.outcomes else evolve(each, outcomes=outcomes)
        checks.append(settled)
        for outcome in settled.outcomes:
            if outcome.status in SHOWN:
                finding = _finding(each.check, outcome)
                fingerprint = finding.fingerprint
                findings.append(finding)
                causes[fingerprint] = (each.check, outcome)
                if outcome.status == "waived":
                    waivers[fingerprint] = waived.of(each.check, outcome)
    return AuditRun(tuple(checks), tuple(sort_findings(findings)), causes, waivers, audited)


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
        fix=outcome.fix_data(),
        title=check.title,
        kind=subject.kind,
        name=subject.name,
        aspect=outcome.aspect,
        evidence=outcome.evidence,
    )
