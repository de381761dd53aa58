"""What is due of a lifecycle, as proposals: marks, quarantine, removal; each device moves one stage per run at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from attrs import evolve

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.actions import PRESENCE, delete_devices, left_alone, step_for
from tailscale_sdk.operations.devices.attributes import set_attribute
from tailscale_sdk.operations.fleet import Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.lifecycle.notices import devices_of
from tailscale_sdk.operations.lifecycle.quarantines import quarantined_at
from tailscale_sdk.operations.lifecycle.stages import LifecycleReport, Stage, Staged
from tailscale_sdk.operations.values import flag_of, mapping_of

MARK: Final = "custom:lifecycle"
"""Posture attribute of a stale device, for a policy to look at."""

GRACE: Final = timedelta(days=14)
"""How long a device is in quarantine before it may be removed, unless something else is said."""

_MARK_DAYS: Final = 14
_DUE: Final[tuple[Stage, ...]] = ("stale", "quarantine", "remove")
Method = Literal["expire", "deauthorize"]
Judge = Callable[[Staged], Step | str]


def propose_marks(
    report: LifecycleReport, fleet: Fleet, *, now: datetime, reason: str | None = None
) -> Proposal:
    """Propose to mark stale devices with a posture attribute that ends by itself.

    Args:
        report: stages.
        fleet: all devices, with the attributes that were read.
        now: moment of asking, with a zone.
        reason: why.
    """
    due = [each.device for each in report.in_stage(*_DUE)]
    expiry = now + timedelta(days=_MARK_DAYS)
    found = set_attribute(fleet, due, MARK, "stale", expiry=expiry, reason=reason)
    return evolve(found, left_alone=(*found.left_alone, *_left(report, *_DUE)))


def propose_quarantine(
    report: LifecycleReport,
    fleet: Fleet,
    *,
    now: datetime,
    method: Method = "expire",
    quarantined: Mapping[str, datetime] | None = None,
    reason: str | None = None,
) -> Proposal:
    """Propose to cut silent devices off so that they can come back: by their key, or by their approval.

    Args:
        report: stages.
        fleet: all devices; with the tailnet's settings it is known whether an approval means anything.
        now: moment of asking, with a zone.
        method: expire the key, which a login on the device renews; or take the approval back, which an admin gives
            again.
        quarantined: when devices were quarantined, by nodeId.
        reason: why.

    Raises:
        ConfigurationError: there is no such method, or approvals mean nothing in this tailnet.
    """
    noted = {} if quarantined is None else quarantined
    notes = _notes_on(method, fleet)

    def judge(each: Staged) -> Step | str:
        device = each.device
        if quarantined_at(device, noted, now) is not None:
            return "it is in quarantine already"
        risk = f"{device.label} was silent for {each.silent_days:g} days"
        if method == "expire":
            risks = (risk, "it stays offline until somebody logs in on it again")
            return step_for(device, "expireDeviceKey", unchanged=PRESENCE, risks=risks)
        if device.is_authorized is False:
            return "it is not approved anyway"
        risks = (risk, "it stays offline until an admin approves it again")
        return step_for(device, "authorizeDevice", authorized=False, unchanged=PRESENCE, risks=risks)

    found = _proposal(report, fleet, ("quarantine", "remove"), judge, reason)
    return evolve(found, notes=(*found.notes, *notes))


def _notes_on(method: Method, fleet: Fleet) -> tuple[str, ...]:
    if method not in get_args(Method):
        raise ConfigurationError(f"there is no quarantine by {method!r}: {', '.join(get_args(Method))}")
    if method == "expire":
        return ()
    approval = flag_of(mapping_of(fleet.snapshot.content, "settings"), "devicesApprovalOn")
    if approval is False:
        raise ConfigurationError("device approval is off in this tailnet: expire the keys instead")
    unread = "whether device approval is on was not read: where it is off, devices may not be cut off"
    return () if approval else (unread,)


def propose_removal(
    report: LifecycleReport,
    fleet: Fleet,
    *,
    now: datetime,
    quarantined: Mapping[str, datetime] | None = None,
    grace: timedelta = GRACE,
    skip_quarantine: bool = False,
    reason: str | None = None,
) -> Proposal:
    """Propose to delete devices that have been in quarantine long enough.

    Args:
        report: stages.
        fleet: all devices.
        now: moment of asking, with a zone.
        quarantined: when devices were quarantined, by nodeId; a key that has expired counts too.
        grace: how long a device must have been in quarantine.
        skip_quarantine: delete in one go, without quarantine first.
        reason: why.
    """
    noted = {} if quarantined is None else quarantined

    def judge(each: Staged) -> Step | str:
        device = each.device
        if not skip_quarantine:
            started = quarantined_at(device, noted, now)
            if started is None:
                return "it was never in quarantine: quarantine it first, or skip that"
            if now - started < grace:
                return f"it is in quarantine since {started:%Y-%m-%d} only: {_days(grace)} days are to pass"
        step = delete_devices([device]).steps[0]
        return evolve(step, risks=(*step.risks, f"{device.label} was silent for {each.silent_days:g} days"))

    found = _proposal(report, fleet, ("remove",), judge, reason)
    if not found.steps:
        return found
    notes = ["removal cannot be taken back: a device that joins again has a new identity and new addresses"]
    if skip_quarantine:
        notes.append("quarantine is skipped: nobody was warned by a device that had to log in again")
    return evolve(found, notes=(*notes, *found.notes))


def _days(duration: timedelta) -> str:
    return f"{duration / timedelta(days=1):g}"


def lifecycle_step(
    report: LifecycleReport,
    fleet: Fleet,
    *,
    now: datetime,
    method: Method = "expire",
    quarantined: Mapping[str, datetime] | None = None,
    grace: timedelta = GRACE,
    reason: str | None = None,
) -> Proposal:
    """Propose what is due of all stages at once, one thing per device: the mildest first.

    Args:
        report: stages.
        fleet: all devices.
        now: moment of asking, with a zone.
        method: of quarantine.
        quarantined: when devices were quarantined, by nodeId.
        grace: how long a device must have been in quarantine before it is removed.
        reason: why.

    Raises:
        ConfigurationError: as ``propose_quarantine`` does.
    """
    noted = {} if quarantined is None else quarantined
    removal = propose_removal(report, fleet, now=now, quarantined=noted, grace=grace, reason=reason)
    # A device that is to be removed is in quarantine, and a stale one is not due for it: nothing is done twice.
    quarantine = propose_quarantine(report, fleet, now=now, method=method, quarantined=noted, reason=reason)
    stale = evolve(report, devices=tuple(each for each in report.devices if each.stage == "stale"))
    marks = propose_marks(stale, fleet, now=now, reason=reason)
    parts = (marks, quarantine, removal)
    steps = tuple(step for part in parts for step in part.steps)
    moved = {node for step in steps for node in devices_of(step)}
    # Of several reasons the one against the last stage says most.
    left = {each.id: each for part in parts for each in part.left_alone if each.id not in moved}
    notes = dict.fromkeys(note for part in parts if part.steps for note in part.notes)
    return Proposal(steps, len(fleet.devices), tuple(left.values()), tuple(notes), reason)


def _proposal(
    report: LifecycleReport, fleet: Fleet, stages: tuple[Stage, ...], judge: Judge, reason: str | None
) -> Proposal:
    steps: list[Step] = []
    left = list(_left(report, *stages))
    for each in report.in_stage(*stages):
        judged = judge(each)
        if isinstance(judged, str):
            left.append(left_alone(each.device, judged))
        else:
            steps.append(judged)
    return Proposal(tuple(steps), len(fleet.devices), tuple(left), tuple(report.notes), reason)


def _left(report: LifecycleReport, *stages: Stage) -> list[LeftAlone]:
    return [
        left_alone(each.device, each.excluded)
        for each in report.devices
        if each.stage in stages and each.excluded is not None
    ]
