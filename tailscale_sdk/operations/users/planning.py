"""One plan for what is to be done for a person: calls, and the policy they are written into or taken out of."""

from __future__ import annotations

from attrs import evolve

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import fleet_changes
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.fleet_changes import USUAL, FleetPlan, Limits
from tailscale_sdk.operations.policies.edit_steps import edit_step
from tailscale_sdk.operations.users.onboarding import PersonPlan


async def plan_person(
    client: AsyncTailscale,
    fleet: Fleet,
    person: PersonPlan,
    *,
    changes: AsyncChanges,
    principal: str | None = None,
    digest: str | None = None,
    limits: Limits = USUAL,
) -> FleetPlan:
    """Plan all of it as one change; the policy comes last, judged as any other change of it.

    Args:
        client: prepares the calls and reads the policy.
        fleet: devices and users.
        person: what is to be done.
        changes: engine that keeps the plan.
        principal: who plans.
        digest: hash of the caller's arguments.
        limits: how much may be touched at once.

    Raises:
        ChangeRefusedError: there is nothing to do, more than the limits allow, or the policy would lock somebody out.
        TailscaleError: the state cannot be read.
    """
    proposal, facts = person.proposal, person.to_dict()
    if person.edits:
        step, judgement = await edit_step(client, fleet, person.edits)
        proposal, facts = evolve(proposal, steps=(*proposal.steps, step)), {**facts, **judgement.to_dict()}
    return await fleet_changes.plan_change(
        client,
        evolve(proposal, notes=person.notes),
        changes=changes,
        principal=principal,
        digest=digest,
        limits=limits,
        facts={name: value for name, value in facts.items() if name != "notes"},
    )
