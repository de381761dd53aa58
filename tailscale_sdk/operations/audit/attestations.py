"""What a person vouches for because no API tells it, until a date."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, Literal

from attrs import frozen

LONGEST_DAYS: Final = 365
"""Days that a waiver or an attestation may hold."""

Validity = Literal["holds", "early", "expired", "long"]


def validity(created: date | None, expires: date, today: date) -> Validity:
    """Say whether what somebody answers for counts today.

    Args:
        created: first day on which it counts; today where it does not say.
        expires: last day.
        today: the day.

    Returns:
        ``long`` where it was made for more than a year: whoever answers for it would be asked too seldom.
    """
    begins = created or min(today, expires)
    if expires - begins > timedelta(days=LONGEST_DAYS):
        return "long"
    if today > expires:
        return "expired"
    return "early" if today < begins else "holds"


@frozen
class Attestation:
    """Hold one attestation.

    Attributes:
        subject: what is vouched for, such as ``mfa``.
        owner: who does.
        created: when they looked.
        expires: last day on which it counts.
        evidence: links to what they saw.
        note: what they say of it.
    """

    subject: str
    owner: str
    created: date | None
    expires: date
    evidence: tuple[str, ...] = ()
    note: str = ""

    def validity(self, today: date) -> Validity:
        """Say whether it counts today."""
        return validity(self.created, self.expires, today)


def latest(attestations: Iterable[Attestation], subject: str) -> Attestation | None:
    """Return the one of a subject that holds longest, None where nobody vouched for it."""
    found = [each for each in attestations if each.subject == subject]
    return max(found, key=lambda each: each.expires, default=None)
