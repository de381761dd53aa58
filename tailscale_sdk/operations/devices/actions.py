"""What can be done to devices, as proposals: what changes nothing or must not be touched is left alone and said."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from attrs import evolve

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Device, LeftAlone, Proposal, Step

PRESENCE: Final = ("lastSeen", "connectedToControl", "tags")
"""What must be as it was when a device is taken away: one that came back is not."""

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
FOREIGN: Final = "it belongs to another tailnet"

Judge = Callable[[Device], Step | str]


def propose(
    devices: Iterable[Device], judge: Judge, *, population: int | None = None, reason: str | None = None
) -> Proposal:
    """Return what a judgement of each device makes: a step, or why it is left alone.

    Args:
        devices: that were chosen.
        judge: returns a step, or the reason why there is none.
        population: how many devices there are.
        reason: why.
    """
    steps, left = [], []
    for device in devices:
        judged = judge(device)
        if isinstance(judged, str):
            left.append(left_alone(device, judged))
        else:
            steps.append(judged)
    return Proposal(tuple(steps), population, tuple(left), reason=reason)


def left_alone(device: Device, reason: str) -> LeftAlone:
    """Say that a device is not touched, and why."""
    return LeftAlone("device", device.id, device.name, reason)


def step_for(
    device: Device,
    operation_id: str,
    *,
    risks: tuple[str, ...] = (),
    unchanged: tuple[str, ...] = (),
    **arguments: Any,
) -> Step:
    """Return one call for a device, with what is known of it."""
    return Step(operation_id, {"device_id": device.id, **arguments}, device.fields, risks, unchanged)


def set_authorized(
    devices: Iterable[Device], authorized: bool, *, population: int | None = None, reason: str | None = None
) -> Proposal:
    """Propose to approve devices, or to take their approval back; it means something where approval is on.

    Args:
        devices: that were chosen.
        authorized: approve them.
        population: how many devices there are.
        reason: why.
    """

    def judge(device: Device) -> Step | str:
        if device.is_external:
            return FOREIGN
        if device.is_authorized is authorized:
            return "it is approved already" if authorized else "it is not approved anyway"
        risks = () if authorized else (f"{device.label} loses the tailnet at once",)
        return step_for(device, "authorizeDevice", authorized=authorized, risks=risks)

    return propose(devices, judge, population=population, reason=reason)


def expire_keys(
    devices: Iterable[Device], *, now: datetime, population: int | None = None, reason: str | None = None
) -> Proposal:
    """Propose to expire the keys of devices: they are offline until somebody logs in on them again.

    Args:
        devices: that were chosen.
        now: moment of asking, with a zone.
        population: how many devices there are.
        reason: why.
    """

    def judge(device: Device) -> Step | str:
        if device.is_external:
            return FOREIGN
        if device.has_expired(now):
            return "its key has expired already"
        return step_for(device, "expireDeviceKey", unchanged=("tags",))

    return propose(devices, judge, population=population, reason=reason)


def delete_devices(
    devices: Iterable[Device], *, population: int | None = None, reason: str | None = None
) -> Proposal:
    """Propose to remove devices; one that comes back meanwhile is left.

    Args:
        devices: that were chosen.
        population: how many devices there are.
        reason: why.
    """

    def judge(device: Device) -> Step | str:
        if device.is_external:
            return FOREIGN
        return step_for(device, "deleteDevice", unchanged=PRESENCE, risks=(recipe_sentence(device),))

    found = propose(devices, judge, population=population, reason=reason)
    note = "removal cannot be taken back: a device that joins again has a new identity and new addresses"
    return evolve(found, notes=(note,)) if found.steps else found


def recipe_of(device: Device) -> dict[str, Any]:
    """Return what is needed to make a device again after it was removed.

    Args:
        device: the device.
    """
    flags = [f"--hostname={device.hostname}"] if device.hostname else []
    if device.tags:
        flags.append(f"--advertise-tags={','.join(device.tags)}")
    if device.advertised_subnets:
        flags.append(f"--advertise-routes={','.join(sorted(map(str, device.advertised_subnets)))}")
    if device.offers_exit:
        flags.append("--advertise-exit-node")
    if device.fields.get("sshEnabled") is True:
        flags.append("--ssh")
    return {
        "auth_key": {"tags": list(device.tags), "ephemeral": device.is_ephemeral, "preauthorized": True},
        "up": flags,
        "name": device.label,
        "approve_routes": list(device.approved),
        "key_expiry_disabled": device.is_key_expiry_disabled,
        "ipv4": device.ipv4,
    }


def recipe_sentence(device: Device) -> str:
    """Return the recipe as one sentence for whoever confirms."""
    flags = " ".join(shlex.quote(flag) for flag in recipe_of(device)["up"])
    return f"{device.label} comes back only by logging in again: tailscale up {flags}".rstrip()


def rename(
    device: Device, name: str, *, population: int | None = None, reason: str | None = None
) -> Proposal:
    """Propose another name for a device; an empty one gives it back the name its operating system has.

    Args:
        device: the device.
        name: label without the tailnet's domain.
        population: how many devices there are.
        reason: why.

    Raises:
        ConfigurationError: it cannot be a label of a domain name.
    """
    if name and _LABEL.fullmatch(name) is None:
        raise ConfigurationError(f"{name!r} is no name: letters, digits and hyphens, 63 at most")

    def judge(each: Device) -> Step | str:
        if name and each.label.lower() == name.lower():
            return "it has that name already"
        return step_for(each, "setDeviceName", name=name, risks=(f"{each.name} stops resolving at once",))

    return propose([device], judge, population=population, reason=reason)


def set_key_expiry(
    devices: Iterable[Device],
    enabled: bool,
    *,
    now: datetime,
    allow_expired: bool = False,
    population: int | None = None,
    reason: str | None = None,
) -> Proposal:
    """Propose to switch key expiry on or off; switched on, the date it had before counts again.

    Args:
        devices: that were chosen.
        enabled: keys expire.
        now: moment of asking, with a zone.
        allow_expired: also where that date has passed, so that the device drops off at once.
        population: how many devices there are.
        reason: why.
    """

    def judge(device: Device) -> Step | str:
        if device.is_external:
            return FOREIGN
        if device.is_key_expiry_disabled is not enabled:
            return "key expiry is on already" if enabled else "key expiry is off already"
        if not enabled:
            return step_for(device, "updateDeviceKey", key_expiry_disabled=True)
        kept = Device({**device.fields, "keyExpiryDisabled": False}).expires
        if kept is not None and kept <= now:
            if not allow_expired:
                return f"its key would count as expired since {kept:%Y-%m-%d}: it would drop off at once"
            risk = f"{device.label} drops off at once: its key counts as expired since {kept:%Y-%m-%d}"
            return step_for(device, "updateDeviceKey", key_expiry_disabled=False, risks=(risk,))
        risks = () if kept is None else (f"the key of {device.label} expires on {kept:%Y-%m-%d}",)
        return step_for(device, "updateDeviceKey", key_expiry_disabled=False, risks=risks)

    return propose(devices, judge, population=population, reason=reason)


def set_ipv4(
    device: Device, address: str, *, population: int | None = None, reason: str | None = None
) -> Proposal:
    """Propose another IPv4 address for a device; its open connections break.

    Args:
        device: the device.
        address: free address of 100.64.0.0/10.
        population: how many devices there are.
        reason: why.
    """

    def judge(each: Device) -> Step | str:
        if each.ipv4 == address:
            return "it has that address already"
        return step_for(each, "setDeviceIp", ipv4=address)

    return propose([device], judge, population=population, reason=reason)
