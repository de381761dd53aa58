"""Apply a planned policy: written once, read back, watched, and put back where the probe fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from attrs import frozen

from tailscale_sdk.calls.steps import in_doubt
from tailscale_sdk.changes import AsyncChanges, ChangeReport, PlannedItem
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import PlanRefusedError, PreconditionFailedError, TailscaleError
from tailscale_sdk.operations.policies.conflicts import Conflict, find_conflict
from tailscale_sdk.redact import clean

Probe = Callable[[], Awaitable[str | None]]
"""Look whether everything works with the new policy; return what does not, or None."""

Rollback = Literal["not_needed", "done", "failed", "offered"]
PROBE_SECONDS: Final = 5.0
"""Between two looks while a new policy is watched."""
_TEXT_CHARACTERS: Final = 300
_UNWATCHED: Final = "the new policy is in force, and its probe did not come to an end: look whether it works"


@frozen
class _OnlyThePolicy:
    """Refuse the plan of another change, which nobody has judged here; it stays what it is."""

    def refusals(self, items: tuple[PlannedItem, ...]) -> Mapping[int, str]:
        """Return nothing, or refuse the plan as a whole."""
        if [item.call.operation_id for item in items] != ["setPolicyFile"]:
            raise PlanRefusedError()
        return {}


@frozen
class PolicyReport:
    """Say what became of a change of the policy.

    Attributes:
        report: the engine's.
        rollback: done after a failed probe, failed where it was not put back, offered where it is not known what is
            stored; ``plan_rollback`` or ``plan_undo`` makes it.
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
        return (
            self.rollback == "not_needed"
            and self.report.ok
            and all(item.verified for item in self.report.items)
        )

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
    watch_seconds: float = 0.0,
) -> PolicyReport:
    """Apply a planned policy, once.

    The version that is replaced is on disk before the first byte leaves, and the write carries the ETag that was
    planned on. It is rolled back by itself only where our bytes were read back and the probe failed. Until the probe
    has come to its end the change stays open in the journal, so that a crash before that is told of.

    Args:
        client: writes the policy and reads it back.
        now: moment of applying, with a zone.
        progress: told of items done and items in all.
        plan_id: of a policy plan.
        changes: engine it was planned with.
        principal: who planned it.
        digest: hash of the caller's arguments, compared with the plan's.
        probe: asked once the new policy is in force; what it returns or raises is why it is rolled back.
        watch_seconds: for how long the probe is asked again and again, and at the end of it once more.

    Raises:
        PlanRefusedError: there is no such plan for this principal now, or it is no policy's; nothing was sent.
        StateError: this machine cannot keep what is replaced; nothing was sent.

    Scope: ``policy_file``.
    """
    engine = changes or AsyncChanges(client)
    report = await engine.apply(
        plan_id,
        principal=principal,
        expect=digest,
        guards=(_OnlyThePolicy(),),
        progress=progress,
        keep_open=probe is not None,
    )
    (item,) = report.items
    if isinstance(item.error, PreconditionFailedError):
        return PolicyReport(report, reason=item.reason, conflict=await _conflict(client, engine, report))
    if item.outcome == "unknown" or (item.outcome == "ok" and not item.verified):
        return PolicyReport(report, "offered", item.reason)
    if item.outcome != "ok" or probe is None:
        return PolicyReport(report, reason=item.reason)
    with in_doubt(_UNWATCHED):
        problem = await _watch(engine, probe, watch_seconds)
    watched = (
        PolicyReport(report, reason=item.reason)
        if problem is None
        else await _roll_back(engine, report, principal, problem)
    )
    await engine.finish(report.change_id)
    return watched


async def _watch(engine: AsyncChanges, probe: Probe, seconds: float) -> str | None:
    """Ask a probe until it finds something, or time is up."""
    end = engine.clock.monotonic() + seconds
    while True:
        problem = await _asked(probe)
        left = end - engine.clock.monotonic()
        if problem is not None or left <= 0:
            return problem
        await engine.clock.async_sleep(min(PROBE_SECONDS, left))


async def _asked(probe: Probe) -> str | None:
    try:
        return await probe()
    except Exception as error:  # noqa: BLE001  # whatever a probe fails with, the policy it looked at does not work
        return f"the probe failed: {type(error).__name__}: {clean(str(error), _TEXT_CHARACTERS)}"


async def _roll_back(
    engine: AsyncChanges, report: ChangeReport, principal: str | None, problem: str
) -> PolicyReport:
    """Put the policy back that was replaced, if ours is still the one that is stored."""
    try:
        undo = await engine.plan_undo(report.change_id, principal=principal)
        undone = await engine.apply(undo.id, principal=principal)
    except TailscaleError as error:
        return PolicyReport(report, "failed", f"{problem}; it was not put back: {error}")
    (item,) = undone.items
    if item.outcome == "ok" and item.verified:
        return PolicyReport(report, "done", problem)
    if item.outcome in {"ok", "unknown"}:
        return PolicyReport(
            report, "offered", f"{problem}; whether it was put back is not known: {item.reason}"
        )
    return PolicyReport(report, "failed", f"{problem}; it was not put back: {item.reason}")


async def _conflict(client: AsyncTailscale, engine: AsyncChanges, report: ChangeReport) -> Conflict:
    """Read what somebody else wrote, and compare it with what the change was planned on."""
    before = report.items[0].before or {}
    images = engine.state.preimages.for_change(report.change_id)
    mine = str(images[0].content.get("sent_sha256")) if images else ""
    return await find_conflict(client, base=before.get("etag"), mine=mine, base_text=before.get("policy"))
