"""A tailnet that an expert would leave as it is: twelve devices, six people, and much that only looks wrong."""

from __future__ import annotations

import json
from typing import Any

from tests.operations.fleets import ago, ahead, device

Json = dict[str, Any]
OPTIONS: Json = {"never_expiring_tags": ["tag:router", "tag:prod", "tag:web", "tag:ci"]}
EXIT = ["0.0.0.0/0", "::/0"]
_SITE = "10.20.0.0/16"


def _user(number: int, name: str, role: str = "member", **fields: Any) -> Json:
    seen = {"currentlyConnected": False, "lastSeen": ago(days=number)}
    state = {"role": role, "status": "active", "type": "member", "created": ago(days=400), **seen}
    return {"id": f"u{number}", "loginName": f"{name}@example.com", **state, **fields}


USERS = [
    _user(1, "alice", "owner"),
    _user(2, "bob", "admin", currentlyConnected=True),
    _user(3, "carol", "network-admin"),
    _user(4, "dave"),
    _user(5, "erin", lastSeen=ago(days=200)),
    _user(6, "frank", "auditor"),
]


def _laptop(name: str, owner: str, os: str, **fields: Any) -> Json:
    return device(
        name, f"{owner}@example.com", **{"os": os, "sshEnabled": False, "updateAvailable": False, **fields}
    )


def _server(name: str, *tags: str, **fields: Any) -> Json:
    # A server's address follows its name, and no two may be alike.
    return device(name, "", *tags, **{"sshEnabled": False, "updateAvailable": False, **fields})


DEVICES = [
    _laptop("secretary-mac", "alice", "macOS"),
    _laptop("bobs-desktop", "bob", "windows", clientVersion="1.82.5-t2", updateAvailable=True),
    _laptop("carols-phone", "carol", "iOS"),
    _laptop("daves-linux", "dave", "linux", connectedToControl=False, lastSeen=ago(days=20)),
    _server("router-one", "tag:router", advertised=[_SITE, *EXIT]),
    _server("router-two", "tag:router", advertised=[_SITE, "10.20.9.0/24"]),
    _server("prod-api", "tag:prod", sshEnabled=True),
    _server("prod-db", "tag:prod", sshEnabled=True, keyExpiryDisabled=False),
    _server("product-wiki", "tag:web"),
    _server("recorder", "tag:recorder", keyExpiryDisabled=False),
    _server("runner", "tag:ci", isEphemeral=True),
    _server("lobby", "tag:web", os="tvOS"),
]
POLICY: Json = {
    "groups": {
        "group:ops": ["alice@example.com", "bob@example.com", "carol@example.com"],
        "group:dev": ["dave@example.com", "erin@example.com"],
    },
    "hosts": {"wiki": next(each for each in DEVICES if each["hostname"] == "product-wiki")["addresses"][0]},
    "ipsets": {"ipset:site": ["add 10.20.0.0/16", "remove 10.20.99.0/24"]},
    "tagOwners": {
        "tag:router": ["autogroup:admin"],
        "tag:prod": ["group:ops"],
        "tag:web": ["group:ops", "tag:ci"],
        "tag:ci": ["group:ops"],
        "tag:recorder": ["autogroup:admin"],
    },
    "autoApprovers": {"routes": {_SITE: ["tag:router"]}, "exitNode": ["tag:router"]},
    "postures": {"posture:managed": ["node:tsStateEncrypted == true", "node:tsAutoUpdate == true"]},
    "grants": [
        {"src": ["autogroup:member"], "dst": ["autogroup:self"], "ip": ["*"]},
        {"src": ["autogroup:member"], "dst": ["wiki"], "ip": ["tcp:443"]},
        {
            "src": ["group:ops"],
            "dst": ["tag:prod"],
            "ip": ["tcp:22", "tcp:443"],
            "srcPosture": ["posture:managed"],
        },
        {"src": ["tag:web"], "dst": ["tag:prod"], "ip": ["tcp:5432"]},
        {"src": ["group:dev"], "dst": ["ipset:site"], "ip": ["tcp:8000-9000"], "via": ["tag:router"]},
        {"src": ["group:ops"], "dst": ["autogroup:internet"], "ip": ["*"]},
        {"src": ["*"], "dst": ["tag:web"], "app": {"example.com/cap/read": [{"pages": ["news"]}]}},
    ],
    "tests": [
        {"src": "dave@example.com", "accept": ["wiki:443"], "deny": ["tag:prod:22", "tag:prod:443"]},
        {"src": "tag:web", "accept": ["tag:prod:5432"], "deny": ["tag:prod:22"]},
    ],
    "ssh": [
        {
            "action": "check",
            "src": ["group:ops"],
            "dst": ["tag:prod"],
            "users": ["root", "autogroup:nonroot"],
            "checkPeriod": "always",
            "recorder": ["tag:recorder"],
            "enforceRecorder": True,
        },
        {
            "action": "check",
            "src": ["autogroup:member"],
            "dst": ["autogroup:self"],
            "users": ["root", "autogroup:nonroot"],
            "checkPeriod": "always",
        },
    ],
    "sshTests": [{"src": "alice@example.com", "dst": ["tag:prod"], "check": ["root"]}],
    "nodeAttrs": [{"target": ["tag:web"], "attr": ["funnel"]}],
}


