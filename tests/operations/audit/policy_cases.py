"""The cases of the checks of the policy."""

from __future__ import annotations

import json
from typing import Any

from tests.operations.audit.case import Case, Json
from tests.operations.fleets import USERS, device

_WEB = device("web", "", "tag:web")
_BOB = device("bobs", "bob@example.com")
_GOOD: Json = {
    "tagOwners": {"tag:web": ["autogroup:admin"]},
    "grants": [{"src": ["bob@example.com"], "dst": ["tag:web"], "ip": ["tcp:443"]}],
    "tests": [
        {"src": "bob@example.com", "accept": ["tag:web:443"]},
        {"src": "carol@example.com", "deny": ["tag:web:22"]},
    ],
}
_SSH: Json = {
    "action": "check",
    "src": ["bob@example.com"],
    "dst": ["tag:web"],
    "users": ["root"],
    "checkPeriod": "always",
    "recorder": ["tag:web"],
    "enforceRecorder": True,
}


def _policy(**parts: Any) -> Json:
    content = {name: value for name, value in {**_GOOD, **parts}.items() if value is not None}
    return {
        "devices": [_WEB, _BOB, _DB] if "tag:prod" in content["tagOwners"] else [_WEB, _BOB],
        "users": USERS,
        "policy": json.dumps(content),
    }


def _grant(**fields: Any) -> Json:
    return _policy(grants=[{**_GOOD["grants"][0], **fields}], tests=[])


def _ssh(**fields: Any) -> Json:
    rule = {name: value for name, value in {**_SSH, **fields}.items() if value is not None}
    return _policy(ssh=[rule], sshTests=[])


def _deny(destination: str) -> Json:
    return {"src": "carol@example.com", "deny": [destination]}


def _group(name: str, *logins: str) -> Json:
    grants = [*_GOOD["grants"], {**_GOOD["grants"][0], "src": [name]}]
    return _policy(groups={name: [*logins]}, grants=grants)


_OLD_TAG = {**_GOOD["tagOwners"], "tag:old": []}
_DB = device("db", "", "tag:prod")
_HOST = {"db": _DB["addresses"][0]}
_PROD: Json = {
    "tagOwners": {**_GOOD["tagOwners"], "tag:prod": ["autogroup:admin"]},
    "grants": [*_GOOD["grants"], {**_GOOD["grants"][0], "dst": ["tag:prod"]}],
}
_BROKEN: Json = {"users": USERS, "policy": "{"}
_SHARED: Json = {
    **_policy(),
    "users": [*USERS, {"id": "u9", "loginName": "eve@example.org", "type": "shared"}],
}
_MEMBERS = {**_grant(src=["autogroup:member"]), "users": _SHARED["users"]}
_POSTURE = {"postures": {"posture:good": ["node:os == 'linux'"]}}
_PRODUCTION = {"production_tags": ["tag:web"]}
_WITH_POSTURE = [{**_GOOD["grants"][0], "srcPosture": ["posture:good"]}]

