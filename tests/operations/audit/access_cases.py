"""The cases of what rules really open, however it is spelled."""

from __future__ import annotations

import json
from typing import Any

from tests.operations.audit.case import Case, Json
from tests.operations.fleets import USERS, device

PEOPLE = [f"user{number}@example.com" for number in range(7)]
_WEB = device("web", "", "tag:web")
_DEVICES = [_WEB, device("prod-db", "", "tag:prod"), device("bobs", "bob@example.com")]
_ALL: Json = {"src": ["*"], "dst": ["*"], "ip": ["*"]}
_WEB_443: Json = {"src": ["bob@example.com"], "dst": ["tag:web"], "ip": ["tcp:443"]}
_GUEST: Json = {"id": "u9", "loginName": "eve@example.org", "type": "shared"}
_PARTS: Json = {
    "tagOwners": {"tag:web": [], "tag:prod": [], "tag:router": []},
    "hosts": {"all": "0.0.0.0/0", "cgnat": "100.64.0.0/10", "web": _WEB["addresses"][0]},
    "ipsets": {
        "ipset:all": ["add 0.0.0.0/1", "add 128.0.0.0/1"],
        "ipset:composed": ["add ipset:all", "remove 10.0.0.0/8"],
        "ipset:outside": ["add 0.0.0.0/0", "remove 100.64.0.0/10"],
        "ipset:web": [f"add {_WEB['addresses'][0]}"],
    },
    "groups": {"group:everyone": PEOPLE, "group:few": PEOPLE[:4]},
    "postures": {"posture:good": ["node:os == 'linux'"]},
}


def policy(*grants: Json, **parts: Any) -> Json:
    """Return a tailnet of three devices with some grants."""
    content = {**_PARTS, "grants": [*grants], **parts}
    return {"devices": _DEVICES, "users": USERS, "policy": json.dumps(content)}


def grant(**fields: Any) -> Json:
    """Return a tailnet whose one grant is changed by some fields."""
    return policy({**_WEB_443, **fields})


def crowd(**parts: Any) -> Json:
    """Return a tailnet of seven people."""
    users = [{"id": f"u{n}", "loginName": login, "type": "member"} for n, login in enumerate(PEOPLE)]
    suspended = {"id": "u8", "loginName": "gone@example.com", "type": "member", "status": "suspended"}
    return {**parts, "users": [*users, suspended]}


def ssh(**fields: Any) -> Json:
    """Return a tailnet with one SSH rule that is in order but for some fields."""
    rule = {
        "action": "check",
        "src": ["bob@example.com"],
        "dst": ["tag:web"],
        "users": ["root"],
        "checkPeriod": "always",
        "recorder": ["tag:web"],
        "enforceRecorder": True,
    }
    return policy(ssh=[{name: value for name, value in {**rule, **fields}.items() if value is not None}])


def _no_ports(**fields: Any) -> Json:
    return policy({"src": ["*"], "dst": ["*"], "app": {"example.com/cap/x": [{}]}, **fields})


