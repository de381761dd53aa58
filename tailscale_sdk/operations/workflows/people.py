"""People who join and leave, with plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import users
from tailscale_sdk.operations.fleet_changes import FleetPlan
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.workflows.planning import read_parts

PERSON_PARTS: Final = ("users", "policy", "keys", "user_invites")


async def onboard(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    login: str,
    role: str = "member",
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to let a person in: an invite or their approval, and a role.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        login: e-mail address.
        role: in the tailnet.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: the role does not exist, or the address is none.
        NothingToChangeError: they are a user with that role, or invited, already.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``users``.
    """
    fleet = await read_parts(client, snapshots, PERSON_PARTS, "users")
    person = users.propose_onboarding(fleet, login, role=role)
    engine = changes or AsyncChanges(client)
    return await users.plan_person(client, fleet, person, changes=engine, principal=principal, digest=digest)


async def offboard(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    login: str,
    delete: bool = False,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to take a person out: access first, then devices, keys and invites, then the policy's groups.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        login: login name or id.
        delete: for good, rather than suspended and logged out.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: there is no such user, or they are the last owner.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``users``, ``devices:core``, ``policy_file``, and the writing of keys.
    """
    fleet = await read_parts(client, snapshots, PERSON_PARTS, "users")
    person = users.propose_offboarding(fleet, login, now=now, delete=delete, own_key_id=client.own_key_id)
    engine = changes or AsyncChanges(client)
    return await users.plan_person(client, fleet, person, changes=engine, principal=principal, digest=digest)
