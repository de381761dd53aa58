"""Give a credential a successor: planned, made, tried, handed over and looked at."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import evolve

from tailscale_sdk.auth import OAuthClient
from tailscale_sdk.changes import AsyncChanges, Remarks
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import (
    ChangeRefusedError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    StateError,
    TailscaleError,
)
from tailscale_sdk.operations.keys.file_sinks import StateFileSink
from tailscale_sdk.operations.keys.inventory import Key
from tailscale_sdk.operations.keys.making import Canary, Made, failed, hand_over, make, try_out
from tailscale_sdk.operations.keys.rotation_state import (
    Rotation,
    RotationPlan,
    RotationReport,
    check_alone,
    keep,
    keep_planned,
)
from tailscale_sdk.operations.keys.sinks import SecretSink
from tailscale_sdk.operations.keys.successors import file_part, successor_of

OVERLAP: Final = timedelta(days=7)


def state_sink(changes: AsyncChanges, key_id: str) -> SecretSink:
    """Return the sink of whoever may not name one: a file of its own in the state directory.

    Args:
        changes: engine whose state directory is meant.
        key_id: id of the credential that is replaced.
    """
    return StateFileSink(changes.state.directory, f"successor-of-{file_part(key_id)}.key")


def token_canary(base_url: str) -> Canary:
    """Return a canary for OAuth clients: it gets a token with the new secret.

    Args:
        base_url: origin of the API, as the client has it.
    """

    async def canary(key_id: str, secret: str) -> None:
        async with AsyncTailscale(auth=OAuthClient(key_id, secret), base_url=base_url) as probe:
            try:
                await probe.keys.get(key_id)
            except PermissionDeniedError:
                # The token was given and accepted; it may do other things than read keys.
                return

    return canary


async def plan_rotation(
    client: AsyncTailscale,
    key_id: str,
    *,
    changes: AsyncChanges,
    sink: SecretSink,
    overlap: timedelta = OVERLAP,
    principal: str | None = None,
    digest: str | None = None,
    reason: str | None = None,
) -> RotationPlan:
    """Plan the successor of a credential; only reads are sent, and the sink is looked at.

    Args:
        client: reads the credential.
        key_id: id of the credential.
        changes: engine that keeps the plan and notes how far the rotation came.
        sink: where the secret will go.
        overlap: for how long both stay valid.
        principal: who plans.
        digest: hash of the caller's arguments.
        reason: why.

    Raises:
        ChangeRefusedError: another rotation of it is under way.
        ConfigurationError: the API cannot make a credential of its kind, or the overlap is negative.
        SinkError: the sink could not take a secret.
        TailscaleError: it cannot be read.

    Scope: ``auth_keys``, or the one its kind needs.
    """
    if overlap < timedelta(0):
        raise ConfigurationError("the overlap is negative: give for how long both stay valid")
    check_alone(changes, key_id)
    await asyncio.to_thread(sink.check)
    key = Key((await client.keys.get(key_id)).to_dict())
    arguments = successor_of(key)
    remarks = Remarks(
        reason=reason or f"successor of {key_id}",
        risks=(f"a second credential like {key_id} exists until that is retired",),
        digest=digest,
    )
    plan = await changes.plan(
        [client.prepare("createKey", **arguments)], principal=principal, remarks=remarks
    )
    rotation = Rotation(
        old=key_id,
        state="planned",
        description=arguments["description"],
        sink=sink.describe(),
        overlap_seconds=overlap.total_seconds(),
        plan=plan_reference(plan.id),
        kind=key.kind,
        mark=plan.items[0].call.nonce,
    )
    keep_planned(changes, rotation)
    return RotationPlan(plan, rotation)


async def apply_rotation(
    client: AsyncTailscale,
    plan_id: str,
    *,
    changes: AsyncChanges,
    sink: SecretSink,
    now: datetime,
    principal: str | None = None,
    digest: str | None = None,
    canary: Canary | None = None,
) -> RotationReport:
    """Make the successor, hand its secret over and look at it; where nobody takes the secret, it is deleted again.

    Args:
        client: makes it.
        plan_id: of ``plan_rotation``.
        changes: engine it was planned with.
        sink: where the secret goes; the one it was planned for.
        now: moment of applying, with a zone.
        principal: who planned it.
        digest: hash of the caller's arguments.
        canary: tries id and secret before they are handed over, and raises where they do not work.

    Raises:
        PlanRefusedError: there is no such plan of a rotation for this principal, or it was for another sink.
        OutcomeUnknownError: it is not known whether the successor was made: resume the rotation.
        SinkError: the secret was not taken over; the successor was deleted again, the old one stays.
        TailscaleError: the canary did not work; the successor was deleted again, the old one stays.
    """
    made = await make(changes, plan_id, sink, read=_id_and_key, principal=principal, digest=digest)
    try:
        if canary is not None and made.secret:
            await try_out(made, canary)
        rotation = await _hand_over(changes, made, sink)
    except StateError:
        # It was handed over, and that could not be noted: resuming finds out.
        raise
    except TailscaleError as problem:
        if made.rotation.new is not None:
            await delete_key(client, changes, made.rotation.new, principal, "nobody took its secret over")
        failed(changes, made.rotation, problem)
        raise
    return RotationReport(made.report, await verify(client, changes, rotation, now))


def _id_and_key(answer: Any) -> tuple[str, str]:
    return str(answer.id), str(answer.key or "")


async def _hand_over(changes: AsyncChanges, made: Made, sink: SecretSink) -> Rotation:
    if made.rotation.kind == "federated":
        # Its workloads prove who they are with tokens of their issuer.
        return keep(changes, evolve(made.rotation, state="delivered"))
    return await hand_over(changes, made, sink)


async def verify(
    client: AsyncTailscale, changes: AsyncChanges, rotation: Rotation, now: datetime
) -> Rotation:
    """Look whether the successor works, and begin the overlap.

    Raises:
        ChangeRefusedError: it does not, or the API does not tell; the old one stays.
        TailscaleError: it cannot be read now.
    """
    status = await status_of(client, str(rotation.new), now)
    if status == "unknown":
        raise ChangeRefusedError(
            f"the API does not tell whether {rotation.new} works: {rotation.old} stays. Resume the rotation"
        )
    if status != "valid":
        failed(changes, rotation, f"the successor {rotation.new} is {status}")
        raise ChangeRefusedError(f"the successor {rotation.new} is {status}: {rotation.old} stays")
    retire_at = now + timedelta(seconds=rotation.overlap_seconds)
    return keep(changes, evolve(rotation, state="verified", retire_at=retire_at.isoformat()))


async def status_of(client: AsyncTailscale, key_id: str, now: datetime) -> str:
    """Return valid, expired, revoked, unknown, or gone where there is no such key."""
    try:
        return Key((await client.keys.get(key_id)).to_dict()).status(now)
    except NotFoundError:
        return "gone"


async def delete_key(
    client: AsyncTailscale, changes: AsyncChanges, key_id: str, principal: str | None, reason: str
) -> None:
    """Delete a successor that is of no use, by a plan of its own.

    Raises:
        TailscaleError: it could not be deleted.
    """
    try:
        plan = await changes.plan(
            [client.prepare("deleteKey", key_id=key_id)], principal=principal, remarks=Remarks(reason=reason)
        )
    except NotFoundError:
        return
    item = (await changes.apply(plan.id, principal=principal)).items[0]
    if item.outcome != "ok" and not isinstance(item.error, NotFoundError):
        why = f" ({item.reason})" if item.reason else ""
        raise item.error or ChangeRefusedError(
            f"the successor {key_id} could not be deleted{why}: delete it by hand, its secret is lost"
        )
