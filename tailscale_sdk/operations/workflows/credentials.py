"""The rotation of credentials, with plain values."""

from __future__ import annotations

from datetime import datetime, timedelta

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import keys
from tailscale_sdk.operations.keys import RotationPlan, RotationReport


async def retire_key(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    key_id: str,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
) -> RotationPlan:
    """Plan to delete a credential whose successor is in place and whose overlap is over.

    Args:
        client: deletes it.
        now: moment of planning, with a zone.
        progress: not used.
        key_id: id of the old credential.
        changes: engine that noted the rotation.
        principal: who plans.
        digest: hash of the caller's arguments.

    Raises:
        ChangeRefusedError: it has no verified successor, or the overlap is not over.
        TailscaleError: it cannot be read.
    """
    engine = changes or AsyncChanges(client)
    return await keys.plan_retirement(
        client, key_id, changes=engine, now=now, principal=principal, digest=digest
    )


async def apply_retirement(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    plan_id: str,
) -> RotationReport:
    """Delete a credential, as planned.

    Args:
        client: as for ``keys.apply_retirement``; so are all others.
        plan_id: of a retirement.

    Raises:
        TailscaleError: as ``keys.apply_retirement`` does.
    """
    engine = changes or AsyncChanges(client)
    return await keys.apply_retirement(client, plan_id, changes=engine, principal=principal, digest=digest)


async def rotate_key(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    key_id: str,
    overlap_days: float = 7.0,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
) -> RotationPlan:
    """Plan the successor of a credential; its secret goes to a file of the state directory, readable by its user alone.

    Args:
        client: reads the credential.
        now: not used.
        progress: not used.
        key_id: id of the credential.
        overlap_days: for how long both stay valid.
        changes: engine that notes the rotation.
        principal: who plans.
        digest: hash of the caller's arguments.

    Raises:
        ChangeRefusedError: another rotation of it is under way.
        ConfigurationError: the API cannot make a credential of its kind.
        TailscaleError: it cannot be read.
    """
    engine = changes or AsyncChanges(client)
    return await keys.plan_rotation(
        client,
        key_id,
        changes=engine,
        sink=keys.state_sink(engine, key_id),
        overlap=timedelta(days=overlap_days),
        principal=principal,
        digest=digest,
    )


async def apply_rotation(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    plan_id: str,
) -> RotationReport:
    """Make the successor, and write its secret to the file that was planned.

    Args:
        client: as for ``keys.apply_rotation``; so are all others.
        plan_id: of a rotation.

    Raises:
        TailscaleError: as ``keys.apply_rotation`` does.
    """
    engine = changes or AsyncChanges(client)
    rotation = keys.planned_rotation(engine, plan_id)
    return await keys.apply_rotation(
        client,
        plan_id,
        changes=engine,
        sink=keys.state_sink(engine, rotation.old),
        now=now,
        principal=principal,
        digest=digest,
    )
