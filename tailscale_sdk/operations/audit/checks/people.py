"""Checks of users, of invites, and of whom Tailscale writes to when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, call, fact
from tailscale_sdk.operations.users.people import (
    ADMIN_ROLES,
    IdleUser,
    Person,
    idle_users,
    people_of,
)
from tailscale_sdk.operations.values import flag_of, mapping_of, moment_of, text_of

_SOURCE: Final = "listUsers"
# These change users, devices or the policy, so that their account is worth as much as an admin's.
_POWERFUL: Final = ADMIN_ROLES | {"it-admin", "network-admin"}
_OUT: Final = frozenset({"suspended", "needs-approval"})
_WAITING: Final = {
    "needs-approval": "somebody has to say whether this user may come in",
    "over-billing-limit": "there are more users than are paid for",
}


def _subject(person: Person) -> Subject:
    return Subject("user", person.id, person.login)


def _people(audited: Audited) -> Iterator[Outcome]:
    members = [person for person in people_of(audited.fleet) if not person.is_shared]
    idle = idle_users(audited.fleet, now=audited.now, days=audited.options.idle_days)
    absent = {each.person.id: each for each in idle.idle}
    yield _number_of_admins(members, audited)
    for person in members:
        found = [*_state(person), *_absence(person, absent.get(person.id), person.login in idle.unknown)]
        yield from found or [Outcome(_subject(person), "pass")]
    yield from _invites(audited)


def _number_of_admins(members: list[Person], audited: Audited) -> Outcome:
    admins = sorted(p.login for p in members if p.role in ADMIN_ROLES and p.status not in _OUT)
    subject, evidence = Subject("tailnet", "admins"), (fact(_SOURCE, admins=admins),)
    fewest, most = audited.options.min_admins, audited.options.max_admins
    if len(admins) < fewest:
        message = (
            f"{len(admins)} owners and admins: at least {fewest} should be, or one lost account locks all out"
        )
        return Outcome(subject, "fail", message, evidence=evidence)
    if len(admins) > most:
        message = f"{len(admins)} owners and admins: {most} are allowed"
        return Outcome(subject, "fail", message, evidence=evidence)
    return Outcome(subject, "pass")


def _state(person: Person) -> Iterator[Outcome]:
    status = person.status
    if status in _WAITING:
        subject, evidence = _subject(person), (fact(_SOURCE, status=status),)
        fix = (
            (call("approveUser", f"{subject.name} is let into the tailnet", user_id=subject.id),)
            if status == "needs-approval"
            else ()
        )
        yield Outcome(subject, "fail", _WAITING[status], aspect=status, evidence=evidence, fix=fix)


def _absence(person: Person, idle: IdleUser | None, is_unknown: bool) -> Iterator[Outcome]:
    if person.role not in _POWERFUL or person.status in _OUT:
        return
    if is_unknown or (idle is not None and idle.days is None):
        message = "the API does not say when this admin was there"
        yield Outcome(_subject(person), "unknown", message, aspect="idle")
    elif idle is not None and idle.days is not None:
        message = f"this admin was not there for {int(idle.days)} days"
        evidence = (fact(_SOURCE, role=person.role, lastSeen=text_of(person.fields, "lastSeen")),)
        yield Outcome(_subject(person), "fail", message, aspect="idle", evidence=evidence)


def _invites(audited: Audited) -> Iterator[Outcome]:
    missing = audited.why_missing("user_invites")
    if missing is not None:
        yield Outcome(Subject("tailnet", "user_invites"), "unknown", f"invites cannot be judged: {missing}")
    for invite in audited.rows("user_invites"):
        subject = Subject("user_invite", text_of(invite, "id"), text_of(invite, "email"))
        made = moment_of(invite, "created") or moment_of(invite, "lastEmailSentAt")
        if invite.get("accepted") is True:
            yield Outcome(subject, "not_applicable")
        elif made is None:
            yield Outcome(subject, "unknown", "the API does not say when this invite was made")
        elif audited.now - made > timedelta(days=audited.options.invite_days):
            yield Outcome(
                subject,
                "fail",
                f"nobody took this invite for {(audited.now - made).days} days",
                evidence=(fact("listUserInvites", created=made.isoformat()),),
                fix=(call("deleteUserInvite", user_invite_id=subject.id),),
            )
        else:
            yield Outcome(subject, "pass")


def _security_contact(audited: Audited) -> Iterator[Outcome]:
    contact = mapping_of(audited.part("contacts"), "security")
    subject, email = Subject("contact", "security"), text_of(contact, "email")
    told: dict[str, Any] = {"email": email, "needsVerification": contact.get("needsVerification")}
    evidence = (fact("getContacts", **told),)
    if not email:
        yield Outcome(subject, "fail", "nobody is told of security problems", evidence=evidence)
    elif flag_of(contact, "needsVerification"):
        fix = (call("resendContactVerificationEmail", contact_type="security"),)
        yield Outcome(subject, "fail", "its address is not verified", evidence=evidence, fix=fix)
    elif flag_of(contact, "needsVerification") is None:
        yield Outcome(subject, "unknown", "the API does not say whether its address is verified")
    else:
        yield Outcome(subject, "pass")


CHECKS: Final = (
    Check(
        "USR-01",
        "medium",
        "Admins, waiting users and old invites",
        "keep two or three admins who are there, and decide about the rest",
        ("users",),
        ("CC6.3",),
        _people,
    ),
    Check(
        "CON-01",
        "medium",
        "Nobody is told of security problems",
        "set the security contact, and follow the link in its mail",
        ("contacts",),
        (),
        _security_contact,
    ),
)
"""In the order of their ids."""
