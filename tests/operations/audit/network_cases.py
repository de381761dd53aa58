"""The cases of the checks of routes, exit nodes, funnel and SSH on devices."""

from __future__ import annotations

import json
from typing import Any

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


def _internet(source: str) -> Json:
    return _of(grants=[{"src": [source], "dst": ["autogroup:internet"], "ip": ["*"]}])


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
    Case("SSH-05", "pass", _of(_router("web", sshEnabled=True))),
    Case("SSH-05", "pass", _of(device("web", sshEnabled=False))),
    Case("SSH-05", "unknown", _of(device("web")), WEB, "whether it takes SSH"),
    Case("NET-01", "fail", _funnel("autogroup:member"), message="autogroup:member may put"),
    Case("NET-01", "fail", _funnel("*"), message="* may put"),
    Case("NET-01", "pass", _funnel("tag:web")),
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
    Case("NET-03", "unknown", _of(_NO_ROUTES), "routes"),
    Case("NET-04", "fail", _of(device("web", advertised=EXIT)), WEB, "not listed"),
    Case("NET-04", "fail", _internet("autogroup:member"), message="may use every exit node"),
    Case("NET-04", "pass", _of(_router("web", *EXIT)), options=_NO_EXITS),
    Case("NET-04", "pass", _internet("bob@example.com")),
    Case("NET-04", "unknown", {"policy": "{"}, "policy", "cannot be judged"),
]
