"""The tests of a policy as the service runs them, quirks included."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import read_tailnet
from tailscale_sdk.policy.verdicts import run_tests
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.policy import captures as captured
from tests.policy.small import Json, device, tailnet, user

WEB, ALICE = device("web", "", "tag:web"), device("alicepc", "alice@example.com")
RECORDS = (WEB, ALICE, user("alice@example.com", "admin"), user("bob@example.com"))
BASE: Json = {
    "groups": {"group:dev": ["alice@example.com"], "group:none": []},
    "tagOwners": {"tag:web": [], "tag:later": []},
    "hosts": {"host": WEB["addresses"][0], "net": "100.64.0.0/16", "one": f"{WEB['addresses'][0]}/32"},
    "postures": {"posture:x": ["custom:ok == true"]},
    "acls": [
        {"action": "accept", "src": ["group:dev"], "dst": ["tag:web:22", "tag:later:22", "net:443"]},
        {"action": "accept", "src": ["bob@example.com"], "dst": ["tag:web:53"], "proto": "udp"},
        {"action": "accept", "src": ["group:dev"], "dst": ["tag:web:*"], "proto": "icmp"},
        {"action": "accept", "src": ["group:dev"], "dst": ["tag:web:99"], "srcPosture": ["posture:x"]},
    ],
    "ssh": [
        {
            "action": "check",
            "src": ["group:dev"],
            "dst": ["tag:web"],
            "users": ["ubuntu", "autogroup:nonroot"],
        }
    ],
}


def outcome(**parts: Any) -> list[str]:
    """Return the errors of the tests in a policy."""
    import json

    report = run_tests(read_policy(json.dumps({**BASE, **parts})), tailnet(*RECORDS))
    answer = report.to_dict()
    assert answer["message"] == ("" if report.ok else "test(s) failed")
    return [error for entry in answer["data"] for error in entry["errors"]]


PASSING: list[Json] = [
    {"src": "alice@example.com", "accept": ["tag:web:22"], "deny": ["tag:web:23"]},
    {"src": "group:dev", "accept": ["tag:web:22", "host:22"]},
    {"src": ALICE["addresses"][0], "accept": [f"{WEB['addresses'][0]}:443"]},
    {"src": ALICE["addresses"][1], "accept": [f"[{WEB['addresses'][1]}]:22"]},
    {"src": "bob@example.com", "accept": ["tag:web:53"]},
    {"src": "bob@example.com", "accept": ["tag:web:53"], "proto": "udp"},
    {"src": "bob@example.com", "deny": ["tag:web:53"], "proto": "tcp"},
    {"src": "bob@example.com", "deny": ["tag:web:53"], "proto": "6"},
    {"src": "alice@example.com", "accept": ["tag:later:22"]},
    {"src": "autogroup:member", "deny": ["tag:web:23"]},
    {"src": "group:none", "deny": ["tag:web:22"]},
    {"src": "alice@example.com", "accept": ["tag:web:99"], "srcPostureAttrs": {"custom:ok": True}},
    {"src": "alice@example.com", "deny": ["tag:web:99"], "srcPostureAttrs": {"custom:ok": False}},
    {"src": "alice@example.com", "deny": ["tag:web:99"]},
]


@pytest.mark.parametrize("test", PASSING, ids=[str(test)[:70] for test in PASSING])
def test_what_passes(test: Json) -> None:
    assert outcome(tests=[test]) == []


FAILING: list[Json] = [
    {"src": "alice@example.com", "accept": ["tag:web:23"]},
    {"src": "alice@example.com", "deny": ["tag:web:22"]},
    {"src": "alice@example.com", "accept": ["tag:web:*"]},
    {"src": "alice@example.com", "accept": ["tag:web:22-23"]},
    {"src": "alice@example.com", "accept": ["tag:web:22,23"]},
    {"src": "alice@example.com", "accept": ["net:443"]},
    {"src": "alice@example.com", "accept": ["one:443"]},
    {"src": "alice@example.com", "accept": ["100.64.0.0/16:443"]},
    {"src": "alice@example.com", "accept": ["autogroup:internet:443"]},
    {"src": "alice@example.com", "deny": ["autogroup:internet:443"]},
    {"src": "*", "deny": ["tag:web:22"]},
    {"src": "alice@example.com", "accept": ["tag:none:22"]},
    {"src": "alice@example.com", "accept": ["tag:web:*"], "proto": "icmp"},
    {"src": "alice@example.com", "accept": ["tag:web:22"], "proto": "none"},
    {"src": "nobody@example.com", "accept": ["tag:web:22"]},
    {"src": "nobody@example.com", "deny": ["tag:web:22"]},
    {"src": "", "accept": ["tag:web:22"]},
    {"accept": ["tag:web:22"]},
    {"src": "alice@example.com"},
    {"src": "group:none", "accept": ["tag:web:22"]},
]


@pytest.mark.parametrize("test", FAILING, ids=[str(test)[:70] for test in FAILING])
def test_what_fails(test: Json) -> None:
    assert len(outcome(tests=[test])) == 1


def test_the_error_names_destination_wanted_and_got() -> None:
    test = {"src": "alice@example.com", "accept": ["tag:web:23"], "deny": ["tag:web:22"]}
    assert outcome(tests=[test]) == [
        'address "tag:web:23": want: Accept, got: Drop',
        'address "tag:web:22": want: Drop, got: Accept',
    ]


@pytest.mark.parametrize(
    "test, errors",
    [
        ({"src": "alice@example.com", "dst": ["tag:web"], "check": ["ubuntu", "any"], "deny": ["root"]}, 0),
        ({"src": "alice@example.com", "dst": ["tag:web"], "accept": ["ubuntu"]}, 1),
        ({"src": "alice@example.com", "dst": ["tag:web"], "accept": ["ubuntu"], "deny": ["ubuntu"]}, 2),
        ({"src": "bob@example.com", "dst": ["tag:web"], "deny": ["ubuntu", "root"]}, 0),
        ({"src": "bob@example.com", "dst": ["tag:web"], "check": ["ubuntu"]}, 1),
        ({"src": "alice@example.com", "dst": ["tag:web:22"], "check": ["ubuntu"]}, 1),
        ({"src": "alice@example.com", "dst": [WEB["addresses"][0]], "check": ["ubuntu"]}, 0),
        ({"src": "alice@example.com", "dst": ["100.64.77.77"], "deny": ["ubuntu"]}, 0),
        ({"src": "nobody@example.com", "dst": ["tag:web"], "deny": ["ubuntu"]}, 1),
        ({"src": "alice@example.com", "dst": ["tag:later"], "deny": ["ubuntu"]}, 0),
    ],
)
def test_ssh_tests(test: Json, errors: int) -> None:
    assert len(outcome(sshTests=[test])) == errors


def test_verdicts_equal_the_recorded_ones(reference_data: Any) -> None:
    wrong = []
    for capture in captured.load_captures(reference_data):
        if captured.runs_tests(capture):
            network = read_tailnet(TailnetSnapshot.from_dict(captured.snapshot_of(capture)))
            answer = run_tests(read_policy(captured.policy_text(capture)), network).to_dict()
            if answer["message"] != (capture["api_error"] or ""):
                wrong.append(capture["id"])
    assert wrong == []
