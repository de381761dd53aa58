"""DNS and services: the picture, who answers for a name, and changes that replace nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError, NothingToChangeError
from tailscale_sdk.operations import network
from tests.operations.fleets import Admin, device, fleet_of, silent

DNS = {
    "nameservers": ["8.8.8.8", "10.1.0.53", "10.9.0.53", "100.64.5.1", "https://dns.example.com"],
    "searchPaths": ["corp.example.com"],
    "splitDns": {
        "corp.example.com": ["10.1.0.53"],
        "deep.corp.example.com": ["10.2.0.53"],
        "odd.example.com": None,
    },
    "preferences": {"magicDNS": True},
}
FLEET = fleet_of(
    device("web-1"),
    device("router", advertised=["10.1.0.0/16"]),
    silent("away", 2, advertised=["10.2.0.0/16"], addresses=["100.64.5.1"]),
    dns=DNS,
    services=[{"name": "svc:wiki", "addrs": ["100.64.9.9"]}],
)


def without(**parts: Any) -> Any:
    return fleet_of(device("web-1"), **parts)


def test_dns_is_one_picture_with_the_source_of_each_value() -> None:
    view = network.dns_view(FLEET).to_dict()
    assert view["split_dns"]["odd.example.com"] == []
    assert view["sources"]["magic_dns"] == "dns.get_preferences"
    assert network.dns_view(without(coverage={"dns": "403"})).to_dict() == {"unknown": "403"}
    assert network.dns_view(without()).unknown == "dns was not read"


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("web-1", "device", 2),
        ("WEB-1.example.ts.net.", "device", 2),
        ("wiki", "service", 1),
        ("db.deep.corp.example.com", "split-dns", 1),
        ("db.corp.example.com", "split-dns", 1),
        ("intranet", "search-path", 5),
        ("www.example.org", "resolver", 5),
    ],
)
def test_whoever_answers_first_is_told(name: str, kind: str, answers: int) -> None:
    found = network.resolve(FLEET, name)
    assert (found.kind, len(found.answers)) == (kind, answers)
    assert found.to_dict()["name"] == name


def test_the_longest_split_domain_answers() -> None:
    assert network.resolve(FLEET, "x.deep.corp.example.com").answers == ("10.2.0.53",)


def test_what_is_not_known_is_not_guessed() -> None:
    assert network.resolve(without(), "db.example.com").kind == "unknown"
    assert "not known" in network.resolve(without(), "web-1").reason
    off = without(dns={"preferences": {"magicDNS": False}})
    assert network.resolve(off, "web-1").kind == "unknown"
    assert "no resolvers" in network.resolve(off, "www.example.com").reason


def test_resolvers_are_reachable_or_why_not() -> None:
    found = {check.server: (check.status, check.reason) for check in network.check_resolvers(FLEET)}
    assert found == {
        "8.8.8.8": ("ok", "it is a public address"),
        "10.1.0.53": ("ok", "it is behind router"),
        "10.9.0.53": ("problem", "no device has this address, and no approved route leads to it"),
        "100.64.5.1": ("problem", "away is offline"),
        "10.2.0.53": ("problem", "no router to it is online: away"),
        "https://dns.example.com": (
            "unknown",
            "it is no plain address: encrypted resolvers are not looked at",
        ),
    }


def dns(admin: Admin) -> Any:
    return network.dns_view(admin.fleet("dns"))


def test_lists_are_edited_and_the_rest_stays(admin: Admin) -> None:
    assert admin.do(network.set_nameservers(admin.fleet("dns"), ["9.9.9.9", "1.1.1.1"])).ok
    report = admin.do(
        network.change_nameservers(admin.fleet("dns"), add=["8.8.4.4", "9.9.9.9"], remove=["1.1.1.1"])
    )
    assert dns(admin).nameservers == ("9.9.9.9", "8.8.4.4")
    undo = admin.run(admin.engine.plan_undo(report.report.change_id))
    assert admin.run(admin.engine.apply(undo.id)).ok
    assert dns(admin).nameservers == ("9.9.9.9", "1.1.1.1")
    assert admin.do(network.change_search_paths(admin.fleet("dns"), add=["corp.example.com"])).ok
    assert dns(admin).search_paths == ("corp.example.com",)
    with pytest.raises(ConfigurationError, match="cannot be removed"):
        network.change_search_paths(admin.fleet("dns"), remove=["other.example.com"])


def test_one_domain_is_changed_by_itself(admin: Admin) -> None:
    for domain in ("a.example.com", "b.example.com"):
        assert admin.do(network.set_split_dns(admin.fleet("dns"), domain, ["10.0.0.53"])).ok
    assert admin.do(network.set_split_dns(admin.fleet("dns"), "a.example.com", [])).ok
    assert dict(dns(admin).split_dns) == {"b.example.com": ("10.0.0.53",)}
    assert admin.written() == ["updateSplitDns"] * 3


def test_switching_magicdns_says_what_it_does(admin: Admin) -> None:
    refused = admin.do(network.set_magic_dns(admin.fleet("dns"), True)).report.items[0]
    assert "need at least one nameserver" in str(refused.reason)
    assert admin.do(network.set_nameservers(admin.fleet("dns"), ["9.9.9.9"])).ok
    fleet = admin.fleet("dns")
    on = bool(network.dns_view(fleet).magic_dns)
    assert admin.do(network.set_magic_dns(fleet, not on)).ok
    assert dns(admin).magic_dns is not on
    with pytest.raises(ConfigurationError, match="nothing would change"):
        network.set_magic_dns(admin.fleet("dns"), not on)


def test_the_last_nameserver_takes_magicdns_along() -> None:
    (step,) = network.set_nameservers(FLEET, []).steps
    assert "stays off" in step.risks[0]


def test_what_was_not_read_is_not_written_over() -> None:
    with pytest.raises(ConfigurationError, match="cannot be changed before it is read"):
        network.set_nameservers(without(), ["1.1.1.1"])


def test_services_are_shown_with_their_hosts(admin: Admin) -> None:
    fleet = admin.fleet("services")
    assert admin.do(network.define_service(fleet, "svc:wiki", ports=["tcp:443"], tags=["tag:web"])).ok
    fleet = admin.fleet("services")
    hosts = admin.run(network.load_hosts_async(admin.client, fleet))
    (wiki,) = network.service_statuses(fleet, hosts)
    assert (wiki.name, wiki.ports) == ("svc:wiki", ("tcp:443",))
    given = {
        "svc:wiki": [
            {"stableNodeID": "nWeb1CNTRL", "approvalLevel": "approved:auto", "configured": "ready"},
            {"stableNodeID": "nGone", "approvalLevel": "not-approved", "configured": "ready"},
        ]
    }
    (status,) = network.service_statuses(fleet, given)
    assert status.status == "served"
    assert [host.to_dict()["ready"] for host in status.hosts or ()] == [True, False]
    assert network.hosting(given) == {"nWeb1CNTRL", "nGone"}
    assert network.service_statuses(fleet, {"svc:wiki": "403"})[0].status == "unknown"
    assert network.hosting({"svc:wiki": "403"}) is None
    proposal = network.approve_hosts(fleet, given, "svc:wiki")
    assert [step.arguments["device_id"] for step in proposal.steps] == ["nGone"]
    assert [left.id for left in proposal.left_alone] == ["nWeb1CNTRL"]
    assert admin.do(network.delete_service(fleet, "svc:wiki")).ok
    assert admin.fleet("services").snapshot.content["services"] == []


def test_a_service_is_approved_on_one_host(admin: Admin) -> None:
    assert admin.do(network.define_service(admin.fleet("services"), "svc:wiki", ports=["tcp:443"])).ok
    fleet = admin.fleet("services")
    hosts = admin.run(network.load_hosts_async(admin.client, fleet))
    waiting = [str(h["stableNodeID"]) for h in hosts["svc:wiki"] if not isinstance(h, str)]
    proposal = network.approve_hosts(fleet, hosts, "svc:wiki", only=waiting[:1])
    if proposal.steps:
        assert admin.do(proposal).ok
    else:
        with pytest.raises(NothingToChangeError):
            admin.plan(proposal)


@pytest.mark.parametrize(
    ("name", "ports", "said"),
    [
        ("wiki", ["tcp:443"], "is no service"),
        ("svc:wiki", ["udp:1"], "ports are"),
        ("svc:wiki", [], "ports are"),
    ],
)
def test_what_cannot_be_a_service_is_refused(name: str, ports: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        network.define_service(FLEET, name, ports=ports)


def test_a_service_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="svc:wiki exist"):
        network.delete_service(FLEET, "svc:other")
    with pytest.raises(ConfigurationError, match="svc:wiki exist"):
        network.approve_hosts(FLEET, {}, "svc:other")
    with pytest.raises(ConfigurationError, match="could not be read"):
        network.approve_hosts(FLEET, {}, "svc:wiki")
    with pytest.raises(ConfigurationError, match="services were not read"):
        network.delete_service(without(), "svc:wiki")
