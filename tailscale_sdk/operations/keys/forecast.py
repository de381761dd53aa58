"""What expires when, and what breaks with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.keys.inventory import KeyRow, key_inventory
from tailscale_sdk.operations.values import mapping_of, number_of
from tailscale_sdk.visible import visible

DAYS: Final = (1, 7, 14, 30, 90)
_BREAKS: Final = {
    "auth": "automation that joins devices with it; devices that have joined stay",
    "api": "whatever calls the API with it",
    "client": "whatever gets tokens with it",
    "federated": "whatever exchanges its identity for tokens",
}


@frozen
class Expiry:
    """Hold one thing that expires.

    Attributes:
        kind: auth, api, client, federated, or device.
        id: of the key or the device.
        name: description, or name of the device.
        owner: login name, or tags.
        expires: when.
        days: until then, negative where it has passed.
        breaks: what stops with it.
        is_own: it is the credential this is asked with.
    """

    kind: str
    id: str
    name: str
    owner: str
    expires: datetime
    days: float
    breaks: str
    is_own: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "owner": self.owner,
            "expires": self.expires.isoformat().replace("+00:00", "Z"),
            "days": self.days,
            "breaks": self.breaks,
            **({"own": True} if self.is_own else {}),
        }


@frozen
class Forecast:
    """Hold what expires in the days to come.

    Attributes:
        expiries: the soonest first; what has expired comes before.
        counts: how many expire within so many days.
        key_duration_days: after how many days keys of devices expire, None where that is not known.
        unknown: what could not be looked at.
    """

    expiries: tuple[Expiry, ...]
    counts: Mapping[int, int]
    key_duration_days: int | None
    unknown: tuple[str, ...]

    @property
    def devices_by_owner(self) -> Mapping[str, int]:
        """Return how many keys of devices are among them, by owner, the most first."""
        return dict(Counter(each.owner for each in self.expiries if each.kind == "device").most_common())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "within_days": {str(days): count for days, count in self.counts.items()},
            "expiries": [each.to_dict() for each in self.expiries],
            "key_duration_days": self.key_duration_days,
            "devices_by_owner": [
                {"owner": owner, "devices": count} for owner, count in self.devices_by_owner.items()
            ],
            **({"unknown": list(self.unknown)} if self.unknown else {}),
        }

    def markdown(self) -> str:
        """Return it as a Markdown table."""
        lines = ["| expires | in days | kind | name | owner | breaks |", "|---|---|---|---|---|---|"]
        for each in self.expiries:
            cells = (
                f"{each.expires:%Y-%m-%d}",
                f"{each.days:g}",
                each.kind,
                each.name,
                each.owner,
                each.breaks,
            )
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    shown = visible(text, limit=None)
    for character in "\\|`<>*_[]":
        shown = shown.replace(character, f"\\{character}")
    return shown


def expiry_forecast(
    fleet: Fleet, *, now: datetime, days: Sequence[int] = DAYS, own_key_id: str | None = None
) -> Forecast:
    """Return what expires within the longest of some days: credentials, and the keys of devices.

    Args:
        fleet: keys, devices, settings and users.
        now: moment of asking, with a zone.
        days: within which is counted.
        own_key_id: id of the credential this is asked with.

    Raises:
        ConfigurationError: there are no days, or negative ones.
    """
    if not days or min(days) < 0:
        raise ConfigurationError("give at least one number of days, none of them negative")
    horizon = timedelta(days=max(days))
    rows = key_inventory(fleet, now=now, own_key_id=own_key_id)
    found = [*_keys(rows or (), now), *_devices(fleet, now)]
    within = sorted(
        (each for each in found if each.expires - now <= horizon), key=lambda each: (each.expires, each.id)
    )
    left = [each.expires - now for each in within if each.expires > now]
    counts = {span: sum(each <= timedelta(days=span) for each in left) for span in sorted(set(days))}
    settings = mapping_of(fleet.snapshot.content, "settings")
    duration = number_of(settings, "devicesKeyDurationDays")
    return Forecast(tuple(within), counts, duration, tuple(_unknown(fleet, rows)))


def _unknown(fleet: Fleet, rows: Sequence[KeyRow] | None) -> Iterator[str]:
    if rows is None:
        yield f"keys were not read: {fleet.coverage.get('keys', 'not asked for')}"
    untold = sum(not row.key.is_told for row in rows or ())
    if untold:
        yield f"of {untold} keys the API told nothing but the id"
    if rows and "users" not in fleet.snapshot.content:
        yield f"whose credentials are is not known: users were not read ({fleet.coverage.get('users', 'not asked for')})"


def _keys(rows: Sequence[KeyRow], now: datetime) -> Iterator[Expiry]:
    for row in rows:
        key = row.key
        if key.expires is not None and row.status in {"valid", "expired"}:
            yield Expiry(
                key.kind,
                key.id,
                key.description,
                row.owner,
                key.expires,
                _days(key.expires, now),
                _BREAKS.get(key.kind, "what uses it"),
                row.is_own,
            )


def _devices(fleet: Fleet, now: datetime) -> Iterator[Expiry]:
    for device in fleet.devices:
        if device.expires is not None and not device.is_external:
            yield Expiry(
                "device",
                device.id,
                device.name,
                device.owner or ", ".join(device.tags),
                device.expires,
                _days(device.expires, now),
                "the device is offline until somebody logs in on it",
            )


def _days(moment: datetime, now: datetime) -> float:
    return round((moment - now) / timedelta(days=1), 1)
