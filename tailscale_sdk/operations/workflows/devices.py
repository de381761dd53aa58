"""Changes of the devices of a live fleet, with plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import fleet_changes, tags
from tailscale_sdk.operations.devices import actions, tagging
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.fleet_changes import FleetPlan, Limits
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.tags.inventory import policy_of
from tailscale_sdk.operations.workflows.planning import chosen, plan_with, read_parts


async def authorize(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    query: str,
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to approve devices.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        query: which devices, such as ``tag:prod seen:>30d``; never all of them.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:core``.
    """
    return await plan_with(
        client,
        lambda fleet: actions.set_authorized(chosen(fleet, query, now), True, population=len(fleet.devices)),
        (),
        snapshots=snapshots,
        changes=changes,
        principal=principal,
        digest=digest,
        max_changes=max_changes,
        max_percent=max_percent,
    )


async def tag(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    query: str,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to add and take away tags of devices; the whole list is written, as the API replaces it.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        query: which devices, such as ``tag:prod seen:>30d``; never all of them.
        add: to add.
        remove: to take away.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:core``.
    """
    return await plan_with(
        client,
        lambda fleet: tagging.change_tags(
            chosen(fleet, query, now),
            add=add,
            remove=remove,
            owners=_owners(fleet),
            population=len(fleet.devices),
        ),
        ("policy",),
        snapshots=snapshots,
        changes=changes,
        principal=principal,
        digest=digest,
        max_changes=max_changes,
        max_percent=max_percent,
    )


def _owners(fleet: Fleet) -> Mapping[str, Any] | None:
    policy = policy_of(fleet)
    return None if isinstance(policy, str) else policy.tag_owners


async def apply_tag_rules(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    rules: Sequence[Mapping[str, Any]],
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan what rules make of the devices, with the access that gives and takes.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        rules: each with ``name``, ``query``, and ``add``, ``remove`` or ``exactly``.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: a rule cannot be understood, or two contradict each other.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:core``, ``policy_file:read``.
    """
    read = tags.read_rules({"rule": [dict(rule) for rule in rules]})
    fleet = await read_parts(client, snapshots, ("policy", "users"))
    found = tags.propose_tags(fleet, read, now=now)
    return await fleet_changes.plan_change(
        client,
        found.proposal,
        changes=changes,
        principal=principal,
        digest=digest,
        limits=Limits(max_changes, max_percent),
        facts=found.to_dict(),
    )


async def remove(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    query: str,
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to remove devices; one that comes back meanwhile is left.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        query: which devices, such as ``tag:prod seen:>30d``; never all of them.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:core``.
    """
    return await plan_with(
        client,
        lambda fleet: actions.delete_devices(chosen(fleet, query, now), population=len(fleet.devices)),
        (),
        snapshots=snapshots,
        changes=changes,
        principal=principal,
        digest=digest,
        max_changes=max_changes,
        max_percent=max_percent,
    )
