"""A small tailnet with sins, and runs of every check over it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tailscale_sdk.operations.audit import CHECKS, AuditRules, AuditRun, run_checks
from tailscale_sdk.operations.audit.history import alone
from tailscale_sdk.operations.audit.report import AuditReport, PastRun
from tailscale_sdk.operations.fleet import read_fleet
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.operations.audit.cases import auth, client, contact, key
from tests.operations.fleets import NOW, POLICY, USERS, ago, device

SINS: dict[str, Any] = {
    "devices": [
        device("web-1", "", "tag:web"),
        device("alice-laptop", "alice@example.com", os="macOS", keyExpiryDisabled=True),
        device("kiosk", "carol@example.com", authorized=False),
    ],
    "tailnet": "example.com",
    "taken": NOW.isoformat(),
    "users": USERS,
    "policy": POLICY,
    "user_invites": [{"id": "i1", "email": "dave@example.com", "created": ago(days=30)}],
    "keys": [
        key(id=f"k{n}", userId=f"u{n}", capabilities=auth(reusable=True, ephemeral=False)) for n in range(5)
    ]
    + [client("all", tags=None)],
    "settings": {"devicesApprovalOn": False, "devicesKeyDurationDays": 365},
    **contact(email=""),
}


def run_of(
    content: dict[str, Any] | None = None,
    *,
    rules: AuditRules | None = None,
    now: datetime = NOW,
    **more: Any,
) -> AuditRun:
    """Run every check over a tailnet, the one with sins when left out."""
    fleet = read_fleet(TailnetSnapshot.from_dict({"devices": [], **(SINS if content is None else content)}))
    return run_checks(fleet, CHECKS.values(), rules=rules or AuditRules(), now=now, **more)


def report_of(content: dict[str, Any] | None = None, past: PastRun | None = None, **more: Any) -> AuditReport:
    """Return the report of a run, beside an earlier one."""
    return alone(run_of(content, **more), now=NOW, past=past)


def left_open(report: AuditReport) -> PastRun:
    """Return what a report leaves for the next one."""
    return PastRun(report.at, report.open())
