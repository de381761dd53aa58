"""The cases of the checks of devices."""

from __future__ import annotations

from typing import Any

from tests.operations.audit.case import Case, Json
from tests.operations.fleets import ago, device, silent

WEB = "nWebCNTRL"


def _of(*devices: Json, **parts: Any) -> Json:
    return {"devices": [*devices], **parts}


def _person(name: str = "web", **fields: Any) -> Json:
    return device(name, "alice@example.com", **fields)


def _server(name: str = "web", **fields: Any) -> Json:
    return device(name, "", "tag:web", **fields)


def _without(record: Json, *names: str) -> Json:
    return {name: value for name, value in record.items() if name not in names}


def _attributes(told: Json, **fields: Any) -> Json:
    return _of(_person(**fields), attributes={WEB: {"attributes": told}})


_GOOD = {"node:tsAutoUpdate": True, "node:tsStateEncrypted": True}
_EXTERNAL = _person(isExternal=True, keyExpiryDisabled=True, authorized=False, tailnetLockError="")
_CURRENT = device("current", updateAvailable=False)
_OLD = {"latest_version": "1.90.0", "minors_behind": 3}

DEVICES = [
    Case("DEV-01", "fail", _of(_person(keyExpiryDisabled=True)), WEB, "alice@example.com"),
    Case("DEV-01", "pass", _of(_person())),
    Case("DEV-01", "not_applicable", _of(_server())),
    Case("DEV-01", "not_applicable", _of(_EXTERNAL)),
    Case("DEV-01", "unknown", _of(_person(keyExpiryDisabled=None)), WEB),
    Case("DEV-02", "fail", _of(_server()), WEB),
    Case("DEV-02", "pass", _of(_server(keyExpiryDisabled=False))),
    Case("DEV-02", "pass", _of(_server()), options={"never_expiring_tags": ["tag:web"]}),
    Case("DEV-02", "not_applicable", _of(_person(keyExpiryDisabled=True))),
    Case("DEV-02", "unknown", _of(_without(_server(), "keyExpiryDisabled")), WEB),
    Case("DEV-03", "fail", _of(_person(updateAvailable=True)), WEB, "a newer client"),
    Case("DEV-03", "fail", _of(_person(clientVersion="1.80.0")), WEB, "5 versions behind 1.90.0", _OLD),
    Case(
        "DEV-03",
        "fail",
        _of(_person(clientVersion="1.9.0")),
        WEB,
        "known holes",
        {"security_floor": "1.24.2"},
    ),
    Case("DEV-03", "pass", _of(_person(updateAvailable=False))),
    Case("DEV-03", "pass", _of(_person(clientVersion="1.84.0-t1", updateAvailable=True)), options=_OLD),
    # Without options the newest client of the fleet that the API calls current is the measure.
    Case(
        "DEV-03",
        "fail",
        _of(_CURRENT, _person(clientVersion="1.70.0", updateAvailable=True)),
        WEB,
        "7 versions",
    ),
    Case("DEV-03", "fail", _of(_CURRENT, _person(updateAvailable=True)), WEB, "a newer client"),
    Case(
        "DEV-03", "fail", _of(_person(clientVersion="1.30.0", updateAvailable=False)), WEB, "1.32.3 has none"
    ),
    Case("DEV-03", "pass", _of(_CURRENT, _person(clientVersion="1.82.5", updateAvailable=True))),
    Case("DEV-03", "not_applicable", _of({**_EXTERNAL, "clientVersion": "1.2.0"})),
    Case("DEV-03", "unknown", _of(_person()), WEB, "give the latest version"),
    Case("DEV-03", "unknown", _of(_person(clientVersion="")), WEB, "give the latest version"),
    Case("DEV-04", "fail", _of(silent("web", 31)), WEB, "for 31 days"),
    Case("DEV-04", "pass", _of(silent("web", 29))),
    Case("DEV-04", "pass", _of(silent("web", 40)), options={"stale_days": 45}),
    Case("DEV-04", "unknown", _of(_without(_person(), "connectedToControl")), WEB),
    Case("DEV-05", "fail", _of(_person(authorized=False)), WEB),
    Case("DEV-05", "pass", _of(_person())),
    Case("DEV-05", "not_applicable", _of(_EXTERNAL)),
    Case("DEV-05", "unknown", _of(_person(authorized=None)), WEB),
    Case("DEV-06", "fail", _of(_person(advertised=["10.0.0.0/8"])), WEB, "it routes, and"),
    Case("DEV-06", "fail", _of(_person(sshEnabled=True)), WEB, "it takes SSH"),
    Case("DEV-06", "pass", _of(_person(advertised=[]))),
    Case("DEV-06", "pass", _of(_server(advertised=["10.0.0.0/8"]))),
    Case("DEV-06", "not_applicable", _of(_person(os="windows", sshEnabled=True))),
    Case("DEV-06", "unknown", _of(_person(os="")), WEB),
    Case("DEV-07", "fail", _of(_server(os="macOS")), WEB),
    Case("DEV-07", "fail", _of(_server(os="windows", hostname="DESKTOP-1")), WEB),
    Case("DEV-07", "fail", _of(_server(hostname="alices-laptop")), WEB),
    Case("DEV-07", "pass", _of(_server(os="windows", hostname="WIN-1"))),
    Case("DEV-07", "pass", _of(_server(os="tvOS", hostname="apple-tv"))),
    Case("DEV-07", "not_applicable", _of(_person(os="macOS"))),
    Case("DEV-07", "unknown", _of(_server(os="")), WEB),
    Case("DEV-08", "fail", _of(_person(multipleConnections=True)), WEB),
    Case("DEV-08", "pass", _of(_person())),
    Case("DEV-09", "fail", _of(_person(tailnetLockError="not signed")), WEB),
    Case("DEV-09", "pass", _of(_person())),
    Case("DEV-09", "not_applicable", _of({**_EXTERNAL, "tailnetLockError": "not signed"})),
    Case("DEV-09", "unknown", _of(_person()), "tailnet-lock"),
    Case("DEV-10", "fail", _of(_EXTERNAL), WEB),
    Case("DEV-10", "fail", _of(device_invites=[{"id": "i1", "allowExitNode": True}]), "i1"),
    Case("DEV-10", "pass", _of(_person(), device_invites=[{"id": "i1", "created": ago(days=1)}])),
    Case("DEV-10", "unknown", _of(_person()), "device_invites"),
    Case(
        "DEV-11", "fail", _of(_person("payroll-db"), settings={"httpsEnabled": True}), message="says payroll"
    ),
    Case(
        "DEV-11",
        "fail",
        _of(_person("client-secrets"), settings={"httpsEnabled": True}),
        message="says secret",
    ),
    Case("DEV-11", "pass", _of(_person(), settings={"httpsEnabled": True})),
    Case("DEV-11", "pass", _of(_person("secretary-emerger"), settings={"httpsEnabled": True})),
    Case("DEV-11", "not_applicable", _of(_person("payroll-db"), settings={"httpsEnabled": False})),
    Case("DEV-12", "fail", _attributes({**_GOOD, "node:tsAutoUpdate": False}), WEB, "tsAutoUpdate is False"),
    Case("DEV-12", "fail", _attributes(_GOOD, postureIdentity={"disabled": True}), WEB, "serial number"),
    Case("DEV-12", "pass", _attributes(_GOOD)),
    Case("DEV-12", "unknown", _of(_person(), attributes={}), WEB, "were not read"),
    Case("DEV-12", "unknown", _attributes({}), WEB, "does not tell node:tsAutoUpdate"),
    Case("DEV-11", "unknown", _of(_person(), settings={"httpsEnabled": None}), "httpsEnabled"),
]
