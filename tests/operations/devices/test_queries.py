"""The query language: what each field asks, what is wrong with a query, and what the API answers itself."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk import Tailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices import (
    COLUMNS,
    FIELDS,
    Surroundings,
    compile_query,
    device_details,
    filters,
    fleet_status,
    list_devices,
    load_fleet,
    pushable,
    read_query,
    search,
    select,
    the_one,
)
from tailscale_sdk.operations.fleet import Device, Fleet, read_version
from tests.operations.conftest import DEVICES
from tests.operations.fleets import NOW, Admin, ago, ahead, device, fleet_of, silent

ODD = [
    device("shared", "eve@example.org", isExternal=True, clientVersion="", os=""),
    device("pod", isEphemeral=True, created=ago(days=5)),
    silent("gone", 3, lastSeen=None, created=ago(days=3)),
    device("old", clientVersion="1.9.0", expires=ahead(days=5), updateAvailable=True),
    device("past", expires=ago(days=2), tailnetLockError="no signature", multipleConnections=True),
    device("never", expires=ago(days=900), keyExpiryDisabled=True, postureIdentity={"serialNumbers": ["S1"]}),
    device("nat", clientConnectivity={"mappingVariesByDestIP": True}, blocksIncomingConnections=True),
    device("exit-1", advertised=["0.0.0.0/0", "::/0"]),
    device("half", advertised=["0.0.0.0/0", "::/0"], approved=["0.0.0.0/0"]),
    device("dorm", advertised=[], approved=["10.9.0.0/16"], distro={"name": "debian"}),
]
FLEET = fleet_of(
    *DEVICES, *ODD, attributes={"nOldCNTRL": {"attributes": {"custom:tier": "gold", "custom:on": True}}}
)


def found(query: str, fleet: Fleet = FLEET, **around: Any) -> list[str]:
    test = compile_query(query, Surroundings(NOW, fleet, **around))
    return sorted(d.label for d in fleet.devices if test(d))


ANSWERS = {
    "tag:web": ["web-1", "web-2"],
    "tag:tag:web": ["web-1", "web-2"],
    "tag:web|db": ["db-1", "web-1", "web-2"],
    "tag:WEB": [],
    "-tag:none online:no": ["web-2"],
    "os:MACOS": ["alice-laptop"],
    "distro:debian": ["dorm"],
    "user:bob@example.com": ["bob-laptop"],
    "owner:alice@example.com name:web-*": [],
    "name:web-1": ["web-1"],
    "name:web-1.example.ts.net": ["web-1"],
    'host:"~^(web|db)-1$"': ["db-1", "web-1"],
    "lapt": ["alice-laptop", "bob-laptop"],
    "ip:100.64.12.0/24": ["alice-laptop"],
    "ip:fd7a::/16 name:db-1": ["db-1"],
    "online:no seen:<90d": ["bob-laptop", "web-2"],
    "seen:>80d": ["carol-phone"],
    "seen:never": ["gone"],
    "created:>2026-06-20": ["gone", "pod"],
    "age:<4d": ["gone"],
    "version:<1.80": ["old"],
    "version:=1.84.0 tag:db": ["db-1"],
    "version:unknown": ["shared"],
    "update:yes": ["old"],
    "route:10.2.0.0/16": ["router-1"],
    "route:in:10.0.0.0/8 -tag:router": ["dorm"],
    "route:covers:10.20.1.1": ["router-2"],
    "routes:unapproved": ["router-2"],
    "routes:dormant": ["dorm", "router-2"],
    "exit:approved": ["exit-1", "router-1"],
    "exit:pending": ["router-2"],
    "exit:partial": ["half"],
    "expires:<14d -expired:yes": ["old"],
    "expired:yes": ["past"],
    "expiry:disabled tag:none": ["never"],
    "authorized:no": ["kiosk"],
    "external:yes": ["shared"],
    "ephemeral:yes": ["pod"],
    "ssh:yes": ["web-1"],
    "incoming:blocked": ["nat"],
    "attr:custom:tier=gold": ["old"],
    "attr:custom:on=true": ["old"],
    "attr:custom:tier": ["old"],
    "lock:error": ["past"],
    "cloned:yes": ["past"],
    "nat:hard": ["nat"],
    "serial:none id:nNeverCNTRL": [],
    "(tag:web OR tag:db) online:yes": ["db-1", "web-1"],
    "tag:web OR name:kiosk": ["kiosk", "web-1", "web-2"],
    '-(tag:none OR tag:router) name:"web-1"': ["web-1"],
}


@pytest.mark.parametrize("query", ANSWERS)
def test_each_field_finds_what_it_says(query: str) -> None:
    assert found(query) == ANSWERS[query]


def test_nothing_asked_is_everything() -> None:
    assert len(found("")) == len(FLEET.devices)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("tga:web", "no field 'tga'; did you mean 'tag'? (character 1)"),
        ("os:linux seen:old", "seen: 'old' is no duration"),
        ("(os:linux", "a parenthesis that is not closed (character 1)"),
        ("os:linux)", "without an opening one (character 9)"),
        ("OR os:linux", "a term is missing"),
        ('name:"web', "a quote that is not closed"),
        ('host:"~("', "no regular expression"),
        ("host:~^(web|db)-1$", "put quotes around"),
        ("version:<new", "'new' is no version"),
        ("online:maybe", "neither yes nor no"),
        ("routes:odd", "'odd' is none of advertised"),
        ("ip:300.1.1.1", "no address or prefix"),
        ("stage:stale", "tailscale-sdk lifecycle"),
        ("created:>soon", "is no date"),
        ("(" * 60 + "x", "inside each other"),
        ("host:" + "a" * 300, "too long"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_with_its_place(query: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        compile_query(query, Surroundings(NOW, FLEET))


def test_attributes_that_were_not_read_are_no_answer() -> None:
    with pytest.raises(ConfigurationError, match="were not read"):
        compile_query("attr:custom:tier=gold", Surroundings(NOW, fleet_of(*DEVICES)))


@settings(max_examples=300)
@given(st.text(alphabet='abcdetaginos:-|()"<>~* .0123456789ORyesn', max_size=40))
def test_a_query_is_read_or_refused_and_never_breaks(text: str) -> None:
    try:
        test = compile_query(text, Surroundings(NOW, FLEET))
    except ConfigurationError:
        return
    for each in FLEET.devices:
        assert test(each) in {True, False}


def test_keywords_mean_what_the_text_means() -> None:
    test = compile_query(filters(tag=["web"], online=True, os=None), Surroundings(NOW, FLEET))
    assert [d.label for d in FLEET.devices if test(d)] == found("tag:web online:yes")


def slow(query: Any, one: Device) -> bool:
    """Answer three fields from the record itself, the slow way."""
    kind, value = query
    if kind == "and":
        return all(slow(part, one) for part in value)
    if kind == "or":
        return any(slow(part, one) for part in value)
    if kind == "not":
        return not slow(value, one)
    record = one.fields
    if kind == "tag":
        return f"tag:{value}" in (record.get("tags") or [])
    if kind == "os":
        return str(record.get("os", "")).lower() == value
    return bool(record.get("connectedToControl")) is (value == "yes")


LEAVES = st.one_of(
    st.tuples(st.just("tag"), st.sampled_from(["web", "db", "router"])),
    st.tuples(st.just("os"), st.sampled_from(["linux", "macos", "ios"])),
    st.tuples(st.just("online"), st.sampled_from(["yes", "no"])),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=8,
)


def written(tree: Any) -> str:
    kind, value = tree
    if kind == "and":
        return "(" + " ".join(map(written, value)) + ")"
    if kind == "or":
        return "(" + " OR ".join(map(written, value)) + ")"
    return f"-{written(value)}" if kind == "not" else f"{kind}:{value}"


@given(TREES)
def test_any_query_agrees_with_a_slow_reading_of_the_records(tree: Any) -> None:
    test = compile_query(written(tree), Surroundings(NOW, FLEET))
    assert [test(d) for d in FLEET.devices] == [slow(tree, d) for d in FLEET.devices]


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.84.0"), ("v1.36.0", "1.36.1"), ("1.84", "1.84.1-t1-g2"), ("1.76.1-ERR-BuildInfo", "1.80.0")],
)
def test_versions_are_compared_by_their_numbers(older: str, newer: str) -> None:
    one, other = read_version(older), read_version(newer)
    assert one is not None
    assert other is not None
    assert one < other
    assert read_version("unstable") is read_version("") is None


PUSHED = {
    "tag:web tag:db": {"tags": ["tag:web", "tag:db"]},
    "tag:web online:yes version:<1.56.1": {"tags": ["tag:web"], "connectedToControl": "true"},
    "online:no": {},
    "-tag:web": {},
    "tag:web OR tag:db": {},
    "tag:none": {},
    "tag:web|db": {},
    "os:linux": {},
    "expiry:disabled incoming:blocked": {"keyExpiryDisabled": "true", "blocksIncomingConnections": "true"},
}


@pytest.mark.parametrize("query", PUSHED)
def test_only_what_the_api_can_answer_is_left_to_it(query: str) -> None:
    assert pushable(query) == PUSHED[query]


def test_the_api_answers_what_it_can_and_the_rest_is_tested_here(admin: Admin) -> None:
    query = "tag:web online:yes host:web-*"
    with Tailscale(api_key=admin.tailnet.api_key, base_url=admin.tailnet.base_url) as client:
        some, every = load_fleet(client, query), load_fleet(client, query, push_down=False)
    assert len(some.devices) < len(every.devices) == len(DEVICES)
    answers = [[d["name"] for d in list_devices(each, query, now=NOW).rows] for each in (some, every)]
    assert answers[0] == answers[1] == ["web-1.example.ts.net"]


def test_rows_are_projected_sorted_and_cut() -> None:
    listed = list_devices(
        FLEET, "tag:web|db", now=NOW, fields=("label", "last_seen"), sort=("-label",), limit=2
    )
    assert [row["label"] for row in listed.rows] == ["web-2", "web-1"]
    assert (listed.matched, listed.total) == (3, len(FLEET.devices))
    assert set(listed.rows[0]) == {"label", "last_seen"}
    with pytest.raises(ConfigurationError, match="did you mean 'last_seen'"):
        list_devices(FLEET, now=NOW, fields=("last_sen",))
    for name in COLUMNS:
        list_devices(FLEET, now=NOW, fields=(name,), sort=(name,))


def test_the_likeliest_device_comes_first_and_several_are_no_choice() -> None:
    hits = search(FLEET, "web-1")
    assert (hits[0].device.label, hits[0].field, hits[0].span) == ("web-1", "name", (0, 5))
    assert [hit.field for hit in search(FLEET, "S1") if hit.device.label == "never"] == ["serial"]
    assert search(FLEET, " ") == ()
    assert the_one(FLEET, "nWeb1CNTRL").label == the_one(FLEET, "web-1.example.ts.net").label == "web-1"
    with pytest.raises(ConfigurationError, match=r"may mean .*web-1 .*web-2"):
        the_one(FLEET, "web")
    with pytest.raises(ConfigurationError, match="no device is meant"):
        the_one(FLEET, "nothing-like-it")


def test_a_change_names_its_devices() -> None:
    assert [d.label for d in select(FLEET, "tag:db", now=NOW).devices] == ["db-1"]
    for query, said in (("", "needs a query"), ("tag:nope", "no device matches"), ("name:*", "every one of")):
        with pytest.raises(ConfigurationError, match=said):
            select(FLEET, query, now=NOW)
    assert len(select(FLEET, "", now=NOW, everything=True).devices) == len(FLEET.devices)


def test_a_fleet_is_counted_in_one_look() -> None:
    status = fleet_status(FLEET, now=NOW, stage_of=lambda one: "x")
    assert status.total == len(FLEET.devices)
    expected = {
        "awaiting_approval": 1,
        "expired": 1,
        "expires_in_7_days": 1,
        "expiry_disabled_user": 1,
        "update_available": 1,
        "lock_error": 1,
        "cloned": 1,
        "ssh": 1,
        "unapproved_routes": 1,
        "external": 1,
        "old_ephemeral": 1,
    }
    assert {name: status.counts[name] for name in expected} == expected
    assert status.groups["exit"] == {"no": len(FLEET.devices) - 4, "approved": 2, "pending": 1, "partial": 1}
    assert status.groups["stage"] == {"x": len(FLEET.devices)}
    assert set(status.offline_routes) == {"10.3.0.0/16", "10.4.0.0/16", "10.9.0.0/16"}


def test_details_say_what_follows_from_the_facts() -> None:
    found_one = device_details(FLEET.by_id["nRouter2CNTRL"], now=NOW)
    assert found_one["routes"] == {
        "serving": ["10.1.0.0/16"],
        "waiting": ["10.20.0.0/16"],
        "dormant": ["10.3.0.0/16", "10.4.0.0/16"],
    }
    assert found_one["exit"] == "pending"
    assert device_details(FLEET.by_id["nBobLaptopCNTRL"], now=NOW)["silent_days"] == 70.0
    assert not {"nodeKey", "machineKey"} & set(found_one)


def test_every_field_survives_whatever_the_api_sends() -> None:
    odd: list[Any] = [None, "", 0, [], {}, "0001-01-01T00:00:00Z", ["x", None, 3], True]
    names = [name for name in DEVICES[0] if name not in {"nodeId", "id", "name", "hostname", "user"}]
    for value in odd:
        fleet = fleet_of(device("odd") | dict.fromkeys([*names, "lastSeen", "clientConnectivity"], value))
        for field in FIELDS:
            query = {"seen": "seen:<1d", "age": "age:<1d", "expires": "expires:<1d", "ip": "ip:10.0.0.0/8"}
            query |= {"route": "route:10.0.0.0/8", "version": "version:<1.2", "created": "created:2026-01-01"}
            query |= {
                "routes": "routes:none",
                "exit": "exit:no",
                "expiry": "expiry:disabled",
                "nat": "nat:hard",
            }
            query |= {"incoming": "incoming:blocked", "lock": "lock:error", "serial": "serial:none"}
            if field in {"attr", "stage"}:
                continue
            found(query.get(field, f"{field}:yes"), fleet)
        list_devices(fleet, now=NOW, fields=tuple(COLUMNS))
        fleet_status(fleet, now=NOW)
        device_details(fleet.devices[0], now=NOW + timedelta(days=1))


def test_a_query_as_read_can_be_asked_again() -> None:
    node = read_query("tag:web online:yes")
    assert found("tag:web online:yes") == [
        d.label for d in FLEET.devices if compile_query(node, Surroundings(NOW, FLEET))(d)
    ]
