"""A policy edit as one step of a larger change: judged as any other change of the policy."""

from __future__ import annotations

from collections.abc import Sequence

from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations.fleet import Fleet, Step
from tailscale_sdk.operations.policies.judgement import Judgement, judge
from tailscale_sdk.policy.edits import Edit, edited
from tailscale_sdk.policy.tailnet import read_tailnet


async def edit_step(
    client: AsyncTailscale, fleet: Fleet, edits: Sequence[Edit], *, based_on: str | None = None
) -> tuple[Step, Judgement]:
    """Return the call that writes edits into the stored policy, and what they mean.

    Args:
        client: reads the policy.
        fleet: devices and users.
        edits: textual, in order.
        based_on: text the edits were made for; any will do when left out.

    Raises:
        ChangeRefusedError: the stored policy is another one, or the new one would lock somebody out.
        TailscaleError: the policy cannot be read.
    """
    stored = await client.policy.get()
    if based_on not in {None, stored.text}:
        raise ChangeRefusedError("the policy was changed since it was looked at: look again")
    text = edited(stored.text, edits)
    judgement = judge(stored.text, text, read_tailnet(fleet.snapshot))
    if judgement.lockouts:
        reasons = "; ".join(lockout.text for lockout in judgement.lockouts)
        raise ChangeRefusedError(f"the policy would lock somebody out: {reasons}: change it by itself first")
    return Step("setPolicyFile", {"policy": text, "if_match": stored.etag}), judgement
