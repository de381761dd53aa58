"""One plan for what is to be done for a person: calls, and the policy they are written into or taken out of."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations import fleet_changes
from tailscale_sdk.operations.fleet import Fleet, Step
from tailscale_sdk.operations.fleet_changes import USUAL, FleetPlan, Limits
from tailscale_sdk.operations.policies.judgement import judge
from tailscale_sdk.operations.users.onboarding import PersonPlan
from tailscale_sdk.policy.edits import edited
from tailscale_sdk.policy.tailnet import read_tailnet


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
        step, more = await _policy_step(client, fleet, person)
        proposal, facts = evolve(proposal, steps=(*proposal.steps, step)), {**facts, **more}
    return await fleet_changes.plan_change(
        client,
        evolve(proposal, notes=person.notes),
        changes=changes,
        principal=principal,
        digest=digest,
        limits=limits,
        facts={name: value for name, value in facts.items() if name != "notes"},
    )


async def _policy_step(
    client: AsyncTailscale, fleet: Fleet, person: PersonPlan
) -> tuple[Step, dict[str, Any]]:
    stored = await client.policy.get()
    text = edited(stored.text, person.edits)
    judgement = judge(stored.text, text, read_tailnet(fleet.snapshot))
    if judgement.lockouts:
        reasons = "; ".join(lockout.text for lockout in judgement.lockouts)
        raise ChangeRefusedError(f"the policy would lock somebody out: {reasons}: change it by itself first")
    return Step("setPolicyFile", {"policy": text, "if_match": stored.etag}), judgement.to_dict()
