"""An audit as one HTML page that needs nothing else: for whoever runs the tailnet, and whoever answers for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tailscale_sdk.inline_page import inline_page
from tailscale_sdk.visible import visible_value

_SCRIPTS: Final = (
    "words",
    "reading",
    "selection",
    "folding",
    "finding",
    "views",
    "trend",
    "heading",
    "main",
)


def to_html(document: Mapping[str, Any]) -> str:
    """Return a self-contained HTML page, to be stored as UTF-8; the same document gives the same bytes.

    Args:
        document: a report as JSON data, ``{"schema": "tailscale-sdk/audit/1", "summary": {...},
            "checks": [...], "findings": [...], ...}``; what is absent or null is shown as not known.
    """
    findings = document.get("findings") or ()
    data = visible_value(
        {**document, "findings": [_without_fix(finding) for finding in findings]}, limit=None, multiline=True
    )
    # What a fix sends stays exact, for it is there to be copied: whatever hides is written as an escape.
    for shown, finding in zip(data["findings"], findings, strict=True):
        fix = finding.get("fix")
        shown["fix"] = json.dumps(fix, indent=2) if fix else None
    tailnet = data.get("tailnet")
    return inline_page(__package__, _SCRIPTS, title=f"Audit of {tailnet}" if tailnet else "Audit", data=data)


def _without_fix(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in finding.items() if name != "fix"}
