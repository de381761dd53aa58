"""Subnet routes and exit nodes: who serves what, and approvals that cut nothing else."""

from __future__ import annotations

import itertools
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import network
from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.operations.network.approvals import change_routes, read_prefixes
from tests.operations.fleets import POLICY, Admin, device, fleet_of, silent


def one(admin: Admin, name: str) -> Device:
    return admin.fleet().named(name)[0]


def approved(admin: Admin, name: str) -> set[str]:
    return set(admin.device(name)["enabledRoutes"])


THREE = {"10.1.0.0/16", "10.3.0.0/16", "10.4.0.0/16"}


def test_the_table_says_who_serves_and_what_overlaps() -> None:
    fleet = fleet_of(
        device("a", advertised=["10.0.0.0/8", "10.1.0.0/16"], approved=["10.1.0.0/16"]),
        device("b", advertised=["10.1.0.0/16"]),
        silent("c", 3, advertised=["10.9.0.0/16"]),
        device("d", advertised=[], approved=["172.16.0.0/12"]),
        device("e", advertised=["fd7a:115c:a1e0:b1a:0:7:a01:100/120"], approved=[]),
        device("f", advertised=["10.1.0.0/24"], isExternal=True),
    )
    table = {str(route.network): route for route in network.route_table(fleet)}
    assert {name: route.status for name, route in table.items()} == {
        "10.0.0.0/8": "pending",
        "10.1.0.0/16": "redundant",
        "10.9.0.0/16": "offline",
        "172.16.0.0/12": "dormant",
        "fd7a:115c:a1e0:b1a:0:7:a01:100/120": "pending",
    }
    assert dict(table["10.0.0.0/8"].overlaps) == {"10.1.0.0/16": "contains", "10.9.0.0/16": "contains"}
    assert table["10.1.0.0/16"].overlaps == (("10.0.0.0/8", "inside"),)
    assert table["fd7a:115c:a1e0:b1a:0:7:a01:100/120"].to_dict()["four_via_six"] == {
        "site": 7,
        "subnet": "10.1.1.0/24",
    }


NETWORKS = st.builds(
    lambda base, length: str(ip_network((base, length), strict=False)),
    st.integers(min_value=0x0A000000, max_value=0x0A0FFFFF),
    st.integers(min_value=8, max_value=28),
)


@given(st.lists(NETWORKS, min_size=1, max_size=25, unique=True))
def test_overlaps_are_those_of_every_pair(texts: list[str]) -> None:
    table = network.route_table(fleet_of(device("r", advertised=texts)))
    found = {(str(route.network), other) for route in table for other, _ in route.overlaps}
    pairs = itertools.permutations({ip_network(text) for text in texts}, 2)
    assert found == {(str(a), str(b)) for a, b in pairs if a.overlaps(b)}


@given(st.integers(min_value=0, max_value=65535), NETWORKS)
def test_a_site_and_its_subnet_come_back(site: int, subnet: str) -> None:
    assert network.from_four_via_six(network.to_four_via_six(site, subnet)) == (site, subnet)


def test_what_is_no_four_via_six_is_refused() -> None:
    assert network.to_four_via_six(7, "10.1.1.0/24") == "fd7a:115c:a1e0:b1a:0:7:a01:100/120"
    assert network.from_four_via_six("10.0.0.0/8") is network.from_four_via_six("fd00::/96") is None
    for site, subnet in ((70_000, "10.0.0.0/8"), (1, "fd00::/8"), (1, "x")):
        with pytest.raises(ConfigurationError):
            network.to_four_via_six(site, subnet)


@pytest.mark.parametrize("routes", list(itertools.permutations(sorted(THREE))), ids=str)
def test_one_more_route_leaves_the_other_three(admin: Admin, routes: tuple[str, ...]) -> None:
    """Approve 10.20.0.0/16 on router-2 but not its exit routes."""
    admin.device("router-2")["enabledRoutes"] = list(routes)
    report = admin.do(network.approve_routes(one(admin, "router-2"), ["10.20.0.0/16"]))
    assert report.ok
    assert approved(admin, "router-2") == {*THREE, "10.20.0.0/16"}
    assert admin.written() == ["setDeviceRoutes"]
    undo = admin.run(admin.engine.plan_undo(report.report.change_id))
    assert admin.run(admin.engine.apply(undo.id)).ok
    assert approved(admin, "router-2") == THREE


def test_a_change_of_somebody_else_is_not_overwritten(admin: Admin) -> None:
    plan = admin.plan(network.approve_routes(one(admin, "router-2"), ["10.20.0.0/16"]))
    admin.device("router-2")["enabledRoutes"] = ["10.1.0.0/16"]
    assert [item.outcome for item in admin.apply(plan).report.items] == ["failed"]
    assert approved(admin, "router-2") == {"10.1.0.0/16"}


