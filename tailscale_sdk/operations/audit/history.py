"""Audits of one tailnet over time: what is open, how many findings there were, and the last reports whole."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.changes.local_state import LocalState
from tailscale_sdk.changes.state_records import StateRecords
from tailscale_sdk.errors import StateError
from tailscale_sdk.operations.audit.report import AuditReport, PastRun
from tailscale_sdk.operations.audit.running import AuditRun

KEPT_REPORTS: Final = 5
"""Reports that are kept whole."""

KEPT_RUNS: Final = 400
"""Runs whose counts are kept: daily for more than a year."""

_RUN, _OPEN, _REPORT = "audit-run", "audit-open", "audit-report"
_LATEST: Final = "latest"


@frozen
class AuditHistory:
    """Keep audits of one tailnet.

    Attributes:
        state: of this machine, opened when it is first asked.
        shelf: name of the tailnet there.
    """

    state: LocalState
    shelf: str

    @property
    def records(self) -> StateRecords:
        """Return where they are."""
        return self.state.records

    def latest(self) -> PastRun | None:
        """Return what the last run left open, None where there was none.

        Raises:
            StateError: it cannot be read.
        """
        found = self.records.get(_OPEN, _LATEST, tailnet=self.shelf)
        return None if found is None else PastRun(found.content["at"], found.content["open"])

    def trend(self, limit: int = KEPT_RUNS) -> tuple[dict[str, Any], ...]:
        """Return the counts of earlier runs, the oldest first.

        Args:
            limit: how many of the last ones.

        Raises:
            StateError: they cannot be read.
        """
        found = self.records.all(_RUN, tailnet=self.shelf, limit=limit)
        return tuple(dict(record.content) for record in reversed(found))

    def note(self, run: AuditRun, *, now: datetime, principal: str | None = None) -> AuditReport:
        """Compare a run with the last one, and keep it.

        Args:
            run: that has just been made.
            now: moment the tailnet was read at, with a zone.
            principal: who may see the report again; whoever has the state when left out.

        Returns:
            The report, with its id. One of a tailnet that was read before the last run is neither compared nor kept.

        Raises:
            StateError: it cannot be read or kept.
        """
        at, past = written(now), self.latest()
        if past is not None and at < past.at:
            return AuditReport(run, at)
        report_id = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        report = AuditReport(run, at, past, self.trend(), report_id)
        kept = {"principal": principal, "report": report.to_dict()}
        self.records.put(_REPORT, report_id, kept, tailnet=self.shelf)
        counts = {"at": at, "by_severity": run.by_severity}
        self.records.put(_RUN, report_id, counts, tailnet=self.shelf)
        self.records.put(_OPEN, _LATEST, {"at": at, "open": report.open()}, tailnet=self.shelf)
        self._tidy()
        return report

    def _tidy(self) -> None:
        for kind, kept in ((_REPORT, KEPT_REPORTS), (_RUN, KEPT_RUNS)):
            for record in self.records.all(kind, tailnet=self.shelf)[kept:]:
                self.records.remove(kind, record.id, tailnet=self.shelf)

    def report(self, report_id: str | None = None, *, principal: str | None = None) -> dict[str, Any] | None:
        """Return a kept report as JSON data, None where there is none for whoever asks.

        Args:
            report_id: of the report; the last one when left out.
            principal: who asks; everybody's reports when left out.

        Raises:
            StateError: it cannot be read.
        """
        for record in self.records.all(_REPORT, tailnet=self.shelf):
            is_theirs = principal is None or record.content["principal"] == principal
            if is_theirs and report_id in {None, record.id}:
                found: dict[str, Any] = record.content["report"]
                return found
        return None


def written(moment: datetime) -> str:
    """Return a moment as reports have it: UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def noted(
    history: AuditHistory, run: AuditRun, *, now: datetime, principal: str | None = None
) -> tuple[AuditReport, StateError | None]:
    """Keep a run where that is possible: what was found is worth more than its history.

    Args:
        history: of the tailnet.
        run: that has just been made.
        now: moment the tailnet was read at, with a zone.
        principal: who may see the report again.

    Returns:
        The report, and why it is not kept.
    """
    try:
        return history.note(run, now=now, principal=principal), None
    except StateError as problem:
        return alone(run, now=now), problem


def alone(run: AuditRun, *, now: datetime, past: PastRun | None = None) -> AuditReport:
    """Return the report of a run that is not kept.

    Args:
        run: that has just been made.
        now: moment the tailnet was read at, with a zone.
        past: a run it is compared with.
    """
    return AuditReport(run, written(now), past)
