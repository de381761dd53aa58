"""Plan what is made of a live fleet, and apply it by the plan's id."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import devices, fleet_changes
from tailscale_sdk.operations.fleet import Device, Fleet, Proposal, read_fleet
from tailscale_sdk.operations.fleet_changes import FleetPlan, FleetReport, Limits
from tailscale_sdk.operations.snapshots import SnapshotSource

Make = Callable[[Fleet], Proposal]


async def read_parts(
    client: AsyncTailscale, snapshots: SnapshotSource | None, parts: Collection[str], *needed: str
) -> Fleet:
    """Read devices and further parts, shared with whoever asks for the same.

    Args:
        client: reads, where nothing is shared.
        snapshots: where reads are shared.
        parts: names of ``coverage``.
        needed: parts without which the answer is of no use.

    Raises:
        TailscaleError: devices or a needed part cannot be read.
    """
    reads = snapshots or SnapshotSource(client)
    return read_fleet(await reads.read(tuple(parts), needed=needed))


async def plan_with(
    client: AsyncTailscale,
    make: Make,
    parts: Collection[str],
    *,
    snapshots: SnapshotSource | None,
    changes: AsyncChanges | None,
    principal: str | None,
    digest: str | None,
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
) -> FleetPlan:
    """Plan what is made of a fleet that is read first."""
    fleet = await read_parts(client, snapshots, parts)
    return await fleet_changes.plan_change(
        client,
        make(fleet),
        changes=changes,
        principal=principal,
        digest=digest,
        limits=Limits(max_changes, max_percent),
    )


def chosen(fleet: Fleet, query: str, now: datetime) -> tuple[Device, ...]:
    """Return the devices a query selects, never none and never all."""
    return devices.select(fleet, query, now=now).devices


async def apply_change(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    plan_id: str,
) -> FleetReport:
    """Apply a planned change of the fleet, once.

    Args:
        client: as for ``fleet_changes.apply_change``; so are all others.
        plan_id: of a plan.

    Raises:
        TailscaleError: as ``fleet_changes.apply_change`` does.
    """
    return await fleet_changes.apply_change(
        client, plan_id, changes=changes, principal=principal, digest=digest, progress=progress
    )
