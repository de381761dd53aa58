"""What was changed from here, its rest, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from tailscale_sdk.changes import Account, AsyncChanges
from tailscale_sdk.changes.accounts import unknown_change
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.fleet_changes import FleetPlan

_RECENT: Final = 100


async def changes_made(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    change: str | None = None,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
) -> dict[str, Any]:
    """List the last changes the caller made from here, or the items of one.

    Args:
        client: whose tailnet is meant; nothing is sent.
        now: not used.
        progress: not used.
        change: id of one.
        changes: engine that made them.
        principal: who asks.

    Raises:
        ChangeRefusedError: it is not known here, or somebody else made it.
    """
    engine = changes or AsyncChanges(client)
    if change is None:
        own = engine.recent(_RECENT, principal=principal)
        return {"rows": [account.to_dict(items=False) for account in own]}
    found = _own(engine, change, principal).to_dict()
    return {"rows": found.pop("items"), **found}


async def undo(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    change: str,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
) -> FleetPlan:
    """Plan what takes a change back, where the API allows it.

    Args:
        client: prepares the calls.
        now: moment of planning, with a zone.
        progress: not used.
        change: id of the change.
        changes: engine that made it.
        principal: who plans.
        digest: hash of the caller's arguments.

    Raises:
        ChangeRefusedError: nothing of it can be taken back, or somebody changed the same since.
    """
    engine = changes or AsyncChanges(client)
    _own(engine, change, principal)
    return FleetPlan(await engine.plan_undo(change, principal=principal, digest=digest))


async def resume(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    change: str,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
) -> FleetPlan:
    """Plan the rest of a change that was broken off; nothing that is done is done again.

    Args:
        client: prepares the calls.
        now: moment of planning, with a zone.
        progress: not used.
        change: id of the change.
        changes: engine that made it.
        principal: who plans.
        digest: hash of the caller's arguments.

    Raises:
        ChangeRefusedError: nothing of it is left, or another change does its rest already.
    """
    engine = changes or AsyncChanges(client)
    _own(engine, change, principal)
    return FleetPlan(await engine.plan_resume(change, principal=principal, digest=digest))


def _own(engine: AsyncChanges, change: str, principal: str | None) -> Account:
    """Return a change the caller made; those of others belong to whoever has the state directory.

    Raises:
        ChangeRefusedError: it is not known here, or somebody else made it; the answer is the same.
    """
    account = engine.account(change)
    if principal not in {None, account.principal}:
        raise unknown_change(change)
    return account
