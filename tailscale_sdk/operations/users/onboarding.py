"""A person joins: invited or approved, given a role, and put into groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from attrs import asdict, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.tags.inventory import policy_of
from tailscale_sdk.operations.users.people import Person, people_of
from tailscale_sdk.operations.values import text_of
from tailscale_sdk.policy.edits import AddMember, Edit

ROLES: Final = ("member", "admin", "it-admin", "network-admin", "billing-admin", "auditor", "owner")


@frozen
class PersonPlan:
    """Hold what is to be done for or about a person.

    Attributes:
        proposal: calls.
        edits: changes of the policy, to be planned by ``policies.plan_change``.
        notes: what the API cannot do, one sentence each.
    """

    proposal: Proposal
    edits: tuple[Edit, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what it shows beside the plan, as JSON data."""
        return {"policy_edits": [edit_data(edit) for edit in self.edits], "notes": list(self.notes)}


def edit_data(edit: Edit) -> dict[str, Any]:
    """Return an edit of the policy as JSON data: its kind and what it is about."""
    return {"edit": type(edit).__name__, **asdict(cast(Any, edit))}


def propose_onboarding(
    fleet: Fleet, login: str, *, role: str = "member", groups: Sequence[str] = (), reason: str | None = None
) -> PersonPlan:
    """Propose what lets a person in: an invite, or their approval, a role, and groups of the policy.

    Args:
        fleet: users, invites and policy.
        login: their e-mail address.
        role: role in the tailnet.
        groups: of the policy.
        reason: why.

    Raises:
        ConfigurationError: the role or a group does not exist, or the address cannot be one.
    """
    if role not in ROLES:
        raise ConfigurationError(f"there is no role {role!r}: {', '.join(ROLES)}")
    if "@" not in login.strip("@"):
        raise ConfigurationError(f"{login!r} is no e-mail address")
    known = next((person for person in people_of(fleet) if person.login.lower() == login.lower()), None)
    steps, left = _known(known, role) if known is not None else _invited(fleet, login, role)
    edits = _memberships(fleet, login, groups)
    notes = ["the identity provider decides who can log in at all: add them there first"]
    if known is None:
        notes.append("whoever accepts the invite is the user: the API cannot make one without it")
    return PersonPlan(Proposal(tuple(steps), None, tuple(left), tuple(notes), reason), edits, tuple(notes))


def _known(person: Person, role: str) -> tuple[list[Step], list[LeftAlone]]:
    steps: list[Step] = []
    if person.status == "needs-approval":
        steps.append(Step("approveUser", {"user_id": person.id}))
    if person.status == "suspended":
        steps.append(Step("restoreUser", {"user_id": person.id}))
    if person.role != role:
        risks = (f"{person.login} was {person.role}, and will be {role}",)
        steps.append(Step("updateUserRole", {"user_id": person.id, "role": role}, risks=risks))
    left = (
        []
        if steps
        else [LeftAlone("user", person.id, person.login, "they are a user with that role already")]
    )
    return steps, left


def _invited(fleet: Fleet, login: str, role: str) -> tuple[list[Step], list[LeftAlone]]:
    for invite in fleet.snapshot.content.get("user_invites") or ():
        if text_of(invite, "email").lower() == login.lower():
            why = "they are invited already: have the invite sent again"
            return [], [LeftAlone("user invite", text_of(invite, "id"), login, why)]
    return [Step("createUserInvites", {"invites": [{"email": login, "role": role}]})], []


def _memberships(fleet: Fleet, login: str, groups: Sequence[str]) -> tuple[Edit, ...]:
    if not groups:
        return ()
    policy = policy_of(fleet)
    if isinstance(policy, str):
        raise ConfigurationError(f"groups cannot be looked up: {policy}")
    edits: list[Edit] = []
    for name in groups:
        group = policy.groups.get(name)
        if group is None:
            raise ConfigurationError(
                f"the policy has no {name}: {', '.join(sorted(policy.groups)) or 'no group'}"
            )
        if login not in group.values:
            edits.append(AddMember(name, login))
    return tuple(edits)