_ROW = [device(f"row{'x' * number}") for number in range(6)]
_POSTURE = {"srcPosture": ["posture:good"]}
_HALVES = [{**_ALL, "src": ["autogroup:member"]}, {**_ALL, "src": ["autogroup:tagged"]}]
_QUARTERS = [
    {"src": [source], "dst": [destination], "ip": ["*"]}
    for source in ("autogroup:member", "autogroup:tagged")
    for destination in ("autogroup:member", "autogroup:tagged")
]
EVERYTHING = [
    *(
        Case("ACC-01", "fail", policy({**_ALL, **fields}), message="opens every device to every device")
        for fields in (
            {"src": ["all"]},
            {"src": ["cgnat"], "dst": ["ipset:all"]},
            {"src": ["ipset:composed"], "dst": ["cgnat"]},
            {"src": ["fd7a:115c:a1e0::/48"]},
            {"src": ["autogroup:member", "autogroup:tagged"]},
            {"ip": ["1-65535"]},
            {"ip": ["1-32767", "32768-65535"]},
            {"ip": ["tcp:1-65535"]},
        )
    ),
    Case("ACC-01", "fail", policy(*_HALVES), "policy", "together open every device"),
    Case(
        "ACC-01", "fail", policy(*_QUARTERS), "policy", "/grants/0, /grants/1, /grants/2, /grants/3 together"
    ),
    Case(
        "ACC-01",
        "fail",
        crowd(**policy({**_ALL, "src": ["group:everyone"]}, _HALVES[1])),
        "policy",
        "together",
    ),
    Case("ACC-01", "fail", {"policy": ""}, "policy", "neither acls nor grants"),
    Case("ACC-01", "fail", {"policy": "{}"}, "policy", "neither acls nor grants"),
    Case("ACC-01", "pass", {"policy": '{"grants": []}'}),
    Case("ACC-01", "pass", {"policy": '{"acls": []}'}),
    *(
        Case("ACC-01", "pass", each)
        for each in (
            policy(*_HALVES[:1]),
            policy(*_QUARTERS[:3]),
            policy(_HALVES[0], {**_HALVES[1], **_POSTURE}),
            policy({**_ALL, **_POSTURE}),
            policy(_ALL, defaultSrcPosture=["posture:good"]),
            policy({**_ALL, "via": ["tag:router"]}),
            policy({**_ALL, "ip": ["tcp:443"]}),
            policy({**_ALL, "dst": ["ipset:outside"]}),
            policy({**_ALL, "dst": ["autogroup:self"], "src": ["autogroup:member"]}),
            crowd(**policy({**_ALL, "src": ["group:few"]}, _HALVES[1])),
            _no_ports(),
        )
    ),
]
SOURCES = [
    Case("ACC-02", "fail", grant(src=["all"]), message="lets in every device of the tailnet: all"),
    Case("ACC-02", "fail", grant(src=["ipset:composed"]), message="ipset:composed"),
    Case("ACC-02", "fail", grant(src=["100.64.0.0/10"]), message="100.64.0.0/10"),
    Case("ACC-02", "fail", grant(src=["autogroup:member", "autogroup:tagged"]), message="autogroup:tagged"),
    Case("ACC-02", "fail", grant(src=["autogroup:danger-all"]), message="every address there is"),
    # Where every device of a tailnet that is no toy has its address in it, a range is as wide as the tailnet.
    Case("ACC-02", "fail", {**grant(src=["100.64.0.0/16"]), "devices": _ROW}, message="100.64.0.0/16"),
    Case("ACC-02", "pass", grant(src=["100.64.0.0/16"])),
    Case("ACC-02", "fail", policy({**_ALL, "via": ["tag:router"], "dst": ["10.0.0.0/24"]})),
    *(
        Case("ACC-02", "pass", each)
        for each in (
            grant(src=["ipset:outside"]),
            grant(src=["10.0.0.0/8"]),
            grant(src=["autogroup:member"]),
            grant(src=["*"], **_POSTURE),
            policy(acls=[{"action": "accept", "src": ["*"], "dst": ["autogroup:self:22"]}]),
            _no_ports(dst=["tag:web"]),
        )
    ),
]
DESTINATIONS = [
    Case("ACC-03", "fail", grant(dst=["cgnat"]), message="opens every device and every route: cgnat"),
    Case("ACC-03", "fail", grant(dst=["autogroup:member", "autogroup:tagged"])),
    Case("ACC-03", "fail", grant(dst=["web"], ip=["*"]), message="every port of web, which is web"),
    Case("ACC-03", "fail", grant(dst=["ipset:web"], ip=["1-65535"]), message="every port of ipset:web"),
    Case("ACC-03", "fail", grant(dst=["autogroup:tagged"], ip=["tcp:1-65535"])),
    Case("ACC-03", "fail", grant(dst=[_WEB["addresses"][1]], ip=["udp:1-65534"]), message="which is web"),
    *(
        Case("ACC-03", "pass", each)
        for each in (
            grant(dst=["ipset:outside"], ip=["*"]),
            grant(dst=["tag:web"], ip=["icmp:*"]),
            grant(dst=["tag:web"], ip=["1024-65535"]),
            grant(dst=["bob@example.com"], ip=["*"]),
            grant(dst=["autogroup:self"], ip=["*"]),
            grant(dst=["autogroup:internet"], ip=["*"]),
            grant(dst=["*"], ip=["*"], via=["tag:router"]),
            grant(dst=["10.0.0.0/24"], ip=["*"]),
            _no_ports(src=["bob@example.com"]),
        )
    ),
]
PRODUCTION = [
    Case("ACC-09", "fail", grant(dst=["tag:prod"]), message="reaches tag:prod from any device"),
    Case("ACC-09", "fail", grant(dst=[_DEVICES[1]["addresses"][0]]), message="tag:prod"),
    Case("ACC-09", "fail", grant(dst=["*"]), message="tag:prod"),
    Case("ACC-09", "fail", grant(dst=["autogroup:tagged"]), message="tag:prod"),
    Case("ACC-09", "fail", grant(src=["tag:web", "bob@example.com"], dst=["tag:prod"])),
    Case("ACC-09", "fail", {**policy(), "policy": "{}"}, "policy", "tag:prod"),
    Case("ACC-09", "fail", grant(), message="tag:web", options={"production_tags": ["tag:web"]}),
    *(
        Case("ACC-09", "pass", each)
        for each in (
            grant(dst=["tag:prod"], **_POSTURE),
            policy({**_WEB_443, "dst": ["tag:prod"]}, defaultSrcPosture=["posture:good"]),
            grant(dst=["tag:prod"], src=["tag:web"]),
            grant(dst=["tag:prod"], src=["web"]),
            grant(dst=["tag:prod"], via=["tag:router"]),
            policy(
                {**_WEB_443, "dst": ["tag:product"]}, tagOwners={"tag:product": [], **_PARTS["tagOwners"]}
            ),
            grant(),
        )
    ),
    Case("ACC-09", "pass", grant(dst=["tag:prod"]), options={"production_tags": ["tag:web"]}),
]
GUESTS = [
    Case("ACC-11", "pass", {**grant(src=["autogroup:member"]), "users": USERS}),
    Case(
        "ACC-11",
        "pass",
        {**grant(src=["autogroup:member"], dst=["autogroup:self"]), "users": [*USERS, _GUEST]},
    ),
]
SSH = [
    Case("SSH-01", "fail", ssh(action="accept", checkPeriod=None, users=["autogroup:nonroot"])),
    Case(
        "SSH-01", "fail", ssh(action="accept", checkPeriod=None, dst=["autogroup:tagged"]), message="as root"
    ),
    Case("SSH-01", "fail", ssh(action="accept", checkPeriod=None, dst=["ipset:web"]), message="ipset:web"),
    Case("SSH-01", "pass", ssh(action="accept", checkPeriod=None, users=["deploy"])),
    Case("SSH-01", "pass", ssh(action="accept", checkPeriod=None, dst=["autogroup:self"])),
    Case("SSH-01", "pass", ssh(action="accept", checkPeriod=None, dst=["bob@example.com"])),
    Case("SSH-02", "fail", ssh(src=["cgnat"]), message="lets in every device"),
    Case("SSH-02", "fail", ssh(dst=["autogroup:tagged"]), message="every tagged device"),
    Case("SSH-02", "fail", crowd(**ssh(src=["group:everyone"])), message="every member"),
    Case("SSH-02", "pass", ssh(src=["autogroup:member"], dst=["autogroup:self"])),
    Case("SSH-02", "pass", ssh(src=["autogroup:member"], **_POSTURE)),
    Case("SSH-02", "pass", crowd(**ssh(src=["group:few"]))),
    Case("SSH-03", "pass", ssh(users=["deploy"], checkPeriod="12h")),
    Case("SSH-03", "pass", ssh(dst=["autogroup:self"], src=["autogroup:member"], checkPeriod="12h")),
    Case("SSH-03", "fail", ssh(users=["deploy"], checkPeriod=None), message="how often"),
    Case("SSH-04", "pass", ssh(users=["deploy"], recorder=None, enforceRecorder=None)),
    Case("SSH-04", "pass", ssh(dst=["autogroup:self"], recorder=None, enforceRecorder=None)),
]
RIGHTS = [
    Case("ACC-04", "fail", policy(tagOwners={"tag:a": ["tag:b"], "tag:b": ["*"]}), "tag:a", "*"),
    Case("ACC-04", "fail", crowd(**policy(tagOwners={"tag:a": ["group:everyone"]})), "tag:a", "7 people"),
    Case("ACC-04", "fail", crowd(**policy(tagOwners={"tag:a": ["tag:b"], "tag:b": PEOPLE})), "tag:a"),
    Case("ACC-04", "pass", policy(tagOwners={"tag:a": ["autogroup:admin", "group:few", "tag:a"]})),
    Case("ACC-04", "pass", policy(tagOwners={"tag:a": ["group:everyone"]})),
    *(
        Case("ACC-05", "fail", crowd(**policy(autoApprovers=approvers)), resource)
        for resource, approvers in (
            ("0.0.0.0/0", {"routes": {"0.0.0.0/0": ["tag:router"]}}),
            ("10.0.0.0/8", {"routes": {"10.0.0.0/8": ["tag:router"]}}),
            ("10.20.0.0/16", {"routes": {"10.20.0.0/16": ["group:everyone"]}}),
            ("exitNode", {"exitNode": ["autogroup:member"]}),
            ("exitNode", {"exitNode": ["group:everyone"]}),
            ("svc:web", {"services": {"svc:web": ["autogroup:member"]}}),
        )
    ),
    Case(
        "ACC-05",
        "pass",
        policy(autoApprovers={"exitNode": ["tag:router"], "services": {"svc:w": ["tag:web"]}}),
    ),
]
ACCESS = [*EVERYTHING, *SOURCES, *DESTINATIONS, *PRODUCTION, *GUESTS, *SSH, *RIGHTS]
