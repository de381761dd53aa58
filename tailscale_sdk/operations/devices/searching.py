"""Find devices by whatever a person remembers of them, the likeliest first, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Device, Fleet

_SHOWN: Final = 5


@frozen
class Hit:
    """Hold one device that was found.

    Attributes:
        device: the device.
        rank: 0 for an exact id, 1 for an exact name, and so on: the lower, the likelier.
        field: in which it was found.
        text: value of the field.
        span: first character of the match and the one behind it.
    """

    device: Device
    rank: int
    field: str
    text: str
    span: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.device.id,
            "name": self.device.name,
            "field": self.field,
            "text": self.text,
            "span": list(self.span),
            "rank": self.rank,
        }


def search(fleet: Fleet, text: str) -> tuple[Hit, ...]:
    """Return the devices that may be meant, the likeliest first.

    Args:
        fleet: devices.
        text: id, name, address, host name, user, tag, serial number, or a part of one.
    """
    wanted = text.strip().rstrip(".").lower()
    if not wanted:
        return ()
    likely = (device for device in fleet.devices if wanted in _everything(device))
    best = (min(_hits(device, wanted), key=lambda hit: hit.rank, default=None) for device in likely)
    found = [hit for hit in best if hit is not None]
    return tuple(sorted(found, key=lambda hit: (hit.rank, hit.device.name, hit.device.id)))


def _everything(device: Device) -> str:
    """Return all that is searched as one text: most devices are told apart from it at once."""
    texts = (device.id, device.legacy_id, device.name, device.hostname, device.user)
    return "\n".join((*texts, *device.addresses, *device.tags, *device.serial_numbers)).lower()


def _hits(device: Device, wanted: str) -> Iterator[Hit]:
    for rank, field, values, how in (
        (0, "id", (device.id, device.legacy_id), "is"),
        (1, "name", (device.name, device.label), "is"),
        (2, "address", device.addresses, "is"),
        (3, "name", (device.name,), "begins"),
        (4, "hostname", (device.hostname,), "is"),
        (5, "user", (device.user,), "is"),
        (6, "tag", device.tags, "is"),
        (6, "tag", tuple(tag.removeprefix("tag:") for tag in device.tags), "is"),
        (7, "serial", device.serial_numbers, "is"),
        (8, "name", (device.name,), "holds"),
        (8, "hostname", (device.hostname,), "holds"),
        (8, "user", (device.user,), "holds"),
        (8, "tag", device.tags, "holds"),
        (8, "address", device.addresses, "holds"),
    ):
        for value in values:
            at = _at(value.lower(), wanted, how)
            if at is not None:
                yield Hit(device, rank, field, value, (at, at + len(wanted)))


def _at(value: str, wanted: str, how: str) -> int | None:
    if how == "is":
        return 0 if value == wanted else None
    if how == "begins":
        return 0 if value.startswith(wanted) else None
    place = value.find(wanted)
    return None if place < 0 else place


def the_one(fleet: Fleet, text: str) -> Device:
    """Return the one device that is meant; where several may be, none is picked.

    Args:
        fleet: devices.
        text: id, name, address or host name.

    Raises:
        ConfigurationError: no device or several are meant; the text names the candidates.
    """
    named = fleet.named(text)
    if len(named) == 1:
        return named[0]
    candidates = named or tuple(hit.device for hit in search(fleet, text))
    if not candidates:
        raise ConfigurationError(f"no device is meant by {text!r}: tailscale-sdk devices list shows them")
    shown = ", ".join(f"{device.label} ({device.id})" for device in candidates[:_SHOWN])
    more = f" and {len(candidates) - _SHOWN} more" if len(candidates) > _SHOWN else ""
    raise ConfigurationError(f"{text!r} may mean {shown}{more}: give the id of the one that is meant")
