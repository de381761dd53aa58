"""Devices that are never marked, quarantined or removed, however silent they are, each with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.lifecycle.stages import (
    LifecycleReport,
    LifecycleRules,
    order,
    stage_of,
)
from tailscale_sdk.operations.values import Network

_EPHEMERAL: Final = timedelta(hours=48)


@frozen
class Exclusions:
    """Hold what speaks for a device.

    Attributes:
        protected: tags, nodeIds, names, addresses and login names of the operator.
        service_hosts: nodeIds of devices that host a service; None where nobody looked.
        lock_signers: nodeIds of devices that sign for tailnet lock; None where nobody looked.
        routers: leave every device alone that offers or serves a route, not the last one of a route only.
    """

    protected: frozenset[str] = frozenset()
    service_hosts: frozenset[str] | None = None
    lock_signers: frozenset[str] | None = None
    routers: bool = False


def lifecycle(
    fleet: Fleet, rules: LifecycleRules, *, now: datetime, exclusions: Exclusions | None = None
) -> LifecycleReport:
    """Return the stage of every device, and what is never touched.

    Args:
        fleet: devices.
        rules: thresholds.
        now: moment of asking, with a zone.
        exclusions: what speaks for devices beside what always does.
    """
    spoken = exclusions or Exclusions()
    needed = _needed_routers(fleet)
    found, anomalies = [], []
    for device in fleet.devices:
        staged = stage_of(device, rules, now=now)
        reason = _reason(device, spoken, needed)
        found.append(evolve(staged, excluded=reason))
        if device.is_ephemeral and not device.is_connected and _is_older(device, now):
            anomalies.append(f"{device.label} ({device.id}) is ephemeral and was not removed by the service")
    return LifecycleReport(order(found), tuple(anomalies), tuple(_notes(spoken)), fleet.observed_at)


def _is_older(device: Device, now: datetime) -> bool:
    since = device.silent_since()
    return since is not None and now - since > _EPHEMERAL


def _reason(device: Device, spoken: Exclusions, needed: Mapping[str, str]) -> str | None:
    return _of_itself(device) or _spoken_for(device, spoken) or _as_router(device, spoken, needed)


def _of_itself(device: Device) -> str | None:
    if device.is_external:
        return "it belongs to another tailnet"
    if device.is_connected:
        return "it is connected"
    if device.is_ephemeral:
        return "it is ephemeral: the service removes it by itself"
    return None


def _spoken_for(device: Device, spoken: Exclusions) -> str | None:
    if spoken.protected and spoken.protected & _names(device):
        return "the operator protects it"
    if spoken.service_hosts is not None and device.id in spoken.service_hosts:
        return "it hosts a service"
    if spoken.lock_signers is not None and device.id in spoken.lock_signers:
        return "it signs for tailnet lock"
    return None


def _as_router(device: Device, spoken: Exclusions, needed: Mapping[str, str]) -> str | None:
    if "enabledRoutes" not in device.fields:
        return "its routes were not read: it may be a router"
    if device.exit_state in {"approved", "partial"}:
        return "it is an approved exit node"
    if spoken.routers and (device.advertised_subnets or device.approved_subnets or device.offers_exit):
        return "it is a router"
    return needed.get(device.id)


def _names(device: Device) -> frozenset[str]:
    return frozenset(
        {
            device.id,
            device.legacy_id,
            device.name,
            device.label,
            # Of a tagged device that is who registered it; the plan's own protection counts that as well.
            device.user,
            *device.tags,
            *device.addresses,
        }
    )


def _needed_routers(fleet: Fleet) -> dict[str, str]:
    """Return the routers without which an approved route has none, or none that is online."""
    by_route: dict[Network, list[Device]] = {}
    for device in fleet.devices:
        for network in device.approved_subnets:
            by_route.setdefault(network, []).append(device)
    needed: dict[str, str] = {}
    for network, routers in by_route.items():
        online = [device for device in routers if device.is_connected]
        if len(routers) == 1:
            needed.setdefault(routers[0].id, f"it is the only router of {network}")
        elif len(online) == 1:
            needed.setdefault(online[0].id, f"it is the only router of {network} that is online")
        elif not online:
            # Whichever of them comes back first serves it again.
            for device in routers:
                needed.setdefault(device.id, f"no router of {network} is online, and it is one of them")
    return needed


def _notes(spoken: Exclusions) -> Collection[str]:
    notes = []
    if spoken.service_hosts is None:
        notes.append("hosts of services were not read: a device that hosts one is not known here")
    if spoken.lock_signers is None:
        notes.append("signers of tailnet lock are known to the nodes only: protect them by name")
    return notes
