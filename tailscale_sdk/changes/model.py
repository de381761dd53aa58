"""What a planned change is, as plain values that can be stored, shown and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

from attrs import field, frozen

from tailscale_sdk.calls.prepared import PreparedCall

ItemStatus = Literal["planned", "skipped"]
Outcome = Literal["ok", "failed", "skipped", "unknown"]
Reversible = Literal["yes", "no", "partly"]


def _as_tuple(values: Iterable[str]) -> tuple[str, ...]:
    """Return values as they are kept, whether they come from a tuple or from the list that JSON makes of it."""
    return tuple(values)


@frozen
class Target:
    """Name what an item changes.

    Attributes:
        kind: device, key, policy, dns, user … as the SDK's resources are called, in the singular.
        id: stable id; the tailnet for what there is one of.
        name: name a person knows it by; written by other people, so never a key.
        address: Tailscale address of a device.
        labels: what else it may be protected by: tags, addresses, names, and whose it is.
    """

    kind: str
    id: str
    name: str | None = None
    address: str | None = None
    labels: tuple[str, ...] = field(default=(), converter=_as_tuple, repr=False)

    @property
    def key(self) -> str:
        """Return what tells this target from every other one."""
        return f"{self.kind}:{self.id}"


@frozen
class Inverse:
    """Hold the call that undoes an item, as operation and arguments.

    Attributes:
        from_answer: the id of what was created takes the place of this argument once it is known.
    """

    operation_id: str
    arguments: Mapping[str, Any]
    from_answer: str | None = None


@frozen
class PlannedItem:
    """Hold one request of a plan, with what it changes.

    Attributes:
        call: exactly what will be sent.
        target: what it changes.
        before: the state it was planned on; None where nothing is there or can be read.
        after: the state it is expected to leave; None where it cannot be predicted.
        base: ETag, or hash of the state, that must still hold when it is applied.
        reversible: whether the inverse brings everything back.
        inverse: what undoes it.
        risk: what to think of before doing it, in one sentence each.
        status: planned, or skipped by a guard.
        reason: why it is skipped.
        unchanged: further fields of the object as they were; where one of them moved, the item is skipped.
    """

    call: PreparedCall
    target: Target
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    base: str | None
    reversible: Reversible
    inverse: Inverse | None
    risk: tuple[str, ...] = ()
    status: ItemStatus = "planned"
    reason: str | None = None
    unchanged: Mapping[str, Any] | None = None


@frozen
class Plan:
    """Hold a change that can be applied once.

    Attributes:
        id: 256 random bits; whoever has it and is the same principal may apply the plan.
        kind: ``change``; ``undo`` or ``resume`` of another one.
        tailnet: tailnet of its calls.
        profile: name of the profile it was made under.
        principal: who made it: ``os:<uid>``, ``token:<hash>`` or ``oauth:<issuer>|<subject>|<client>``.
        created, expires: wall clock times with a zone.
        digest: SHA-256 of the canonical arguments of all calls.
        items: what is sent, in order; skipped items stay in it with their reason.
        undoes: id of the change this one takes back.
        continues: id of the change whose rest this one does.
        caps: how much it was allowed to change: ``max_changes``, ``max_percent`` and ``population``.
        reason: why it is made, in the words of who makes it; kept with what is replaced and in the audit trail.
    """

    id: str
    kind: Literal["change", "undo", "resume"]
    tailnet: str
    profile: str
    principal: str
    created: datetime
    expires: datetime
    digest: str
    items: tuple[PlannedItem, ...]
    undoes: str | None = None
    reason: str | None = None
    continues: str | None = None
    caps: Mapping[str, Any] | None = None

    @property
    def due(self) -> tuple[PlannedItem, ...]:
        """Return the items that will be sent."""
        return tuple(item for item in self.items if item.status == "planned")


@frozen
class Verdict:
    """Say whether a check lets an item go on."""

    ok: bool
    reason: str | None = None


class Check(Protocol):
    """Look at an item around its request; this is how a policy change adds what it knows."""

    def before_send(self, item: PlannedItem) -> Verdict:
        """Judge an item right before its request leaves."""
        ...

    def after_verify(self, item: PlannedItem) -> Verdict:
        """Judge an item once its effect was read back."""
        ...


class Guard(Protocol):
    """Decide, when a plan is made and again when it is applied, which items may not be sent."""

    def refusals(self, items: tuple[PlannedItem, ...]) -> Mapping[int, str]:
        """Return the reason against each refused item, by its index.

        Raises:
            PlanRefusedError: the plan as a whole goes too far.
        """
        ...


@frozen
class ItemReport:
    """Say what became of one item.

    Attributes:
        index: place in the plan.
        operation_id: what was sent.
        target: what it changed.
        outcome: ok, failed, skipped or unknown.
        verified: what was read back is what was predicted; of what shows no state, that it was answered.
        before, after: state around the request, as far as it was read.
        reason: why it is not ok, safe to print.
        error: the error behind it.
        answer: what the call returned.
        requests: requests sent for it, reads included.
        journal: id of its journal entry; None when nothing was sent.
        held_back: it is skipped only because an item before it went wrong; resuming the change does it.
    """

    index: int
    operation_id: str
    target: Target
    outcome: Outcome
    verified: bool = False
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None
    error: Exception | None = field(default=None, eq=False)
    answer: Any = field(default=None, repr=False, eq=False)
    requests: int = 0
    journal: int | None = None
    held_back: bool = False


@frozen
class ChangeReport:
    """Say what became of a plan, one entry per item, in order.

    Attributes:
        change_id: under which journal, pre-images and undo find it.
        items: one per item of the plan.
    """

    change_id: str
    items: tuple[ItemReport, ...]

    @property
    def ok(self) -> bool:
        """Tell whether everything that was planned is done and verified as far as it can be."""
        return all(item.outcome in {"ok", "skipped"} for item in self.items)

    def count(self, outcome: Outcome) -> int:
        """Return how many items ended one way."""
        return sum(item.outcome == outcome for item in self.items)