def test_what_is_approved_already_or_not_offered_is_said(admin: Admin) -> None:
    router = one(admin, "router-2")
    assert network.approve_routes(router, ["10.1.0.0/16"]).left_alone[0].reason.endswith("already")
    (step,) = network.approve_routes(router, ["10.77.0.0/16"]).steps
    assert "stays dormant" in step.risks[0]


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("0.0.0.0/0", "makes an exit node"),
        ("::/0", "makes an exit node"),
        ("100.64.0.0/10", "tailnet's own addresses"),
        ("100.100.0.0/16", "tailnet's own addresses"),
        ("64.0.0.0/2", "tailnet's own addresses"),
        ("fd7a:115c:a1e0::/48", "tailnet's own addresses"),
        ("ten", "no prefix"),
    ],
)
def test_what_can_only_be_a_mistake_is_refused(prefix: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_prefixes([prefix])


def test_four_via_six_is_no_mistake() -> None:
    assert read_prefixes(["fd7a:115c:a1e0:b1a:0:7:a01:100/120", "10.0.0.1/8"])
    assert read_prefixes(["100.64.0.0/16"], insist=True)


def test_the_last_router_stays_unless_it_is_meant(admin: Admin) -> None:
    fleet, router = admin.fleet(), one(admin, "router-1")
    with pytest.raises(ConfigurationError, match=r"last router that serves 10\.2\.0\.0/16"):
        network.revoke_routes(fleet, router, ["10.2.0.0/16", "10.1.0.0/16"])
    (step,) = network.revoke_routes(fleet, router, ["10.2.0.0/16"], insist=True).steps
    assert step.risks == ("nobody serves 10.2.0.0/16 any more",)
    assert admin.do(network.revoke_routes(fleet, router, ["10.1.0.0/16"])).ok
    assert approved(admin, "router-1") == {"10.2.0.0/16", "0.0.0.0/0", "::/0"}


def test_adding_and_removing_is_one_write(admin: Admin) -> None:
    fleet, router = admin.fleet(), one(admin, "router-2")
    assert admin.do(change_routes(fleet, router, add=["10.20.0.0/16"], remove=["10.3.0.0/16"])).ok
    assert approved(admin, "router-2") == {"10.1.0.0/16", "10.4.0.0/16", "10.20.0.0/16"}
    assert admin.written() == ["setDeviceRoutes"]


def test_all_routes_are_set_and_exit_routes_stay(admin: Admin) -> None:
    fleet, router = admin.fleet(), one(admin, "router-1")
    with pytest.raises(ConfigurationError, match="last router"):
        network.set_routes(fleet, router, ["10.1.0.0/16"])
    assert admin.do(network.set_routes(fleet, router, ["10.1.0.0/16"], insist=True)).ok
    assert approved(admin, "router-1") == {"10.1.0.0/16", "0.0.0.0/0", "::/0"}


def test_what_waits_is_approved_inside_allowed_prefixes_only(admin: Admin) -> None:
    assert [(d.label, str(n)) for d, n in network.pending(admin.fleet())] == [("router-2", "10.20.0.0/16")]
    assert (
        network.approve_pending(admin.fleet(), ["10.30.0.0/16"])
        .left_alone[0]
        .reason.startswith("10.20.0.0/16")
    )
    assert admin.do(network.approve_pending(admin.fleet(), ["10.16.0.0/12"])).ok
    assert approved(admin, "router-2") == {*THREE, "10.20.0.0/16"}


def test_an_exit_node_keeps_its_subnets(admin: Admin) -> None:
    assert admin.do(network.approve_exit_node(one(admin, "router-2"))).ok
    assert approved(admin, "router-2") == {*THREE, "0.0.0.0/0", "::/0"}
    assert network.approve_exit_node(one(admin, "router-2")).left_alone
    assert admin.do(network.revoke_exit_node(admin.fleet(), one(admin, "router-2"))).ok
    assert approved(admin, "router-2") == THREE
    with pytest.raises(ConfigurationError, match="last approved exit node"):
        network.revoke_exit_node(admin.fleet(), one(admin, "router-1"))
    assert admin.do(network.revoke_exit_node(admin.fleet(), one(admin, "router-1"), insist=True)).ok
    assert approved(admin, "router-1") == {"10.1.0.0/16", "10.2.0.0/16"}


def latency(region: str, milliseconds: float) -> dict[str, object]:
    return {"latency": {region: {"preferred": True, "latencyMs": milliseconds}}}


def test_exit_nodes_come_best_first_with_what_is_known_of_their_distance() -> None:
    both = ["0.0.0.0/0", "::/0"]
    fleet = fleet_of(
        device("far", advertised=both, clientConnectivity=latency("Sydney", 250.0)),
        device("near", advertised=both, clientConnectivity=latency("Frankfurt", 12.0)),
        device("waiting", advertised=both, approved=[], clientConnectivity=latency("Frankfurt", 1.0)),
        silent("off", 2, advertised=both),
        device("plain"),
        policy=POLICY,
    )
    found = network.list_exit_nodes(fleet)
    assert [node.device.label for node in found.nodes] == ["near", "far", "waiting", "off"]
    assert [node.to_dict()["latency_source"] for node in found.nodes] == ["derp_estimate"] * 3 + ["none"]
    assert found.users == ("autogroup:member",)
    measured = {"nFarCNTRL": network.Latency(9.0, "local_ping", "direct")}
    best = network.list_exit_nodes(fleet, latencies=measured, suggested="nNearCNTRL").nodes
    assert [(node.device.label, node.suggested) for node in best[:2]] == [("far", False), ("near", True)]
    assert network.list_exit_nodes(fleet_of(device("x"))).users is None
    assert network.list_exit_nodes(fleet_of(device("x"), policy="{}")).users == ("*",)
    assert network.list_exit_nodes(fleet_of(device("x"), policy="{")).users is None


class Node:
    """Stands for the node on this machine; every third ping is lost."""

    def __init__(self) -> None:
        self.pings = 0

    async def ping(self, address: str) -> network.Pong | None:
        self.pings += 1
        return None if self.pings % 3 == 0 else network.Pong(10.0 + self.pings, "direct")

    async def suggested_exit_node(self) -> str | None:
        return None


async def test_what_answers_is_measured_by_its_median() -> None:
    devices = fleet_of(device("a"), silent("b", 1), device("c")).devices
    found = await network.measure(Node(), devices)
    assert found == {
        "nACNTRL": network.Latency(11.5, "local_ping", "direct"),
        "nCCNTRL": network.Latency(14.5, "local_ping", "direct"),
    }
