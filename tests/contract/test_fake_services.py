"""Services of the embedded tailnet: both paths, create and rename by PUT, hosts and their approval."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs

SERVICES = "/tailnet/-/services"


def test_put_creates_changes_and_renames(ask: Ask) -> None:
    made = ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"ports": ["tcp:443"], "annotations": {"a": "b"}})
    v4, v6 = (ipaddress.ip_address(address) for address in made["addrs"])
    assert v4 in ipaddress.ip_network("100.64.0.0/10")
    assert v6 in ipaddress.ip_network("fd7a:115c:a1e0::/48")
    assert made["annotations"] == {"a": "b"}
    changed = ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"comment": "notes", "ports": ["tcp:80-90"]})
    assert changed == {**made, "comment": "notes", "ports": ["tcp:80-90"], "annotations": {}}
    order = [service["name"] for service in ask.ok("GET", SERVICES)["vipServices"]]
    renamed = ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"name": "svc:notes"})
    assert renamed["addrs"] == made["addrs"]
    assert ask.ok("GET", f"{SERVICES}/svc:notes") == renamed
    assert ask.refused("GET", f"{SERVICES}/svc:wiki") == (404, "no Service with this name in the tailnet")
    assert [s["name"] for s in ask.ok("GET", SERVICES)["vipServices"]] == [*order[:-1], "svc:notes"]
    assert [event["action"] for event in ask.events()] == ["CREATE", "UPDATE", "UPDATE"]


def test_both_paths_lead_to_the_same_services(ask: Ask) -> None:
    old = "/tailnet/-/vip-services"
    ask.ok("PUT", f"{old}/svc:wiki", json={"ports": ["tcp:443"]})
    assert ask.ok("GET", old) == ask.ok("GET", SERVICES)
    assert ask.ok("GET", f"{SERVICES}/svc:wiki") == ask.ok("GET", f"{old}/svc:wiki")
    assert ask.ok("GET", f"{old}/svc:dashboard/devices") == ask.ok("GET", f"{SERVICES}/svc:dashboard/devices")
    assert ask.ok("DELETE", f"{old}/svc:wiki") is None
    assert ask.refused("GET", f"{SERVICES}/svc:wiki")[0] == 404


def test_addresses_may_be_chosen(ask: Ask) -> None:
    made = ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"addrs": ["100.99.1.2"]})
    assert made["addrs"][0] == "100.99.1.2"
    both = ["100.99.1.3", "fd7a:115c:a1e0::77"]
    assert ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"addrs": both})["addrs"] == both
    assert ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"addrs": both})["addrs"] == both


def test_an_address_belongs_to_one(ask: Ask) -> None:
    device = next(iter(ask.fake.tailnet.devices.values()))["addresses"][0]
    for address in (device, "100.96.0.10"):
        status, text = ask.refused("PUT", f"{SERVICES}/svc:wiki", json={"addrs": [address]})
        assert (status, text) == (400, f"addrs: {address} is in use")


@pytest.mark.parametrize(
    "name, body, message",
    [
        ("wiki", {}, "name must be svc: followed by"),
        ("svc:Wiki", {}, "name must be svc: followed by"),
        (
            "svc:wiki",
            {"name": "svc:other"},
            "to create a Service, the name in the body must be that of the path",
        ),
        ("svc:dashboard", {"name": "svc:warehouse-db"}, "a Service named svc:warehouse-db exists already"),
        ("svc:wiki", {"ports": ["443"]}, "ports: '443' must be tcp: and a port"),
        ("svc:wiki", {"ports": ["udp:53"]}, "ports: 'udp:53' must be tcp: and a port"),
        ("svc:wiki", {"ports": ["tcp:70000"]}, "ports: 'tcp:70000' must be tcp: and a port"),
        ("svc:wiki", {"ports": "tcp:443"}, "ports must be a list"),
        ("svc:wiki", {"addrs": ["nowhere"]}, "addrs[0] must be an IP address"),
        ("svc:wiki", {"addrs": ["192.0.2.1"]}, "addrs[0] must lie in 100.64.0.0/10 or fd7a:115c:a1e0::/48"),
        ("svc:wiki", {"addrs": ["fd7a:115c:a1e0::1"]}, "addrs must hold one IPv4 address"),
        ("svc:wiki", {"annotations": {"a": 1}}, "annotations.a must be a string"),
        ("svc:wiki", {"tags": ["server"]}, "tags must start with 'tag:'"),
        ("svc:wiki", {"tags": ["tag:nowhere"]}, "requested tags [tag:nowhere] are invalid or not permitted"),
    ],
)
def test_a_bad_service_says_what_would_be_accepted(ask: Ask, name: str, body: Any, message: str) -> None:
    before = ask.ok("GET", SERVICES)
    status, text = ask.refused("PUT", f"{SERVICES}/{name}", json=body)
    assert (status, text[: len(message)]) == (400, message)
    assert ask.ok("GET", SERVICES) == before


def test_ports_may_be_left_unchecked(ask: Ask) -> None:
    ports = ["do-not-validate", "anything"]
    assert ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"ports": ports})["ports"] == ports


def test_the_seeded_hosts_have_every_level() -> None:
    with FakeTailnet(devices=40) as fake, Ask(fake) as ask:
        hosts = ask.ok("GET", f"{SERVICES}/svc:dashboard/devices")["hosts"]
        assert [host["approvalLevel"] for host in hosts] == [
            "approved:auto",
            "approved:manual",
            "not-approved",
            "pending",
        ]
        first = f"{SERVICES}/svc:dashboard/device/{hosts[0]['stableNodeID']}/approved"
        assert ask.ok("GET", first) == {"approved": True, "autoApproved": True}
        assert ask.ok("POST", first, json={"approved": True}) == {"approved": True, "autoApproved": True}
        assert ask.ok("POST", first, json={"approved": False}) == {"approved": False, "autoApproved": False}
        assert (
            ask.ok("GET", f"{SERVICES}/svc:dashboard/devices")["hosts"][0]["approvalLevel"] == "not-approved"
        )
        assert ask.ok("POST", first, json={"approved": True}) == {"approved": True, "autoApproved": False}


def test_a_device_may_be_approved_before_it_offers_itself(ask: Ask) -> None:
    ask.ok("PUT", f"{SERVICES}/svc:wiki", json={"ports": ["tcp:443"]})
    device = next(d for d in ask.fake.tailnet.devices.values() if not d["isExternal"])
    path = f"{SERVICES}/svc:wiki/device/{device['id']}/approved"
    assert ask.ok("GET", path) == {"approved": False, "autoApproved": False}
    assert ask.ok("POST", path, json={"approved": True}) == {"approved": True, "autoApproved": False}
    by_node_id = f"{SERVICES}/svc:wiki/device/{device['nodeId']}/approved"
    assert ask.ok("GET", by_node_id) == {"approved": True, "autoApproved": False}
    assert ask.ok("GET", f"{SERVICES}/svc:wiki/devices") == {"hosts": []}


def test_approvals_follow_a_rename_and_end_with_the_service(ask: Ask) -> None:
    hosts = ask.ok("GET", f"{SERVICES}/svc:dashboard/devices")
    assert hosts["hosts"]
    ask.ok("PUT", f"{SERVICES}/svc:dashboard", json={"name": "svc:board"})
    assert ask.ok("GET", f"{SERVICES}/svc:board/devices") == hosts
    ask.ok("DELETE", f"{SERVICES}/svc:board")
    ask.ok("PUT", f"{SERVICES}/svc:board", json={})
    assert ask.ok("GET", f"{SERVICES}/svc:board/devices") == {"hosts": []}


def test_what_is_not_there_is_not_found(ask: Ask) -> None:
    device = next(iter(ask.fake.tailnet.devices))
    for method, path, options in (
        ("DELETE", "svc:nowhere", {}),
        ("GET", "svc:nowhere/devices", {}),
        ("GET", f"svc:nowhere/device/{device}/approved", {}),
        ("POST", f"svc:nowhere/device/{device}/approved", {"json": {"approved": True}}),
        ("GET", "svc:dashboard/device/nNowhere/approved", {}),
        ("POST", "svc:dashboard/device/nNowhere/approved", {"json": {"approved": True}}),
    ):
        assert ask.refused(method, f"{SERVICES}/{path}", **options)[0] == 404
    path = f"{SERVICES}/svc:dashboard/device/{device}/approved"
    assert ask.refused("POST", path, json={"approved": "yes"}) == (400, "approved must be true or false")


def test_hosts_need_two_scopes(ask_as: AskAs) -> None:
    one = ask_as(kind="tailnet", scopes=["services"])
    assert one.refused("GET", f"{SERVICES}/svc:dashboard/devices")[0] == 403
    both = ask_as(kind="tailnet", scopes=["services", "devices:core"])
    assert both.ok("GET", f"{SERVICES}/svc:dashboard/devices")["hosts"]
