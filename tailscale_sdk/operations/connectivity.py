"""Who talks to the control server, who is silent and for how long: by tag, by user, by system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from attrs import define, field, frozen

from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.values import flag_of, mapping_of

USUAL_HOURS: Final = (1.0, 24.0, 168.0)
_HOUR: Final = timedelta(hours=1)


@frozen
class Silence:
    """Hold one device that does not talk to the control server.

    Attributes:
        device: the device.
        since: since when, None where nothing tells; of one that never did, since it was created.
        hours: for how long.
        never_seen: it never did.
    """

    device: Device
    since: datetime | None
    hours: float | None
    never_seen: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.device.id,
            "name": self.device.name,
            "owner": self.device.owner,
            "tags": list(self.device.tags),
            "since": None if self.since is None else self.since.isoformat().replace("+00:00", "Z"),
            "hours": _rounded(self.hours),
            "never_seen": self.never_seen,
        }


@define
class _Tally:
    total: int = 0
    connected: int = 0
    longest_hours: float = 0.0
    silent: dict[str, int] = field(factory=dict)


@frozen
class ConnectivityReport:
    """Hold who talks to the control server.

    Attributes:
        total, connected: devices.
        silent: those that do not, the longest first; unknown ones are the last.
        buckets: the silent by the thresholds they have passed.
        groups: the same counts by tag, user and system.
        relays: devices by the relay they prefer, where they tell.
        relay_milliseconds: median of the latencies to the relay that is preferred, where they tell.
        without_report: devices that told nothing of their network.
        thresholds: hours that divide the silent.
        observed_at: moment of the reading.
    """

    total: int
    connected: int
    silent: tuple[Silence, ...]
    buckets: Mapping[str, int]
    groups: Mapping[str, Mapping[str, Mapping[str, Any]]]
    relays: Mapping[str, int]
    relay_milliseconds: Mapping[str, float]
    without_report: int
    thresholds: tuple[float, ...]
    observed_at: str | None

    def longer_than(self, hours: float) -> tuple[Silence, ...]:
        """Return the devices that are silent for longer."""
        return tuple(each for each in self.silent if each.hours is not None and each.hours > hours)

    @property
    def never_seen(self) -> int:
        """Return how many devices never talked to the control server."""
        return sum(each.never_seen for each in self.silent)

    @property
    def unknown(self) -> int:
        """Return how many devices nothing tells of: they may be connected or not."""
        return sum(each.hours is None for each in self.silent)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "observed_at": self.observed_at,
            "total": self.total,
            "connected": self.connected,
            "never_seen": self.never_seen,
            "unknown": self.unknown,
            "buckets": dict(self.buckets),
            "silent": [each.to_dict() for each in self.silent],
            "by": {name: dict(groups) for name, groups in self.groups.items()},
            "relays": dict(self.relays),
            "relay_milliseconds": dict(self.relay_milliseconds),
            "without_report": self.without_report,
        }


def connectivity(
    fleet: Fleet, *, now: datetime, thresholds: Sequence[float] = USUAL_HOURS
) -> ConnectivityReport:
    """Return who talks to the control server, and who is silent for how long.

    Args:
        fleet: devices; those of other tailnets are not counted.
        now: moment of asking, with a zone.
        thresholds: hours that divide the silent, from the shortest.
    """
    marks = tuple(sorted(thresholds))
    tallies: dict[str, dict[str, _Tally]] = {"tag": {}, "user": {}, "os": {}}
    everything, silent = _Tally(), []
    own = [device for device in fleet.devices if not device.is_external]
    for device in own:
        silence = None if device.is_connected else _silence(device, now)
        if silence is not None:
            silent.append(silence)
        _count(everything, silence, marks)
        for group, value in _groups(device):
            _count(tallies[group].setdefault(value, _Tally()), silence, marks)
    silent.sort(key=lambda each: (-(each.hours if each.hours is not None else -1.0), each.device.id))
    relays = _relays(own)
    return ConnectivityReport(
        len(own),
        everything.connected,
        tuple(silent),
        everything.silent,
        {group: dict(_rows(found)) for group, found in tallies.items()},
        {relay: len(found) for relay, found in relays.items()},
        {
            relay: round(median(known), 1)
            for relay, found in relays.items()
            if (known := [each for each in found if each is not None])
        },
        sum(not mapping_of(device.fields, "clientConnectivity") for device in own),
        marks,
        fleet.observed_at,
    )


def _relays(devices: Iterable[Device]) -> Mapping[str, Sequence[float | None]]:
    """Return the latencies to each relay from the devices that prefer it, the most used relay first."""
    found: dict[str, list[float | None]] = {}
    for device in devices:
        relay = preferred_relay(device)
        if relay is not None:
            found.setdefault(relay, []).append(relay_latency(device))
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _silence(device: Device, now: datetime) -> Silence:
    connected = flag_of(device.fields, "connectedToControl")
    if connected is None and device.last_seen is None:
        # A connected device has no date either, so its age alone would make it look silent.
        return Silence(device, None, None, False)
    since = device.silent_since()
    # A clock that is ahead of this one does not make a silence of less than nothing.
    hours = None if since is None else max((now - since) / _HOUR, 0.0)
    return Silence(device, since, hours, device.last_seen is None)


def _rounded(hours: float | None) -> float | None:
    return None if hours is None else round(hours, 1)


def _groups(device: Device) -> Iterator[tuple[str, str]]:
    yield from (("tag", tag) for tag in device.tags)
    if device.owner:
        yield "user", device.owner
    yield "os", device.os or "unknown"


def _count(tally: _Tally, silence: Silence | None, marks: tuple[float, ...]) -> None:
    tally.total += 1
    if silence is None:
        tally.connected += 1
        return
    bucket = _bucket(silence.hours, marks)
    tally.silent[bucket] = tally.silent.get(bucket, 0) + 1
    tally.longest_hours = max(tally.longest_hours, silence.hours or 0.0)


def _bucket(hours: float | None, marks: tuple[float, ...]) -> str:
    if hours is None:
        return "unknown"
    passed = [mark for mark in marks if hours > mark]
    return f"over_{passed[-1]:g}h" if passed else f"up_to_{marks[0]:g}h" if marks else "silent"


def _rows(tallies: Mapping[str, _Tally]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, tally in sorted(tallies.items(), key=lambda item: (-item[1].longest_hours, item[0])):
        yield (
            name,
            {
                "total": tally.total,
                "connected": tally.connected,
                "silent": tally.silent,
                "longest_hours": _rounded(tally.longest_hours),
            },
        )


def preferred_relay(device: Device) -> str | None:
    """Return the region of the relay a device prefers; None where it does not tell.

    Args:
        device: the device.
    """
    for region, found in mapping_of(mapping_of(device.fields, "clientConnectivity"), "latency").items():
        if isinstance(found, Mapping) and found.get("preferred") is True:
            return region
    return None


def relay_latency(device: Device) -> float | None:
    """Return the milliseconds to the relay a device prefers; None where it does not tell.

    Args:
        device: the device.
    """
    region = preferred_relay(device)
    if region is None:
        return None
    found = mapping_of(mapping_of(mapping_of(device.fields, "clientConnectivity"), "latency"), region)
    value = found.get("latencyMs")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
