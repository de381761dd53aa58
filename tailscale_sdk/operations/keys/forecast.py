"""What expires when, what breaks with it, and which credentials do not keep to the rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.keys.inventory import Key, KeyRow, key_inventory
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
    counts: dict[int, int]
    key_duration_days: int | None
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "within_days": {str(days): count for days, count in self.counts.items()},
            "expiries": [each.to_dict() for each in self.expiries],
            "key_duration_days": self.key_duration_days,
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
    """
    horizon = timedelta(days=max(days))
    rows = key_inventory(fleet, now=now, own_key_id=own_key_id)
    found = [*_keys(rows or (), now), *_devices(fleet, now)]
    within = sorted(
        (each for each in found if each.expires - now <= horizon), key=lambda each: (each.expires, each.id)
    )
    counts = {span: sum(0 <= each.days <= span for each in within) for span in sorted(days)}
    unknown = (
        [] if rows is not None else [f"keys were not read: {fleet.coverage.get('keys', 'not asked for')}"]
    )
    untold = sum(not row.key.is_told for row in rows or ())
    if untold:
        unknown.append(f"of {untold} keys the API told nothing but the id")
    settings = mapping_of(fleet.snapshot.content, "settings")
    return Forecast(tuple(within), counts, number_of(settings, "devicesKeyDurationDays"), tuple(unknown))


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


@frozen
class KeyRules:
    """Hold what credentials must keep to.

    Attributes:
        max_age_days: oldest they may be.
        max_lifetime_days: longest they may have been made for.
        required_tags: one of these an auth key must give.
        forbidden: risks that must not be, as ``KeyRow.risks`` names them.
    """

    max_age_days: float | None = None
    max_lifetime_days: float | None = None
    required_tags: frozenset[str] = field(default=frozenset(), converter=frozenset)
    forbidden: frozenset[str] = field(default=frozenset(), converter=frozenset)


@frozen
class KeyFinding:
    """Hold one credential that does not keep to a rule."""

    key: Key
    rule: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.key.id,
            "description": self.key.description,
            "rule": self.rule,
            "message": self.message,
        }


def check_keys(rows: Sequence[KeyRow], rules: KeyRules, *, now: datetime) -> tuple[KeyFinding, ...]:
    """Return which valid credentials do not keep to the rules.

    Args:
        rows: of ``key_inventory``.
        rules: what they must keep to.
        now: moment of asking, with a zone.
    """
    return tuple(finding for row in rows if row.status == "valid" for finding in _check(row, rules, now))


def _check(row: KeyRow, rules: KeyRules, now: datetime) -> Iterator[KeyFinding]:
    key = row.key
    age = None if key.created is None else (now - key.created) / timedelta(days=1)
    if rules.max_age_days is not None and age is not None and age > rules.max_age_days:
        yield KeyFinding(key, "max_age_days", f"it is {age:.0f} days old: {rules.max_age_days:g} are allowed")
    lifetime = key.lifetime_seconds / 86400
    if rules.max_lifetime_days is not None and key.kind == "auth" and lifetime > rules.max_lifetime_days:
        message = f"it was made for {lifetime:.0f} days: {rules.max_lifetime_days:g} are allowed"
        yield KeyFinding(key, "max_lifetime_days", message)
    if rules.required_tags and key.kind == "auth" and not rules.required_tags & set(key.tags):
        yield KeyFinding(key, "required_tags", f"it gives none of {', '.join(sorted(rules.required_tags))}")
    for risk in row.risks:
        if risk in rules.forbidden:
            yield KeyFinding(key, risk, f"it is {risk}, which must not be")
