"""What a check found, as values, and their outputs for people, pull requests and build servers."""

from __future__ import annotations

from tailscale_sdk.policy.findings.annotations import to_annotations
from tailscale_sdk.policy.findings.junit import to_junit
from tailscale_sdk.policy.findings.markdown import to_markdown
from tailscale_sdk.policy.findings.model import (
    SEVERITIES,
    STATUSES,
    Finding,
    Severity,
    Status,
    sort_findings,
    to_json,
)
from tailscale_sdk.policy.findings.sarif import to_sarif

__all__ = [
    "SEVERITIES",
    "STATUSES",
    "Finding",
    "Severity",
    "Status",
    "sort_findings",
    "to_annotations",
    "to_json",
    "to_junit",
    "to_markdown",
    "to_sarif",
]