POLICIES = [
    Case("ACC-01", "fail", _policy(grants=None, tests=None), "policy", "neither acls nor grants"),
    Case("ACC-01", "fail", _grant(src=["*"], dst=["*"], ip=["*"]), message="opens every device"),
    Case("ACC-01", "pass", _policy()),
    Case("ACC-01", "pass", _policy(grants=[], tests=None)),
    Case("ACC-02", "fail", _grant(src=["*"]), message="lets in every device"),
    Case("ACC-02", "pass", _policy()),
    Case("ACC-03", "fail", _grant(ip=["*"]), message="opens every port of tag:web"),
    Case("ACC-03", "fail", _grant(dst=["*"]), message="opens every device and every route"),
    Case("ACC-03", "pass", _policy()),
    Case("ACC-04", "fail", _policy(tagOwners={"tag:web": ["autogroup:member"]}), "tag:web"),
    Case("ACC-04", "pass", _policy()),
    Case(
        "ACC-05",
        "fail",
        _policy(autoApprovers={"routes": {"10.0.0.0/8": ["autogroup:member"]}}),
        "10.0.0.0/8",
    ),
    Case("ACC-05", "pass", _policy(autoApprovers={"routes": {"10.20.0.0/16": ["tag:web"]}})),
    Case("ACC-06", "fail", _policy(tests=None), "tests", "has no tests"),
    Case("ACC-06", "fail", _policy(tests=_GOOD["tests"][:1]), "tag:web", "kept from tag:web"),
    Case("ACC-06", "fail", _policy(ssh=[_SSH]), "sshTests", "no sshTests"),
    Case("ACC-06", "pass", _policy()),
    Case("ACC-06", "pass", _policy(grants=[], tests=None)),
    # Production is closed by a test; what else is reached is nobody's secret.
    Case("ACC-06", "pass", _policy(**_PROD, tests=[*_GOOD["tests"][:1], _deny("tag:prod:22")])),
    Case("ACC-06", "pass", _policy(**_PROD, hosts=_HOST, tests=[_deny("db:22")])),
    Case("ACC-06", "fail", _policy(**_PROD, tests=[_deny("tag:web:22")]), "tag:prod"),
    Case("ACC-07", "fail", _policy(groups={"group:old": ["bob@example.com"]}), "group:old"),
    Case("ACC-07", "fail", _policy(tagOwners=_OLD_TAG), "tag:old"),
    Case("ACC-07", "pass", {**_policy(tagOwners=_OLD_TAG), "keys": [{"id": "k1", "tags": ["tag:old"]}]}),
    Case("ACC-07", "fail", _group("group:x", "eve@example.com"), "group:x", "no user of the tailnet"),
    Case("ACC-07", "fail", _group("group:x"), "group:x", "no members"),
    Case("ACC-07", "pass", _policy()),
    Case("ACC-08", "fail", _policy(grants=[*_GOOD["grants"], *_GOOD["grants"]]), message="says what"),
    Case("ACC-08", "pass", _policy()),
    Case("ACC-09", "fail", _policy(**_POSTURE), message="reaches tag:web", options=_PRODUCTION),
    Case("ACC-09", "pass", _policy(**_POSTURE, grants=_WITH_POSTURE, tests=None), options=_PRODUCTION),
    Case("ACC-10", "fail", {"settings": {"aclsExternallyManagedOn": False}}, "aclsExternallyManagedOn"),
    Case("ACC-10", "pass", {"settings": {"aclsExternallyManagedOn": True}}),
    Case("ACC-10", "unknown", {"settings": {}}, "aclsExternallyManagedOn"),
    Case("ACC-11", "fail", _MEMBERS, message="1 person of other tailnets"),
    Case("ACC-11", "pass", _SHARED),
    Case("SSH-01", "fail", _ssh(action="accept", checkPeriod=None), message="as root"),
    Case("SSH-01", "pass", _ssh()),
    Case("SSH-02", "fail", _ssh(src=["autogroup:member"]), message="every member"),
    Case("SSH-02", "pass", _ssh()),
    Case("SSH-03", "fail", _ssh(checkPeriod=None), message="how often"),
    Case("SSH-03", "fail", _ssh(checkPeriod="12h"), message="every time"),
    Case("SSH-03", "pass", _ssh()),
    Case("SSH-04", "fail", _ssh(recorder=None, enforceRecorder=None), message="nothing records"),
    Case("SSH-04", "fail", _ssh(enforceRecorder=None), message="go on when"),
    Case("SSH-04", "pass", _ssh()),
    *(
        Case(f"{family}-{number:02}", "unknown", _BROKEN, "policy", "cannot be judged")
        for family, numbers in (("ACC", (*range(1, 10), 11)), ("SSH", range(1, 5)))
        for number in numbers
    ),
]
