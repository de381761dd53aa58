"""Contacts of the embedded tailnet: a changed address has to be verified before it is used."""

from __future__ import annotations

from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.state import JsonObject, Tailnet
from tailscale_sdk.testing.values import check_email

KINDS = ("account", "support", "security")


def _contact(call: Call) -> JsonObject:
    kind = call.path["contactType"]
    if kind not in KINDS:
        raise Refusal(404, f"contactType must be one of {', '.join(KINDS)}")
    contact: JsonObject = call.tailnet.contacts.setdefault(kind, {"email": ""})
    return contact


@handles("getContacts")
def get_contacts(call: Call) -> JsonObject:
    """Give the three contacts."""
    return {kind: call.tailnet.contacts.get(kind) or {"email": ""} for kind in KINDS}


@handles("updateContact")
def update_contact(call: Call) -> Answer:
    """Change an address; the old one stays in use until the new one is verified."""
    contact = _contact(call)
    email = check_email(call.field("email", str), "email")
    old = contact.get("email", "")
    if email != old:
        fallback = contact.get("fallbackEmail", "") if contact.get("needsVerification") else old
        _replace(contact, email, fallback)
    call.tailnet.record(call, action="UPDATE", target=_target(call), old=old, new=email)
    return Answer()


def _replace(contact: JsonObject, email: str, fallback: str) -> None:
    contact["email"] = email
    if email == fallback:
        contact.pop("fallbackEmail", None)
        contact.pop("needsVerification", None)
        return
    contact["needsVerification"] = True
    if fallback:
        contact["fallbackEmail"] = fallback


@handles("resendContactVerificationEmail")
def resend_verification(call: Call) -> Answer:
    """Send the verification mail again, which only a pending change allows."""
    if not _contact(call).get("needsVerification"):
        raise Refusal(400, "this contact needs no verification: there is no mail to send again")
    call.tailnet.record(call, action="RESEND", target=_target(call))
    return Answer()


def verify_contact(tailnet: Tailnet, kind: str) -> None:
    """Do what following the link in the verification mail does.

    Args:
        tailnet: the tailnet.
        kind: account, support or security.
    """
    contact = tailnet.contacts[kind]
    contact.pop("fallbackEmail", None)
    contact.pop("needsVerification", None)


def _target(call: Call) -> JsonObject:
    return {**call.tailnet.target(), "property": f"{call.path['contactType'].upper()}_EMAIL"}
