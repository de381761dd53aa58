"""The slow evaluator, pinned to what the language says: it judges the compiler, so it is judged here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy import brute_force
from tests.policy import captures as captured
from tests.policy.small import Json, device, user

DEFAULT, EVERY = [1, 6, 17, 58], [0, 65535]
ALL = [{"proto": DEFAULT, "ports": EVERY}]
TCP22 = [{"proto": [6], "ports": [22, 22]}]
WEB, DB = device("web", "", "tag:web"), device("db", "", "tag:db")
ALICE, PHONE = device("alice", "alice@example.com"), device("alicephone", "alice@example.com")
BOB = device("bob", "bob@example.com")
ROUTER = device("router", "", "tag:router", advertised=["10.0.0.0/16"])
SNAPSHOT: Json = {
    "devices": [WEB, DB, ALICE, PHONE, BOB, ROUTER],
    "users": [user("alice@example.com", "owner"), user("bob@example.com")],
}
TAGS: Json = {"tag:web": [], "tag:db": [], "tag:router": []}


def reach(**policy: Any) -> Json:
    return brute_force.reach({"tagOwners": TAGS, **policy}, SNAPSHOT)


def pairs(**policy: Any) -> set[tuple[str, str]]:
    """Return who reaches whom."""
    found = reach(**policy)
    return {(source[2:], target[2:]) for target, sources in found.items() for source in sources}


def grant(source: str, destination: str, *ip: str, **parts: Any) -> Json:
    return {"src": [source], "dst": [destination], **({"ip": list(ip)} if ip else {}), **parts}


def test_without_rules_everything_is_allowed_and_with_empty_ones_nothing() -> None:
    assert len(pairs()) == 30
    assert pairs(acls=[]) == pairs(grants=[]) == set()


def test_defaults_are_four_protocols_and_a_bare_number_is_a_port() -> None:
    assert reach(grants=[grant("tag:web", "tag:db", "*")])["n-db"]["n-web"] == {"v4": ALL, "v6": ALL}
    ports = reach(grants=[grant("tag:web", "tag:db", "47")])["n-db"]["n-web"]["v4"]
    assert ports == [{"proto": DEFAULT, "ports": [47, 47]}]
    acl = {"action": "accept", "src": ["tag:web"], "dst": ["tag:db:22"], "proto": "icmp"}
    assert reach(acls=[acl])["n-db"]["n-web"]["v4"] == [{"proto": [1], "ports": [22, 22]}]


def test_people_are_their_untagged_devices_and_self_their_own() -> None:
    assert pairs(grants=[grant("alice@example.com", "tag:db", "22")]) == {
        ("alice", "db"),
        ("alicephone", "db"),
    }
    own = pairs(grants=[grant("autogroup:member", "autogroup:self", "22")])
    assert own == {("alice", "alicephone"), ("alicephone", "alice")}
    acl = {"action": "accept", "src": ["*"], "dst": ["autogroup:self:22"]}
    assert pairs(acls=[acl]) == own
    assert pairs(grants=[grant("autogroup:owner", "tag:db", "22")]) == {("alice", "db"), ("alicephone", "db")}


def test_an_address_is_one_family() -> None:
    rule = grant(WEB["addresses"][0], "tag:db", "22")
    assert set(reach(grants=[rule])["n-db"]["n-web"]) == {"v4"}


def test_a_route_needs_to_be_covered_whole_and_is_a_source_too() -> None:
    found = reach(grants=[grant("tag:web", "10.0.0.0/8", "tcp:22")])
    assert found == {"n-router": {"n-web": {"10.0.0.0/16": TCP22}}}
    assert reach(grants=[grant("tag:web", "10.0.1.0/24", "tcp:22")]) == {}
    asked = (SNAPSHOT, "10.0.1.1", "n-db", DB["addresses"][0], 6, 22)
    policy = {"tagOwners": TAGS, "grants": [grant("*", "tag:db", "tcp:22")]}
    assert brute_force.allowed(policy, *asked) == "yes"
    policy["grants"] = [grant("10.0.2.0/24", "tag:db", "tcp:22")]
    assert brute_force.allowed(policy, *asked) == "no"


def test_via_is_about_routes_of_routers_with_the_tag() -> None:
    rule = grant("tag:web", "10.0.0.0/16", "tcp:22", via=["tag:router"])
    assert pairs(grants=[rule]) == {("web", "router")}
    assert pairs(grants=[{**rule, "via": ["tag:db"]}]) == set()
    assert pairs(grants=[grant("tag:web", "tag:router", "22", via=["tag:router"])]) == set()


def test_the_internet_adds_nothing_to_filters() -> None:
    assert pairs(grants=[grant("tag:web", "autogroup:internet", "*")]) == set()


def test_a_drive_is_known_to_its_owner_and_open_no_port() -> None:
    found = reach(grants=[grant("tag:web", "tag:db", app={"tailscale.com/cap/drive": [{"shares": ["*"]}]})])
    assert found == {
        "n-db": {"n-web": {"caps": {"tailscale.com/cap/drive": [{"shares": ["*"]}]}}},
        "n-web": {"n-db": {"caps": {"tailscale.com/cap/drive-sharer": []}}},
    }


def ssh(*rules: Json) -> Json:
    return brute_force.ssh({"tagOwners": TAGS, "ssh": list(rules)}, SNAPSHOT)


def entry(action: str, *users: str, source: str = "alice@example.com") -> Json:
    return {"action": action, "src": [source], "dst": ["tag:db"], "users": list(users)}


def test_check_comes_before_accept_and_root_is_denied_unless_listed() -> None:
    found = ssh(entry("accept", "root"), entry("check", "autogroup:nonroot"))["n-db"]["n-alice"]
    assert found == [
        {"users": {"*": "=", "root": ""}, "action": "check"},
        {"users": {"root": "root"}, "action": "accept"},
    ]


def test_a_local_part_is_a_rule_for_each_user_and_one_for_oneself() -> None:
    found = ssh(entry("accept", "localpart:*@example.com", source="autogroup:member"))
    assert found["n-db"]["n-bob"] == [
        {"users": {"root": ""}, "action": "accept"},
        {"users": {"bob": "bob"}, "action": "accept"},
    ]
    assert list(found["n-bob"]) == ["n-bob"]
    other = ssh(entry("accept", "localpart:*@example.org", "ubuntu"))
    assert other["n-db"]["n-alice"] == [{"users": {"ubuntu": "ubuntu", "root": ""}, "action": "accept"}]


def test_attributes() -> None:
    policy = {
        "randomizeClientPort": True,
        "nodeAttrs": [
            {"target": ["tag:web"], "attr": ["funnel"]},
            {"target": ["*"], "attr": ["custom"]},
            {"attr": ["none"]},
        ],
    }
    keys = brute_force.cap_map({"tagOwners": TAGS, **policy}, SNAPSHOT)
    assert set(keys["n-db"]) == {"custom", "randomize-client-port"}
    assert len(keys["n-web"]) == 5


@pytest.mark.parametrize(
    "test, passes",
    [
        ({"src": "tag:web", "accept": ["tag:db:22"], "deny": ["tag:db:23"]}, True),
        ({"src": "tag:web", "accept": ["tag:db:*"]}, False),
        ({"src": "tag:web", "accept": ["100.64.0.0/10:22"]}, False),
        ({"src": "tag:none", "accept": ["tag:db:22"]}, False),
        ({"src": "tag:web"}, False),
    ],
)
def test_tests(test: Json, passes: bool) -> None:
    policy = {"tagOwners": TAGS, "grants": [grant("tag:web", "tag:db", "22")], "tests": [test]}
    assert (brute_force.run_tests(policy, SNAPSHOT)["message"] == "") is passes


def test_it_equals_what_was_recorded(reference_data: Any) -> None:
    for capture in captured.load_captures(reference_data):
        if not captured.is_accepted(capture):
            continue
        snapshot = captured.snapshot_of(capture)
        found = brute_force.reach(capture["policy"], snapshot)
        assert captured.reach_differences(capture["reach"], found, without=captured.unrecorded(capture)) == []
        recorded = captured.recorded_ssh(capture)
        assert captured.ssh_differences(recorded, brute_force.ssh(capture["policy"], snapshot)) == []
