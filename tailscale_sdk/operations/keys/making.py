"""Make a secret by a planned change and hand it over: what both kinds of rotation do, each step noted before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import evolve, field, frozen

from tailscale_sdk.changes import AsyncChanges, ChangeReport
from tailscale_sdk.errors import ChangeRefusedError, OutcomeUnknownError, PlanRefusedError, TailscaleError
from tailscale_sdk.operations.keys.rotation_state import Rotation, begin, keep
from tailscale_sdk.operations.keys.sink_files import SinkError
from tailscale_sdk.operations.keys.sinks import SecretSink, hash_of
from tailscale_sdk.redact import clean

Canary = Callable[[str, str], Awaitable[None]]
_TEXT_CHARACTERS: Final = 300


@frozen
class Made:
    """Hold what a change made.

    Attributes:
        report: the engine's, without the answer.
        rotation: how far it has come.
        secret: empty where none was made.
    """

    report: ChangeReport
    rotation: Rotation
    secret: str = field(repr=False)


def failed(changes: AsyncChanges, rotation: Rotation, reason: object) -> Rotation:
    """Note that a rotation came to nothing, and why."""
    return keep(changes, evolve(rotation, state="failed", reason=clean(str(reason), _TEXT_CHARACTERS)))


async def make(
    changes: AsyncChanges,
    plan_id: str,
    sink: SecretSink,
    *,
    read: Callable[[Any], tuple[str, str]],
    principal: str | None,
    digest: str | None,
) -> Made:
    """Apply the plan of a rotation, once.

    Args:
        changes: engine it was planned with.
        plan_id: of the plan.
        sink: where the secret will go; looked at before anything is made.
        read: takes id and secret from the answer.
        principal: who planned it.
        digest: hash of the caller's arguments.

    Raises:
        PlanRefusedError: there is no such plan of a rotation for this principal, or it was for another sink.
        OutcomeUnknownError: it is not known whether anything was made.
        SinkError: the sink could take nothing now; nothing was made.
    """
    await asyncio.to_thread(sink.check)
    rotation = begin(changes, plan_id, sink.describe())
    try:
        report = await changes.apply(plan_id, principal=principal, expect=digest)
    except PlanRefusedError:
        keep(changes, evolve(rotation, state="planned"))
        raise
    item = report.items[0]
    if item.outcome != "ok" or item.answer is None:
        problem = item.error or ChangeRefusedError(item.reason or "the successor was not made")
        gone = isinstance(problem, OutcomeUnknownError) and problem.recovered == "revoked"
        if gone or item.outcome in {"failed", "skipped"}:
            failed(changes, rotation, problem)
        raise problem
    new, secret = read(item.answer)
    orphan = getattr(item.answer, "possible_orphan", None)
    rotation = evolve(rotation, state="created", new=new, change=report.change_id, orphan=orphan)
    rotation = evolve(rotation, sha256=hash_of(secret)) if secret else rotation
    without = evolve(report, items=tuple(evolve(each, answer=None) for each in report.items))
    return Made(without, keep(changes, rotation), secret)


async def hand_over(changes: AsyncChanges, made: Made, sink: SecretSink) -> Rotation:
    """Let the sink take the secret, and note that it did.

    Raises:
        SinkError: it did not; the text holds nothing of what the sink said but its own words.
    """
    rotation = made.rotation
    if not made.secret:
        raise SinkError("the service sent no secret")
    problem = await _problem_of(
        asyncio.to_thread(
            sink.deliver, made.secret, key_id=str(rotation.new), description=rotation.description
        )
    )
    if problem is not None:
        # A sink of somebody else's may raise anything, with the secret among its arguments.
        raise problem if isinstance(problem, SinkError) else SinkError(f"{sink.describe()}: {_kind(problem)}")
    return keep(changes, evolve(rotation, state="delivered"))


async def try_out(made: Made, canary: Canary) -> None:
    """Let the caller try the secret before anybody gets it.

    Raises:
        TailscaleError: it does not work.
    """
    problem = await _problem_of(canary(str(made.rotation.new), made.secret))
    if problem is not None:
        raise (
            problem
            if isinstance(problem, TailscaleError)
            else ChangeRefusedError(f"{made.rotation.new} does not work: {_kind(problem)}")
        )


async def _problem_of(work: Awaitable[None]) -> Exception | None:
    """Return what was raised, outside the handler: nothing raised later drags it along as its context."""
    try:
        await work
    except Exception as problem:  # noqa: BLE001  # a sink or a canary of the caller's may raise anything
        return problem
    return None


def _kind(problem: Exception) -> str:
    return f"it failed with {type(problem).__name__}"
