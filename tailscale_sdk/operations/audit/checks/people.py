"""Checks of users, of invites, and of whom Tailscale writes to when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from tailscale_sdk.operations.audit.model import Audited, Check, Json, Outcome, Subject, call, fact
from tailscale_sdk.operations.values import flag_of, mapping_of, moment_of, text_of

_SOURCE: Final = "listUsers"
_ADMINS: Final = frozenset({"owner", "admin", "it-admin", "network-admin"})
_WAITING: Final = {
    "needs-approval": "somebody has to say whether this user may come in",
    "over-billing-limit": "there are more users than are paid for",
}


def _subject(user: Json) -> Subject:
    return Subject("user", text_of(user, "id"), text_of(user, "loginName"))


def _people(audited: Audited) -> Iterator[Outcome]:
    members = [user for user in audited.users.values() if text_of(user, "type") != "shared"]
    yield _number_of_admins(members, audited)
    for user in members:
        yield from _person(user, audited)
    yield from _invites(audited)


def _number_of_admins(members: list[Json], audited: Audited) -> Outcome:
    admins = sorted(
        text_of(user, "loginName")
        for user in members
        if text_of(user, "role") in {"owner", "admin"} and text_of(user, "status") != "suspended"
    )
    subject, evidence = Subject("tailnet", "admins"), (fact(_SOURCE, admins=admins),)
    fewest, most = audited.options.min_admins, audited.options.max_admins
    if len(admins) < fewest:
        message = (
            f"{len(admins)} owners and admins: at least {fewest} should be, or one lost account locks all out"
        )
        return Outcome(subject, "fail", message, evidence=evidence)
    if len(admins) > most:
        return Outcome(
            subject, "fail", f"{len(admins)} owners and admins: {most} are allowed", evidence=evidence
        )
    return Outcome(subject, "pass")


def _person(user: Json, audited: Audited) -> Iterator[Outcome]:
    subject, status = _subject(user), text_of(user, "status")
    found = []
    if status in _WAITING:
        fix = (
            (call("approveUser", f"{subject.name} is let into the tailnet", user_id=subject.id),)
            if status == "needs-approval"
            else ()
        )
        evidence = (fact(_SOURCE, status=status),)
        found.append(Outcome(subject, "fail", _WAITING[status], aspect=status, evidence=evidence, fix=fix))
    seen = moment_of(user, "lastSeen")
    is_admin = text_of(user, "role") in _ADMINS and status != "suspended"
    if is_admin and user.get("currentlyConnected") is not True:
        if seen is None:
            found.append(
                Outcome(subject, "unknown", "the API does not say when this admin was there", aspect="idle")
            )
        elif audited.now - seen > timedelta(days=audited.options.idle_days):
            message = f"this admin was not there for {(audited.now - seen).days} days"
            evidence = (fact(_SOURCE, role=text_of(user, "role"), lastSeen=text_of(user, "lastSeen")),)
            found.append(Outcome(subject, "fail", message, aspect="idle", evidence=evidence))
    yield from found or [Outcome(subject, "pass")]


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
