"""Users: roles, approval, suspension, deletion."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles
from tailscale_sdk.testing.handlers.devices import remove_device

ROLES: Final = ("owner", "member", "admin", "it-admin", "network-admin", "billing-admin", "auditor")
TYPES: Final = ("member", "shared", "all")
ACTIVE: Final = "active"

JsonObject = dict[str, Any]


def _user(call: Call) -> JsonObject:
    user = call.tailnet.users.get(call.path["userId"])
    if user is None:
        raise Refusal(404, "no user with this id in the tailnet")
    return user


def _other_user(call: Call, deed: str) -> JsonObject:
    """Return the user of the path, who must not be the owner of the token."""
    user = _user(call)
    if call.caller.user_id == user["id"]:
        raise Refusal(403, f"a user's own access token cannot {deed} that user")
    return user


def _record(call: Call, user: JsonObject, action: str, *, property: str = "", **values: Any) -> None:
    target = build_target("USER", user["id"], str(user.get("loginName", "")), property=property)
    call.tailnet.record(call, action=action, target=target, **values)


@handles("listUsers")
def list_users(call: Call) -> JsonObject:
    """List users, narrowed by type and role."""
    kind, role = call.argument("type"), call.argument("role")
    if kind not in (None, *TYPES):
        raise Refusal(400, f"type must be one of {', '.join(TYPES)}")
    if role not in (None, "all", *ROLES):
        raise Refusal(400, f"role must be one of {', '.join(ROLES)}, all")
    found = call.tailnet.users.values()
    return {"users": [u for u in found if _fits(u.get("type"), kind) and _fits(u.get("role"), role)]}


def _fits(value: Any, wanted: str | None) -> bool:
    return wanted in (None, "all", value)


@handles("getUser")
def get_user(call: Call) -> JsonObject:
    """Read one user."""
    return _user(call)


@handles("updateUserRole")
def update_role(call: Call) -> Answer:
    """Give a user another role; there is one owner, whose role moves on with theirs."""
    user = _other_user(call, "change the role of")
    role = call.field("role", str)
    if role not in ROLES:
        raise Refusal(400, f"role must be one of {', '.join(ROLES)}")
    old = user.get("role")
    if old == "owner" and role != "owner" and _owners(call) == 1:
        raise Refusal(400, "the tailnet needs an owner: make another user the owner first")
    if role == "owner":
        _hand_over(call)
    user["role"] = role
    _record(call, user, "UPDATE", property="USER_ROLE", old=old, new=role)
    return Answer()


def _owners(call: Call) -> int:
    return sum(1 for user in call.tailnet.users.values() if user.get("role") == "owner")


def _hand_over(call: Call) -> None:
    for user in call.tailnet.users.values():
        if user.get("role") == "owner":
            user["role"] = "admin"
            _record(call, user, "UPDATE", property="USER_ROLE", old="owner", new="admin")


@handles("approveUser")
def approve_user(call: Call) -> Answer:
    """Let a waiting user in; nothing happens when approval is off or done."""
    user = _other_user(call, "approve")
    if call.tailnet.settings.get("usersApprovalOn") is True and user.get("status") == "needs-approval":
        user["status"] = ACTIVE
        _record(call, user, "APPROVE", old="needs-approval", new=ACTIVE)
    return Answer()


@handles("suspendUser")
def suspend_user(call: Call) -> Answer:
    """Take a user's access away."""
    user = _other_user(call, "suspend")
    if user.get("role") == "owner":
        raise Refusal(400, "the owner of the tailnet cannot be suspended")
    if user.get("status") != "suspended":
        old, user["status"] = user.get("status"), "suspended"
        _record(call, user, "SUSPEND", old=old, new="suspended")
    return Answer()


@handles("restoreUser")
def restore_user(call: Call) -> Answer:
    """Give a suspended user access again."""
    user = _other_user(call, "restore")
    if user.get("status") == "suspended":
        user["status"] = ACTIVE
        _record(call, user, "RESTORE", old="suspended", new=ACTIVE)
    return Answer()


@handles("deleteUser")
def delete_user(call: Call) -> Answer:
    """Remove a user.

    The service does not publish what happens to the user's devices and keys; this tailnet deletes the
    untagged devices and revokes the keys.
    """
    user = _other_user(call, "delete")
    if user.get("role") == "owner":
        raise Refusal(400, "the owner of the tailnet cannot be deleted: make another user the owner first")
    tailnet = call.tailnet
    del tailnet.users[user["id"]]
    owned = [
        n for n, d in tailnet.devices.items() if d.get("user") == user.get("loginName") and not d.get("tags")
    ]
    for node_id in owned:
        remove_device(tailnet, node_id)
    for key in tailnet.keys.values():
        if key.get("userId") == user["id"] and not key.get("revoked"):
            key["revoked"] = tailnet.clock.text()
    _record(call, user, "DELETE")
    return Answer()
