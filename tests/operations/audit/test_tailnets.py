"""Whole tailnets: every sin is found by its check with its severity, and nothing that only looks like one."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.operations.audit import CHECKS, AuditOptions, AuditRules, AuditRun, run_checks
from tailscale_sdk.operations.audit.reading import read_audited
from tailscale_sdk.operations.fleet import read_fleet
from tailscale_sdk.snapshot import TailnetSnapshot
from tailscale_sdk.testing import FakeTailnet
from tests.operations.audit.clean_tailnet import CLEAN, OPTIONS
from tests.operations.audit.sinful_tailnet import SINFUL, SINS
from tests.operations.fleets import NOW, Admin

# By who asks the innocent why: the checks that could take it for a sin.
INNOCENTS = [
    ("a person's phone, desktop and Linux laptop", {"DEV-06", "DEV-07", "SSH-05"}),
    ("secretary-mac, which is not secret", {"DEV-11"}),
    ("a client one version behind", {"DEV-03"}),
    ("an Apple TV with a tag", {"DEV-07"}),
    ("a laptop that is closed for three weeks", {"DEV-04"}),
    ("an exit node that the policy approves", {"NET-04"}),
    ("a pair of routers, one with a part of the same route again", {"NET-02", "NET-03"}),
    ("production, reached with a posture by people and without by servers", {"ACC-09"}),
    ("tag:web, which is open to its tests", {"ACC-06"}),
    ("people and their own devices, on every port and by SSH", {"ACC-03", "SSH-02", "SSH-04"}),
    ("capabilities for everybody, which open no port", {"ACC-02", "ACC-01"}),
    ("an ephemeral key that many use, and one that is used once", {"KEY-01", "KEY-02", "KEY-03"}),
    ("a client that writes the policy, and one that gives one tag", {"KEY-05", "KEY-06"}),
    ("an auditor who is seldom there, and a member who never is", {"USR-01"}),
    ("an old webhook with a young secret", {"LOG-02"}),
    ("funnel for one tag", {"NET-01"}),
]


def _run(content: dict[str, Any], **options: Any) -> AuditRun:
    fleet = read_fleet(TailnetSnapshot.from_dict(content))
    return run_checks(fleet, CHECKS.values(), rules=AuditRules(AuditOptions(**options)), now=NOW)


def test_every_sin_is_found_and_nothing_else() -> None:
    assert _found(_run(SINFUL, **OPTIONS)) == dict(sorted(SINS.items()))


def _found(run: AuditRun) -> dict[str, tuple[str, tuple[str, ...]]]:
    names, severities = defaultdict[str, list[str]](list), defaultdict[str, set[str]](set)
    for finding in run.failed:
        names[finding.check].append(finding.name or finding.resource or "")
        severities[finding.check].add(finding.severity)
    return {
        check: (" ".join(sorted(severities[check])), tuple(sorted(names[check]))) for check in sorted(names)
    }


@pytest.mark.parametrize(("content", "sins"), [(SINFUL, SINS), (CLEAN, {})], ids=["sinful", "clean"])
def test_a_tailnet_read_over_the_api_is_judged_as_its_snapshot_is(
    content: dict[str, Any], sins: dict[str, Any], tmp_path: Path
) -> None:
    with (
        FakeTailnet(snapshot=content) as tailnet,
        contextlib.closing(Admin(tailnet, tmp_path / "state")) as admin,
    ):
        fleet = admin.run(read_audited(admin.client, deep=True))
    run = run_checks(fleet, CHECKS.values(), rules=AuditRules(AuditOptions(**OPTIONS)), now=NOW)
    assert _found(run) == dict(sorted(sins.items()))
    assert not any(ran.missing for ran in run.checks)


def test_there_is_a_sin_for_every_automated_check() -> None:
    assert set(SINS) == {check for check in CHECKS if check not in {"ACC-12", "MAN-01"}}


def test_a_clean_tailnet_has_no_findings() -> None:
    run = _run(CLEAN, **OPTIONS)
    assert [(finding.check, finding.name, finding.message) for finding in run.failed] == []
    assert not [finding for finding in run.findings if finding.status == "error"]
    for finding in run.findings:
        # What nodes alone know is told, and is no alarm.
        if finding.status == "unknown" and finding.check in {"DEV-09", "NET-01"}:
            assert finding.severity == "low"


@pytest.mark.parametrize("innocent, checks", INNOCENTS, ids=[innocent for innocent, _ in INNOCENTS])
def test_an_innocent_was_looked_at_and_let_go(innocent: str, checks: set[str]) -> None:
    ran = {each.check.id: each for each in _run(CLEAN, **OPTIONS).checks}
    for check in checks:
        assert ran[check].counts["pass"] + ran[check].counts["not_applicable"] > 0
        assert not ran[check].counts["fail"]


def test_every_message_is_one_sentence() -> None:
    for finding in _run(SINFUL, **OPTIONS).findings:
        assert finding.message
        assert "\n" not in finding.message
        assert not finding.message.endswith(".")


# Which part of a snapshot an answer of the service becomes.
_PARTS = {
    "listTailnetDevices": ("devices", lambda body: body.get("devices")),
    "listUsers": ("users", lambda body: body.get("users")),
    "getUser": ("users", lambda body: [body]),
    "listTailnetKeys": ("keys", lambda body: body.get("keys")),
    "getKey": ("keys", lambda body: [body]),
    "getTailnetSettings": ("settings", lambda body: body),
    "listUserInvites": ("user_invites", lambda body: body),
    "getUserInvite": ("user_invites", lambda body: [body]),
    "listDeviceInvites": ("device_invites", lambda body: body),
    "createDeviceInvites": ("device_invites", lambda body: body),
    "getDnsConfiguration": ("dns", lambda body: body),
    "getPolicyFile": ("policy", json.dumps),
    "getDevicePostureAttributes": ("attributes", lambda body: {"nWebCNTRL": body}),
}


def _real(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return a snapshot for each body of the reference data that is part of one."""
    index = json.loads((folder / "api-bodies" / "index.json").read_text())
    return [
        (entry["file"], {name: part(json.loads((folder / "api-bodies" / entry["file"]).read_text()))})
        for operation, (name, part) in _PARTS.items()
        for entry in index.get(operation, ())
        if int(entry["status"]) == 200
    ]


@pytest.mark.parametrize("around", [{}, CLEAN, SINFUL], ids=["alone", "clean", "sinful"])
def test_real_bodies_break_no_check(reference_data: Path, around: dict[str, Any]) -> None:
    bodies = _real(reference_data)
    assert len(bodies) >= 20
    for file, part in bodies:
        run = _run({"devices": [], **around, **part})
        assert [finding.check for finding in run.findings if finding.status == "error"] == [], file
