"""Three cases of every check: a tailnet it fails, one it passes, one in which it cannot know."""

from __future__ import annotations

from tests.operations.audit.access_cases import ACCESS
from tests.operations.audit.case import Case, Json
from tests.operations.audit.device_cases import DEVICES
from tests.operations.audit.network_cases import NETWORK
from tests.operations.audit.policy_cases import POLICIES
from tests.operations.audit.vouching_cases import VOUCHING
from tests.operations.audit.watching_cases import WATCHING
from tests.operations.fleets import USERS, ago, ahead


def key(**fields: object) -> Json:
    """Return an auth key that is in order, changed by some fields."""
    usual = {
        "id": "k1",
        "keyType": "auth",
        "description": "for CI",
        "userId": "u1",
        "created": ago(days=1),
        "expires": ahead(days=20),
        "capabilities": auth(),
    }
    return {**usual, **fields}


def auth(**create: object) -> Json:
    """Return what an auth key may do, changed by some fields."""
    usual = {"reusable": False, "ephemeral": True, "preauthorized": True, "tags": ["tag:web"]}
    return {"devices": {"create": {**usual, **create}}}


def client(*scopes: str, **fields: object) -> Json:
    """Return an OAuth client with some scopes."""
    usual = {
        "id": "c1",
        "keyType": "client",
        "scopes": [*scopes],
        "tags": ["tag:web"],
        "created": ago(days=1),
    }
    return {**usual, **fields}


def identity(subject: str, **fields: object) -> Json:
    """Return a federated identity."""
    issuer = {"issuer": "https://idp.example.com", "subject": subject}
    return client("devices:core:read", id="f1", keyType="federated", **issuer, **fields)


def keys(*listed: Json) -> Json:
    """Return a tailnet with credentials."""
    return {"keys": [*listed], "users": USERS}


def users(**fields: object) -> Json:
    """Return a tailnet whose second admin is changed by some fields."""
    there = [{**user, "currentlyConnected": True, "lastSeen": ago(days=1)} for user in USERS]
    there[1] = {**there[1], **fields}
    return {"users": there, "user_invites": []}


def contact(**fields: object) -> Json:
    """Return a tailnet with a security contact."""
    return {"contacts": {"security": {"email": "security@example.com", "needsVerification": False, **fields}}}


def _switch(check: str, name: str) -> list[Case]:
    return [
        Case(check, "fail", {"settings": {name: False}}, name),
        Case(check, "pass", {"settings": {name: True}}),
        Case(check, "unknown", {"settings": {name: None}}, name, "does not say"),
        Case(
            check, "unknown", {"coverage": {"settings": "scope_denied"}}, "tailnet", "settings: scope_denied"
        ),
    ]


