"""What is to be changed, before anything is planned: calls with what is known of their targets, and what is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Step:
    """Hold one call that is proposed.

    Attributes:
        operation_id: write or delete operation of the API.
        arguments: keywords of the SDK's method.
        known: the object as it was read, which saves the plan a read of its own.
        risks: what people will notice, one sentence each.
        unchanged: fields of the object that must be as they are when the call is sent, or it is skipped.
    """

    operation_id: str
    arguments: Mapping[str, Any]
    known: Mapping[str, Any] | None = field(default=None, repr=False)
    risks: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@frozen
class LeftAlone:
    """Say what is not touched, and why.

    Attributes:
        kind: device, key, user …
        id: stable id.
        name: name a person knows it by; written by other people.
        reason: one clause.
    """

    kind: str
    id: str
    name: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Return it as JSON data."""
        return {"kind": self.kind, "id": self.id, "name": self.name, "reason": self.reason}


@frozen
class Proposal:
    """Hold a change of many objects that nobody has planned yet.

    Attributes:
        steps: calls, in order.
        population: how many objects of that kind there are, for the cap in percent; None where there is one.
        left_alone: what was selected and is not touched.
        notes: what people will notice of the whole, one sentence each.
        reason: why, in the words of who asks.
    """

    steps: tuple[Step, ...]
    population: int | None = None
    left_alone: tuple[LeftAlone, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
