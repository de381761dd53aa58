"""Give a credential a successor: planned, made, handed over and looked at."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import evolve

from tailscale_sdk.changes import AsyncChanges, Remarks
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import (
    ChangeRefusedError,
    ConfigurationError,
    NotFoundError,
    PlanRefusedError,
    TailscaleError,
)
from tailscale_sdk.operations.keys.inventory import Key
from tailscale_sdk.operations.keys.rotation_state import (
    Rotation,
    RotationPlan,
    RotationReport,
    State,
    check_alone,
    keep,
    rotation_of_plan,
)
from tailscale_sdk.operations.keys.sinks import SecretSink, SinkError, StateFileSink
from tailscale_sdk.redact import clean

OVERLAP: Final = timedelta(days=7)
_GENERATION: Final = re.compile(r"(.*?)(?: g(\d{1,6}))?(?: [a-z2-7]{8})?", re.DOTALL)
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9 -]+")
# Room for the generation and for the mark by which an unclear creation is found again.
_NAME_CHARACTERS: Final = 30
_HASH_CHARACTERS: Final = 12
_TEXT_CHARACTERS: Final = 300


def successor_of(key: Key) -> dict[str, Any]:
    """Return the arguments that make the successor of a credential: it may do the same, for as long.

    Args:
        key: as it was read.

    Raises:
        ConfigurationError: the API cannot make one of its kind, or did not tell what it may do.
    """
    if key.kind == "api":
        raise ConfigurationError(
            f"{key.id} is an API access token, which the API cannot make: create one in the admin console "
            "(Settings, Keys), or use an OAuth client"
        )
    arguments: dict[str, Any] = {"key_type": key.kind, "description": next_description(key.description)}
    if key.kind == "auth":
        if not key.create:
            raise ConfigurationError(
                f"{key.id} is revoked or expired: the API no longer tells what it could do"
            )
        arguments |= {"capabilities": key.fields["capabilities"], "expiry_seconds": key.lifetime_seconds}
    elif key.kind in {"client", "federated"}:
        for name in ("scopes", "tags", "issuer", "subject", "audience", "custom_claim_rules"):
            value = key.fields.get(_API_NAMES.get(name, name))
            if value:
                arguments[name] = value
    else:
        raise ConfigurationError(f"{key.id} is of a kind that is not known here: {key.kind}")
    return arguments


_API_NAMES: Final[Mapping[str, str]] = {"custom_claim_rules": "customClaimRules"}


def next_description(description: str) -> str:
    """Return what the successor is called: the same name with the next generation behind it.

    Args:
        description: of the credential that is replaced.
    """
    match = _GENERATION.fullmatch(_UNUSUAL.sub("-", description))
    name, generation = (match[1], int(match[2] or 1)) if match is not None else (description, 1)
    return f"{name.strip()[:_NAME_CHARACTERS].strip() or 'key'} g{generation + 1}"


def state_sink(changes: AsyncChanges, key_id: str) -> SecretSink:
    """Return the sink of whoever may not name one: a file of its own in the state directory.

    Args:
        changes: engine whose state directory is meant.
        key_id: id of the credential that is replaced.
    """
    return StateFileSink(changes.state.directory, f"successor-of-{_UNUSUAL.sub('-', key_id)}.key")


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
        ConfigurationError: the API cannot make a credential of its kind.
        SinkError: the sink could not take a secret.
        TailscaleError: it cannot be read.

    Scope: ``auth_keys``, or the one its kind needs.
    """
    check_alone(changes, key_id)
    sink.check()
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
    )
    keep(changes, rotation)
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

    Raises:
        PlanRefusedError: there is no such plan of a rotation for this principal, or it was for another sink.
        ChangeRefusedError: another rotation of the credential is under way.
        OutcomeUnknownError: it is not known whether the successor was made: resume the rotation.
        SinkError: the secret was not taken over; the successor was deleted again, the old one stays.
    """
    rotation = rotation_of_plan(changes, plan_id, "planned")
    if rotation.sink != sink.describe():
        raise PlanRefusedError()
    check_alone(changes, rotation.old)
    keep(changes, evolve(rotation, state="creating"))
    try:
        report = await changes.apply(plan_id, principal=principal, expect=digest)
    except PlanRefusedError:
        keep(changes, rotation)
        raise
    item = report.items[0]
    if item.outcome != "ok" or item.answer is None:
        state: State = "failed" if item.outcome in {"failed", "skipped"} else "creating"
        keep(changes, evolve(rotation, state=state, reason=clean(item.reason or "", _TEXT_CHARACTERS)))
        raise item.error or ChangeRefusedError(item.reason or "the successor was not made")
    new, secret = str(item.answer.id), str(item.answer.key or "")
    rotation = evolve(rotation, state="created", new=new, change=report.change_id)
    keep(changes, rotation)
    rotation = await _hand_over(client, changes, rotation, secret, sink, principal)
    rotation = await verify(client, changes, rotation, now)
    return RotationReport(report, rotation)


async def _hand_over(
    client: AsyncTailscale,
    changes: AsyncChanges,
    rotation: Rotation,
    secret: str,
    sink: SecretSink,
    principal: str | None,
) -> Rotation:
    """Let the sink take the secret; where it does not, nobody knows the secret, so the successor goes."""
    try:
        if not secret:
            raise SinkError("the service sent no secret")
        await asyncio.to_thread(
            sink.deliver, secret, key_id=str(rotation.new), description=rotation.description
        )
    except TailscaleError as problem:
        await delete_key(client, changes, str(rotation.new), principal, "nobody took its secret over")
        keep(changes, evolve(rotation, state="failed", reason=clean(str(problem), _TEXT_CHARACTERS)))
        raise
    digest = hashlib.sha256(secret.encode()).hexdigest()[:_HASH_CHARACTERS]
    rotation = evolve(rotation, state="delivered", sha256=digest)
    keep(changes, rotation)
    return rotation


async def verify(
    client: AsyncTailscale, changes: AsyncChanges, rotation: Rotation, now: datetime
) -> Rotation:
    """Look whether the successor works, and begin the overlap.

    Raises:
        ChangeRefusedError: it does not; the old one stays.
    """
    found = Key((await client.keys.get(str(rotation.new))).to_dict())
    # Whether it has expired is for the service's clock to say, not for this machine's.
    if found.fields.get("invalid") is True or found.status(now) == "revoked":
        keep(changes, evolve(rotation, state="failed", reason="the successor is not valid"))
        raise ChangeRefusedError(f"the successor {rotation.new} is {found.status(now)}: {rotation.old} stays")
    retire_at = now + timedelta(seconds=rotation.overlap_seconds)
    rotation = evolve(rotation, state="verified", retire_at=retire_at.isoformat())
    keep(changes, rotation)
    return rotation


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
    report = await changes.apply(plan.id, principal=principal)
    if not report.ok:
        raise report.items[0].error or ChangeRefusedError(
            f"the successor {key_id} could not be deleted: delete it by hand, its secret is lost"
        )
