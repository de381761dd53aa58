"""The end of a rotation: the old credential is deleted, or what broke off is brought in order."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from tailscale_sdk.changes import AsyncChanges, Remarks
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations.keys.inventory import Key
from tailscale_sdk.operations.keys.rotation import delete_key, verify
from tailscale_sdk.operations.keys.rotation_state import (
    UNDER_WAY,
    Rotation,
    RotationPlan,
    RotationReport,
    find_rotation,
    keep,
    rotation_of_plan,
)


async def plan_retirement(
    client: AsyncTailscale,
    key_id: str,
    *,
    changes: AsyncChanges,
    now: datetime,
    early: bool = False,
    principal: str | None = None,
    digest: str | None = None,
) -> RotationPlan:
    """Plan to delete a credential whose successor is in place.

    Args:
        client: deletes it.
        key_id: id of the old credential.
        changes: engine that noted the rotation.
        now: moment of asking, with a zone.
        early: also before the overlap is over.
        principal: who plans.
        digest: hash of the caller's arguments.

    Raises:
        ChangeRefusedError: it has no verified successor, or the overlap is not over.
        TailscaleError: it cannot be read.
    """
    rotation = find_rotation(changes, key_id)
    if rotation is None or rotation.state != "verified":
        state = "no rotation is known" if rotation is None else f"its rotation is {rotation.state}"
        raise ChangeRefusedError(f"{key_id} is not retired: {state}")
    if not early and rotation.retire_at is not None and now < datetime.fromisoformat(rotation.retire_at):
        raise ChangeRefusedError(f"{key_id} stays valid until {rotation.retire_at}: the overlap is not over")
    remarks = Remarks(reason=f"{rotation.new} took the place of {key_id}", digest=digest)
    plan = await changes.plan(
        [client.prepare("deleteKey", key_id=key_id)], principal=principal, remarks=remarks
    )
    rotation = evolve(rotation, plan=plan_reference(plan.id))
    keep(changes, rotation)
    return RotationPlan(plan, rotation)


async def apply_retirement(
    client: AsyncTailscale,
    plan_id: str,
    *,
    changes: AsyncChanges,
    principal: str | None = None,
    digest: str | None = None,
) -> RotationReport:
    """Delete the old credential, as planned.

    Args:
        client: deletes it.
        plan_id: of ``plan_retirement``.
        changes: engine it was planned with.
        principal: who planned it.
        digest: hash of the caller's arguments.

    Raises:
        PlanRefusedError: there is no such plan for this principal.
    """
    rotation = rotation_of_plan(changes, plan_id, "verified")
    report = await changes.apply(plan_id, principal=principal, expect=digest)
    if report.ok:
        rotation = evolve(rotation, state="retired")
        keep(changes, rotation)
    return RotationReport(report, rotation)


async def resume_rotation(
    client: AsyncTailscale,
    key_id: str,
    *,
    changes: AsyncChanges,
    now: datetime,
    principal: str | None = None,
) -> Rotation:
    """Bring a rotation that broke off into a state to go on from.

    A successor that was made, but whose secret nobody has, is deleted: then the credential can be rotated again. One
    that was handed over is looked at.

    Args:
        client: reads, and deletes what is of no use.
        key_id: id of the old credential.
        changes: engine that noted the rotation.
        now: moment of asking, with a zone.
        principal: who resumes.

    Raises:
        ChangeRefusedError: no rotation of it is known, or nothing of it is open.
        TailscaleError: keys cannot be read or deleted.
    """
    rotation = find_rotation(changes, key_id)
    if rotation is None or rotation.state not in UNDER_WAY:
        state = "is not known here" if rotation is None else f"is {rotation.state}"
        raise ChangeRefusedError(f"the rotation of {key_id} {state}: there is nothing to resume")
    if rotation.state == "delivered":
        return await verify(client, changes, rotation, now)
    if rotation.state == "verified":
        return rotation
    for leftover in await _leftovers(client, rotation):
        await delete_key(
            client, changes, leftover, principal, "its secret was lost when the rotation broke off"
        )
    rotation = evolve(rotation, state="failed", reason="it broke off before the secret was handed over")
    keep(changes, rotation)
    return rotation


async def _leftovers(client: AsyncTailscale, rotation: Rotation) -> list[str]:
    """Find the successor whose secret nobody has: by its id, or by its description."""
    if rotation.new is not None:
        return [rotation.new]
    found = []
    for listed in await client.keys.list():
        key = Key(listed.to_dict())
        if not key.is_told:
            key = Key((await client.keys.get(key.id)).to_dict())
        if key.id != rotation.old and key.description.startswith(rotation.description):
            found.append(key.id)
    return found
