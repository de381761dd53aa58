"""The cases of the checks of routes, exit nodes, funnel and SSH on devices."""

from __future__ import annotations

import json
from typing import Any

from tests.operations.audit.access_cases import PEOPLE, crowd
from tests.operations.audit.case import Case, Json
from tests.operations.fleets import device

EXIT = ["0.0.0.0/0", "::/0"]
WEB = "nWebCNTRL"
_NO_EXITS = {"exit_nodes": ["tag:router"]}


def _of(*devices: Json, **policy: Any) -> Json:
    return {"devices": [*devices], "policy": json.dumps({"grants": [], **policy})}


def _router(name: str, *routes: str, **fields: Any) -> Json:
    return device(name, "", "tag:router", advertised=[*routes], **fields)


def _funnel(*targets: str) -> Json:
    return _of(nodeAttrs=[{"target": [*targets], "attr": ["funnel"]}], tagOwners={"tag:web": []})


def _internet(*sources: str, via: list[str] | None = None, **parts: Any) -> Json:
    grant = {"src": [*sources], "dst": ["autogroup:internet"], "ip": ["*"], **({"via": via} if via else {})}
    return _of(grants=[grant], **parts)


_OWNED: Json = {"tag:router": []}
_LINUX: Json = {"posture:x": ["node:os == 'linux'"]}
_ANYWHERE: Json = {"grants": [{"src": ["autogroup:member"], "dst": ["*"], "ip": ["tcp:443"]}]}
_PAIR = [_router("one", "10.0.0.0/24"), _router("second", "10.0.0.0/24")]


_UNTOLD = {name: value for name, value in _router("web", "10.0.0.0/24").items() if name != "advertisedRoutes"}
_NO_ROUTES = {name: value for name, value in device("web").items() if name != "enabledRoutes"}

NETWORK = [
    Case("SSH-05", "fail", _of(device("web", sshEnabled=True)), WEB, "a person's machine"),
    Case(
        "SSH-05",
        "fail",
        _of(_router("web", sshEnabled=True)),
        WEB,
        "none of the tags",
        {"ssh_tags": ["tag:web"]},
    ),
    Case("SSH-05", "fail", _of(_router("web", sshEnabled=True, os="windows")), WEB, "runs windows"),
    Case("SSH-05", "pass", _of(_router("web", sshEnabled=True))),
    Case("SSH-05", "pass", _of(device("web", sshEnabled=False))),
    Case("SSH-05", "unknown", _of(device("web")), WEB, "whether it takes SSH"),
    Case("NET-01", "fail", _funnel("autogroup:member"), message="autogroup:member may put"),
    Case("NET-01", "fail", _funnel("*"), message="* may put"),
    Case("NET-01", "fail", _funnel("autogroup:tagged"), message="autogroup:tagged may put"),
    Case("NET-01", "fail", crowd(**_funnel(*PEOPLE)), message="may put"),
    Case("NET-01", "pass", _funnel("tag:web")),
    Case("NET-01", "pass", _funnel("bob@example.com")),
    Case("NET-01", "pass", _of(nodeAttrs=[{"target": ["*"], "attr": ["nextdns:abc"]}])),
    Case("NET-01", "unknown", _funnel("tag:web"), "policy", "known to nodes only"),
    Case("NET-02", "fail", _of(_router("web", "10.0.0.0/24", approved=[])), "10.0.0.0/24", "nobody approved"),
    Case("NET-02", "fail", _of(_router("web", "10.0.0.0/24")), "10.0.0.0/24", "one router"),
    Case(
        "NET-02",
        "fail",
        _of(_router("web", "10.0.0.0/24", connectedToControl=False)),
        "10.0.0.0/24",
        "is online",
    ),
    Case("NET-02", "pass", _of(_router("web", "10.0.0.0/24"), _router("second", "10.0.0.0/24"))),
    Case(
        "NET-02",
        "fail",
        _of(*_PAIR, _router("third", "10.0.0.0/24", approved=[])),
        "10.0.0.0/24",
        "third offers it too",
    ),
    Case("NET-02", "fail", _of(_router("web", *EXIT, approved=[])), WEB, "to be an exit node"),
    Case("NET-02", "pass", _of(*_PAIR, _router("web", *EXIT))),
    Case("NET-02", "unknown", _of(_UNTOLD), WEB),
    Case("NET-03", "fail", _of(_router("web", "10.0.0.0/8")), "10.0.0.0/8", "very large"),
    Case(
        "NET-03",
        "fail",
        _of(_router("web", "10.0.0.0/16"), _router("b", "10.0.1.0/24")),
        "10.0.1.0/24",
        "inside 10.0.0.0/16",
    ),
    Case("NET-03", "pass", _of(_router("web", "10.0.0.0/16", "10.0.1.0/24"))),
    Case("NET-03", "fail", _of(_router("web", "0.0.0.0/0")), WEB, "without being an exit node"),
    Case("NET-03", "fail", _of(_router("web", "0.0.0.0/1")), "0.0.0.0/1", "very large"),
    Case("NET-03", "fail", _of(_router("web", "100.64.0.0/24")), "100.64.0.0/24", "of the tailnet have"),
    Case("NET-03", "pass", _of(*_PAIR, _router("web", *EXIT))),
    Case("NET-03", "pass", _of(*_PAIR, _router("web", "fd7a:115c:a1e0:b1a:0:7:a00:0/104"))),
    Case("NET-03", "pass", _of(_router("web", "10.0.0.0/16"), _router("b", "10.0.1.0/24", approved=[]))),
    Case("NET-03", "unknown", _of(_NO_ROUTES), "routes"),
    Case("NET-04", "fail", _of(device("web", advertised=EXIT)), WEB, "not listed"),
    Case("NET-04", "fail", _internet("autogroup:member"), message="may use every exit node"),
    Case("NET-04", "fail", crowd(**_internet(*PEOPLE)), message="may use every exit node"),
    Case("NET-04", "fail", _of(_router("web", *EXIT), **_ANYWHERE), message="may use every exit node"),
    Case("NET-04", "pass", _of(device("web"), **_ANYWHERE)),
    Case("NET-04", "pass", _internet("autogroup:tagged", tagOwners=_OWNED)),
    Case("NET-04", "pass", _internet("autogroup:member", tagOwners=_OWNED, via=["tag:router"])),
    Case("NET-04", "pass", _internet("autogroup:member", postures=_LINUX, defaultSrcPosture=["posture:x"])),
    Case(
        "NET-04",
        "pass",
        _of(_router("web", *EXIT), tagOwners=_OWNED, autoApprovers={"exitNode": ["tag:router"]}),
    ),
    Case("NET-04", "not_applicable", _of(_router("web", *EXIT, approved=[]))),
    Case("NET-04", "pass", _of(_router("web", *EXIT)), options=_NO_EXITS),
    Case("NET-04", "pass", _internet("bob@example.com")),
    Case("NET-04", "unknown", {"policy": "{"}, "policy", "cannot be judged"),
]
