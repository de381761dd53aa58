"""A run beside the one before it: what is new, what stays, what is done, and how it went over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, Literal

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.audit.model import TAILNET, Outcome
from tailscale_sdk.operations.audit.running import AuditRun, CheckRun
from tailscale_sdk.policy.findings import SEVERITIES, Finding, Severity

SCHEMA: Final = "tailscale-sdk/audit/1"
SHORTEST: Final = 8
"""Characters of a fingerprint that are enough to name it."""

SHOWN: Final = 12
"""Characters of a fingerprint that are shown."""

State = Literal["new", "persisting"]
Json = Mapping[str, Any]
_OPEN: Final = frozenset({"fail", "waived"})
_KEPT: Final = ("check", "title", "severity", "status", "resource", "message")


@frozen
class PastRun:
    """Hold what a run left open.

    Attributes:
        at: moment its tailnet was read at, as text.
        open: what was wrong or waived then, by fingerprint: ``check``, ``severity``, ``status``, ``resource``,
            ``first_seen`` …
    """

    at: str
    open: Mapping[str, Json] = field(repr=False)


@frozen
class AuditReport:
    """Hold what an audit found, beside what was found before.

    Attributes:
        run: what was found.
        at: moment the tailnet was read at, as text.
        past: the run before, None where there is none.
        trend: counts of earlier runs, each with ``at`` and ``by_severity``, the oldest first.
        id: what the report is kept by, None where it is not kept.
    """

    run: AuditRun
    at: str
    past: PastRun | None = None
    trend: tuple[Json, ...] = ()
    id: str | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return whatever is not in order or not known, the worst first."""
        return self.run.findings

    def state_of(self, finding: Finding) -> State | None:
        """Say whether something wrong is new; None for what is not wrong, or where nothing was before."""
        if self.past is None or finding.status != "fail":
            return None
        before = self.past.open.get(finding.fingerprint)
        # What was waived and counts again is news to whoever looks only at what is new.
        return "persisting" if before is not None and before["status"] == "fail" else "new"

    def first_seen(self, finding: Finding) -> str | None:
        """Return when something wrong was seen first, None for what is not wrong."""
        if finding.status not in _OPEN:
            return None
        before = (self.past.open if self.past is not None else {}).get(finding.fingerprint)
        return self.at if before is None else str(before.get("first_seen") or self.at)

    def counted(self, severity: Severity, *, only_new: bool = False) -> tuple[Finding, ...]:
        """Return what is wrong and at least so bad.

        Args:
            severity: the least that counts.
            only_new: leave out what the run before had.
        """
        found = self.run.at_least(severity)
        return tuple(each for each in found if not only_new or self.state_of(each) != "persisting")

    @cached_property
    def gone(self) -> tuple[tuple[str, Json, bool], ...]:
        """Return what the run before had and this one has not: fingerprint, record, and whether it was looked at."""
        if self.past is None:
            return ()
        now = {each.fingerprint for each in self.findings if each.status in _OPEN}
        ran = {each.check.id: each for each in self.run.checks}
        return tuple(
            (fingerprint, record, _was_judged(ran.get(str(record["check"])), record))
            for fingerprint, record in self.past.open.items()
            if fingerprint not in now
        )

    @property
    def resolved(self) -> tuple[Json, ...]:
        """Return what was wrong before and is in order now, the worst first."""
        found = [
            {"fingerprint": fingerprint, **record, "resolved_at": self.at}
            for fingerprint, record, judged in self.gone
            if judged
        ]
        return tuple(sorted(found, key=lambda each: -SEVERITIES.index(each["severity"])))

    def open(self) -> dict[str, dict[str, Any]]:
        """Return what the next run is compared with: what is open, and what was and could not be looked at."""
        carried = {fingerprint: dict(record) for fingerprint, record, judged in self.gone if not judged}
        for finding in self.findings:
            if finding.status in _OPEN:
                told = finding.to_dict()
                carried[finding.fingerprint] = {
                    **{name: told[name] for name in _KEPT},
                    "first_seen": self.first_seen(finding),
                }
        return carried

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data, its texts untouched."""
        fleet = self.run.audited.fleet
        return {
            "schema": SCHEMA,
            "report": self.id,
            "tailnet": fleet.snapshot.content.get("tailnet"),
            "observed_at": fleet.observed_at,
            "coverage": dict(fleet.coverage),
            "summary": self.summary(),
            "trend": [*self.trend, {"at": self.at, "by_severity": self.run.by_severity}],
            "checks": [ran.to_dict() for ran in self.run.checks],
            "findings": [self.finding_dict(finding) for finding in self.findings],
            "resolved": list(self.resolved),
        }

    def summary(self) -> dict[str, Any]:
        """Return the counts as JSON data."""
        states = Counter(self.state_of(finding) for finding in self.run.failed)
        known = self.past is not None
        return {
            "by_severity": self.run.by_severity,
            "by_status": self.run.by_status,
            "new": states["new"] if known else None,
            "persisting": states["persisting"] if known else None,
            "resolved": len(self.resolved) if known else None,
        }

    def finding_dict(self, finding: Finding) -> dict[str, Any]:
        """Return one finding as JSON data, with its history, its controls and its waiver."""
        check, _ = self.run.causes[finding.fingerprint]
        waiver = self.run.waivers.get(finding.fingerprint)
        return {
            **finding.to_dict(),
            "state": self.state_of(finding),
            "first_seen": self.first_seen(finding),
            "controls": list(check.controls),
            "waiver": None if waiver is None else waiver.to_dict(),
        }


def one_finding(findings: Iterable[Json], word: str) -> dict[str, Any]:
    """Return the one of a report's findings that a word means.

    Args:
        findings: as a report has them.
        word: its fingerprint, of which the first eight characters are enough.

    Raises:
        ConfigurationError: no finding, or more than one, begins so.
    """
    wanted = word.strip().lower()
    found = [each for each in findings if str(each["fingerprint"]).startswith(wanted)]
    if len(wanted) < SHORTEST or len(found) != 1:
        raise ConfigurationError(
            f"{word!r} is no fingerprint of one finding: give its first {SHORTEST} characters"
        )
    return dict(found[0])


def _was_judged(ran: CheckRun | None, record: Json) -> bool:
    """Tell whether a check could have found again what it found before."""
    if ran is None:
        return False
    resource = record.get("resource") or {}
    return not any(_speaks_of(outcome, resource) for outcome in _undecided(ran))


def _undecided(ran: CheckRun) -> Iterator[Outcome]:
    return (outcome for outcome in ran.outcomes if outcome.status in {"unknown", "error"})


def _speaks_of(undecided: Outcome, resource: Json) -> bool:
    subject = undecided.subject
    # The whole policy, the whole tailnet, or the part the resource is from was not there to be looked at.
    is_whole = subject.id in {TAILNET, "policy"} and not undecided.aspect
    return is_whole or subject.id in {resource.get("id"), f"{resource.get('kind')}s"}


def past_run(document: Any) -> PastRun:
    """Read the JSON of an earlier report.

    Args:
        document: as ``AuditReport.to_dict`` returned it.

    Raises:
        ConfigurationError: it is none; the text names what is missing.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConfigurationError(f"it is no report: its schema has to be {SCHEMA}")
    at = document["trend"][-1]["at"] if document.get("trend") else document.get("observed_at")
    found: dict[str, Json] = {}
    for index, finding in enumerate(document.get("findings") or ()):
        try:
            if finding["status"] in _OPEN:
                kept = {name: finding[name] for name in _KEPT}
                found[finding["fingerprint"]] = {**kept, "first_seen": finding.get("first_seen") or at}
        except (KeyError, TypeError):
            raise ConfigurationError(f"findings[{index}]: is no finding of a report") from None
    return PastRun(str(at or ""), found)
