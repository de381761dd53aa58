"""How long a device has been silent, and what that makes of it: active, quiet, stale, due for quarantine or removal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal

from attrs import asdict, field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.values import flag_of

Stage = Literal["active", "quiet", "stale", "quarantine", "remove", "unknown"]
STAGES: Final[Sequence[Stage]] = ("active", "quiet", "stale", "quarantine", "remove", "unknown")
Selector = Callable[[Device], bool]
_DAY: Final = timedelta(days=1)


@frozen
class Thresholds:
    """Hold the days of silence after which a device enters a stage.

    Attributes:
        quiet: it is reported.
        stale: it is marked.
        quarantine: its key is expired, or its approval taken back.
        remove: it is deleted.
    """

    quiet: float = 7
    stale: float = 30
    quarantine: float = 60
    remove: float = 90

    def __attrs_post_init__(self) -> None:
        if not 0 < self.quiet <= self.stale <= self.quarantine <= self.remove:
            raise ConfigurationError(
                "thresholds: quiet, stale, quarantine and remove are days above 0 and must not go down"
            )

    @classmethod
    def around(cls, given: Mapping[str, Any]) -> Thresholds:
        """Return thresholds of which some are given; the others make room for them.

        Args:
            given: days by name; None where nothing is given.

        Raises:
            ConfigurationError: there is no such threshold, one is no number of days above 0, or they go down.
        """
        usual = asdict(cls())
        for name, value in given.items():
            if name not in usual:
                raise ConfigurationError(f"there is no threshold {name!r}: {', '.join(usual)}")
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ConfigurationError(f"{name}: {value!r} is no number of days")
        chosen = {name: value for name, value in given.items() if value is not None}
        days = {**usual, **chosen}
        for earlier, later in reversed(list(pairwise(usual))):
            if earlier not in chosen:
                days[earlier] = min(days[earlier], days[later])
        for earlier, later in pairwise(usual):
            if later not in chosen:
                days[later] = max(days[earlier], days[later])
        return cls(**days)

    def stage(self, silent: timedelta) -> Stage:
        """Return the stage of a device that was silent for so long."""
        days = silent / _DAY
        for name, least in (
            ("remove", self.remove),
            ("quarantine", self.quarantine),
            ("stale", self.stale),
            ("quiet", self.quiet),
        ):
            if days >= least:
                return name  # type: ignore[return-value]  # the names above are stages
        return "active"


@frozen
class LifecycleRules:
    """Hold thresholds by selector; the first that fits a device counts.

    Attributes:
        rules: selectors with their thresholds, in order.
        usual: thresholds of every other device.
    """

    rules: tuple[tuple[Selector, Thresholds], ...] = ()
    usual: Thresholds = field(factory=Thresholds)

    def of(self, device: Device) -> Thresholds:
        """Return the thresholds of a device."""
        return next((found for selects, found in self.rules if selects(device)), self.usual)


@frozen
class Staged:
    """Hold the stage of one device.

    Attributes:
        device: the device.
        stage: where it is.
        silent_days: days since it was heard of; 0 for a connected one, None where nothing tells.
        never_seen: it was never connected, so that its age counts.
        excluded: why it is never touched, None where nothing speaks for it.
    """

    device: Device
    stage: Stage
    silent_days: float | None
    never_seen: bool = False
    excluded: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.device.id,
            "name": self.device.name,
            "stage": self.stage,
            "silent_days": self.silent_days,
            "owner": self.device.owner,
            "tags": list(self.device.tags),
            **({"never_seen": True} if self.never_seen else {}),
            **({"excluded": self.excluded} if self.excluded else {}),
        }


def stage_of(device: Device, rules: LifecycleRules, *, now: datetime) -> Staged:
    """Return the stage of a device by its silence alone.

    Args:
        device: the device.
        rules: thresholds.
        now: moment of asking, with a zone.
    """
    if device.is_connected:
        return Staged(device, "active", 0.0)
    since = device.silent_since()
    if since is None or _is_untold(device):
        return Staged(device, "unknown", None)
    # A clock that is ahead of this one does not make a silence of less than nothing.
    silent = max(now - since, timedelta(0))
    days = round(silent / _DAY, 1)
    return Staged(device, rules.of(device).stage(silent), days, never_seen=device.last_seen is None)


def _is_untold(device: Device) -> bool:
    """Tell whether a record says neither that the device is connected nor when it was."""
    # A connected device has no date of its last contact, so its age alone would make it look silent.
    return device.last_seen is None and flag_of(device.fields, "connectedToControl") is None


@frozen
class LifecycleReport:
    """Hold the stages of a fleet.

    Attributes:
        devices: in the order of their silence, the longest first.
        anomalies: what the control plane should have done by itself, one sentence each.
        notes: what could not be known.
        observed_at: moment of the reading.
    """

    devices: tuple[Staged, ...]
    anomalies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    observed_at: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many devices are in each stage."""
        found = Counter(each.stage for each in self.devices)
        return {name: found[name] for name in STAGES}

    def in_stage(self, *stages: Stage) -> tuple[Staged, ...]:
        """Return the devices of some stages that nothing excludes."""
        return tuple(each for each in self.devices if each.stage in stages and each.excluded is None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "observed_at": self.observed_at,
            "counts": dict(self.counts),
            "devices": [each.to_dict() for each in self.devices if each.stage != "active"],
            **({"anomalies": list(self.anomalies)} if self.anomalies else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def order(devices: Sequence[Staged]) -> tuple[Staged, ...]:
    """Return devices by their silence, the longest first, unknown ones last."""
    return tuple(
        sorted(
            devices,
            key=lambda each: (
                -(each.silent_days if each.silent_days is not None else -1.0),
                each.device.name,
                each.device.id,
            ),
        )
    )


def stage_by_id(fleet: Fleet, rules: LifecycleRules, *, now: datetime) -> Callable[[Device], str]:
    """Return the function that ``stage:`` of a query asks.

    Args:
        fleet: devices; a device is judged when it is asked for.
        rules: thresholds.
        now: moment of asking, with a zone.
    """
    return lambda device: stage_of(device, rules, now=now).stage
