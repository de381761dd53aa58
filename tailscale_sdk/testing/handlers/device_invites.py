"""Invites to share a device; only people write them."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.access import require, require_user
from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.handlers.devices import own_device
from tailscale_sdk.testing.invites import CODE_CHARACTERS, email_of, flag, numeric, requested, resend

PREFIX: Final = "https://login.tailscale.com/admin/invite/"

JsonObject = dict[str, Any]


def _writer(call: Call) -> str:
    user_id = require_user(call.caller)
    require(call.caller, "device_invites")
    return user_id


def _invite(call: Call) -> JsonObject:
    invite = call.tailnet.device_invites.get(call.path["deviceInviteId"])
    if invite is None:
        raise Refusal(404, "no device invite with this id")
    return invite


def _record(call: Call, invite: JsonObject, action: str) -> None:
    target = build_target("SHARE", invite["id"], invite.get("email", ""), property="NODE_SHARE")
    call.tailnet.record(call, action=action, target=target, new={"deviceId": str(invite.get("deviceId"))})


@handles("listDeviceInvites")
def list_invites(call: Call) -> list[JsonObject] | None:
    """List the invites of a device; the service answers a bare null when there are none."""
    device = call.tailnet.device(call.path["deviceId"], call.caller)
    shown = {device["id"], str(numeric(device["id"]))}
    return [i for i in call.tailnet.device_invites.values() if str(i.get("deviceId")) in shown] or None


@handles("createDeviceInvites")
def create_invites(call: Call) -> list[JsonObject]:
    """Make links that share a device with people of other tailnets."""
    sharer = _writer(call)
    device = own_device(call)
    items = requested(call)
    checked = [
        (email_of(item, i), flag(item, "multiUse", i), flag(item, "allowExitNode", i))
        for i, item in enumerate(items)
    ]
    made = [_make(call, device, sharer, *choice) for choice in checked]
    for invite in made:
        _record(call, invite, "CREATE")
    return made


def _make(
    call: Call, device: JsonObject, sharer: str, email: str | None, multi_use: bool, allow_exit: bool
) -> JsonObject:
    tailnet = call.tailnet
    invite: JsonObject = {
        "id": tailnet.ids.number(),
        "created": tailnet.clock.text(),
        "tailnetId": numeric(tailnet.id),
        "deviceId": numeric(device["id"]),
        "sharerId": numeric(sharer),
        "multiUse": multi_use,
        "allowExitNode": allow_exit,
        "inviteUrl": f"{PREFIX}{tailnet.ids.characters(CODE_CHARACTERS)}",
        "accepted": False,
    }
    if email is not None:
        invite.update(email=email, lastEmailSentAt=tailnet.clock.text())
    tailnet.device_invites[invite["id"]] = invite
    return invite


@handles("getDeviceInvite")
def get_invite(call: Call) -> JsonObject:
    """Read one invite."""
    return _invite(call)


@handles("deleteDeviceInvite")
def delete_invite(call: Call) -> Answer:
    """Withdraw an invite."""
    _writer(call)
    invite = _invite(call)
    del call.tailnet.device_invites[invite["id"]]
    _record(call, invite, "DELETE")
    return Answer()


@handles("resendDeviceInvite")
def resend_invite(call: Call) -> Answer:
    """Send the e-mail again, at most once a minute."""
    _writer(call)
    invite = _invite(call)
    resend(call, invite)
    _record(call, invite, "RESEND")
    return Answer()


@handles("acceptDeviceInvite")
def accept_invite(call: Call) -> JsonObject:
    """Accept an invite by its link or the code in it; the device is told as its new user sees it."""
    person = require_user(call.caller)
    code = call.field("invite", str).strip().removeprefix(PREFIX)
    invite = _by_code(call, code)
    device = next((d for d in call.tailnet.devices.values() if _is_shared_by(invite, d)), None)
    if device is None:
        raise Refusal(400, "the invited device is gone")
    accepter = call.tailnet.users[person]
    invite["accepted"] = True
    invite["acceptedBy"] = {
        "id": numeric(person),
        "loginName": accepter["loginName"],
        "profilePicUrl": accepter.get("profilePicUrl", ""),
    }
    _record(call, invite, "ACCEPT")
    return {
        "device": _shared_device(device, invite),
        "sharer": _person(_sharer(call, invite)),
        "acceptedBy": _person(accepter),
    }


def _by_code(call: Call, code: str) -> JsonObject:
    for invite in call.tailnet.device_invites.values():
        url = str(invite.get("inviteUrl", ""))
        if code and url.removeprefix(PREFIX) == code:
            if invite.get("accepted") and not invite.get("multiUse"):
                raise Refusal(400, "the invite was accepted already")
            return invite
    raise Refusal(400, "invite must be the link of an open invite, or the code in it")


def _is_shared_by(invite: JsonObject, device: JsonObject) -> bool:
    return str(invite.get("deviceId")) in {device["id"], str(numeric(device["id"]))}


def _sharer(call: Call, invite: JsonObject) -> JsonObject:
    shown = str(invite.get("sharerId"))
    return next((u for i, u in call.tailnet.users.items() if shown in {i, str(numeric(i))}), {"id": shown})


def _shared_device(device: JsonObject, invite: JsonObject) -> JsonObject:
    addresses = [str(address) for address in device.get("addresses") or []]
    return {
        "id": device["id"],
        "os": str(device.get("os", "")),
        "name": str(device.get("name", "")).partition(".")[0],
        "fqdn": str(device.get("name", "")),
        "ipv4": next((a for a in addresses if ":" not in a), ""),
        "ipv6": next((a for a in addresses if ":" in a), ""),
        "includeExitNode": bool(invite.get("allowExitNode")),
    }


def _person(user: JsonObject) -> JsonObject:
    return {
        "id": user["id"],
        "displayName": user.get("displayName", ""),
        "loginName": user.get("loginName", ""),
        "profilePicURL": user.get("profilePicUrl", ""),
    }
