"""What to tell people before something becomes of their devices; sending it is left to whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from attrs import frozen

from tailscale_sdk.operations.fleet import Proposal, Step
from tailscale_sdk.operations.lifecycle.stages import LifecycleReport
from tailscale_sdk.visible import visible

Action = Literal["mark", "quarantine", "remove"]

_ACTIONS: Final[Mapping[str, Action]] = {
    "batchUpdateCustomDevicePostureAttributes": "mark",
    "expireDeviceKey": "quarantine",
    "authorizeDevice": "quarantine",
    "deleteDevice": "remove",
}
_SENTENCES: Final[Mapping[str, str]] = {
    "mark": "It is going to be marked as stale, and the policy may give it less access.",
    "quarantine": "It is going to be cut off until somebody logs in on it again or an admin approves it.",
    "remove": "It is going to be removed, which cannot be taken back.",
}
_REMEDY: Final = "Connect it before that to keep it."


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

    def to_text(self) -> str:
        """Return it as sentences for a person, in one line; what hides in a name is made visible."""
        silence = "" if self.silent_days is None else f" was not heard of for {self.silent_days:g} days."
        named = f"{visible(self.device)} ({visible(self.device_id)})"
        return f"{named}{silence or ' is concerned.'} {_SENTENCES[self.action]} {_REMEDY}"


def notices(proposal: Proposal, report: LifecycleReport, action: Action | None = None) -> tuple[Notice, ...]:
    """Return what to tell people before a proposal is carried out.

    Args:
        proposal: what is due.
        report: stages it was made from.
        action: what is going to happen; when left out, what each step does.
    """
    staged = {each.device.id: each for each in report.devices}
    found = [(staged[node], step) for step in proposal.steps for node in devices_of(step)]
    return tuple(
        Notice(
            each.device.owner,
            each.device.id,
            each.device.name,
            action or _ACTIONS[step.operation_id],
            each.silent_days,
        )
        for each, step in found
    )


def devices_of(step: Step) -> Iterator[str]:
    """Yield the nodeIds of the devices a step is about.

    Args:
        step: for one device, or for the attributes of several.
    """
    if "device_id" in step.arguments:
        yield step.arguments["device_id"]
    yield from step.arguments.get("nodes", ())
