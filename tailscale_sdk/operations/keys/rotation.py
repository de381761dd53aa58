"""Give a credential a successor: made, handed over, looked at, and the old one deleted when the overlap is over."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from attrs import asdict, evolve, frozen

from tailscale_sdk.changes import AsyncChanges, ChangeReport, Plan, Remarks
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
from tailscale_sdk.operations.keys.sinks import SecretSink, SinkError
from tailscale_sdk.redact import clean

State = Literal["planned", "creating", "created", "delivered", "verified", "retired", "failed"]
KIND: Final = "rotation"
OVERLAP: Final = timedelta(days=7)
_UNDER_WAY: Final = frozenset({"creating", "created", "delivered", "verified"})
_GENERATION: Final = re.compile(r"(.*?)(?: g(\d{1,6}))?(?: [a-z2-7]{8})?", re.DOTALL)
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9 -]+")
# Room for the generation and for the mark by which an unclear creation is found again.
_NAME_CHARACTERS: Final = 30
_HASH_CHARACTERS: Final = 12
_TEXT_CHARACTERS: Final = 300


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
    _check_alone(changes, key_id)
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
    _keep(changes, rotation)
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
    rotation = _of_plan(changes, plan_id)
    if rotation.sink != sink.describe():
        raise PlanRefusedError()
    _check_alone(changes, rotation.old)
    _keep(changes, evolve(rotation, state="creating"))
    try:
        report = await changes.apply(plan_id, principal=principal, expect=digest)
    except PlanRefusedError:
        _keep(changes, rotation)
        raise
    item = report.items[0]
    if item.outcome != "ok" or item.answer is None:
        state: State = "failed" if item.outcome in {"failed", "skipped"} else "creating"
        _keep(changes, evolve(rotation, state=state, reason=clean(item.reason or "", _TEXT_CHARACTERS)))
        raise item.error or ChangeRefusedError(item.reason or "the successor was not made")
    new, secret = str(item.answer.id), str(item.answer.key or "")
    rotation = evolve(rotation, state="created", new=new, change=report.change_id)
    _keep(changes, rotation)
    rotation = await _hand_over(client, changes, rotation, secret, sink, principal)
    rotation = await _verify(client, changes, rotation, now)
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
        await _delete(client, changes, str(rotation.new), principal, "nobody took its secret over")
        _keep(changes, evolve(rotation, state="failed", reason=clean(str(problem), _TEXT_CHARACTERS)))
        raise
    digest = hashlib.sha256(secret.encode()).hexdigest()[:_HASH_CHARACTERS]
    rotation = evolve(rotation, state="delivered", sha256=digest)
    _keep(changes, rotation)
    return rotation


async def _verify(
    client: AsyncTailscale, changes: AsyncChanges, rotation: Rotation, now: datetime
) -> Rotation:
    found = Key((await client.keys.get(str(rotation.new))).to_dict())
    if found.status(now) not in {"valid", "unknown"}:
        _keep(changes, evolve(rotation, state="failed", reason="the successor is not valid"))
        raise ChangeRefusedError(f"the successor {rotation.new} is {found.status(now)}: {rotation.old} stays")
    retire_at = now + timedelta(seconds=rotation.overlap_seconds)
    rotation = evolve(rotation, state="verified", retire_at=retire_at.isoformat())
    _keep(changes, rotation)
    return rotation


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
    rotation = _rotation(changes, key_id)
    if rotation is None or rotation.state != "verified":
        state = "no rotation is known" if rotation is None else f"its rotation is {rotation.state}"
        raise ChangeRefusedError(f"{key_id} is not retired: {state}")
    if not early and rotation.retire_at is not None and now < datetime.fromisoformat(rotation.retire_at):
        raise ChangeRefusedError(f"{key_id} stays valid until {rotation.retire_at}: the overlap is not over")
    remarks = Remarks(reason=f"{rotation.new} took the place of {key_id}", digest=digest)
    plan = await changes.plan(
        [client.prepare("deleteKey", key_id=key_id)], principal=principal, remarks=remarks
    )
    return RotationPlan(plan, rotation)


async def apply_retirement(
    client: AsyncTailscale,
    plan_id: str,
    key_id: str,
    *,
    changes: AsyncChanges,
    principal: str | None = None,
    digest: str | None = None,
) -> RotationReport:
    """Delete the old credential, as planned.

    Args:
        client: deletes it.
        plan_id: of ``plan_retirement``.
        key_id: id of the old credential.
        changes: engine it was planned with.
        principal: who planned it.
        digest: hash of the caller's arguments.

    Raises:
        PlanRefusedError: there is no such plan for this principal.
    """
    report = await changes.apply(plan_id, principal=principal, expect=digest)
    rotation = _rotation(changes, key_id)
    if rotation is None:
        raise ChangeRefusedError(f"no rotation of {key_id} is known here")
    if report.ok:
        rotation = evolve(rotation, state="retired")
        _keep(changes, rotation)
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
    rotation = _rotation(changes, key_id)
    if rotation is None or rotation.state not in _UNDER_WAY:
        state = "is not known here" if rotation is None else f"is {rotation.state}"
        raise ChangeRefusedError(f"the rotation of {key_id} {state}: there is nothing to resume")
    if rotation.state == "delivered":
        return await _verify(client, changes, rotation, now)
    if rotation.state == "verified":
        return rotation
    for leftover in await _leftovers(client, rotation):
        await _delete(client, changes, leftover, principal, "its secret was lost when the rotation broke off")
    rotation = evolve(rotation, state="failed", reason="it broke off before the secret was handed over")
    _keep(changes, rotation)
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


async def _delete(
    client: AsyncTailscale, changes: AsyncChanges, key_id: str, principal: str | None, reason: str
) -> None:
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


def list_rotations(changes: AsyncChanges) -> tuple[Rotation, ...]:
    """Return the rotations that are known here, the newest first.

    Args:
        changes: engine that noted them.
    """
    records = changes.state.records.all(KIND, tailnet=changes.policy_shelf)
    return tuple(Rotation(**record.content) for record in records)


def _rotation(changes: AsyncChanges, key_id: str) -> Rotation | None:
    found = changes.state.records.get(KIND, key_id, tailnet=changes.policy_shelf)
    return None if found is None else Rotation(**found.content)


def _of_plan(changes: AsyncChanges, plan_id: str) -> Rotation:
    wanted = plan_reference(plan_id)
    found = next((each for each in list_rotations(changes) if each.plan == wanted), None)
    if found is None or found.state != "planned":
        raise PlanRefusedError()
    return found


def _check_alone(changes: AsyncChanges, key_id: str) -> None:
    rotation = _rotation(changes, key_id)
    if rotation is not None and rotation.state in _UNDER_WAY:
        raise ChangeRefusedError(
            f"a rotation of {key_id} is {rotation.state} already: resume it, or retire the old key first"
        )


def _keep(changes: AsyncChanges, rotation: Rotation) -> None:
    changes.state.records.put(KIND, rotation.old, asdict(rotation), tailnet=changes.policy_shelf)
