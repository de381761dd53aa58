"""People: who is idle, and what lets one in or takes one out."""

from tailscale_sdk.operations.users.offboarding import propose_offboarding
from tailscale_sdk.operations.users.onboarding import PersonPlan, propose_onboarding
from tailscale_sdk.operations.users.people import IdleReport, IdleUser, Person, idle_users, person_of
from tailscale_sdk.operations.users.planning import plan_person

__all__ = [
    "IdleReport",
    "IdleUser",
    "Person",
    "PersonPlan",
    "idle_users",
    "person_of",
    "plan_person",
    "propose_offboarding",
    "propose_onboarding",
]
