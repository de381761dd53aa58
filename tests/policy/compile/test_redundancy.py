"""Rules that others contain: proved over sets, so each way of not being contained is tried."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.policy.compile.attributes import node_attributes
from tailscale_sdk.policy.compile.redundancy import redundant_rules
from tailscale_sdk.policy.compile.ssh import ssh_entries
from tests.policy.small import Json, compiled, device, user

RECORDS = (
    device("web", "", "tag:web"),
    device("db", "", "tag:db"),
    device("alice", "alice@example.com"),
    device("alicephone", "alice@example.com"),
    user("alice@example.com", "owner"),
)
BASE: Json = {"tagOwners": {"tag:web": [], "tag:db": []}, "postures": {"posture:x": ["custom:x == true"], "posture:y": ["custom:y == true"]}}  # fmt: skip


def grant(source: str, destination: str, *ip: str, **parts: Any) -> Json:
    return {"src": [source], "dst": [destination], **({"ip": list(ip)} if ip else {}), **parts}


WIDE = grant("*", "*", "*")
CASES: list[tuple[str, list[Json], dict[str, tuple[str, ...]]]] = [
    ("inside", [WIDE, grant("tag:web", "tag:db", "22")], {"/grants/1": ("/grants/0",)}),
    ("first and last", [grant("tag:web", "tag:db", "22"), WIDE], {"/grants/0": ("/grants/1",)}),
    ("equal ones keep the first", [grant("tag:web", "tag:db", "22")] * 2, {"/grants/1": ("/grants/0",)}),
    ("other ports", [grant("tag:web", "tag:db", "22"), grant("tag:web", "tag:db", "22-23")], {"/grants/0": ("/grants/1",)}),
    ("other places", [grant("tag:web", "tag:db", "22"), grant("tag:web", "tag:web", "22")], {}),
    ("other sources", [grant("tag:db", "tag:db", "22"), grant("tag:web", "tag:db", "22")], {}),
    (
        "by two together",
        [grant("tag:web", "tag:db", "1-50"), grant("tag:web", "tag:db", "51-99"), grant("tag:web", "tag:db", "40-60")],
        {"/grants/2": ("/grants/0", "/grants/1")},
    ),
    ("only under a condition", [grant("tag:web", "tag:db", "22", srcPosture=["posture:x"]), grant("tag:web", "tag:db", "22")], {"/grants/0": ("/grants/1",)}),
    (
        "other conditions",
        [grant("tag:web", "tag:db", "22", srcPosture=["posture:x"]), grant("tag:web", "tag:db", "22", srcPosture=["posture:y"])],
        {},
    ),
    ("self in wide", [WIDE, grant("autogroup:member", "autogroup:self", "22")], {"/grants/1": ("/grants/0",)}),
    ("wide is not in self", [grant("autogroup:member", "autogroup:self", "22"), grant("autogroup:member", "alice@example.com", "22")], {"/grants/0": ("/grants/1",)}),
    ("values of a capability", [grant("tag:web", "tag:db", app={"example.com/x": [1, 2]}), grant("tag:web", "tag:db", app={"example.com/x": [1]})], {"/grants/1": ("/grants/0",)}),
    ("ports do not give capabilities", [WIDE, grant("tag:web", "tag:db", app={"example.com/x": []})], {}),
    ("nobody", [WIDE, grant("bob@example.com", "tag:db", "22")], {}),
]  # fmt: skip


@pytest.mark.parametrize("grants, found", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_redundant_rules(grants: list[Json], found: dict[str, tuple[str, ...]]) -> None:
    assert redundant_rules(compiled({**BASE, "grants": grants}, *RECORDS)) == found


def test_check_comes_first_and_a_local_part_is_for_oneself_too() -> None:
    rule = {"src": ["alice@example.com"], "dst": ["tag:db"]}
    entries = [
        {**rule, "action": "accept", "users": ["root"]},
        {**rule, "action": "check", "users": ["localpart:*@example.com"]},
    ]
    engine = compiled({**BASE, "ssh": entries}, *RECORDS)
    db, alice = (engine.tailnet.named(name)[0] for name in ("db", "alice"))
    assert [entry.rule.action for entry in ssh_entries(engine, db)] == ["check", "accept"]
    assert [engine.devices(entry.sources.yes) for entry in ssh_entries(engine, alice)] == [(alice,)]


def test_funnel_brings_its_keys() -> None:
    engine = compiled({**BASE, "nodeAttrs": [{"target": ["tag:web"], "attr": ["funnel"]}]}, *RECORDS)
    assert len(node_attributes(engine, engine.tailnet.named("web")[0])) == 3
    assert node_attributes(engine, engine.tailnet.named("db")[0]) == {}
