"""Questions about the network of a live tailnet, with plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import network
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.workflows.planning import read_parts


async def routes(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List subnet routes with their routers, what waits and what overlaps.

    Args:
        client: reads devices.
        now: not used.
        progress: not used.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``.
    """
    fleet = await read_parts(client, snapshots, ())
    return {"rows": [route.to_dict() for route in network.route_table(fleet)]}


async def exit_nodes(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List exit nodes, the best first, and who may use them.

    Args:
        client: reads devices and the policy.
        now: not used.
        progress: not used.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``; ``policy_file:read`` where it is granted.
    """
    fleet = await read_parts(client, snapshots, ("policy",))
    found = network.list_exit_nodes(fleet).to_dict()
    return {"rows": found["nodes"], "users": found["users"]}
