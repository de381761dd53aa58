"""Waivers: findings a team lives with for a while, each with an owner, a reason and an end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Final

from attrs import evolve, frozen

from tailscale_sdk.operations.audit.attestations import LONGEST_DAYS, Validity, validity
from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, fact
from tailscale_sdk.operations.values import texts_of
from tailscale_sdk.policy.findings import Severity

_WILD: Final = frozenset("*?[]!")
Problem = tuple[str, Severity, str]
_DATES: Final[Mapping[Validity, Problem]] = {
    "expired": ("expired", "medium", "has expired: its findings count again"),
    "early": ("early", "low", "does not hold yet"),
    "long": ("long", "medium", f"is for more than {LONGEST_DAYS} days, so it does not count"),
}


@frozen
class Waiver:
    """Hold one waiver.

    Attributes:
        check: id of a check, or a pattern such as ``KEY-*``.
        resource: id or name of what it is for, a pattern of either, or a tag.
        reason: why the finding may stand.
        owner: who answers for it.
        created: when it was granted.
        expires: last day on which it counts.
        ticket: where it was decided.
    """

    check: str
    resource: str
    reason: str
    owner: str
    created: date | None
    expires: date
    ticket: str = ""

    @property
    def id(self) -> str:
        """Return what it is known by: what it is for, whatever its reason or end."""
        return hashlib.sha256(json.dumps([self.check, self.resource]).encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """Return what people call it."""
        return f"{self.check} for {self.resource}"

    def validity(self, today: date) -> Validity:
        """Say whether it counts today."""
        return validity(self.created, self.expires, today)

    def covers(self, check: Check, subject: Subject, audited: Audited) -> bool:
        """Tell whether it is for a check's word on a resource."""
        if not fnmatchcase(check.id, self.check):
            return False
        if fnmatchcase(subject.id, self.resource) or fnmatchcase(subject.name, self.resource):
            return True
        return self.resource in _tags_of(subject, audited)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "owner": self.owner,
            "reason": self.reason,
            "created": self.created and self.created.isoformat(),
            "expires": self.expires.isoformat(),
            "ticket": self.ticket or None,
        }


def _tags_of(subject: Subject, audited: Audited) -> tuple[str, ...]:
    if subject.kind == "device":
        device = audited.fleet.by_id.get(subject.id)
        return () if device is None else device.tags
    if subject.kind == "key":
        return next(
            (texts_of(row.key.fields, "tags") for row in audited.keys if row.key.id == subject.id), ()
        )
    return ()


Judged = Mapping[Check, Sequence[Outcome]]


@frozen
class Waived:
    """Hold what waivers came to.

    Attributes:
        by_outcome: waiver of each outcome that is waived, by check, resource and aspect.
        outcomes: what is wrong with the waivers themselves.
    """

    by_outcome: Mapping[tuple[str, Subject, str], Waiver]
    outcomes: tuple[Outcome, ...]

    def of(self, check: Check, outcome: Outcome) -> Waiver:
        """Return the waiver of an outcome that has one."""
        return self.by_outcome[check.id, outcome.subject, outcome.aspect]

    def settled(self, check: Check, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        """Return outcomes as they count: a failure that is waived is one no more."""
        if not any(name == check.id for name, _, _ in self.by_outcome):
            return outcomes
        return tuple(
            evolve(outcome, status="waived")
            if outcome.status == "fail" and (check.id, outcome.subject, outcome.aspect) in self.by_outcome
            else outcome
            for outcome in outcomes
        )


def apply_waivers(
    waivers: Iterable[Waiver], judged: Judged, audited: Audited, *, allow_broad: bool = False
) -> Waived:
    """Say which failures are waived, and which waivers do not hold.

    Args:
        waivers: of this tailnet.
        judged: outcomes by check.
        audited: whose tags waivers may name, and the day on which they have to hold.
        allow_broad: one for every resource of a critical check may count.
    """
    found: dict[tuple[str, Subject, str], Waiver] = {}
    problems: list[Outcome] = []
    for waiver in waivers:
        covered = _covered(waiver, judged, audited)
        problem = _problem(waiver, covered, judged, audited.today, allow_broad)
        if problem is not None:
            problems.append(problem)
        if waiver.validity(audited.today) == "holds" and (
            allow_broad or not _is_broad(waiver, covered, judged)
        ):
            for check, outcomes in covered.items():
                found.update(
                    {
                        (check.id, each.subject, each.aspect): waiver
                        for each in outcomes
                        if each.status == "fail"
                    }
                )
    return Waived(found, tuple(problems))


def _covered(waiver: Waiver, judged: Judged, audited: Audited) -> dict[Check, list[Outcome]]:
    return {
        check: [each for each in outcomes if waiver.covers(check, each.subject, audited)]
        for check, outcomes in judged.items()
        if fnmatchcase(check.id, waiver.check)
    }


def _is_broad(waiver: Waiver, covered: Mapping[Check, Sequence[Outcome]], judged: Judged) -> bool:
    """Tell whether it is for every resource of a critical check, by its pattern or by what it matches."""
    if not any(check.severity == "critical" for check in covered):
        return False
    if set(waiver.resource) <= _WILD:
        return True
    is_pattern = bool(_WILD & set(waiver.resource)) or waiver.resource.startswith("tag:")
    return is_pattern and any(
        check.severity == "critical" and len(judged[check]) > 1 and len(outcomes) == len(judged[check])
        for check, outcomes in covered.items()
    )


def _problem(
    waiver: Waiver,
    covered: Mapping[Check, Sequence[Outcome]],
    judged: Judged,
    today: date,
    allow_broad: bool,
) -> Outcome | None:
    problem = _DATES.get(waiver.validity(today)) or _scope(waiver, covered, judged, allow_broad)
    if problem is None:
        return None
    aspect, severity, message = problem
    evidence = (fact("waiver", expires=waiver.expires.isoformat(), owner=waiver.owner, reason=waiver.reason),)
    subject = Subject("waiver", waiver.id, waiver.label)
    return Outcome(
        subject, "fail", f"the waiver of {waiver.label} {message}", severity, aspect=aspect, evidence=evidence
    )


def _scope(
    waiver: Waiver, covered: Mapping[Check, Sequence[Outcome]], judged: Judged, allow_broad: bool
) -> Problem | None:
    if _is_broad(waiver, covered, judged):
        broad = "is for whatever a critical check can find"
        return (
            ("broad", "low", broad)
            if allow_broad
            else ("broad", "high", f"{broad}: --allow-broad lets it count")
        )
    if not covered:
        return ("unused", "low", "names no check there is")
    undecided = any(each.status in {"unknown", "error"} for check in covered for each in judged[check])
    if undecided or any(each.status == "fail" for listed in covered.values() for each in listed):
        return None
    return ("unused", "low", "matches nothing: remove it")


WAIVERS: Final = Check(
    "WVR-01",
    "medium",
    "Waivers that do not hold",
    "renew the waiver, or remove it",
    (),
    (),
    lambda audited: (),
)
"""What is wrong with waivers is told as a check's word; it is asked after all others, so the catalogue has it not."""
