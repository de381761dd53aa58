"""The compiler against a slow evaluator written from the language's definition, on random small tailnets."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy, items_of, reach_rows
from tailscale_sdk.policy.compile.attributes import node_attributes
from tailscale_sdk.policy.compile.ssh import ssh_rows
from tailscale_sdk.policy.diff import diff_policies
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import Tailnet, read_tailnet
from tailscale_sdk.snapshot import TailnetSnapshot
from tests.policy import brute_force
from tests.policy import captures as captured
from tests.policy import random_policies as random_

Json = dict[str, Any]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Json, Json]:
    """Draw a tailnet and a policy that fits it."""
    snapshot = draw(random_.tailnets())
    return draw(random_.policies(snapshot)), snapshot


def tailnet_of(snapshot: Json) -> Tailnet:
    return read_tailnet(TailnetSnapshot.from_dict(snapshot))


def compiled_of(policy: Json, snapshot: Json) -> CompiledPolicy:
    return compile_policy(read_policy(json.dumps(policy)), tailnet_of(snapshot))


def reach_of(engine: CompiledPolicy) -> Json:
    return {destination: json.loads(text) for destination, text in reach_rows(engine)}


def ssh_of(engine: CompiledPolicy) -> Json:
    return {destination: json.loads(text) for destination, text in ssh_rows(engine)}


@QUICK
@given(worlds())
def test_reach_equals_the_definition(world: tuple[Json, Json]) -> None:
    policy, snapshot = world
    expected = brute_force.reach(policy, snapshot)
    assert captured.reach_differences(expected, reach_of(compiled_of(policy, snapshot))) == []


@QUICK
@given(worlds())
def test_single_pairs_equal_the_whole(world: tuple[Json, Json]) -> None:
    engine = compiled_of(*world)
    whole = reach_of(engine)
    for destination in engine.tailnet.devices:
        for source in engine.tailnet.devices:
            pair = engine.between(source, destination)
            found: Json = {key: items_of(ports) for key, ports in pair.allowed.items()}
            if pair.caps:
                found["caps"] = {name: list(values) for name, values in pair.caps.items()}
            assert found == whole.get(destination.id, {}).get(source.id, {})


@QUICK
@given(worlds(), st.data())
def test_one_packet_equals_the_definition(world: tuple[Json, Json], data: st.DataObject) -> None:
    """Any address as source, own addresses and those behind routers as destinations; unknown included."""
    policy, snapshot = world
    engine = compiled_of(policy, snapshot)
    universe, tailnet = engine.universe, engine.tailnet
    places = [*range(2 * universe.size), *range(2 * universe.size, 2 * universe.size + len(universe.routed))]
    addresses = [*random_.device_addresses(snapshot), *random_.HOST_ADDRESSES]
    for _ in range(6):
        place = data.draw(st.sampled_from(places))
        number, atom = universe.place_of(place)
        version = universe.version_of(place)
        device = tailnet.by_id[universe.ids[number]]
        target = device.own(version) if atom is None else universe.atoms.addresses(atom).first
        source_text = data.draw(st.sampled_from(addresses))
        source_version, source = _address(source_text)
        if target is None or source_version != version:
            continue
        holder = tailnet.by_address.get((version, source))
        if holder is device:
            continue
        bit = (
            universe.source(engine.number(holder), version)
            if holder is not None
            else universe.host(universe.atoms.holding(version, source))
        )
        protocol = data.draw(st.sampled_from(random_.PROBED_PROTOCOLS))
        port = data.draw(st.sampled_from(random_.PROBED_PORTS)) if protocol in {6, 17, 132} else 0
        wanted = universe.traffic.at(protocol, port)
        found = engine.traffic(bit, place)
        answer = "yes" if found.yes & wanted else "unknown" if found.maybe & wanted else "no"
        target_text = str(_text(version, target))
        expected = brute_force.allowed(policy, snapshot, source_text, device.id, target_text, protocol, port)
        # An address that a device both has and routes is two places; the definition answers for both at once.
        if atom is None or tailnet.by_address.get((version, target)) is not device:
            both = _both(engine, bit, device, version, target, wanted) if atom is None else answer
            assert both == expected


def _both(engine: CompiledPolicy, bit: int, device: Any, version: int, target: int, wanted: int) -> str:
    universe = engine.universe
    number = engine.number(device)
    places = [universe.source(number, version)]
    routed = universe.routed_numbers.get((number, universe.atoms.holding(version, target)))
    places += [routed] if routed is not None else []
    found = [engine.traffic(bit, place) for place in places]
    if any(each.yes & wanted for each in found):
        return "yes"
    return "unknown" if any(each.maybe & wanted for each in found) else "no"


def _address(text: str) -> tuple[int, int]:
    from ipaddress import ip_address

    address = ip_address(text)
    return address.version, int(address)


def _text(version: int, number: int) -> object:
    from ipaddress import IPv4Address, IPv6Address

    return IPv4Address(number) if version == 4 else IPv6Address(number)


@QUICK
@given(worlds())
def test_ssh_equals_the_definition(world: tuple[Json, Json]) -> None:
    policy, snapshot = world
    expected = brute_force.ssh(policy, snapshot)
    assert captured.ssh_differences(expected, ssh_of(compiled_of(policy, snapshot))) == []


@QUICK
@given(worlds())
def test_node_attributes_equal_the_definition(world: tuple[Json, Json]) -> None:
    policy, snapshot = world
    engine = compiled_of(policy, snapshot)
    expected = brute_force.cap_map(policy, snapshot)
    assert {d.id: set(node_attributes(engine, d)) for d in engine.tailnet.devices} == {
        node: set(keys) for node, keys in expected.items()
    }


@QUICK
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(world: tuple[Json, Json], random: Any) -> None:
    policy, snapshot = world
    shuffled = copy.deepcopy(policy)
    for section in ("acls", "grants"):
        random.shuffle(shuffled.get(section) or [])
    before, after = (reach_of(compiled_of(each, snapshot)) for each in (policy, shuffled))
    assert captured.reach_differences(before, after) == []


@QUICK
@given(worlds(), st.data())
def test_another_rule_takes_nothing_away(world: tuple[Json, Json], data: st.DataObject) -> None:
    policy, snapshot = world
    if "acls" not in policy and "grants" not in policy:
        return
    more = copy.deepcopy(policy)
    rule = {"src": ["*"], "dst": ["tag:server"], "ip": ["tcp:7000-7010"]}
    more["grants"] = [*(more.get("grants") or []), rule]
    diff = diff_policies(read_policy(json.dumps(policy)), read_policy(json.dumps(more)), tailnet_of(snapshot))
    assert diff.lost == ()


@QUICK
@given(worlds())
def test_a_tag_under_another_name_changes_nothing(world: tuple[Json, Json]) -> None:
    policy, snapshot = world
    renamed = [
        json.loads(json.dumps(part).replace("tag:server", "tag:machine")) for part in (policy, snapshot)
    ]
    before, after = (reach_of(compiled_of(*each)) for each in ((policy, snapshot), renamed))
    assert captured.reach_differences(before, after) == []


@QUICK
@given(worlds(), st.data())
def test_a_difference_is_what_the_definition_says(world: tuple[Json, Json], data: st.DataObject) -> None:
    """No row where nothing changes, and a row of the right kind where something does."""
    policy, snapshot = world
    changed = data.draw(random_.edits(policy))
    diff = diff_policies(
        read_policy(json.dumps(policy)), read_policy(json.dumps(changed)), tailnet_of(snapshot)
    )
    before, after = (captured.normal_reach(brute_force.reach(each, snapshot)) for each in (policy, changed))
    told = {row.gained for row in diff.rows if row.kind in {"network", "app"}}
    if before != after:
        assert told
    sure = [
        row
        for row in diff.rows
        if row.kind in {"network", "app"} and row.certain and row.destinations.devices
    ]
    if before == after:
        # What is left are parts of routes, and hosts behind routers: the matrix does not show them.
        assert all(_is_beside_the_matrix(row) for row in sure)


def _is_beside_the_matrix(row: Any) -> bool:
    names = (*row.destinations.names, *row.sources.names)
    return any(" behind " in name or name.startswith("hosts in ") for name in names)


@pytest.fixture(scope="module")
def captures(reference_data: Any) -> list[Json]:
    """Return what the hosted control plane answered."""
    return captured.load_captures(reference_data)


def test_reach_of_every_capture(captures: list[Json]) -> None:
    accepted = [capture for capture in captures if captured.is_accepted(capture)]
    assert len(accepted) == 229
    for capture in accepted:
        engine = compile_policy(
            read_policy(captured.policy_text(capture)), tailnet_of(captured.snapshot_of(capture))
        )
        found = reach_of(engine)
        missing = captured.unrecorded(capture)
        assert captured.reach_differences(capture["reach"], found, without=missing) == [], capture["id"]
        assert captured.ssh_differences(captured.recorded_ssh(capture), ssh_of(engine)) == [], capture["id"]
        if capture["cap_map"] is not None:
            added = {device.id: node_attributes(engine, device) for device in engine.tailnet.devices}
            assert captured.cap_map_differences(capture, added) == [], capture["id"]
