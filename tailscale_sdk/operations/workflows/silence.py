"""Devices that are silent: who they are, and what is due of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import connectivity as contact
from tailscale_sdk.operations import fleet_changes, lifecycle, network
from tailscale_sdk.operations.fleet import Fleet, Proposal
from tailscale_sdk.operations.fleet_changes import FleetPlan, Limits
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.operations.workflows.planning import plan_with, read_parts

_GRACE: Final = timedelta(days=14)


async def stale(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    days: float | None = None,
    never_routers: bool = False,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List silent devices with their stage, and what must not be touched.

    Args:
        client: reads devices and services.
        now: moment of asking, with a zone.
        progress: not used.
        days: of silence after which a device may be removed; 90 when left out.
        never_routers: leave every router and exit node alone.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``; ``services:read`` where it is granted.
    """
    fleet = await read_parts(client, snapshots, ("services",))
    report = await lifecycle_report(client, fleet, now, {"remove": days}, never_routers)
    found = report.to_dict()
    return {"rows": found.pop("devices"), **found}


async def lifecycle_report(
    client: AsyncTailscale,
    fleet: Fleet,
    now: datetime,
    thresholds: Mapping[str, float | None],
    never_routers: bool,
    protected: frozenset[str] = frozenset(),
) -> lifecycle.LifecycleReport:
    """Return the stages of a fleet, hosts of services left alone.

    Args:
        client: reads hosts of services.
        fleet: devices and services.
        now: moment of asking, with a zone.
        thresholds: days of silence by stage; the others make room for them.
        never_routers: leave every router and exit node alone.
        protected: what the operator protects.
    """
    rules = lifecycle.LifecycleRules((), lifecycle.Thresholds.around(thresholds))
    spoken = lifecycle.Exclusions(protected, await _hosting(client, fleet), None, never_routers)
    return lifecycle.lifecycle(fleet, rules, now=now, exclusions=spoken)


async def _hosting(client: AsyncTailscale, fleet: Fleet) -> frozenset[str] | None:
    if "services" not in fleet.snapshot.content:
        return None
    return network.hosting(await network.load_hosts_async(client, fleet))


async def silent(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    hours: float = 24.0,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List the devices that do not talk to the control server, the longest silent first.

    Args:
        client: reads devices.
        now: moment of asking, with a zone.
        progress: not used.
        hours: of silence that are allowed.
        snapshots: where reads are shared.

    Scope: ``devices:core:read``.
    """
    fleet = await read_parts(client, snapshots, ())
    report = contact.connectivity(fleet, now=now)
    found = report.to_dict()
    del found["silent"]
    return {"rows": [each.to_dict() for each in report.longer_than(hours)], **found}


async def mark_stale(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    days: float,
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to mark devices that are silent for long with a posture attribute, for a policy to look at.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        days: of silence.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:posture_attributes``.
    """
    return await plan_with(
        client,
        lambda fleet: _marks(fleet, days, now),
        (),
        snapshots=snapshots,
        changes=changes,
        principal=principal,
        digest=digest,
        max_changes=max_changes,
        max_percent=max_percent,
    )


def _marks(fleet: Fleet, days: float, now: datetime) -> Proposal:
    rules = lifecycle.LifecycleRules((), lifecycle.Thresholds.around({"stale": days}))
    return lifecycle.propose_marks(lifecycle.lifecycle(fleet, rules, now=now), fleet, now=now)


async def quarantine(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    days: float,
    never_routers: bool = False,
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to cut devices off that are silent for long, so that a login brings them back.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        days: of silence.
        never_routers: leave every router and exit node alone.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:core``.
    """
    fleet = await read_parts(client, snapshots, ("services",))
    engine = changes or AsyncChanges(client)
    rules = {"quarantine": days}
    report = await lifecycle_report(client, fleet, now, rules, never_routers, engine.protected)
    found = lifecycle.propose_quarantine(
        report, fleet, now=now, quarantined=lifecycle.recorded_quarantines(engine.state.journal)
    )
    return await fleet_changes.plan_change(
        client,
        found,
        changes=engine,
        principal=principal,
        digest=digest,
        limits=Limits(max_changes, max_percent),
    )


async def remove_stale(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    days: float,
    never_routers: bool = False,
    skip_quarantine: bool = False,
    max_changes: int = MAX_CHANGES,
    max_percent: float = MAX_PERCENT,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> FleetPlan:
    """Plan to remove devices that are silent for long and were in quarantine for two weeks.

    Args:
        client: as for ``fleet_changes.plan_change``; so are changes, principal and digest.
        now: moment of planning, with a zone.
        progress: not used.
        days: of silence.
        never_routers: leave every router and exit node alone.
        skip_quarantine: in one go.
        max_changes: most items.
        max_percent: most of all devices, in percent.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: an argument cannot be what it is for; the text says why.
        NothingToChangeError: everything is so already; the text says why.
        TailscaleError: as ``fleet_changes.plan_change`` does.

    Scope: ``devices:core``.
    """
    fleet = await read_parts(client, snapshots, ("services",))
    engine = changes or AsyncChanges(client)
    report = await lifecycle_report(client, fleet, now, {"remove": days}, never_routers, engine.protected)
    found = lifecycle.propose_removal(
        report,
        fleet,
        now=now,
        quarantined=lifecycle.recorded_quarantines(engine.state.journal),
        grace=_GRACE,
        skip_quarantine=skip_quarantine,
    )
    return await fleet_changes.plan_change(
        client,
        found,
        changes=engine,
        principal=principal,
        digest=digest,
        limits=Limits(max_changes, max_percent),
    )
