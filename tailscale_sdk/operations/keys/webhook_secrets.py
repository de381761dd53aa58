"""Give a webhook a new secret: the old one dies with the call, so the sink is looked at first."""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import evolve

from tailscale_sdk.changes import AsyncChanges, Remarks
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.keys.making import failed, hand_over, make
from tailscale_sdk.operations.keys.rotation_state import (
    Rotation,
    RotationPlan,
    RotationReport,
    check_alone,
    keep,
    keep_planned,
)
from tailscale_sdk.operations.keys.sink_files import SinkError
from tailscale_sdk.operations.keys.sinks import SecretSink
from tailscale_sdk.operations.values import text_of


async def plan_webhook_rotation(
    client: AsyncTailscale,
    endpoint_id: str,
    *,
    changes: AsyncChanges,
    sink: SecretSink,
    principal: str | None = None,
    digest: str | None = None,
    reason: str | None = None,
) -> RotationPlan:
    """Plan a new secret of a webhook; only reads are sent, and the sink is looked at.

    Args:
        client: reads the webhook.
        endpoint_id: id of the webhook.
        changes: engine that keeps the plan and notes how far the rotation came.
        sink: where the secret will go.
        principal: who plans.
        digest: hash of the caller's arguments.
        reason: why.

    Raises:
        ChangeRefusedError: another rotation of it is under way.
        SinkError: the sink could not take a secret.
        TailscaleError: it cannot be read.

    Scope: ``webhooks``.
    """
    check_alone(changes, endpoint_id)
    await asyncio.to_thread(sink.check)
    webhook = (await client.webhooks.get(endpoint_id)).to_dict()
    remarks = Remarks(reason=reason or f"new secret of webhook {endpoint_id}", digest=digest)
    call = client.prepare("rotateWebhookSecret", endpoint_id=endpoint_id)
    plan = await changes.plan([call], principal=principal, remarks=remarks)
    rotation = Rotation(
        old=endpoint_id,
        state="planned",
        description=text_of(webhook, "endpointUrl"),
        sink=sink.describe(),
        overlap_seconds=0.0,
        plan=plan_reference(plan.id),
        kind="webhook",
    )
    keep_planned(changes, rotation)
    return RotationPlan(plan, rotation)


async def apply_webhook_rotation(
    client: AsyncTailscale,
    plan_id: str,
    *,
    changes: AsyncChanges,
    sink: SecretSink,
    principal: str | None = None,
    digest: str | None = None,
) -> RotationReport:
    """Make the new secret and hand it over; whether the receiver takes it, only a test event shows.

    Args:
        client: as for ``plan_webhook_rotation``.
        plan_id: of ``plan_webhook_rotation``.
        changes: engine it was planned with.
        sink: where the secret goes; the one it was planned for.
        principal: who planned it.
        digest: hash of the caller's arguments.

    Raises:
        PlanRefusedError: there is no such plan of a rotation for this principal, or it was for another sink.
        OutcomeUnknownError: it is not known whether there is a new secret: rotate it again.
        SinkError: the secret was not taken over and is lost, and so is the old one: rotate it again.
    """
    made = await make(changes, plan_id, sink, read=_id_and_secret, principal=principal, digest=digest)
    try:
        rotation = await hand_over(changes, made, sink)
    except SinkError as problem:
        failed(changes, made.rotation, f"{problem}; the old secret is gone: rotate it again")
        raise
    return RotationReport(made.report, keep(changes, evolve(rotation, state="retired")))


def _id_and_secret(answer: Any) -> tuple[str, str]:
    return str(answer.endpoint_id), str(answer.secret or "")
