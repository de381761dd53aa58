"""When devices were cut off: what the journal of changes tells, and whether it still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from tailscale_sdk.calls.prepared import digest_of
from tailscale_sdk.changes.journal import Entry, Journal
from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.operations.values import moment_of

_ENDED: Final = frozenset({"verified", "closed"})
_CLOCKS_APART: Final = timedelta(minutes=15)
"""How far the clocks of this machine and of the service may be apart."""


def recorded_quarantines(journal: Journal) -> dict[str, datetime]:
    """Return when devices were quarantined last from this machine, by nodeId.

    Args:
        journal: of changes.

    Raises:
        StateError: it cannot be read.
    """
    return quarantined_since(journal.of_operations(("expireDeviceKey", "authorizeDevice")))


def quarantined_since(entries: Iterable[Entry]) -> dict[str, datetime]:
    """Return when devices were quarantined last, by nodeId, as the journal of changes tells.

    Args:
        entries: of the journal, in any order; what was not proved to be done does not count.
    """
    found: dict[str, datetime] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):
        kind, _, node = entry.target.partition(":")
        if kind != "device" or not _is_proved(entry):
            continue
        if entry.operation == "expireDeviceKey" or _asked_for(entry, node, authorized=False):
            found[node] = datetime.fromtimestamp(entry.steps[-1][1], UTC)
        elif _asked_for(entry, node, authorized=True):
            found.pop(node, None)
    return found


def _is_proved(entry: Entry) -> bool:
    return entry.state in _ENDED and any(state == "verified" for state, _ in entry.steps)


def _asked_for(entry: Entry, node: str, *, authorized: bool) -> bool:
    """Tell whether an entry gave or took approval: its arguments are kept as a hash only."""
    arguments = {"device_id": node, "authorized": authorized}
    return entry.operation == "authorizeDevice" and entry.digest == digest_of(
        entry.operation, entry.tailnet, arguments
    )


def quarantined_at(device: Device, noted: Mapping[str, datetime], now: datetime) -> datetime | None:
    """Return since when a device has been cut off; None where it is not, or not any more.

    Args:
        device: the device.
        noted: moments of quarantine by nodeId, as ``quarantined_since`` returns them.
        now: moment of asking, with a zone.
    """
    moment = noted.get(device.id)
    if moment is not None and _still_holds(device, moment, now):
        return moment
    return device.expires if device.has_expired(now) else None


def _still_holds(device: Device, moment: datetime, now: datetime) -> bool:
    if device.is_authorized is False:
        return True
    if device.last_seen is not None and device.last_seen > moment + _CLOCKS_APART:
        # It was let in again after that: an older record must not shorten the grace of a later expiry.
        return False
    # The date counts here even where key expiry is off: whether the service switches that on is not known.
    expired = moment_of(device.fields, "expires")
    return expired is not None and moment - _CLOCKS_APART <= expired <= now
