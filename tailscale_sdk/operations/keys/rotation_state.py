"""How far rotations have come, noted before each step, without any secret."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final, Literal

from attrs import asdict, evolve, fields, frozen

from tailscale_sdk.changes import AsyncChanges, ChangeReport, Plan
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.changes.state_records import StateRecord
from tailscale_sdk.errors import ChangeRefusedError, PlanRefusedError

State = Literal["planned", "creating", "created", "delivered", "verified", "retired", "failed"]
UNDER_WAY: Final = frozenset({"creating", "created", "delivered", "verified"})
_KIND: Final = "rotation"
_LOCK: Final = "rotations"
_HIDDEN: Final = frozenset({"plan", "mark"})


@frozen
class Rotation:
    """Hold how far the rotation of a credential has come; no secret is in it.

    Attributes:
        old: id of the credential that is replaced, or of the webhook whose secret is.
        state: planned, creating, created, delivered, verified, retired or failed.
        description: of the successor.
        sink: where its secret goes.
        overlap_seconds: for how long both are valid.
        plan: reference of the plan that makes the successor.
        new: id of the successor.
        change: id of the change that made it.
        sha256: beginning of the hash of its secret.
        retire_at: when the old one may be deleted, in ISO 8601.
        reason: why it failed.
        kind: auth, client or federated, or webhook; None where an older version noted it.
        mark: in the description of the successor, to find it by.
        orphan: mark of an earlier attempt that was never found and may still have made a key.
    """

    old: str
    state: State
    description: str
    sink: str
    overlap_seconds: float
    plan: str
    new: str | None = None
    change: str | None = None
    sha256: str | None = None
    retire_at: str | None = None
    reason: str | None = None
    kind: str | None = None
    mark: str | None = None
    orphan: str | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """Return the marks by which what it made is found."""
        return tuple(mark for mark in (self.mark, self.orphan) if mark)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        found = asdict(self).items()
        return {name: value for name, value in found if value is not None and name not in _HIDDEN}


@frozen
class RotationPlan:
    """Hold the plan of one step of a rotation: that makes a successor, or deletes the old credential.

    Attributes:
        plan: the engine's.
        rotation: what is noted of it.
    """

    plan: Plan
    rotation: Rotation

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say beside the plan, as JSON data."""
        return {"rotation": self.rotation.to_dict(), "notes": list(_notes(self.rotation))}


def _notes(rotation: Rotation) -> Iterator[str]:
    if rotation.state == "verified":
        yield f"what still uses {rotation.old} stops working; {rotation.new} took its place"
        if rotation.kind == "auth":
            yield "devices that have joined with it stay"
        return
    if rotation.kind == "federated":
        yield "a federated identity has no secret: workloads have to be given the id of the new one"
    else:
        yield f"the new secret goes to {rotation.sink}, and nowhere else"
    if rotation.kind == "webhook":
        yield "the old secret stops working with the call: let the receiver accept both for a while"
    else:
        days = rotation.overlap_seconds / 86400
        yield f"{rotation.old} stays valid until it is retired, {days:g} days later"


@frozen
class RotationReport:
    """Say what became of a step of a rotation.

    Attributes:
        report: the engine's, without the secret that was made.
        rotation: how far it has come.
    """

    report: ChangeReport
    rotation: Rotation

    @property
    def ok(self) -> bool:
        """Tell whether the successor is there and was handed over."""
        return self.rotation.state in {"verified", "retired"}

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say beside the report, as JSON data."""
        return {"change": self.report.change_id, "rotation": self.rotation.to_dict()}


_NAMES: Final = frozenset(field.name for field in fields(Rotation))


def _read(record: StateRecord) -> Rotation:
    return Rotation(**{name: value for name, value in record.content.items() if name in _NAMES})


def list_rotations(changes: AsyncChanges) -> tuple[Rotation, ...]:
    """Return the rotations that are known here, the newest first.

    Args:
        changes: engine that noted them.
    """
    return tuple(_read(record) for record in changes.state.records.all(_KIND, tailnet=changes.policy_shelf))


def find_rotation(changes: AsyncChanges, key_id: str) -> Rotation | None:
    """Return the rotation of a credential, None where none is known here."""
    found = changes.state.records.get(_KIND, key_id, tailnet=changes.policy_shelf)
    return None if found is None else _read(found)


def rotation_of_plan(changes: AsyncChanges, plan_id: str, state: State) -> Rotation:
    """Return the rotation a plan was made for, where it is in a state.

    Raises:
        PlanRefusedError: there is none that waits for it.
    """
    wanted = plan_reference(plan_id)
    found = next((each for each in list_rotations(changes) if each.plan == wanted), None)
    if found is None or found.state != state:
        raise PlanRefusedError()
    return found


def check_alone(changes: AsyncChanges, key_id: str) -> None:
    """Refuse a second rotation of a credential.

    Raises:
        ChangeRefusedError: one is under way.
    """
    rotation = find_rotation(changes, key_id)
    if rotation is not None and rotation.state in UNDER_WAY:
        raise ChangeRefusedError(
            f"a rotation of {key_id} is {rotation.state} already: resume it, or retire the old key first"
        )


@contextlib.contextmanager
def _no_other(changes: AsyncChanges) -> Iterator[None]:
    """Hold every other process off, so that what is looked at is what is replaced."""
    with changes.state.directory.locked(_LOCK):
        yield


def keep(changes: AsyncChanges, rotation: Rotation) -> Rotation:
    """Note how far a rotation has come, durably, and return it.

    Raises:
        StateError: it could not be noted.
    """
    changes.state.records.put(_KIND, rotation.old, asdict(rotation), tailnet=changes.policy_shelf)
    return rotation


def keep_planned(changes: AsyncChanges, rotation: Rotation) -> None:
    """Note a rotation that was planned, unless another one of the same credential began meanwhile.

    Raises:
        ChangeRefusedError: one is under way.
        StateError: it could not be noted.
    """
    with _no_other(changes):
        check_alone(changes, rotation.old)
        keep(changes, rotation)


def begin(changes: AsyncChanges, plan_id: str, sink: str) -> Rotation:
    """Note that a planned rotation begins; of several callers one gets it.

    Args:
        changes: engine that noted it.
        plan_id: of its plan.
        sink: where the secret will go, as it was planned.

    Raises:
        PlanRefusedError: no rotation waits for this plan, or it was for another sink.
        StateError: it could not be noted.
    """
    with _no_other(changes):
        rotation = rotation_of_plan(changes, plan_id, "planned")
        if rotation.sink != sink:
            raise PlanRefusedError()
        return keep(changes, evolve(rotation, state="creating"))


def planned_rotation(changes: AsyncChanges, plan_id: str) -> Rotation:
    """Return the rotation that waits for a plan to be applied.

    Args:
        changes: engine that noted it.
        plan_id: of the plan.

    Raises:
        PlanRefusedError: there is none.
    """
    return rotation_of_plan(changes, plan_id, "planned")
