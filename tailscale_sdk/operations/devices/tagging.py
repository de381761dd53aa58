"""Other tags for devices: the whole list each time, with what a tag does to whose the device is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.actions import FOREIGN, propose, step_for
from tailscale_sdk.operations.fleet import Device, Proposal, Step

_TAG: Final = re.compile(r"tag:[A-Za-z][A-Za-z0-9-]*")
_SHOWN: Final = 12


def change_tags(
    devices: Iterable[Device],
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    exactly: Sequence[str] | None = None,
    owners: Mapping[str, Any] | None = None,
    allow_untagged: bool = False,
    population: int | None = None,
    reason: str | None = None,
) -> Proposal:
    """Propose other tags; the API takes the whole list, so each step holds all that remain.

    Args:
        devices: that were chosen.
        add: tags to add.
        remove: tags to take away.
        exactly: all tags, in place of adding and removing.
        owners: the policy's ``tagOwners``; unknown tags are refused where they are given.
        allow_untagged: the last tag may go: only a login on the device gives it back to a person.
        population: how many devices there are.
        reason: why.

    Raises:
        ConfigurationError: a tag cannot be one, or the policy does not define it.
    """
    wanted = [check_tag(tag, owners) for tag in (*add, *(exactly or ()))]
    gone = {check_tag(tag) for tag in remove}

    def judge(device: Device) -> Step | str:
        base = [] if exactly is not None else [tag for tag in device.tags if tag not in gone]
        return tag_step(device, [*base, *wanted], allow_untagged=allow_untagged)

    return propose(devices, judge, population=population, reason=reason)


def tag_step(device: Device, tags: Iterable[str], *, allow_untagged: bool = False) -> Step | str:
    """Return the step that gives a device these tags, or why it is left alone.

    Args:
        device: the device.
        tags: all it is to have.
        allow_untagged: they may be none.
    """
    new = list(dict.fromkeys(tags))
    if device.is_external:
        return FOREIGN
    if set(new) == set(device.tags):
        return "it has these tags already"
    if not new and not allow_untagged:
        return "its last tag would go: only a login on the device gives it back to a person"
    risks = []
    if not device.tags:
        risks.append(
            f"{device.label} belongs to its tags from now on, no longer to {device.owner or 'its user'}, "
            "and its key stops expiring"
        )
    if not new:
        risks.append(f"{device.label} has to log in again to belong to a person")
    return step_for(device, "setDeviceTags", tags=new, risks=tuple(risks))


def check_tag(tag: str, owners: Mapping[str, Any] | None = None) -> str:
    """Return a tag with its prefix.

    Args:
        tag: with or without ``tag:``.
        owners: the policy's ``tagOwners``, where it must be defined.

    Raises:
        ConfigurationError: it cannot be a tag, or the policy does not define it.
    """
    full = tag if tag.startswith("tag:") else f"tag:{tag}"
    if _TAG.fullmatch(full) is None:
        raise ConfigurationError(f"{tag!r} is no tag: tag: and a letter, then letters, digits and hyphens")
    if owners is not None and full not in owners:
        known = ", ".join(sorted(owners)[:_SHOWN]) or "none"
        raise ConfigurationError(f"the policy's tagOwners do not define {full}: they define {known}")
    return full
