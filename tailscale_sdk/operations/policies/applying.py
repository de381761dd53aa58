"""Apply a planned policy: written once, read back, probed, and put back where the probe fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.changes import AsyncChanges, ChangeReport
from tailscale_sdk.changes.applying import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import PreconditionFailedError, TailscaleError
from tailscale_sdk.operations.policies.judgement import text_difference

Probe = Callable[[], Awaitable[str | None]]
"""Look whether everything works with the new policy; return what does not, or None."""

Rollback = Literal["not_needed", "done", "failed", "offered"]


@frozen
class Conflict:
    """Hold what stood against a write: somebody else's.

    Attributes:
        base: ETag the change was planned on.
        mine: SHA-256 of the bytes that were not written.
        theirs: ETag that is stored now; None where it could not be read.
        text: what they changed.
    """

    base: str | None
    mine: str
    theirs: str | None
    text: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"base": self.base, "mine": self.mine, "theirs": self.theirs, "text": list(self.text)}


@frozen
class PolicyReport:
    """Say what became of a change of the policy.

    Attributes:
        report: the engine's.
        rollback: done after a failed probe, failed when somebody else was faster, offered where it is not known
            what is stored; ``plan_rollback`` or ``plan_undo`` makes it.
        reason: why it was or should be rolled back, or what stood against it.
        conflict: what somebody else wrote meanwhile.
    """

    report: ChangeReport
    rollback: Rollback = "not_needed"
    reason: str | None = None
    conflict: Conflict | None = None

    @property
    def ok(self) -> bool:
        """Tell whether the new policy is in force and verified."""
        return self.report.ok and self.rollback == "not_needed"

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say beside the report, as JSON data."""
        found: dict[str, Any] = {"change": self.report.change_id, "rollback": self.rollback}
        if self.reason:
            found["reason"] = self.reason
        if self.conflict is not None:
            found["conflict"] = self.conflict.to_dict()
        return found


async def apply_change(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    plan_id: str,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    probe: Probe | None = None,
) -> PolicyReport:
    """Apply a planned policy, once.

    The version that is replaced is on disk before the first byte leaves, and the write carries the ETag that was
    planned on. It is rolled back by itself only where our bytes were read back and the probe failed.

    Args:
        client: writes the policy and reads it back.
        now: moment of applying, with a zone.
        progress: told of items done and items in all.
        plan_id: of a policy plan.
        changes: engine it was planned with.
        principal: who planned it.
        digest: hash of the caller's arguments, compared with the plan's.
        probe: asked once the new policy is in force; what it returns is why it is rolled back.

    Raises:
        PlanRefusedError: there is no such plan for this principal now; nothing was sent.
        StateError: this machine cannot keep what is replaced; nothing was sent.

    Scope: ``policy_file``.
    """
    engine = changes or AsyncChanges(client)
    report = await engine.apply(plan_id, principal=principal, expect=digest, progress=progress)
    (item,) = report.items
    if isinstance(item.error, PreconditionFailedError):
        return PolicyReport(report, reason=item.reason, conflict=await _conflict(client, engine, report))
    if item.outcome == "unknown":
        return PolicyReport(report, "offered", item.reason)
    if item.outcome != "ok" or not item.verified or probe is None:
        return PolicyReport(report, reason=item.reason)
    problem = await probe()
    if problem is None:
        return PolicyReport(report)
    return await _roll_back(engine, report, principal, problem)


async def _roll_back(
    engine: AsyncChanges, report: ChangeReport, principal: str | None, problem: str
) -> PolicyReport:
    """Put the policy back that was replaced, if ours is still the one that is stored."""
    try:
        undo = await engine.plan_undo(report.change_id, principal=principal)
        undone = await engine.apply(undo.id, principal=principal)
    except TailscaleError as error:
        return PolicyReport(report, "failed", f"{problem}; it was not put back: {error}")
    if not undone.ok:
        return PolicyReport(report, "failed", f"{problem}; it was not put back: {undone.items[0].reason}")
    return PolicyReport(report, "done", problem)


async def _conflict(client: AsyncTailscale, engine: AsyncChanges, report: ChangeReport) -> Conflict:
    """Read what somebody else wrote, and compare it with what the change was planned on."""
    before = report.items[0].before or {}
    images = engine.state.preimages.for_change(report.change_id)
    mine = str(images[0].content.get("sent_sha256")) if images else ""
    try:
        theirs = await client.policy.get()
    except TailscaleError:
        return Conflict(before.get("etag"), mine, None)
    lines = text_difference(str(before.get("policy") or ""), theirs.text, names=("base", "theirs"))
    return Conflict(before.get("etag"), mine, theirs.etag, lines)
