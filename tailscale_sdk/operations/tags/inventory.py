"""Tags of a tailnet: where they are, who hands them out, what the policy makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import HuJSONError, PolicyError
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.values import text_of
from tailscale_sdk.policy.access.rights import tag_holders
from tailscale_sdk.policy.language import Policy, read_policy


@frozen
class TagUse:
    """Hold one tag.

    Attributes:
        tag: the tag.
        devices: nodeIds of the devices that have it.
        credentials: ids of keys that carry it; None where keys were not read.
        defined: the policy's tagOwners define it; None where the policy was not read.
        owners: who hands it out, as the policy writes it.
        users: login names behind these, where that is known.
        mentioned: a rule of the policy names it.
    """

    tag: str
    devices: tuple[str, ...]
    credentials: tuple[str, ...] | None
    defined: bool | None
    owners: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    mentioned: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "tag": self.tag,
            "devices": len(self.devices),
            "device_ids": list(self.devices),
            "credentials": None if self.credentials is None else list(self.credentials),
            "defined": self.defined,
            "owners": list(self.owners),
            "users": list(self.users),
            "mentioned": self.mentioned,
        }


@frozen
class NamingRules:
    """Hold how tags are to be named.

    Attributes:
        pattern: regular expression that the part behind ``tag:`` must match as a whole.
        forbidden: names that must not exist.
    """

    pattern: str = r"[a-z][a-z0-9-]*"
    forbidden: frozenset[str] = field(default=frozenset(), converter=frozenset)

    def problem(self, tag: str) -> str | None:
        """Return what is wrong with a name, None where nothing is."""
        name = tag.removeprefix("tag:")
        if name in self.forbidden:
            return f"{tag} is a forbidden name"
        return None if re.fullmatch(self.pattern, name) else f"{tag} does not match {self.pattern}"


@frozen
class TagInventory:
    """Hold the tags of a tailnet.

    Attributes:
        tags: by name.
        untagged: nodeIds of devices without a tag, those of other tailnets left out.
        problems: what is wrong, one sentence each.
        policy_unknown: why the policy could not be looked at; None where it was.
    """

    tags: tuple[TagUse, ...]
    untagged: tuple[str, ...]
    problems: tuple[str, ...]
    policy_unknown: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "tags": [tag.to_dict() for tag in self.tags],
            "untagged": len(self.untagged),
            "problems": list(self.problems),
            **({"policy_unknown": self.policy_unknown} if self.policy_unknown else {}),
        }


def policy_of(fleet: Fleet) -> Policy | str:
    """Return the policy of a snapshot, or why there is none.

    Args:
        fleet: whose snapshot is looked at.
    """
    if fleet.snapshot.policy is None:
        return fleet.coverage.get("policy", "the policy was not read")
    try:
        return read_policy(fleet.snapshot.policy)
    except (HuJSONError, PolicyError) as problem:
        return f"the policy cannot be read: {problem}"


def tag_inventory(fleet: Fleet, naming: NamingRules | None = None) -> TagInventory:
    """Return every tag that a device, a key or the policy has.

    Args:
        fleet: devices, policy, keys and users.
        naming: how tags are to be named.
    """
    policy = policy_of(fleet)
    known = None if isinstance(policy, str) else policy
    devices: dict[str, list[str]] = {}
    for device in fleet.devices:
        for tag in () if device.is_external else device.tags:
            devices.setdefault(tag, []).append(device.id)
    keys = _keys(fleet)
    names = sorted({*devices, *(keys or {}), *(known.tag_owners if known else ())})
    roles = {text_of(user, "loginName"): user.get("role") for user in fleet.snapshot.users}
    mentions = _mentions(known.text) if known else {}
    tags = tuple(_use(name, devices, keys, known, roles, mentions) for name in names)
    untagged = tuple(device.id for device in fleet.devices if not device.tags and not device.is_external)
    problems = tuple(_problems(tags, naming or NamingRules()))
    return TagInventory(tags, untagged, problems, policy if isinstance(policy, str) else None)


def _use(
    name: str,
    devices: dict[str, list[str]],
    keys: dict[str, list[str]] | None,
    policy: Policy | None,
    roles: dict[str, Any],
    mentions: dict[str, int],
) -> TagUse:
    found = tuple(devices.get(name, ()))
    credentials = None if keys is None else tuple(keys.get(name, ()))
    if policy is None:
        return TagUse(name, found, credentials, None)
    holders = tag_holders(policy, name, roles)
    mentioned = mentions.get(name, 0) > (name in policy.tag_owners)
    return TagUse(
        name, found, credentials, name in policy.tag_owners, holders.owners, holders.users, mentioned
    )


_TAG: Final = re.compile(r"tag:[A-Za-z][A-Za-z0-9-]*")


def _mentions(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for tag in _TAG.findall(text):
        found[tag] = found.get(tag, 0) + 1
    return found


def _keys(fleet: Fleet) -> dict[str, list[str]] | None:
    if "keys" not in fleet.snapshot.content:
        return None
    found: dict[str, list[str]] = {}
    for key in fleet.snapshot.content["keys"] or ():
        for tag in key_tags(key):
            found.setdefault(tag, []).append(text_of(key, "id"))
    return found


def key_tags(key: Any) -> Sequence[str]:
    """Return the tags a key gives or carries.

    Args:
        key: as the API returns it.
    """
    create = ((key.get("capabilities") or {}).get("devices") or {}).get("create") or {}
    both = [*(key.get("tags") or ()), *(create.get("tags") or ())]
    return list(dict.fromkeys(tag for tag in both if isinstance(tag, str)))


def _problems(tags: Sequence[TagUse], naming: NamingRules) -> Iterator[str]:
    for use in tags:
        wrong = naming.problem(use.tag)
        if wrong is not None:
            yield wrong
        if use.defined is False:
            yield f"{use.tag} is in use, and the policy's tagOwners do not define it"
        if use.defined and not use.devices and use.credentials == () and use.mentioned is False:
            yield f"{use.tag} is defined, and nothing has it or names it"
