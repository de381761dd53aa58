"""A person leaves: access is cut first, then devices, keys and invites, then the policy is cleaned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.actions import delete_devices, expire_keys
from tailscale_sdk.operations.fleet import Device, Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.tags.inventory import policy_of
from tailscale_sdk.operations.users.onboarding import PersonPlan
from tailscale_sdk.operations.users.people import Person, devices_of, people_of, person_of
from tailscale_sdk.operations.values import text_of
from tailscale_sdk.policy.edits import Edit, RemoveMember
from tailscale_sdk.policy.language import Policy

_OTHERS: Final = (
    "disable the account in the identity provider too: a restored or new login would bring them back",
)


def propose_offboarding(
    fleet: Fleet,
    login: str,
    *,
    now: datetime,
    delete: bool = False,
    own_key_id: str | None = None,
    reason: str | None = None,
) -> PersonPlan:
    """Propose everything that takes a person out of the tailnet, in the order in which access ends first.

    Args:
        fleet: users, devices, keys, invites and policy.
        login: login name or id.
        now: moment of asking, with a zone.
        delete: remove the user and their devices for good; suspended and logged out otherwise.
        own_key_id: id of the credential this is done with, which is never deleted.
        reason: why.

    Raises:
        ConfigurationError: there is no such user, or they are the last owner.
    """
    person = person_of(fleet, login)
    _check_not_last(fleet, person)
    steps: list[Step] = []
    left: list[LeftAlone] = []
    if person.status != "suspended":
        steps.append(Step("suspendUser", {"user_id": person.id}))
    devices = devices_of(fleet, person)
    population = len(fleet.devices)
    about = delete_devices(devices, population=population) if delete else expire_keys(devices, now=now)
    steps += about.steps
    left += about.left_alone
    more, kept = _keys(fleet, person, own_key_id)
    steps += more
    left += kept
    steps += _invites(fleet, person)
    if delete:
        steps.append(Step("deleteUser", {"user_id": person.id}))
    policy = policy_of(fleet)
    edits = () if isinstance(policy, str) else tuple(_edits(policy, person.login))
    notes = (*_OTHERS, *_notes(fleet, person, policy, edits, delete=delete))
    return PersonPlan(Proposal(tuple(steps), None, tuple(left), notes, reason), edits, notes)


def _check_not_last(fleet: Fleet, person: Person) -> None:
    if person.is_shared:
        raise ConfigurationError(f"{person.login} is a user of another tailnet: take the shares back instead")
    others = [each for each in people_of(fleet) if each.role == "owner" and each.id != person.id]
    if person.role == "owner" and not any(each.status != "suspended" for each in others):
        raise ConfigurationError(f"{person.login} is the last owner: make somebody else owner first")


def _keys(fleet: Fleet, person: Person, own: str | None) -> tuple[list[Step], list[LeftAlone]]:
    steps, left = [], []
    for key in fleet.snapshot.content.get("keys") or ():
        key_id, kind = text_of(key, "id"), text_of(key, "keyType") or "auth"
        if text_of(key, "userId") != person.id or not key_id:
            continue
        if key_id == own:
            left.append(LeftAlone("key", key_id, text_of(key, "description"), "this is done with it"))
        elif key.get("invalid") is True or key.get("revoked"):
            left.append(
                LeftAlone("key", key_id, text_of(key, "description"), "it is revoked or expired already")
            )
        else:
            steps.append(Step("deleteKey", {"key_id": key_id}, risks=(f"{kind} key of {person.login}",)))
    return steps, left


def _invites(fleet: Fleet, person: Person) -> list[Step]:
    return [
        Step("deleteUserInvite", {"user_invite_id": text_of(invite, "id")})
        for invite in fleet.snapshot.content.get("user_invites") or ()
        if text_of(invite, "email").lower() == person.login.lower()
        or text_of(invite, "inviterId") == person.id
    ]


def _edits(policy: Policy, login: str) -> Iterable[Edit]:
    for name, group in policy.groups.items():
        if login in group.values:
            yield RemoveMember(name, login)


def _notes(
    fleet: Fleet, person: Person, policy: Policy | str, edits: tuple[Edit, ...], *, delete: bool
) -> Iterable[str]:
    if "keys" not in fleet.snapshot.content:
        yield f"keys were not read, so theirs are not among it: {fleet.coverage.get('keys', 'not asked for')}"
    if isinstance(policy, str):
        yield f"the policy was not looked at: {policy}"
    else:
        mentions = len(re.findall(re.escape(f'"{person.login}"'), policy.text)) - len(edits)
        if mentions > 0:
            yield f"the policy names {person.login} {mentions} more times outside groups: tailscale-sdk policy lint"
    tagged = _registered(fleet.devices, person)
    if tagged:
        names = ", ".join(device.label for device in tagged[:10])
        yield f"they registered tagged devices, which stay, because they belong to their tags: {names}"
    if delete:
        yield "a deleted user cannot be restored; what they owned is gone with them"


def _registered(devices: Iterable[Device], person: Person) -> list[Device]:
    return [device for device in devices if device.tags and device.user == person.login]
