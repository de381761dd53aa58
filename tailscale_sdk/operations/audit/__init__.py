"""What is wrong with a tailnet, and how bad: checks that are data, run over a snapshot."""

from __future__ import annotations

from tailscale_sdk.operations.audit.catalogue import CHECKS
from tailscale_sdk.operations.audit.model import Check, Outcome, Subject
from tailscale_sdk.operations.audit.options import AuditOptions
from tailscale_sdk.operations.audit.report import AuditReport, one_finding
from tailscale_sdk.operations.audit.rules import AuditRules, audit_rules, read_audit_rules
from tailscale_sdk.operations.audit.running import AuditRun, CheckRun, run_checks

__all__ = [
    "CHECKS",
    "AuditOptions",
    "AuditReport",
    "AuditRules",
    "AuditRun",
    "Check",
    "CheckRun",
    "Outcome",
    "Subject",
    "audit_rules",
    "one_finding",
    "read_audit_rules",
    "run_checks",
]
