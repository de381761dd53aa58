"""A tailnet with a sin for every check, and which check has to find which."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.operations.audit.clean_tailnet import CLEAN, DEVICES, EXIT, POLICY
from tests.operations.fleets import ago, ahead, device, silent

Json = dict[str, Any]


def _person(name: str, **fields: Any) -> Json:
    return device(name, "dave@example.com", **{"updateAvailable": False, **fields})


def _server(name: str, *tags: str, **fields: Any) -> Json:
    good = {"updateAvailable": False, "keyExpiryDisabled": False}
    return device(name, "", *(tags or ("tag:web",)), **{**good, **fields})


_SINNERS = [
    _person("no-expiry", keyExpiryDisabled=True),
    _server("forever", "tag:recorder", keyExpiryDisabled=True),
    _person("ancient", clientVersion="1.30.0"),
    _person("behind", clientVersion="1.70.0", updateAvailable=True),
    silent("gone-quiet", 45, "erin@example.com", updateAvailable=False),
    _person("waiting", authorized=False),
    _person("homegrown", advertised=["10.30.0.0/24"]),
    _person("shell", sshEnabled=True),
    _server("davids-macbook", os="macOS"),
    _person("twin", multipleConnections=True),
    _person("unsigned", tailnetLockError="no signature"),
    device("guest", "mallory@example.org", isExternal=True, keyExpiryDisabled=True),
    _person("payroll-host"),
    _person("unfit"),
    _server("offers", advertised=["10.40.0.0/24"], approved=[]),
    _server("huge", advertised=["172.0.0.0/8"]),
    _server("inner", advertised=["10.20.5.0/24"]),
    _server("half", advertised=["0.0.0.0/0"]),
    _server("leak", advertised=EXIT),
]
_ATTRIBUTES = {each["nodeId"]: CLEAN["attributes"][DEVICES[0]["nodeId"]] for each in [*DEVICES, *_SINNERS]}
_EVERYONE = [f"user{number}@example.com" for number in range(12)]
_RECORD: Json = {"recorder": ["tag:recorder"], "enforceRecorder": True}
POLICY_SINS: Json = {
    **POLICY,
    "groups": {**POLICY["groups"], "group:everyone": _EVERYONE, "group:old": ["dave@example.com"]},
    "hosts": {**POLICY["hosts"], "anywhere": "0.0.0.0/0"},
    "tagOwners": {**POLICY["tagOwners"], "tag:lab": ["tag:bait"], "tag:bait": ["autogroup:member"]},
    "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"]}, "exitNode": ["tag:router"]},
    "grants": [
        {"src": ["anywhere"], "dst": ["anywhere"], "ip": ["*"]},
        {"src": ["group:dev"], "dst": ["wiki"], "ip": ["1-65535"]},
        {"src": ["autogroup:member"], "dst": ["autogroup:internet"], "ip": ["*"]},
        {"src": ["group:dev"], "dst": ["tag:prod"], "ip": ["tcp:443"]},
        {"src": ["group:everyone", "tag:lab"], "dst": ["tag:web"], "ip": ["tcp:443"]},
        {"src": ["tag:prod"], "dst": ["tag:web"], "ip": ["tcp:8000-8100"]},
        {"src": ["tag:prod"], "dst": ["tag:web"], "ip": ["tcp:8080"]},
    ],
    "tests": [{"src": "dave@example.com", "accept": ["tag:prod:443"]}],
    "ssh": [
        {"action": "accept", "src": ["group:ops"], "dst": ["tag:prod"], "users": ["root"], **_RECORD},
        {"action": "check", "src": ["autogroup:member"], "dst": ["tag:web"], "users": ["deploy"], "checkPeriod": "1h"},
        {"action": "check", "src": ["group:ops"], "dst": ["tag:web"], "users": ["deploy"]},
        {"action": "check", "src": ["group:ops"], "dst": ["tag:web"], "users": ["root"], "checkPeriod": "always"},
    ],
    "sshTests": [],
    "nodeAttrs": [{"target": ["autogroup:member"], "attr": ["funnel"]}],
}  # fmt: skip


def _credential(identifier: str, kind: str, **fields: Any) -> Json:
    return {"id": identifier, "keyType": kind, "created": ago(days=10), **fields}


def _auth(identifier: str, days: float = 20, made: float = 5, user: str = "u1", **create: Any) -> Json:
    create = {"reusable": False, "ephemeral": True, "preauthorized": False, "tags": ["tag:ci"], **create}
    dates = {"created": ago(days=made), "expires": ahead(days=days)}
    capabilities = {"devices": {"create": create}}
    return _credential(identifier, "auth", userId=user, capabilities=capabilities, **dates)


_PEOPLE = [
    *CLEAN["users"],
    {"id": "u7", "loginName": "gina@example.com", "role": "admin", "status": "active", "lastSeen": ago(days=100)},
    {"id": "u8", "loginName": "hank@example.com", "role": "admin", "status": "active", "currentlyConnected": True},
    {"id": "u9", "loginName": "ivan@example.com", "role": "member", "status": "needs-approval"},
    {"id": "u10", "loginName": "judy@example.com", "role": "member", "status": "suspended", "lastSeen": ago(days=9)},
    {"id": "u11", "loginName": "mallory@example.org", "role": "member", "type": "shared"},
]  # fmt: skip
SINFUL: Json = {
    **CLEAN,
    "devices": [*DEVICES, *_SINNERS],
    "users": _PEOPLE,
    "policy": json.dumps(POLICY_SINS, indent=1),
    "attributes": {**_ATTRIBUTES, "nUnfitCNTRL": {"attributes": {"node:tsStateEncrypted": False}}},
    "keys": [
        _auth("k-reused", reusable=True, ephemeral=False),
        _auth("k-untagged", preauthorized=True, tags=[]),
        _auth("k-long", days=70),
        _auth("k-ending", days=5),
        _auth("k-suspended", user="u10"),
        _auth("k-deleted", user="u99"),
        _credential("k-token", "api", userId="u1", expires=ahead(days=60)),
        _credential("k-all", "client", scopes=["all"], tags=["tag:ci"]),
        _credential("k-mint", "client", scopes=["auth_keys"]),
        _credential("k-any", "federated", scopes=["dns:read"], issuer="https://idp.example.com", subject="repo:*"),
    ],
    "settings": {
        **dict.fromkeys(CLEAN["settings"], False),
        "httpsEnabled": True,
        "devicesKeyDurationDays": 180,
        "usersRoleAllowedToJoinExternalTailnets": "member",
    },
    "user_invites": [{"id": "i-old", "email": "old@example.com", "created": ago(days=30)}],
    "device_invites": [{"id": "d-exit", "deviceId": DEVICES[0]["id"], "allowExitNode": True}],
    "dns": {"nameservers": ["10.99.0.1", "9.9.9.9"], "preferences": {"magicDNS": False, "overrideLocalDNS": False}},
    "log_streams": {"network": {"status": {"lastError": "", "lastActivity": ago(days=30)}}},
    "webhooks": [{"endpointId": "w-old", "created": ago(days=500), "subscriptions": ["nodeCreated"]}],
    "contacts": {"security": {"email": "security@example.com", "needsVerification": True}},
}  # fmt: skip

_UNKNOWN_MEMBERS = ("group:everyone",) * len(_EVERYONE)
SINS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "ACC-01": ("critical", ("/grants/0",)),
    "ACC-02": ("high", ("/grants/0",)),
    "ACC-03": ("high", ("/grants/0", "/grants/1")),
    "ACC-04": ("critical", ("tag:bait", "tag:lab")),
    "ACC-05": ("high", ("10.0.0.0/8",)),
    "ACC-06": ("medium", ("sshTests", "tag:prod", "tag:web")),
    "ACC-07": ("low", (*_UNKNOWN_MEMBERS, "group:old", "ipset:site", "posture:managed")),
    "ACC-08": ("low", ("/grants/6",)),
    "ACC-09": ("medium", ("/grants/0", "/grants/3")),
    "ACC-10": ("medium", ("aclsExternallyManagedOn",)),
    "ACC-11": ("medium", ("/grants/2",)),
    "SSH-01": ("critical", ("/ssh/0",)),
    "SSH-02": ("high", ("/ssh/1",)),
    "SSH-03": ("low", ("/ssh/2",)),
    "SSH-04": ("medium", ("/ssh/3",)),
    "SSH-05": ("medium", ("shell",)),
    "KEY-01": ("high", ("k-reused",)),
    "KEY-02": ("high", ("k-untagged",)),
    "KEY-03": ("medium", ("k-ending", "k-long")),
    "KEY-04": ("high", ("k-token",)),
    "KEY-05": ("high", ("k-all",)),
    "KEY-06": ("high", ("k-mint",)),
    "KEY-07": ("medium", ("k-deleted", "k-suspended")),
    "KEY-08": ("high", ("k-any",)),
    "DEV-01": ("high", ("no-expiry",)),
    "DEV-02": ("medium", ("forever",)),
    "DEV-03": ("high medium", ("ancient", "behind")),
    "DEV-04": ("medium", ("gone-quiet",)),
    "DEV-05": ("medium", ("waiting",)),
    "DEV-06": ("medium", ("homegrown", "shell")),
    "DEV-07": ("high", ("davids-macbook",)),
    "DEV-08": ("high", ("twin",)),
    "DEV-09": ("high", ("unsigned",)),
    "DEV-10": ("medium", ("d-exit", "guest")),
    "DEV-11": ("low", ("payroll-host",)),
    "DEV-12": ("medium", ("unfit",)),
    "NET-01": ("high", ("funnel ['autogroup:member']",)),
    "NET-02": ("medium", ("10.20.5.0/24", "10.30.0.0/24", "10.40.0.0/24", "172.0.0.0/8")),
    "NET-03": ("high", ("10.20.5.0/24", "172.0.0.0/8", "half")),
    "NET-04": ("medium", ("/grants/2", "leak")),
    "DNS-01": ("low", ("10.99.0.1", "magicDNS", "overrideLocalDNS")),
    "SET-01": ("high", ("devicesApprovalOn",)),
    "SET-02": ("medium", ("usersApprovalOn",)),
    "SET-03": ("medium", ("devicesKeyDurationDays",)),
    "SET-04": ("medium", ("devicesAutoUpdatesOn",)),
    "SET-05": ("medium", ("networkFlowLoggingOn",)),
    "SET-06": ("medium", ("usersRoleAllowedToJoinExternalTailnets",)),
    "SET-07": ("low", ("postureIdentityCollectionOn",)),
    "LOG-01": ("high", ("configuration", "network")),
    "LOG-02": ("medium", ("w-old", "webhooks")),
    "USR-01": ("medium", ("admins", "gina@example.com", "ivan@example.com", "old@example.com")),
    "CON-01": ("medium", ("security",)),
}
"""By check: severities, and every resource it must fail, by what people call it; nothing else may fail."""
