"""Runs that are kept: trend, the run before, reports by their id and for whoever made them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tailscale_sdk.changes import LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.operations.audit.history import KEPT_REPORTS, AuditHistory, noted
from tests.operations.audit.runs import SINS, run_of
from tests.operations.fleets import NOW


@pytest.fixture
def history(scratch: Path) -> Iterator[AuditHistory]:
    with contextlib.closing(LocalState(StateDirectory(scratch / "state"))) as state:
        yield AuditHistory(state, "example.com")


def test_the_next_run_is_compared_with_the_last(history: AuditHistory) -> None:
    first = history.note(run_of(), now=NOW)
    mended = {**SINS, "settings": {"devicesApprovalOn": True}}
    second = history.note(run_of(mended), now=NOW + timedelta(days=1))
    assert first.summary()["new"] is None
    assert second.summary()["new"] == 0
    assert {each["check"] for each in second.resolved} == {"SET-01"}
    trend = second.to_dict()["trend"]
    assert [each["at"] for each in trend] == ["2026-06-30T12:00:00Z", "2026-07-01T12:00:00Z"]
    assert trend[0]["by_severity"]["high"] > trend[1]["by_severity"]["high"]
    assert history.trend() == tuple(trend)


def test_an_older_tailnet_is_neither_compared_nor_kept(history: AuditHistory) -> None:
    history.note(run_of(), now=NOW)
    late = history.note(run_of(), now=NOW - timedelta(days=1))
    assert (late.id, late.past) == (None, None)
    assert len(history.trend()) == 1


def test_reports_are_found_again_by_whoever_made_them(history: AuditHistory) -> None:
    report = history.note(run_of(), now=NOW, principal="alice")
    assert history.report(report.id, principal="alice") == report.to_dict()
    assert history.report(principal="alice") == report.to_dict()
    assert history.report(report.id, principal="bob") is None
    assert history.report(principal=None) == report.to_dict()


def test_only_the_last_reports_are_kept_whole(history: AuditHistory) -> None:
    ids = [history.note(run_of(), now=NOW + timedelta(hours=n)).id for n in range(KEPT_REPORTS + 2)]
    kept = [history.report(each) is not None for each in ids]
    assert kept.count(True) == KEPT_REPORTS
    assert len(history.trend()) == KEPT_REPORTS + 2


def test_another_tailnet_has_another_history(history: AuditHistory) -> None:
    history.note(run_of(), now=NOW)
    assert AuditHistory(history.state, "example.org").latest() is None


def test_a_run_is_reported_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = LocalState(StateDirectory(tmp_path / "file"))
    report, problem = noted(AuditHistory(state, "example.com"), run_of(), now=NOW)
    assert problem is not None
    assert (report.id, bool(report.run.failed)) == (None, True)
