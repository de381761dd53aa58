"""The end of a rotation: the old credential is deleted, or what broke off is brought in order."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from tailscale_sdk._constants import SECOND_LOOK_SECONDS
from tailscale_sdk.changes import AsyncChanges, Remarks
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ChangeRefusedError, NotFoundError
from tailscale_sdk.operations.keys.inventory import Key
from tailscale_sdk.operations.keys.making import failed
from tailscale_sdk.operations.keys.rotation import delete_key, state_sink, status_of, verify
from tailscale_sdk.operations.keys.rotation_state import (
    UNDER_WAY,
    Rotation,
    RotationPlan,
    RotationReport,
    find_rotation,
    keep,
    rotation_of_plan,
)
from tailscale_sdk.operations.keys.sinks import SecretSink, holds
from tailscale_sdk.operations.keys.successors import Leftovers, leftovers_among

_GONE = frozenset({"revoked", "gone"})


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
    """Plan to delete a credential whose successor is in place, and still works.

    Args:
        client: reads both, and deletes the old one.
        key_id: id of the old credential.
        changes: engine that noted the rotation.
        now: moment of asking, with a zone.
        early: also before the overlap is over.
        principal: who plans.
        digest: hash of the caller's arguments.

    Raises:
        ChangeRefusedError: it has no verified successor that works, or the overlap is not over.
        TailscaleError: it cannot be read.
    """
    rotation = find_rotation(changes, key_id)
    if rotation is None or rotation.state != "verified":
        state = "no rotation is known" if rotation is None else f"its rotation is {rotation.state}"
        raise ChangeRefusedError(f"{key_id} is not retired: {state}")
    if not early and rotation.retire_at is not None and now < datetime.fromisoformat(rotation.retire_at):
        raise ChangeRefusedError(f"{key_id} stays valid until {rotation.retire_at}: the overlap is not over")
    status = await status_of(client, str(rotation.new), now)
    if status != "valid":
        raise ChangeRefusedError(f"{key_id} is not retired: its successor {rotation.new} is {status}")
    if await status_of(client, key_id, now) in _GONE:
        raise ChangeRefusedError(f"{key_id} is gone already: resume the rotation, and that is noted")
    remarks = Remarks(reason=f"{rotation.new} took the place of {key_id}", digest=digest)
    plan = await changes.plan(
        [client.prepare("deleteKey", key_id=key_id)], principal=principal, remarks=remarks
    )
    refused = next((item.reason for item in plan.items if item.status == "skipped"), None)
    if refused is not None:
        raise ChangeRefusedError(f"{key_id} is not retired: {refused}")
    return RotationPlan(plan, keep(changes, evolve(rotation, plan=plan_reference(plan.id))))


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
    if report.items[0].outcome == "ok":
        rotation = keep(changes, evolve(rotation, state="retired"))
    return RotationReport(report, rotation)


async def resume_rotation(
    client: AsyncTailscale,
    key_id: str,
    *,
    changes: AsyncChanges,
    now: datetime,
    principal: str | None = None,
    sink: SecretSink | None = None,
) -> Rotation:
    """Bring a rotation that broke off into a state to go on from.

    A successor that was made, but whose secret nobody has, is deleted: then the credential can be rotated again. One
    that was handed over is looked at. Where the old one is gone already, that is noted.

    Args:
        client: reads, and deletes what is of no use.
        key_id: id of the old credential, or of the webhook.
        changes: engine that noted the rotation.
        now: moment of asking, with a zone.
        principal: who resumes.
        sink: where the secret was to go; asked whether it arrived, where it can tell.

    Raises:
        ChangeRefusedError: no rotation of it is known, or nothing of it is open.
        TailscaleError: keys cannot be read or deleted.
    """
    rotation = find_rotation(changes, key_id)
    if rotation is None or rotation.state not in UNDER_WAY:
        state = "is not known here" if rotation is None else f"is {rotation.state}"
        raise ChangeRefusedError(f"the rotation of {key_id} {state}: there is nothing to resume")
    if rotation.kind == "webhook":
        return failed(changes, rotation, "it broke off: the new secret may be lost. Rotate it again")
    if rotation.state == "verified":
        return await _tidied(client, changes, rotation, now, principal)
    if rotation.state == "created" and holds(sink or state_sink(changes, key_id), rotation):
        rotation = keep(changes, evolve(rotation, state="delivered"))
    if rotation.state == "delivered":
        return await verify(client, changes, rotation, now)
    return await _given_up(client, changes, rotation, now, principal)


async def _tidied(
    client: AsyncTailscale, changes: AsyncChanges, rotation: Rotation, now: datetime, principal: str | None
) -> Rotation:
    """Note that the old one is gone, and delete what an earlier attempt left behind."""
    if rotation.orphan is not None:
        found = await _look(client, evolve(rotation, mark=None), now)
        for leftover in found.certain:
            await delete_key(client, changes, leftover, principal, "an earlier attempt of a rotation made it")
        rotation = keep(changes, evolve(rotation, orphan=None))
    if await status_of(client, rotation.old, now) in _GONE:
        return keep(changes, evolve(rotation, state="retired"))
    return rotation


async def _given_up(
    client: AsyncTailscale, changes: AsyncChanges, rotation: Rotation, now: datetime, principal: str | None
) -> Rotation:
    """Delete the successor whose secret nobody has; what only looks like it is named, for a person to decide."""
    found = (
        Leftovers((rotation.new,))
        if rotation.new is not None
        else await _looked(changes, client, rotation, now)
    )
    for leftover in found.certain:
        await delete_key(
            client, changes, leftover, principal, "its secret was lost when the rotation broke off"
        )
    told = "it broke off before the secret was handed over"
    told += f"; {', '.join(found.certain)} was deleted" if found.certain else "; no successor was found"
    told += f"; look at {', '.join(found.likely)}, which may be one" if found.likely else ""
    told += f"; {rotation.sink} may hold a secret that no longer works" if rotation.new is not None else ""
    return failed(changes, rotation, told)


async def _looked(
    changes: AsyncChanges, client: AsyncTailscale, rotation: Rotation, now: datetime
) -> Leftovers:
    """Look for the successor; that it is absent is believed at the second look."""
    found = await _look(client, rotation, now)
    if found.certain:
        return found
    await changes.clock.async_sleep(SECOND_LOOK_SECONDS)
    return await _look(client, rotation, now)


async def _look(client: AsyncTailscale, rotation: Rotation, now: datetime) -> Leftovers:
    keys = []
    for listed in await client.keys.list(all=True):
        key = Key(listed.to_dict())
        if not key.is_told:
            try:
                key = Key((await client.keys.get(key.id)).to_dict())
            except NotFoundError:
                continue
        keys.append(key)
    return leftovers_among(
        keys, old=rotation.old, description=rotation.description, marks=rotation.marks, now=now
    )
