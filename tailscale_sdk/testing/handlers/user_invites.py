"""Invites of people to the tailnet; only people write them."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.access import forbidden, require_user
from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles, typed
from tailscale_sdk.testing.invites import CODE_CHARACTERS, email_of, numeric, requested, resend

ROLES: Final = ("member", "admin", "it-admin", "network-admin", "billing-admin", "auditor")
PREFIX: Final = "https://login.tailscale.com/uinv/"

JsonObject = dict[str, Any]


def _check_reader(call: Call) -> None:
    """Reading has no documented scope: a person, or a token that may read users, sees invites."""
    if call.caller.kind == "user" and not call.caller.may("users:read"):
        raise forbidden(call.caller)


def _check_writer(call: Call) -> str:
    user_id = require_user(call.caller)
    if not call.caller.may("users"):
        raise forbidden(call.caller)
    return user_id


def _invite(call: Call) -> JsonObject:
    invite = call.tailnet.user_invites.get(call.path["userInviteId"])
    if invite is None:
        raise Refusal(404, "no user invite with this id")
    return invite


def _record(call: Call, invite: JsonObject, action: str) -> None:
    target = build_target("INVITE", invite["id"], invite.get("email", ""), property="TAILNET_INVITE")
    call.tailnet.record(call, action=action, target=target, new={"role": invite["role"]})


@handles("listUserInvites")
def list_invites(call: Call) -> list[JsonObject] | None:
    """List open invites; the service answers a bare null when there are none."""
    _check_reader(call)
    return list(call.tailnet.user_invites.values()) or None


@handles("createUserInvites")
def create_invites(call: Call) -> list[JsonObject]:
    """Invite people; those with an e-mail address get one."""
    inviter = _check_writer(call)
    checked = [(email_of(item, index), _role(item, index)) for index, item in enumerate(requested(call))]
    made = [_make(call, inviter, email, role) for email, role in checked]
    for invite in made:
        _record(call, invite, "INVITE")
    return made


def _role(item: JsonObject, index: int) -> str:
    role = item.get("role")
    if role is None:
        return ROLES[0]
    if typed(role, str, f"the body [{index}].role") not in ROLES:
        raise Refusal(400, f"the body [{index}].role must be one of {', '.join(ROLES)}")
    return str(role)


def _make(call: Call, inviter: str, email: str | None, role: str) -> JsonObject:
    tailnet = call.tailnet
    invite: JsonObject = {
        "id": tailnet.ids.number(),
        "role": role,
        "tailnetId": numeric(tailnet.id),
        "inviterId": numeric(inviter),
        "inviteUrl": f"{PREFIX}{tailnet.ids.characters(CODE_CHARACTERS)}",
        "created": tailnet.clock.text(),
    }
    if email is not None:
        invite.update(email=email, lastEmailSentAt=tailnet.clock.text())
    tailnet.user_invites[invite["id"]] = invite
    return invite


@handles("getUserInvite")
def get_invite(call: Call) -> JsonObject:
    """Read one invite."""
    _check_reader(call)
    return _invite(call)


@handles("deleteUserInvite")
def delete_invite(call: Call) -> Answer:
    """Withdraw an invite."""
    _check_writer(call)
    invite = _invite(call)
    del call.tailnet.user_invites[invite["id"]]
    _record(call, invite, "DELETE")
    return Answer()


@handles("resendUserInvite")
def resend_invite(call: Call) -> Answer:
    """Send the e-mail again, at most once a minute."""
    _check_writer(call)
    invite = _invite(call)
    resend(call, invite)
    _record(call, invite, "RESEND")
    return Answer()
