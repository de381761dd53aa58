"""Questions about the devices of a live fleet, with plain values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import devices, lifecycle
from tailscale_sdk.operations.devices.duplicates import find_duplicates
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.workflows.planning import read_parts

FOUND_FIELDS = tuple(devices.COLUMNS)


async def find(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    query: str = "",
    fields: Sequence[str] = FOUND_FIELDS,
    sort: Sequence[str] = ("name",),
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List the devices that match a query.

    Args:
        client: reads devices.
        now: moment of asking, with a zone.
        progress: not used.
        query: such as ``tag:prod os:linux seen:>30d``; every device when left out.
        fields: columns, as in ``devices.COLUMNS``.
        sort: columns; ``-`` before one turns it round.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: the query or a column cannot be understood.

    Scope: ``devices:core:read``.
    """
    fleet = await read_parts(client, snapshots, ())
    rules = lifecycle.LifecycleRules()
    found = devices.list_devices(
        fleet,
        query,
        now=now,
        fields=fields,
        sort=sort,
        stage_of=lifecycle.stage_by_id(fleet, rules, now=now),
    )
    return {"rows": [dict(row) for row in found.rows], "matched": found.matched, "of": found.total}


async def status(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """Count what an admin looks for first.

    Args:
        client: reads devices.
        now: moment of asking, with a zone.
        progress: not used.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``.
    """
    fleet = await read_parts(client, snapshots, ())
    stage_of = lifecycle.stage_by_id(fleet, lifecycle.LifecycleRules(), now=now)
    return devices.fleet_status(fleet, now=now, stage_of=stage_of).to_dict()


async def duplicates(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List machines that are there twice or were renamed, the most certain first.

    Args:
        client: reads devices.
        now: not used.
        progress: not used.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``.
    """
    fleet = await read_parts(client, snapshots, ())
    return {"rows": [found.to_dict() for found in find_duplicates(fleet)]}
