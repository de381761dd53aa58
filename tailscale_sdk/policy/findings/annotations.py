"""Findings as workflow commands of GitHub Actions: printed, they stand beside the line in the pull request.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tailscale_sdk.policy.findings.model import Columns, Finding, Severity, sort_findings
from tailscale_sdk.visible import visible

TEXT_LIMIT = 1000

_COMMANDS: Mapping[Severity, str] = {
    "info": "notice",
    "low": "notice",
    "medium": "warning",
    "high": "error",
    "critical": "error",
}
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def to_annotations(findings: Iterable[Finding], *, policy_path: str, policy_text: str | None = None) -> str:
    """Return one command a line for what failed or is unknown, the most severe first.

    GitHub shows ten of each kind a step, so the order matters.

    Args:
        findings: in any order.
        policy_path: the policy file, relative to the repository.
        policy_text: the policy, so that columns count characters also behind others than ASCII.
    """
    columns = Columns(policy_text)
    return "".join(
        f"{_command(finding, policy_path, columns)}\n"
        for finding in sort_findings(findings)
        if finding.status in {"fail", "unknown", "error"}
    )


def _command(finding: Finding, policy_path: str, columns: Columns) -> str:
    name, prefix = _COMMANDS[finding.severity], ""
    if finding.status != "fail":
        name, prefix = "warning", f"{finding.status}: "
    properties = {"title": visible(finding.title or finding.check)}
    if finding.place is not None:
        column = str(columns.of(finding.place))
        position = {
            "file": visible(policy_path, limit=None),
            "line": str(finding.place.line),
            "col": column,
        }
        properties = {**position, **properties}
    listed = ",".join(f"{key}={value.translate(_IN_PROPERTY)}" for key, value in properties.items())
    message = f"{prefix}{visible(finding.message, limit=TEXT_LIMIT)} ({visible(finding.check)})"
    return f"::{name} {listed}::{message.translate(_IN_MESSAGE)}"
