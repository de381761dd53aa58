"""What is due of a lifecycle, as proposals: marks, quarantine, removal; each device moves one stage per run at most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from attrs import evolve, frozen

from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.operations.devices.actions import PRESENCE, delete_devices, left_alone, step_for
from tailscale_sdk.operations.devices.attributes import set_attribute
from tailscale_sdk.operations.fleet import Device, Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.lifecycle.stages import LifecycleReport, Staged

MARK: Final = "custom:lifecycle"
"""Posture attribute of a stale device, for a policy to look at."""

_MARK_DAYS: Final = 14
Method = Literal["expire", "deauthorize"]
Action = Literal["mark", "quarantine", "remove"]


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
    due = [each.device for each in report.in_stage("stale", "quarantine", "remove")]
    expiry = now + timedelta(days=_MARK_DAYS)
    found = set_attribute(fleet, due, MARK, "stale", expiry=expiry, reason=reason)
    return evolve(found, left_alone=(*found.left_alone, *_left(report, "stale", "quarantine", "remove")))


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
        fleet: all devices.
        now: moment of asking, with a zone.
        method: expire the key, which a login on the device renews; or take the approval back, which an admin gives
            again.
        quarantined: when devices were quarantined, by nodeId.
        reason: why.
    """
    since = {} if quarantined is None else quarantined

    def judge(each: Staged) -> Step | str:
        device = each.device
        if _is_quarantined(device, since, now):
            return "it is in quarantine already"
        risk = (f"{device.label} was silent for {each.silent_days:g} days",)
        if method == "expire":
            return step_for(device, "expireDeviceKey", unchanged=PRESENCE, risks=risk)
        return step_for(device, "authorizeDevice", authorized=False, unchanged=PRESENCE, risks=risk)

    return _proposal(report, fleet, ("quarantine", "remove"), judge, reason)


def propose_removal(
    report: LifecycleReport,
    fleet: Fleet,
    *,
    now: datetime,
    quarantined: Mapping[str, datetime] | None = None,
    grace: timedelta = timedelta(days=14),
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
    since = {} if quarantined is None else quarantined

    def judge(each: Staged) -> Step | str:
        device = each.device
        started = _quarantined_at(device, since, now)
        if not skip_quarantine:
            if started is None:
                return "it was never in quarantine: quarantine it first, or skip that"
            if now - started < grace:
                return f"it is in quarantine since {started:%Y-%m-%d} only: {grace.days} days are to pass"
        step = delete_devices([device]).steps[0]
        return evolve(step, risks=(*step.risks, f"{device.label} was silent for {each.silent_days:g} days"))

    found = _proposal(report, fleet, ("remove",), judge, reason)
    notes = ["removal cannot be taken back: a device that joins again has a new identity and new addresses"]
    if skip_quarantine:
        notes.append("quarantine is skipped: nobody was warned by a device that had to log in again")
    return evolve(found, notes=tuple(notes)) if found.steps else found


def _proposal(
    report: LifecycleReport,
    fleet: Fleet,
    stages: tuple[Any, ...],
    judge: Any,
    reason: str | None,
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


def _left(report: LifecycleReport, *stages: str) -> Iterable[LeftAlone]:
    return [
        left_alone(each.device, each.excluded)
        for each in report.devices
        if each.stage in stages and each.excluded is not None
    ]


def _quarantined_at(device: Device, since: Mapping[str, datetime], now: datetime) -> datetime | None:
    """Return since when a device has been cut off, by what was noted here or by its key."""
    if device.id in since and _is_quarantined(device, since, now):
        return since[device.id]
    return device.expires if device.has_expired(now) else None


def _is_quarantined(device: Device, since: Mapping[str, datetime], now: datetime) -> bool:
    # What was noted does not hold once somebody has let the device in again.
    return device.has_expired(now) or (device.id in since and device.is_authorized is False)


def quarantined_since(entries: Iterable[Entry]) -> dict[str, datetime]:
    """Return when devices were quarantined, by nodeId, as the journal of changes tells.

    Args:
        entries: of the journal.
    """
    found: dict[str, datetime] = {}
    for entry in entries:
        if entry.operation in {"expireDeviceKey", "authorizeDevice"} and entry.state in {
            "closed",
            "verified",
        }:
            kind, _, node = entry.target.partition(":")
            if kind == "device" and entry.steps:
                found[node] = datetime.fromtimestamp(entry.steps[-1][1], UTC)
    return found


@frozen
class Notice:
    """Tell somebody what will become of a device.

    Attributes:
        owner: login name of whose it is; empty for tagged devices.
        device_id, device: which one.
        action: what is going to happen.
        silent_days: days since it was heard of.
    """

    owner: str
    device_id: str
    device: str
    action: str
    silent_days: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data, as a notification hook gets it."""
        return {
            "owner": self.owner,
            "device_id": self.device_id,
            "device": self.device,
            "action": self.action,
            "silent_days": self.silent_days,
        }


def notices(proposal: Proposal, report: LifecycleReport, action: Action) -> tuple[Notice, ...]:
    """Return what to tell people before a proposal is carried out.

    Args:
        proposal: what is due.
        report: stages it was made from.
        action: what is going to happen.
    """
    staged = {each.device.id: each for each in report.devices}
    found = [staged[step.arguments["device_id"]] for step in proposal.steps if "device_id" in step.arguments]
    return tuple(
        Notice(each.device.owner, each.device.id, each.device.name, action, each.silent_days)
        for each in found
    )
