"""The compiler on tailnets that were chosen for what random ones rarely hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.policy.compile import CompiledPolicy, items_of, reach_rows
from tests.policy import brute_force
from tests.policy import captures as captured
from tests.policy.small import Json, compiled, device, user

WEB, DB = device("web", "", "tag:web"), device("db", "", "tag:db")
ALICE, PHONE = device("alice", "alice@example.com"), device("alicephone", "alice@example.com")
AUDITOR = device("auditor", "carol@example.com")
ROUTER = device("router", "", "tag:router", advertised=["10.0.0.0/16", "10.0.5.0/24", "fd00:9::/64"])
EXIT = device("exit", "", "tag:router", advertised=["0.0.0.0/0", "::/0"])
DEVICES = (WEB, DB, ALICE, PHONE, AUDITOR, ROUTER, EXIT)
USERS = (user("alice@example.com", "owner"), user("carol@example.com", "auditor"))
TAGS: Json = {"tag:web": [], "tag:db": [], "tag:router": []}


def grant(source: str, destination: str, *ip: str, **parts: Any) -> Json:
    return {"src": [source], "dst": [destination], **({"ip": list(ip)} if ip else {}), **parts}


SELF_ACL = {"action": "accept", "src": ["*"], "dst": ["autogroup:self:22"]}
SELF_MIXED = {
    "action": "accept",
    "src": ["*", "alice@example.com"],
    "dst": ["autogroup:self:22", "tag:db:80"],
}
DRIVE = {"tailscale.com/cap/drive": [{"shares": ["*"]}]}
WORLDS: dict[str, Json] = {
    "everything": {},
    "every destination": {"grants": [grant("tag:web", "*", "*")]},
    "part of a route": {"grants": [grant("tag:web", "10.0.5.0/24", "tcp:22")]},
    "more than a route": {"grants": [grant("tag:web", "10.0.0.0/8", "tcp:22"), grant("tag:web", "fd00::/8", "tcp:22")]},
    "two halves of a route": {"grants": [grant("tag:web", "10.0.0.0/17", "22"), grant("tag:web", "10.0.128.0/17", "22")]},
    "a range of own addresses": {"grants": [grant("tag:web", "100.64.0.0/16", "tcp:22")]},
    "any source to self": {"acls": [SELF_ACL]},
    "any source to self and others": {"acls": [SELF_MIXED]},
    "a drive": {"grants": [grant("tag:web", "tag:db", app=DRIVE), grant("alice@example.com", "alice@example.com", app=DRIVE)]},
    "a drive of one's own": {"grants": [grant("autogroup:member", "autogroup:self", app=DRIVE)]},
    "an unknown role": {"grants": [grant("autogroup:auditor", "tag:db", "22"), grant("autogroup:owner", "tag:db", "80")]},
    "a router with a tag": {"grants": [grant("tag:web", "10.0.0.0/16", "22", via=["tag:router"]), grant("tag:web", "*", "80", via=["tag:router"])]},
    "the same twice": {"grants": [grant("tag:web", "tag:db", "22-80"), grant("*", "tag:db", "80-443", "udp:53")]},
}  # fmt: skip


def both(policy: Json) -> tuple[CompiledPolicy, Json, Json]:
    """Return the engine, its answer, and that of the definition."""
    content = {"tagOwners": TAGS, **policy}
    engine = compiled(content, *DEVICES, *USERS)
    found = {destination: json.loads(text) for destination, text in reach_rows(engine)}
    return engine, found, brute_force.reach(content, {"devices": list(DEVICES), "users": list(USERS)})


@pytest.mark.parametrize("name", WORLDS)
def test_reach_is_what_the_definition_says(name: str) -> None:
    engine, found, expected = both(WORLDS[name])
    assert captured.reach_differences(expected, found) == []
    for destination in engine.tailnet.devices:
        for source in engine.tailnet.devices:
            pair = engine.between(source, destination)
            one: Json = {key: items_of(ports) for key, ports in pair.allowed.items()}
            if pair.caps:
                one["caps"] = {name: list(values) for name, values in pair.caps.items()}
            assert one == found.get(destination.id, {}).get(source.id, {})


def test_a_role_whose_meaning_is_not_known_is_unknown() -> None:
    engine, _, _ = both(WORLDS["an unknown role"])
    carol, db = (engine.tailnet.named(name)[0] for name in ("auditor", "db"))
    pair = engine.between(carol, db)
    assert (pair.allowed, sorted(pair.unknown)) == ({}, ["v4", "v6"])


def test_nobody_is_among_their_own_sources() -> None:
    engine, found, _ = both({})
    assert all(destination not in sources for destination, sources in found.items())
    for target in engine.tailnet.devices:
        number = engine.number(target)
        for entry in engine.packet_filter(target):
            if entry.key in {"v4", "v6"}:
                assert (
                    not engine.universe.devices_in(entry.sources.possible & engine.universe.own) >> number & 1
                )
