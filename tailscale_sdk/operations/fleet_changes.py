"""Plan and apply what was proposed for many objects: capped, guarded, noted item by item, and resumed where it broke off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.changes import (
    AsyncChanges,
    Caps,
    ChangeReport,
    Changes,
    Note,
    Plan,
    Remarks,
)
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale, Tailscale
from tailscale_sdk.errors import NothingToChangeError
from tailscale_sdk.operations.fleet import LeftAlone, Proposal

_REASONS_SHOWN: Final = 5


@frozen
class Limits:
    """Hold how much a change may touch at once.

    Attributes:
        max_changes: items.
        max_percent: share of all objects of that kind; five items are always allowed.
    """

    max_changes: int = MAX_CHANGES
    max_percent: float = MAX_PERCENT


USUAL: Final = Limits()


@frozen
class FleetPlan:
    """Hold a change of many objects that can be applied once.

    Attributes:
        plan: the engine's; its id is what ``apply_change`` takes.
        left_alone: what was selected and is not touched, with the reason.
        notes: what people will notice.
        facts: what else the proposal shows, such as the difference in access.
    """

    plan: Plan
    left_alone: tuple[LeftAlone, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say beside the plan, as JSON data."""
        skipped = sum(item.status == "skipped" for item in self.plan.items)
        return {
            "items": len(self.plan.due),
            **({"skipped": skipped} if skipped else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
            **({"left_alone": [each.to_dict() for each in self.left_alone]} if self.left_alone else {}),
            **(self.facts or {}),
        }


@frozen
class FleetReport:
    """Say what became of a change of many objects.

    Attributes:
        report: the engine's, with one entry per item.
    """

    report: ChangeReport

    @property
    def ok(self) -> bool:
        """Tell whether everything that was planned is done."""
        return self.report.ok

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say beside the report, as JSON data."""
        counts = Counter(item.outcome for item in self.report.items)
        rest = any(item.held_back or item.outcome in {"failed", "unknown"} for item in self.report.items)
        resume = {"resume": f"the rest is left: resume change {self.report.change_id}"} if rest else {}
        return {"change": self.report.change_id, "counts": dict(sorted(counts.items())), **resume}


async def plan_change(
    client: AsyncTailscale,
    proposal: Proposal,
    *,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    limits: Limits = USUAL,
    facts: Mapping[str, Any] | None = None,
) -> FleetPlan:
    """Plan what was proposed; only reads are sent.

    Args:
        client: prepares the calls, and reads what the proposal does not know.
        proposal: what is to be changed.
        changes: engine that keeps the plan.
        principal: who plans.
        digest: hash of the caller's arguments.
        limits: how much may be touched at once.
        facts: what the plan shows beside.

    Raises:
        NothingToChangeError: there is nothing to do; the text says why.
        ChangeRefusedError: it is more than the limits allow; the text says what to raise.
        TailscaleError: the state cannot be read.
    """
    calls, remarks = _calls(client, proposal, digest)
    engine = changes or AsyncChanges(client)
    plan = await engine.plan(calls, principal=principal, guards=(_caps(proposal, limits),), remarks=remarks)
    return FleetPlan(plan, proposal.left_alone, proposal.notes, facts)


def plan_change_sync(
    client: Tailscale,
    proposal: Proposal,
    *,
    changes: Changes | None = None,
    principal: str | None = None,
    digest: str | None = None,
    limits: Limits = USUAL,
    facts: Mapping[str, Any] | None = None,
) -> FleetPlan:
    """Plan what was proposed with a synchronous client, as ``plan_change`` does."""
    calls, remarks = _calls(client, proposal, digest)
    engine = changes or Changes(client)
    plan = engine.plan(calls, principal=principal, guards=(_caps(proposal, limits),), remarks=remarks)
    return FleetPlan(plan, proposal.left_alone, proposal.notes, facts)


def _calls(
    client: AsyncTailscale | Tailscale, proposal: Proposal, digest: str | None
) -> tuple[Sequence[PreparedCall], Remarks]:
    if not proposal.steps:
        raise NothingToChangeError(_nothing_to_do(proposal.left_alone))
    calls = [client.prepare(step.operation_id, **step.arguments) for step in proposal.steps]
    notes = [Note(known=step.known, risks=step.risks, unchanged=step.unchanged) for step in proposal.steps]
    return calls, Remarks(reason=proposal.reason, digest=digest, notes=notes)


def _caps(proposal: Proposal, limits: Limits) -> Caps:
    return Caps(limits.max_changes, limits.max_percent, proposal.population)


def _nothing_to_do(left_alone: Sequence[LeftAlone]) -> str:
    reasons = Counter(each.reason for each in left_alone)
    if not reasons:
        return "nothing is to be changed: nothing was selected"
    shown = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(_REASONS_SHOWN))
    return f"nothing is to be changed: {shown}"


async def apply_change(
    client: AsyncTailscale,
    plan_id: str,
    *,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    progress: Progress | None = None,
    stop_on_error: bool | None = None,
) -> FleetReport:
    """Apply a planned change, once; what breaks off can be resumed by the id of the change.

    Args:
        client: sends the calls and reads back.
        plan_id: of ``plan_change``.
        changes: engine it was planned with.
        principal: who planned it.
        digest: hash of the caller's arguments, compared with the plan's.
        progress: told of items done and items in all.
        stop_on_error: begin nothing more once an item failed; when left out, where something is taken away.

    Raises:
        PlanRefusedError: there is no such plan for this principal now; nothing was sent.
        StateError: this machine cannot keep what is replaced; nothing was sent.
    """
    engine = changes or AsyncChanges(client)
    report = await engine.apply(
        plan_id, principal=principal, expect=digest, progress=progress, stop_on_error=stop_on_error
    )
    return FleetReport(report)


def apply_change_sync(
    client: Tailscale,
    plan_id: str,
    *,
    changes: Changes | None = None,
    principal: str | None = None,
    digest: str | None = None,
    progress: Progress | None = None,
    stop_on_error: bool | None = None,
) -> FleetReport:
    """Apply a planned change with a synchronous client, as ``apply_change`` does."""
    engine = changes or Changes(client)
    report = engine.apply(
        plan_id, principal=principal, expect=digest, progress=progress, stop_on_error=stop_on_error
    )
    return FleetReport(report)
