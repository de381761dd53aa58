"""What no API tells: a person looks, and vouches for it until a date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tailscale_sdk.operations.audit.attestations import LONGEST_DAYS, Attestation, Validity, latest
from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, fact

QUESTIONS: Final[Mapping[str, str]] = {
    "mfa": "does the identity provider ask everybody for a second factor?",
    "passkey-backup": "is there an owner with a passkey, for the day the identity provider is down?",
    "scim-key-age": "was the SCIM key of the identity provider changed within a year, if there is one?",
    "host-header": "do internal web apps check the Host header, so that no web page reaches them by rebinding?",
}
"""What has to be vouched for, by the subject of its attestation."""

_WHY_NOT: Final[Mapping[Validity, str]] = {
    "expired": "vouched for it until a day that has passed",
    "early": "vouches for it from a later day on",
    "long": f"vouches for it for longer than {LONGEST_DAYS} days",
}


def _attested(audited: Audited) -> Iterator[Outcome]:
    for name, question in QUESTIONS.items():
        yield _judged(Subject("attestation", name), question, latest(audited.attestations, name), audited)


def _judged(subject: Subject, question: str, found: Attestation | None, audited: Audited) -> Outcome:
    if found is None:
        return Outcome(subject, "manual", f"nobody vouched for it: {question}")
    evidence = (
        fact(
            "attestation",
            owner=found.owner,
            created=found.created and found.created.isoformat(),
            expires=found.expires.isoformat(),
            evidence=list(found.evidence),
        ),
    )
    counts = found.validity(audited.today)
    if counts == "holds":
        return Outcome(subject, "pass", f"{found.owner} vouches for it", evidence=evidence)
    return Outcome(subject, "manual", f"{found.owner} {_WHY_NOT[counts]}: {question}", evidence=evidence)


CHECKS: Final = (
    Check("MAN-01", "medium", "What no API tells", "look, and put an attestation with owner, date and evidence into the waivers file", (), ("CC6.1", "CC6.3"), _attested),
)  # fmt: skip
"""In the order of their ids."""
