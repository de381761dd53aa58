"""A finding: one check's word on one resource, the same for a policy and for a whole tailnet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, get_args

from attrs import field, frozen, validators

from tailscale_sdk.policy.language.model import Place

Severity = Literal["info", "low", "medium", "high", "critical"]
Status = Literal["pass", "fail", "not_applicable", "unknown", "manual", "waived", "error"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the most severe."""

STATUSES: tuple[Status, ...] = get_args(Status)


@frozen
class Finding:
    """Hold what one check says about one resource.

    Attributes:
        check: id of the check, such as ``unused-group``.
        severity: how bad it is, or would be where the status is not ``fail``.
        message: what is the case, one sentence.
        place: where it stands in the policy, None for what does not stand there.
        resource: stable id of what it is about (a group's name, a rule's id, a nodeId), None for the
            whole policy or tailnet.
        status: what came out; an ``unknown`` message says what is missing.
        help: what to do about it.
        fix: RFC 6902 operations on the policy that remove the finding, empty where a person has to decide.
        title: what the check is about, the same for all its findings.
        kind: what the resource is: ``group``, ``rule``, ``device``.
        name: what people call the resource; it may change, so it is no part of the fingerprint.
        aspect: what tells two findings of one check on one resource apart.
        evidence: facts behind it, each with its source.
    """

    check: str
    severity: Severity = field(validator=validators.in_(SEVERITIES))
    message: str
    place: Place | None = None
    resource: str | None = None
    status: Status = field(default="fail", validator=validators.in_(STATUSES))
    help: str = ""
    fix: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    title: str = ""
    kind: str = ""
    name: str = ""
    aspect: str = ""
    evidence: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @property
    def fingerprint(self) -> str:
        """Return what stays the same when lines move, rules change their order or names change."""
        identity = json.dumps([self.check, self.kind, self.resource, self.aspect])
        return hashlib.sha256(identity.encode("ascii")).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON data, its texts untouched."""
        return {
            "check": self.check,
            "title": self.title,
            "severity": self.severity,
            "status": self.status,
            "resource": self._resource(),
            "message": self.message,
            "evidence": [dict(fact) for fact in self.evidence],
            "location": self._location(),
            "remediation": self.help,
            "fix": [dict(operation) for operation in self.fix] or None,
            "fingerprint": self.fingerprint,
        }

    def _resource(self) -> dict[str, str] | None:
        if self.resource is None:
            return None
        return {"kind": self.kind, "id": self.resource, "name": self.name or self.resource}

    def _location(self) -> dict[str, Any] | None:
        if self.place is None:
            return None
        return {"pointer": self.place.pointer, "line": self.place.line, "column": self.place.column}


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings in their one order: the most severe first, then as they stand in the policy."""
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[Any, ...]:
    place = finding.place or Place("", 0, 0)
    return (
        -SEVERITIES.index(finding.severity),
        STATUSES.index(finding.status) if finding.status != "fail" else -1,
        place.line,
        place.column,
        finding.check,
        finding.kind,
        finding.resource or "",
        finding.aspect,
        finding.message,
        place.pointer,
    )


def to_json(findings: Iterable[Finding]) -> str:
    """Return findings as a JSON list, sorted; the same findings give the same bytes."""
    # Escaped: names may hold halves of characters, which no file can take otherwise.
    return json.dumps([finding.to_dict() for finding in sort_findings(findings)], indent=1) + "\n"


class Columns:
    """Turn columns in bytes, as places have them, into columns in characters, as editors show them."""

    def __init__(self, policy_text: str | None) -> None:
        """Keep the text; without it columns stay as they are, right wherever a line is ASCII before them."""
        self._text = policy_text

    @cached_property
    def _lines(self) -> list[str]:
        return [] if self._text is None else self._text.split("\n")

    def of(self, place: Place) -> int:
        """Return the column in characters, from 1."""
        if not 0 < place.line <= len(self._lines):
            return place.column
        line = self._lines[place.line - 1].encode("utf-8", "surrogatepass")
        return len(line[: place.column - 1].decode("utf-8", "ignore")) + 1
