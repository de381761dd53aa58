"""Who reaches what, who holds which right, what the preview says, and how conditions and address sets are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.access import (
    approvers_of,
    approves,
    funnel_devices,
    merge_families,
    reach,
    read_question,
    tag_holders,
)
from tailscale_sdk.policy.access.previewing import cross_check, rules_for_address, rules_for_user
from tailscale_sdk.policy.compile import CompiledPolicy, items_of
from tailscale_sdk.policy.compile.postures import holds, names_in
from tailscale_sdk.policy.language import read_policy
from tests.policy.small import Json, compiled, device, user

WEB, DB = device("web", "", "tag:web"), device("db", "", "tag:db")
ALICE, BOB = device("alicepc", "alice@example.com"), device("bobpc", "bob@example.com")
ROUTER = device("router", "", "tag:router", advertised=["10.0.0.0/16", "fd00:9::/64"])
EXIT = device("exit", "", "tag:router", advertised=["0.0.0.0/0", "::/0"])
RECORDS = (WEB, DB, ALICE, BOB, ROUTER, EXIT, user("alice@example.com", "admin"), user("bob@example.com"))
POLICY = """{
  "groups": {"group:dev": ["alice@example.com"]},
  "tagOwners": {"tag:web": ["group:dev"], "tag:db": ["tag:web"], "tag:router": []},
  "hosts": {"lab": "10.0.5.0/24"},
  "ipsets": {"ipset:inner": ["add lab", "add 10.0.9.0/24", "remove 10.0.5.128/25", "host:lab2"]},
  "postures": {"posture:linux": ["node:os == 'linux'"]},
  "acls": [
    {"action": "accept", "src": ["group:dev"], "dst": ["tag:web:22,80"]},
    {"action": "accept", "src": ["autogroup:member"], "dst": ["autogroup:self:*"]},
  ],
  "grants": [
    {"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"], "app": {"example.com/db": [{"role": "rw"}]}},
    {"src": ["bob@example.com"], "dst": ["ipset:inner"], "ip": ["tcp:443"], "srcPosture": ["posture:linux"]},
    {"src": ["alice@example.com"], "dst": ["autogroup:internet"], "ip": ["*"], "via": ["tag:router"]},
  ],
  "nodeAttrs": [{"target": ["tag:web"], "attr": ["funnel"]}],
  "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"], "10.0.0.0/16": ["group:dev"]}, "exitNode": ["tag:router"]},
}""".replace(', "host:lab2"', "")


@pytest.fixture(scope="module")
def engine() -> CompiledPolicy:
    return compiled(POLICY, *RECORDS)


def rows(engine: CompiledPolicy, *, port: str | None = None, **ends: str) -> list[tuple[str, str, str, bool]]:
    """Return the rows of a question in words."""
    found = merge_families(reach(engine, question=read_question(port), **ends))
    return [(row.sources.text, row.destinations.text, row.ports, row.certain) for row in found]


def test_who_reaches_a_device(engine: CompiledPolicy) -> None:
    assert rows(engine, destination="db") == [("tag:web", "tag:db", "tcp 5432", True)]
    assert rows(engine, destination="db", port="22") == []


def test_what_a_device_reaches(engine: CompiledPolicy) -> None:
    assert rows(engine, source="alicepc") == [
        ("alice@example.com", "tag:web", "port 22, 80", True),
        ("alice@example.com", "the internet by exit", "exit node", True),
    ]
    assert rows(engine, source="bobpc", destination="10.0.9.7") == [
        ("bob@example.com", "10.0.9.0/24 behind router", "tcp 443", False)
    ]


def test_an_ip_set_adds_and_removes(engine: CompiledPolicy) -> None:
    assert rows(engine, destination="10.0.5.1", port="443") != []
    assert rows(engine, destination="10.0.5.200", port="443") == []


def test_a_row_is_data_too(engine: CompiledPolicy) -> None:
    (row,) = merge_families(reach(engine, destination="db", question=read_question(None)))
    assert row.to_dict() == {
        "sources": {"names": ["tag:web"], "devices": 1},
        "destinations": {"names": ["tag:db"], "devices": 1},
        "ports": "tcp 5432",
        "detail": [{"proto": [6], "ports": [5432, 5432]}],
        "rule": "grants[0] line 12",
        "certain": True,
        "caps": {"example.com/db": [{"role": "rw"}]},
    }


def test_self_is_one_row_for_each_user() -> None:
    second = device("alicephone", "alice@example.com")
    found = rows(compiled(POLICY, *RECORDS, second), source="alicephone")
    assert ("alice@example.com", "alice@example.com", "every port", True) in [
        (s.replace("alicephone", "alice@example.com"), d, p, c) for s, d, p, c in found
    ]


@pytest.mark.parametrize(
    "ends", [{"source": "nobody"}, {"destination": "10.0.0.0/8"}, {"source": "tag:none"}]
)
def test_names_that_mean_nothing(engine: CompiledPolicy, ends: Any) -> None:
    with pytest.raises(ConfigurationError):
        rows(engine, **ends)


def test_who_can_become_a_tag() -> None:
    holders = tag_holders(read_policy(POLICY), "tag:db", {"root@example.com": "owner"})
    assert holders.to_dict() == {
        "tag": "tag:db",
        "owners": ["tag:web", "group:dev"],
        "users": ["alice@example.com", "root@example.com"],
        "tags": ["tag:web"],
    }
    circle = read_policy('{"tagOwners": {"tag:a": ["tag:b"], "tag:b": ["tag:a", "autogroup:admin"]}}')
    assert tag_holders(circle, "tag:a", {"x@example.com": "admin"}).users == ("x@example.com",)
    assert tag_holders(circle, "tag:none", {}).owners == ()
    everybody = read_policy('{"tagOwners": {"tag:a": ["autogroup:member", "eve@example.com"]}}')
    assert tag_holders(everybody, "tag:a", {"x@example.com": "member"}).users == (
        "eve@example.com",
        "x@example.com",
    )


@pytest.mark.parametrize(
    "route, targets",
    [
        ("10.0.0.0/16", ["10.0.0.0/8", "10.0.0.0/16"]),
        ("10.9.0.0/16", ["10.0.0.0/8"]),
        ("0.0.0.0/0", ["exitNode"]),
        ("192.0.2.0/24", []),
        ("fd00::/8", []),
        ("nonsense", []),
    ],
)
def test_who_may_approve_a_route(route: str, targets: list[str]) -> None:
    assert [approvers.target for approvers in approvers_of(read_policy(POLICY), route)] == targets
    assert approvers_of(read_policy("{}"), "0.0.0.0/0") == []


def test_whose_routes_are_approved(engine: CompiledPolicy) -> None:
    router, alice, bob = (engine.tailnet.named(name)[0] for name in ("router", "alicepc", "bobpc"))
    assert approves(engine, router, "10.9.0.0/16") == "yes"
    assert approves(engine, alice, "10.0.0.0/16") == "yes"
    assert approves(engine, bob, "10.0.0.0/16") == "no"
    roles = compiled('{"autoApprovers": {"routes": {"10.0.0.0/8": ["autogroup:auditor"]}}}', ALICE)
    assert approves(roles, roles.tailnet.devices[0], "10.0.0.0/8") == "unknown"


def test_who_may_turn_on_funnel(engine: CompiledPolicy) -> None:
    assert [each.label for each in funnel_devices(engine)] == ["web"]


def test_the_preview_of_a_user(engine: CompiledPolicy) -> None:
    def lines(login: str) -> list[int]:
        return [match.rule.place.line for match in rules_for_user(engine, login)]

    assert lines("alice@example.com") == [8, 9, 14]
    assert lines("bob@example.com") == [9, 13]
    assert rules_for_user(engine, "bob@example.com")[1].to_dict() == {
        "users": ["bob@example.com"],
        "ports": ["ipset:inner:443"],
        "lineNumber": 13,
        "postures": ["posture:linux"],
    }
    roles = compiled('{"acls": [{"action": "accept", "src": ["autogroup:admin"], "dst": ["*:*"]}]}', *RECORDS)
    assert len(rules_for_user(roles, "alice@example.com")) == 1
    assert rules_for_user(roles, "bob@example.com") == []
    by_address = compiled(
        f'{{"acls": [{{"action": "accept", "src": ["{BOB["addresses"][0]}"], "dst": ["*:*"]}}]}}', *RECORDS
    )
    assert len(rules_for_user(by_address, "bob@example.com")) == 1


def test_the_preview_of_an_address(engine: CompiledPolicy) -> None:
    def lines(address: str, port: int) -> list[int]:
        return [match.rule.place.line for match in rules_for_address(engine, address, port)]

    assert lines(WEB["addresses"][0], 80) == [8]
    assert lines(WEB["addresses"][1], 81) == []
    assert lines("10.0.9.3", 443) == [13]
    assert lines(ALICE["addresses"][0], 1) == [9]
    with pytest.raises(ValueError, match="is no address"):
        rules_for_address(engine, "nowhere", 1)


def test_our_answer_is_compared_with_the_services(engine: CompiledPolicy) -> None:
    matches = rules_for_user(engine, "bob@example.com")
    same = {"matches": [{"lineNumber": 9}, {"lineNumber": 13}]}
    assert cross_check(matches, same).agrees
    other = cross_check(matches, {"matches": [{"lineNumber": 9}, {"lineNumber": 20}, {}]})
    assert other.to_dict() == {"agrees": False, "only_ours": [13], "only_theirs": [20]}
    assert cross_check([], {"matches": None}).agrees


ATTRIBUTES: Json = {
    "node:os": "linux",
    "node:osVersion": "6.10.2",
    "custom:level": 7,
    "custom:ok": True,
    "custom:empty": "",
}


@pytest.mark.parametrize(
    "condition, holding",
    [
        ("node:os == 'linux'", True),
        ('node:os == "windows"', False),
        ("node:os != 'windows'", True),
        ("node:os IN ['macos', 'linux']", True),
        ("node:os NOT IN ['macos', 'linux']", False),
        ("node:os NOT  IN ['macos']", True),
        ("node:osVersion >= '6.9'", True),
        ("node:osVersion < '6.9'", False),
        ("node:osVersion > '6.10.1'", True),
        ("node:osVersion <= '6.10.2'", True),
        ("custom:level >= 7", True),
        ("custom:level > 7.5", False),
        ("custom:level == 7", True),
        ("custom:level IN [1, 7]", True),
        ("custom:ok == true", True),
        ("custom:ok == 1", False),
        ("custom:ok > false", False),
        ("custom:ok IS SET", True),
        ("custom:none IS SET", False),
        ("custom:none NOT SET", True),
        ("custom:none == 'x'", False),
        ("custom:none != 'x'", False),
        ("custom:level > 'x'", False),
        ("custom:empty == ''", True),
        ("node:os", None),
        ("node:os == linux", None),
        ("node:os IN 'linux'", None),
        ("node:os IN [linux]", None),
        ("", None),
    ],
)
def test_conditions(condition: str, holding: bool | None) -> None:
    assert holds(condition, ATTRIBUTES) is holding


def test_the_attributes_a_condition_asks_for() -> None:
    assert names_in(["node:os == 'x'", "custom:a IS SET", "nonsense"]) == ["node:os", "custom:a"]


@pytest.mark.parametrize(
    "attributes, pairs",
    [
        ({"n-alicepc": {"attributes": {"node:os": "linux"}}}, ["v4", "v6"]),
        ({"n-alicepc": {"attributes": {"node:os": "macos"}}}, []),
        ({}, []),
    ],
)
def test_postures_open_and_close(attributes: Json, pairs: list[str]) -> None:
    policy = {
        "tagOwners": {"tag:db": []},
        "postures": {"posture:linux": ["node:os == 'linux'"], "posture:odd": ["nonsense"]},
        "defaultSrcPosture": ["posture:linux"],
        "grants": [{"src": ["alice@example.com"], "dst": ["tag:db"], "ip": ["22"]}],
    }
    engine = compiled(policy, ALICE, DB, attributes=attributes)
    alice, db = (engine.tailnet.named(name)[0] for name in ("alicepc", "db"))
    pair = engine.between(alice, db)
    assert sorted(pair.allowed) == pairs
    assert bool(pair.unknown) is (attributes == {})
    odd = compiled(
        json.loads(json.dumps(policy).replace('["posture:linux"]', '["posture:odd"]')),
        ALICE,
        DB,
        attributes=attributes,
    )
    unread = odd.between(*(odd.tailnet.named(name)[0] for name in ("alicepc", "db")))
    assert (unread.allowed, bool(unread.unknown)) == ({}, True)


def test_items_share_ranges() -> None:
    assert items_of({6: ((22, 22), (80, 90)), 17: ((22, 22),)}) == [
        {"proto": [6, 17], "ports": [22, 22]},
        {"proto": [6], "ports": [80, 90]},
    ]
