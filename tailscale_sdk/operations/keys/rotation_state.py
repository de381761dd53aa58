"""How far rotations have come, noted before each step, without any secret."""

from __future__ import annotations

from typing import Any, Final, Literal

from attrs import asdict, frozen

from tailscale_sdk.changes import AsyncChanges, ChangeReport, Plan
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.errors import ChangeRefusedError, PlanRefusedError

State = Literal["planned", "creating", "created", "delivered", "verified", "retired", "failed"]
UNDER_WAY: Final = frozenset({"creating", "created", "delivered", "verified"})
_KIND: Final = "rotation"


@frozen
class Rotation:
    """Hold how far the rotation of a credential has come; no secret is in it.

    Attributes:
        old: id of the credential that is replaced.
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

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "plan"}


@frozen
class RotationPlan:
    """Hold the plan that makes a successor.

    Attributes:
        plan: the engine's.
        rotation: what is noted of it.
    """

    plan: Plan
    rotation: Rotation

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say beside the plan, as JSON data."""
        return {
            "rotation": self.rotation.to_dict(),
            "notes": [
                f"the new secret goes to {self.rotation.sink}, and nowhere else",
                f"{self.rotation.old} stays valid until it is retired, {self.rotation.overlap_seconds / 86400:g} days later",
            ],
        }


@frozen
class RotationReport:
    """Say what became of a rotation.

    Attributes:
        report: the engine's.
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


def list_rotations(changes: AsyncChanges) -> tuple[Rotation, ...]:
    """Return the rotations that are known here, the newest first.

    Args:
        changes: engine that noted them.
    """
    records = changes.state.records.all(_KIND, tailnet=changes.policy_shelf)
    return tuple(Rotation(**record.content) for record in records)


def find_rotation(changes: AsyncChanges, key_id: str) -> Rotation | None:
    """Return the rotation of a credential, None where none is known here."""
    found = changes.state.records.get(_KIND, key_id, tailnet=changes.policy_shelf)
    return None if found is None else Rotation(**found.content)


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


def keep(changes: AsyncChanges, rotation: Rotation) -> None:
    """Note how far a rotation has come, durably.

    Raises:
        StateError: it could not be noted.
    """
    changes.state.records.put(_KIND, rotation.old, asdict(rotation), tailnet=changes.policy_shelf)


def planned_rotation(changes: AsyncChanges, plan_id: str) -> Rotation:
    """Return the rotation that waits for a plan to be applied.

    Args:
        changes: engine that noted it.
        plan_id: of the plan.

    Raises:
        PlanRefusedError: there is none.
    """
    return rotation_of_plan(changes, plan_id, "planned")
