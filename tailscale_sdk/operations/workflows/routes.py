"""Changes of routes, exit nodes and hosts of services, with plain values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import devices, network
from tailscale_sdk.operations.fleet import Device, Fleet, Proposal
from tailscale_sdk.operations.fleet_changes import FleetPlan
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.workflows.planning import plan_with


async def subnets(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    device: str,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    insist: bool = False,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to approve subnet routes of a device and to take the approval of others back; all others stay.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        device: name, id or address of one device.
        add: prefixes to approve, such as ``10.20.0.0/16``.
        remove: prefixes whose approval ends.
        insist: also what can usually only be a mistake.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:routes``.
    """
    return await plan_with(
        client,
        lambda fleet: network.change_routes(
            fleet, devices.the_one(fleet, device), add=add, remove=remove, insist=insist
        ),
        (),
        snapshots=snapshots,
        changes=changes,
        principal=principal,
        digest=digest,
    )


async def exit_node(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    device: str,
    enabled: bool,
    insist: bool = False,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan that a device is an exit node, or is none any more; its subnet routes stay.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        device: name, id or address of one device.
        enabled: it is one.
        insist: also what can usually only be a mistake.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:routes``.
    """
    return await plan_with(
        client,
        lambda fleet: _exit(fleet, devices.the_one(fleet, device), enabled, insist),
        (),
        snapshots=snapshots,
        changes=changes,
        principal=principal,
        digest=digest,
    )


def _exit(fleet: Fleet, device: Device, enabled: bool, insist: bool) -> Proposal:
    if enabled:
        return network.approve_exit_node(device)
    return network.revoke_exit_node(fleet, device, insist=insist)