_SETTINGS = [
    *_switch("SET-01", "devicesApprovalOn"),
    *_switch("SET-02", "usersApprovalOn"),
    Case("SET-03", "fail", {"settings": {"devicesKeyDurationDays": 180}}, message="180 days: 90 are allowed"),
    Case("SET-03", "pass", {"settings": {"devicesKeyDurationDays": "90"}}),
    Case("SET-03", "unknown", {"settings": {"devicesKeyDurationDays": None}}),
    *_switch("SET-04", "devicesAutoUpdatesOn"),
    *_switch("SET-05", "networkFlowLoggingOn"),
    Case("SET-06", "fail", {"settings": {"usersRoleAllowedToJoinExternalTailnets": "member"}}),
    Case("SET-06", "pass", {"settings": {"usersRoleAllowedToJoinExternalTailnets": "admin"}}),
    Case("SET-06", "unknown", {"settings": {"usersRoleAllowedToJoinExternalTailnets": "somebody"}}),
    *_switch("SET-07", "postureIdentityCollectionOn"),
]
_ID_ONLY: Json = {"id": "k1"}
_KEYS = [
    Case("KEY-01", "fail", keys(key(capabilities=auth(reusable=True, ephemeral=False))), "k1"),
    Case("KEY-01", "pass", keys(key(capabilities=auth(reusable=True, ephemeral=True)))),
    Case(
        "KEY-01",
        "not_applicable",
        keys(key(capabilities=auth(reusable=True, ephemeral=False), expires=ago(days=1))),
    ),
    Case("KEY-01", "unknown", keys(_ID_ONLY), "k1", "but its id"),
    Case("KEY-02", "fail", keys(key(capabilities=auth(tags=None))), "k1"),
    Case("KEY-02", "pass", keys(key(capabilities=auth(tags=[], preauthorized=False)))),
    Case("KEY-02", "pass", keys(key(capabilities=auth(tags=["tag:web"], preauthorized=True)))),
    Case("KEY-02", "unknown", keys(_ID_ONLY), "k1"),
    Case("KEY-03", "fail", keys(key(created=ago(days=1), expires=ahead(days=89))), "k1", "for 90 days: 30"),
    Case("KEY-03", "fail", keys(key(expires=ahead(days=3))), "k1", "ends in 3 days"),
    Case("KEY-03", "fail", keys(key(keyType="api", expires="")), "k1", "never ends"),
    Case("KEY-03", "pass", keys(key())),
    Case("KEY-03", "pass", keys(key(created=ago(days=1, seconds=5), expires=ahead(days=29)))),
    Case("KEY-03", "pass", keys(key(created=ago(hours=1), expires=ahead(hours=23)))),
    Case(
        "KEY-03",
        "fail",
        keys(key(created=ago(hours=1), expires=ahead(hours=23), capabilities=auth(reusable=True))),
    ),
    Case("KEY-03", "unknown", keys(key(created="")), "k1", "when it was made"),
    Case("KEY-03", "not_applicable", keys(client("all"))),
    Case("KEY-03", "unknown", keys(_ID_ONLY), "k1"),
    Case("KEY-04", "fail", keys(key(keyType="api")), "k1", "alice@example.com"),
    Case("KEY-04", "fail", keys(key(keyType="api", userId="u9")), "k1", "the one who made it"),
    Case("KEY-04", "not_applicable", keys(key())),
    Case("KEY-04", "not_applicable", keys(key(keyType="api", revoked=ago(days=1)))),
    Case("KEY-04", "unknown", keys(_ID_ONLY), "k1"),
    Case("KEY-05", "fail", keys(client("all")), "c1", "it may write all"),
    Case(
        "KEY-05",
        "fail",
        keys(client("dns", "users:read", "webhooks", "services", "policy_file")),
        "c1",
        "many things",
    ),
    Case("KEY-05", "pass", keys(client("policy_file", "all:read"))),
    Case("KEY-05", "unknown", keys(_ID_ONLY), "k1"),
    Case("KEY-06", "fail", keys(client("auth_keys", tags=None)), "c1", "(auth_keys)"),
    Case("KEY-06", "pass", keys(client("auth_keys"))),
    Case("KEY-06", "pass", keys(client("dns", tags=[]))),
    Case("KEY-06", "unknown", keys(_ID_ONLY), "k1"),
    Case("KEY-07", "fail", keys(key(userId="u9")), "k1", "no user any more"),
    Case("KEY-07", "fail", keys(key(expires=ago(days=1))), "k1", "is expired"),
    Case("KEY-07", "fail", keys(client("dns", created=ago(days=400))), "c1", "400 days old"),
    Case(
        "KEY-07",
        "fail",
        {"keys": [key()], "users": [{"id": "u1", "status": "suspended"}]},
        "k1",
        "is suspended",
    ),
    Case("KEY-07", "fail", keys(key(revoked=ago(days=1), invalid=True)), "k1", "is revoked"),
    Case("KEY-07", "fail", keys(key(invalid=True)), "k1", "is revoked"),
    Case("KEY-07", "pass", keys(key(revoked="0001-01-01T00:00:00Z", invalid=False))),
    Case("KEY-07", "pass", keys(key(userId=""))),
    Case("KEY-07", "pass", keys(key())),
    Case("KEY-07", "unknown", {"keys": [key()]}, "tailnet", "users: not in the snapshot"),
    Case("KEY-07", "unknown", keys(_ID_ONLY), "k1"),
    Case("KEY-08", "fail", keys(identity("repo:example/*")), "f1", "takes anything"),
    Case("KEY-08", "fail", keys(identity("web", customClaimRules={"ref": "*"})), "f1", "takes anything"),
    Case("KEY-08", "pass", keys(identity("repo:example/web:ref:refs/heads/main"))),
    Case("KEY-08", "unknown", {"coverage": {"keys": "scope_denied"}}, "tailnet", "keys: scope_denied"),
]
_INVITE: Json = {"id": "i1", "email": "dave@example.com", "accepted": False}
_AWAY: Json = {
    "id": "u4",
    "loginName": "dave@example.com",
    "role": "member",
    "status": "active",
    "currentlyConnected": False,
    "lastSeen": ago(days=120),
}
_OTHER_ROLES = [
    {"id": f"r{role}", "loginName": f"{role}@example.com", "role": role, "currentlyConnected": True}
    for role in ("it-admin", "network-admin", "billing-admin", "auditor")
]
_PEOPLE = [
    Case("USR-01", "fail", users(role="member"), "admins", "1 owners and admins: at least 2"),
    Case(
        "USR-01",
        "fail",
        {"users": [{**USERS[1], "id": f"a{n}"} for n in range(4)]},
        "admins",
        "4 owners and admins: 3",
    ),
    Case("USR-01", "fail", users(status="needs-approval"), "u2", "may come in"),
    Case("USR-01", "fail", users(status="over-billing-limit"), "u2", "paid for"),
    Case("USR-01", "fail", users(currentlyConnected=False, lastSeen=ago(days=100)), "u2", "for 100 days"),
    Case("USR-01", "fail", {"users": [{**_AWAY, "role": "network-admin"}]}, "u4", "for 120 days"),
    Case("USR-01", "pass", {**users(), "users": [*users()["users"], _AWAY]}),
    Case(
        "USR-01",
        "pass",
        {**users(), "users": [*users()["users"], {**_AWAY, "role": "admin", "status": "suspended"}]},
    ),
    Case(
        "USR-01",
        "pass",
        {**users(), "users": [*users()["users"], {**_AWAY, "type": "shared", "role": "admin"}]},
    ),
    Case("USR-01", "pass", {**users(), "users": [*users()["users"], *_OTHER_ROLES]}),
    Case(
        "USR-01",
        "fail",
        {**users(), "user_invites": [{**_INVITE, "created": ago(days=20)}]},
        "i1",
        "for 20 days",
    ),
    Case("USR-01", "pass", {**users(), "user_invites": [{**_INVITE, "created": ago(days=2)}]}),
    Case("USR-01", "not_applicable", {**users(), "user_invites": [{**_INVITE, "accepted": True}]}),
    Case("USR-01", "unknown", users(currentlyConnected=None, lastSeen=""), "u2", "when this admin was there"),
    Case("USR-01", "unknown", {**users(), "user_invites": [_INVITE]}, "i1", "when this invite was made"),
    Case("USR-01", "unknown", {"users": USERS}, "user_invites", "invites cannot be judged"),
    Case("CON-01", "fail", contact(email=""), "security", "nobody is told"),
    Case("CON-01", "fail", contact(needsVerification=True), "security", "not verified"),
    Case("CON-01", "pass", contact()),
    Case("CON-01", "unknown", contact(needsVerification=None), "security"),
]
CASES = [*DEVICES, *_KEYS, *_SETTINGS, *_PEOPLE, *NETWORK, *POLICIES, *ACCESS, *VOUCHING, *WATCHING]
NO_UNKNOWN = {"DEV-08": "the API leaves the field out where it does not hold"}
"""Checks whose data is never missing, with the reason."""
NO_PASS = {"KEY-04": "such a token is a finding in itself: not having one does not apply"}
"""Checks that nothing can pass, with the reason; they have a case to which they do not apply instead."""
NO_FAIL = {"MAN-01": "what nobody vouched for is manual, and what no API tells cannot be missing"}
"""Checks that only people can answer, with the reason."""