def _auth(identifier: str, **create: Any) -> Json:
    create = {"reusable": False, "ephemeral": True, "preauthorized": True, "tags": ["tag:ci"], **create}
    return {
        "id": identifier,
        "keyType": "auth",
        "userId": "u1",
        "created": ago(days=10),
        "expires": ahead(days=20),
        "revoked": "0001-01-01T00:00:00Z",
        "capabilities": {"devices": {"create": create}},
    }


KEYS = [
    _auth("k-once", ephemeral=False),
    _auth("k-runners", reusable=True),
    {"id": "k-gitops", "keyType": "client", "scopes": ["policy_file", "all:read"], "created": ago(days=100), "expires": ""},
    {"id": "k-tagger", "keyType": "client", "scopes": ["auth_keys"], "tags": ["tag:ci"], "created": ago(days=100)},
    {
        "id": "k-workflow",
        "keyType": "federated",
        "scopes": ["devices:core:read"],
        "issuer": "https://idp.example.com",
        "subject": "repo:example/web:ref:refs/heads/main",
        "created": ago(days=100),
    },
]  # fmt: skip
SETTINGS: Json = {
    "aclsExternallyManagedOn": True,
    "devicesApprovalOn": True,
    "devicesAutoUpdatesOn": True,
    "devicesKeyDurationDays": 90,
    "usersApprovalOn": True,
    "usersRoleAllowedToJoinExternalTailnets": "none",
    "networkFlowLoggingOn": True,
    "postureIdentityCollectionOn": True,
    "httpsEnabled": True,
}
_EVENTS = ["nodeNeedsApproval", "nodeKeyExpiringInOneDay", "policyUpdate"]
_DELIVERED: Json = {"status": {"lastError": "", "lastActivity": ago(hours=2)}}
CLEAN: Json = {
    "tailnet": "example.com",
    "devices": DEVICES,
    "users": USERS,
    "keys": KEYS,
    "policy": json.dumps(POLICY, indent=1),
    "settings": SETTINGS,
    "user_invites": [{"id": "i1", "email": "grace@example.com", "created": ago(days=3), "accepted": False}],
    "device_invites": [{"id": "d1", "deviceId": "1", "created": ago(days=3), "allowExitNode": False}],
    "attributes": {
        each["nodeId"]: {"attributes": {"node:tsAutoUpdate": True, "node:tsStateEncrypted": True}}
        for each in DEVICES
    },
    "dns": {
        "nameservers": ["9.9.9.9"],
        "splitDns": {"corp.example.com": ["10.20.0.53"]},
        "preferences": {"magicDNS": True, "overrideLocalDNS": True},
    },
    "log_streams": {"configuration": _DELIVERED, "network": _DELIVERED},
    "webhooks": [
        {"endpointId": "w1", "created": ago(days=100), "subscriptions": _EVENTS},
        {
            "endpointId": "w2",
            "created": ago(days=500),
            "lastModified": ago(days=30),
            "subscriptions": ["userNeedsApproval", "userRoleUpdated"],
        },
    ],
    "contacts": {"security": {"email": "security@example.com", "needsVerification": False}},
}
