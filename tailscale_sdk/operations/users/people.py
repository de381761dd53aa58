"""People of a tailnet: found by login name, judged by when they were there last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.values import moment_of, text_of

ADMIN_ROLES: Final = frozenset({"owner", "admin"})
_SHOWN: Final = 5


@frozen
class Person:
    """Hold one user.

    Attributes:
        fields: everything the API says of them.
    """

    fields: Mapping[str, Any] = field(repr=False)

    @cached_property
    def id(self) -> str:
        """Return the id."""
        return text_of(self.fields, "id")

    @cached_property
    def login(self) -> str:
        """Return the login name."""
        return text_of(self.fields, "loginName")

    @cached_property
    def role(self) -> str:
        """Return the role."""
        return text_of(self.fields, "role")

    @cached_property
    def status(self) -> str:
        """Return the status, such as ``active`` or ``suspended``."""
        return text_of(self.fields, "status")

    @cached_property
    def is_shared(self) -> bool:
        """Tell whether it is somebody of another tailnet to whom something is shared."""
        return text_of(self.fields, "type") == "shared"

    @cached_property
    def last_seen(self) -> datetime | None:
        """Return when one of their devices was connected last."""
        return moment_of(self.fields, "lastSeen")

    @cached_property
    def is_connected(self) -> bool | None:
        """Tell whether one of their devices is connected; None where the API does not say."""
        found = self.fields.get("currentlyConnected")
        return found if isinstance(found, bool) else None


def people_of(fleet: Fleet) -> tuple[Person, ...]:
    """Return the users of a snapshot.

    Args:
        fleet: with users.

    Raises:
        ConfigurationError: users were not read.
    """
    if "users" not in fleet.snapshot.content:
        raise ConfigurationError(f"users were not read: {fleet.coverage.get('users', 'read them first')}")
    return tuple(Person(record) for record in fleet.snapshot.users)


def person_of(fleet: Fleet, login: str) -> Person:
    """Return one user.

    Args:
        fleet: with users.
        login: login name or id.

    Raises:
        ConfigurationError: there is none, or users were not read; the text names similar ones.
    """
    people = people_of(fleet)
    found = [person for person in people if login in {person.id, person.login}]
    found = found or [person for person in people if person.login.lower() == login.strip().lower()]
    if len(found) == 1:
        return found[0]
    wanted = login.strip().lower().partition("@")[0]
    near = [person.login for person in people if wanted and wanted in person.login.lower()][:_SHOWN]
    more = f"; did you mean {', '.join(near)}?" if near else ""
    raise ConfigurationError(f"there is no user {login!r}{more}")


def devices_of(fleet: Fleet, person: Person) -> tuple[Device, ...]:
    """Return the devices a user owns; tagged ones belong to nobody.

    Args:
        fleet: devices.
        person: the user.
    """
    return tuple(device for device in fleet.devices if device.owner and device.owner == person.login)


@frozen
class IdleUser:
    """Hold one user who was not there for long.

    Attributes:
        person: the user.
        days: since when; None where they never were, or no date tells.
        devices: how many they own.
        never_seen: they never were there.
    """

    person: Person
    days: float | None
    devices: int
    never_seen: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.person.id,
            "login": self.person.login,
            "role": self.person.role,
            "status": self.person.status,
            "idle_days": self.days,
            "devices": self.devices,
            **({"never_seen": True} if self.never_seen else {}),
        }


@frozen
class IdleReport:
    """Hold who is idle.

    Attributes:
        idle: the longest first.
        unknown: login names of users of whom the API does not say.
        total: users in all, those of other tailnets left out.
    """

    idle: tuple[IdleUser, ...]
    unknown: tuple[str, ...]
    total: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "total": self.total,
            "idle": [each.to_dict() for each in self.idle],
            "unknown": list(self.unknown),
        }


def idle_users(fleet: Fleet, *, now: datetime, days: float = 90) -> IdleReport:
    """Return the users who were not there for some days.

    Args:
        fleet: users and devices.
        now: moment of asking, with a zone.
        days: of absence.

    Raises:
        ConfigurationError: users were not read.
    """
    owned: dict[str, int] = {}
    for device in fleet.devices:
        owned[device.owner] = owned.get(device.owner, 0) + 1
    idle, unknown = [], []
    own = [person for person in people_of(fleet) if not person.is_shared]
    for person in own:
        if person.is_connected:
            continue
        if person.last_seen is None and "lastSeen" not in person.fields:
            unknown.append(person.login)
            continue
        since = person.last_seen or moment_of(person.fields, "created")
        absent = None if since is None else now - since
        if absent is None or absent >= timedelta(days=days):
            passed = None if absent is None else round(absent / timedelta(days=1), 1)
            idle.append(IdleUser(person, passed, owned.get(person.login, 0), person.last_seen is None))
    idle.sort(key=lambda each: (-(each.days if each.days is not None else float("inf")), each.person.login))
    return IdleReport(tuple(idle), tuple(unknown), len(own))
