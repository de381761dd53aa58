"""Custom posture attributes of many devices, checked before anything is sent, in few requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.actions import left_alone
from tailscale_sdk.operations.fleet import Device, Fleet, LeftAlone, Proposal, Step

Value = str | int | bool
CHUNK: Final = 200
"""Devices of one request."""

_KEY: Final = re.compile(r"custom:[A-Za-z0-9_:]{1,121}")
_TEXT: Final = re.compile(r"[A-Za-z0-9_.]{0,50}")
_LARGEST: Final = 2**53 - 1
_COMMENT_CHARACTERS: Final = 200


def set_attribute(
    fleet: Fleet,
    devices: Iterable[Device],
    key: str,
    value: Value,
    *,
    expiry: datetime | None = None,
    comment: str | None = None,
    reason: str | None = None,
) -> Proposal:
    """Propose to set a custom posture attribute of devices.

    Args:
        fleet: all devices, with the attributes that were read.
        devices: that were chosen.
        key: ``custom:NAME``.
        value: text of letters, digits, ``_`` and ``.``, 50 at most; a whole number; or true or false.
        expiry: moment at which the service takes it away.
        comment: noted in the tailnet's audit log.
        reason: why.

    Raises:
        ConfigurationError: key or value cannot be stored; the text says why.
    """
    checked = _check_value(_check_key(fleet, key), value, fleet)
    entry = {"value": checked, **({} if expiry is None else {"expiry": _stamp(expiry)})}

    def changed(device: Device) -> str | None:
        known = fleet.attributes.get(device.id)
        if known is not None and known.get(key) == checked and expiry is None:
            return "it has that value already"
        return None

    return _propose(fleet, devices, key, entry, changed, comment, reason)


def remove_attribute(
    fleet: Fleet,
    devices: Iterable[Device],
    key: str,
    *,
    comment: str | None = None,
    reason: str | None = None,
) -> Proposal:
    """Propose to take a custom posture attribute from devices.

    Args:
        fleet: all devices, with the attributes that were read.
        devices: that were chosen.
        key: ``custom:NAME``.
        comment: noted in the tailnet's audit log.
        reason: why.

    Raises:
        ConfigurationError: it is no key of a custom attribute.
    """

    def changed(device: Device) -> str | None:
        known = fleet.attributes.get(device.id)
        return "it does not have it" if known is not None and key not in known else None

    return _propose(fleet, devices, _check_key(None, key), None, changed, comment, reason)


def read_value(text: str) -> Value:
    """Return the value a text means: true, false, a whole number, or the text.

    Args:
        text: as a person writes it.
    """
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() else text


def _propose(
    fleet: Fleet,
    devices: Iterable[Device],
    key: str,
    entry: Mapping[str, Any] | None,
    judge: Callable[[Device], str | None],
    comment: str | None,
    reason: str | None,
) -> Proposal:
    if comment is not None and len(comment) > _COMMENT_CHARACTERS:
        raise ConfigurationError(
            f"the comment has {len(comment)} characters: {_COMMENT_CHARACTERS} are possible"
        )
    left: list[LeftAlone] = []
    due: list[str] = []
    for device in devices:
        why = "it belongs to another tailnet" if device.is_external else judge(device)
        if why is None:
            due.append(device.id)
        else:
            left.append(left_alone(device, why))
    more = {} if comment is None else {"comment": comment}
    steps = tuple(
        Step(
            "batchUpdateCustomDevicePostureAttributes",
            {"nodes": {node: {key: entry} for node in nodes}, **more},
        )
        for nodes in _chunks(due)
    )
    return Proposal(steps, None, tuple(left), reason=reason)


def _chunks(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    for place in range(0, len(nodes), CHUNK):
        yield nodes[place : place + CHUNK]


def _check_key(fleet: Fleet | None, key: str) -> str:
    if _KEY.fullmatch(key) is None:
        raise ConfigurationError(
            f"{key!r} is no key: custom: and letters, digits, _ and :, 128 characters at most"
        )
    for known in {name for attributes in (fleet.attributes.values() if fleet else ()) for name in attributes}:
        if known != key and known.lower() == key.lower():
            raise ConfigurationError(f"{key!r} differs from {known!r}, which exists, by case only")
    return key


def _check_value(key: str, value: Value, fleet: Fleet) -> Value:
    if isinstance(value, str) and _TEXT.fullmatch(value) is None:
        raise ConfigurationError(
            f"{value!r} cannot be a value: letters, digits, _ and ., 50 at most, so no dates with hyphens"
        )
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        raise ConfigurationError(f"{value} is too large: 2^53-1 at most")
    others = {type(each[key]) for each in fleet.attributes.values() if each.get(key) is not None}
    if others and type(value) not in others:
        names = ", ".join(sorted(kind.__name__ for kind in others))
        raise ConfigurationError(
            f"{key} holds values of kind {names} elsewhere: one kind per key in a tailnet"
        )
    return value


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
