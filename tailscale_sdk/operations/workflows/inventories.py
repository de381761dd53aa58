"""Tags, credentials and people of a live tailnet, with plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import keys, tags
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.workflows.planning import read_parts


async def tag_list(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List tags with devices and owners, and what is wrong with them.

    Args:
        client: reads devices, policy, users and keys.
        now: not used.
        progress: not used.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``; ``policy_file:read`` and others where they are granted.
    """
    fleet = await read_parts(client, snapshots, ("policy", "users", "keys"))
    found = tags.tag_inventory(fleet).to_dict()
    return {"rows": found.pop("tags"), **found}


async def expiring(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    days: float | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List what expires: credentials, and the keys of devices, with what stops then.

    Args:
        client: reads devices, keys, users and settings.
        now: moment of asking, with a zone.
        progress: not used.
        days: within; 30 when left out.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``; the reading of keys where it is granted.
    """
    fleet = await read_parts(client, snapshots, ("keys", "users", "settings"))
    within = (max(1, int(days)),) if days is not None else (30,)
    found = keys.expiry_forecast(fleet, now=now, days=within, own_key_id=client.own_key_id).to_dict()
    return {"rows": found.pop("expiries"), **found}
