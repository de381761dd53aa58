"""DNS of the embedded tailnet: ten operations over one configuration."""

from __future__ import annotations

import pytest

from tests.contract.asking import Ask

DNS = "/tailnet/-/dns"


def test_nameservers_show_in_every_view(ask: Ask) -> None:
    assert ask.ok("POST", f"{DNS}/nameservers", json={"dns": ["192.0.2.1", "2001:db8::1"]}) == {
        "dns": ["192.0.2.1", "2001:db8::1"],
        "magicDNS": True,
    }
    assert ask.ok("GET", f"{DNS}/nameservers") == {"dns": ["192.0.2.1", "2001:db8::1"]}
    document = ask.ok("GET", f"{DNS}/configuration")
    assert document["nameservers"] == [{"address": "192.0.2.1"}, {"address": "2001:db8::1"}]


def test_removing_all_nameservers_switches_magic_dns_off_until_switched_on(ask: Ask) -> None:
    assert ask.ok("GET", f"{DNS}/preferences") == {"magicDNS": True}
    assert ask.ok("POST", f"{DNS}/nameservers", json={"dns": []}) == {"dns": [], "magicDNS": False}
    assert ask.ok("GET", f"{DNS}/preferences") == {"magicDNS": False}
    assert ask.refused("POST", f"{DNS}/preferences", json={"magicDNS": True}) == (
        400,
        "need at least one nameserver to enable MagicDNS",
    )
    assert ask.ok("POST", f"{DNS}/nameservers", json={"dns": ["192.0.2.1"]})["magicDNS"] is False
    assert ask.ok("POST", f"{DNS}/preferences", json={"magicDNS": True}) == {"magicDNS": True}
    assert ask.ok("GET", f"{DNS}/configuration")["preferences"]["magicDNS"] is True


def test_switching_magic_dns_off_and_emptying_leaves_two_events_of_one_group(ask: Ask) -> None:
    ask.ok("POST", f"{DNS}/nameservers", json={"dns": []})
    off, change = ask.events()[-2:]
    assert (off["action"], off["target"]["property"]) == ("DISABLE", "MAGIC_DNS")
    assert (change["action"], change["target"]["property"]) == ("UPDATE", "DNS_CONFIG")
    assert off["eventGroupID"] == change["eventGroupID"]
    assert change["old"]["nameservers"]
    assert change["new"]["nameservers"] == []


def test_search_paths_are_replaced(ask: Ask) -> None:
    wanted = {"searchPaths": ["lab.example.com", "corp.example.com"]}
    assert ask.ok("POST", f"{DNS}/searchpaths", json=wanted) == wanted
    assert ask.ok("GET", f"{DNS}/searchpaths") == wanted
    assert ask.ok("GET", f"{DNS}/configuration")["searchPaths"] == wanted["searchPaths"]
    assert ask.ok("POST", f"{DNS}/searchpaths", json={"searchPaths": []}) == {"searchPaths": []}


def test_patch_changes_the_named_domains_and_null_clears_one(ask: Ask) -> None:
    before = ask.ok("GET", f"{DNS}/split-dns")
    after = ask.ok("PATCH", f"{DNS}/split-dns", json={"lab.example.com": ["10.0.0.53"]})
    assert after == {**before, "lab.example.com": ["10.0.0.53"]}
    assert ask.ok("PATCH", f"{DNS}/split-dns", json={"corp.example.com": None}) == {
        "lab.example.com": ["10.0.0.53"]
    }
    assert ask.ok("PATCH", f"{DNS}/split-dns", json={"lab.example.com": []}) == {}


def test_put_replaces_all_domains(ask: Ask) -> None:
    wanted = {"lab.example.com": ["10.0.0.53"]}
    assert ask.ok("PUT", f"{DNS}/split-dns", json={**wanted, "gone.example.com": None}) == wanted
    assert ask.ok("GET", f"{DNS}/split-dns") == wanted
    assert ask.ok("GET", f"{DNS}/configuration")["splitDNS"] == {
        "lab.example.com": [{"address": "10.0.0.53"}]
    }
    assert ask.ok("PUT", f"{DNS}/split-dns", json={}) == {}
    assert "splitDNS" not in ask.ok("GET", f"{DNS}/configuration")


def test_the_whole_document_replaces_everything(ask: Ask) -> None:
    document = {
        "nameservers": [
            {"address": "https://dns.example.com/query"},
            {"address": "192.0.2.9", "useWithExitNode": True},
        ],
        "preferences": {"overrideLocalDNS": True},
    }
    stored = ask.ok("POST", f"{DNS}/configuration", json=document)
    assert stored == {
        "nameservers": document["nameservers"],
        "splitDNS": {},
        "searchPaths": [],
        "preferences": {"overrideLocalDNS": True, "magicDNS": False},
    }
    assert ask.ok("GET", f"{DNS}/preferences") == {"magicDNS": False}
    assert ask.ok("GET", f"{DNS}/nameservers") == {"dns": ["https://dns.example.com/query", "192.0.2.9"]}
    assert ask.ok("GET", f"{DNS}/searchpaths") == {"searchPaths": []}


def test_the_exit_node_mark_survives_a_write_of_addresses(ask: Ask) -> None:
    ask.ok(
        "POST",
        f"{DNS}/configuration",
        json={"nameservers": [{"address": "192.0.2.9", "useWithExitNode": True}]},
    )
    ask.ok("POST", f"{DNS}/nameservers", json={"dns": ["192.0.2.8", "192.0.2.9"]})
    assert ask.ok("GET", f"{DNS}/configuration")["nameservers"] == [
        {"address": "192.0.2.8"},
        {"address": "192.0.2.9", "useWithExitNode": True},
    ]


def test_magic_dns_in_the_whole_document_needs_a_nameserver(ask: Ask) -> None:
    wanted = {"preferences": {"magicDNS": True}}
    assert ask.refused("POST", f"{DNS}/configuration", json=wanted)[1] == (
        "need at least one nameserver to enable MagicDNS"
    )
    assert ask.ok("GET", f"{DNS}/preferences") == {"magicDNS": True}


@pytest.mark.parametrize(
    "method, path, body, message",
    [
        ("POST", "nameservers", {}, "dns is missing: it must be a list"),
        ("POST", "nameservers", {"dns": "192.0.2.1"}, "dns must be a list"),
        ("POST", "nameservers", {"dns": [1]}, "dns[0] must be a string"),
        ("POST", "nameservers", {"dns": ["nowhere"]}, "dns[0] must be an IP address or an https:// URL"),
        ("POST", "nameservers", {"dns": ["fe80::1%eth0"]}, "dns[0] must be an IP address or an https:// URL"),
        ("POST", "nameservers", [], "the body must be an object"),
        ("POST", "preferences", {"magicDNS": 1}, "magicDNS must be true or false"),
        ("POST", "searchpaths", {"searchPaths": ["a b"]}, "searchPaths[0] must be a domain name"),
        ("PATCH", "split-dns", {"": ["192.0.2.1"]}, "the domain '' must be a domain name"),
        ("PATCH", "split-dns", {"a.example.com": "192.0.2.1"}, "a.example.com must be a list"),
        ("PUT", "split-dns", {"a.example.com": [None]}, "a.example.com[0] must be an object"),
        ("POST", "configuration", {"nameservers": [{}]}, "nameservers[0].address must be a string"),
        (
            "POST",
            "configuration",
            {"preferences": {"magicDNS": "on"}},
            "preferences.magicDNS must be true or false",
        ),
    ],
)
def test_a_bad_request_says_what_would_be_accepted(
    ask: Ask, method: str, path: str, body: object, message: str
) -> None:
    before = ask.ok("GET", f"{DNS}/configuration")
    status, text = ask.refused(method, f"{DNS}/{path}", json=body)
    assert (status, text[: len(message)]) == (400, message)
    assert ask.ok("GET", f"{DNS}/configuration") == before


def test_a_body_that_is_no_json_is_refused(ask: Ask) -> None:
    assert ask.refused("POST", f"{DNS}/nameservers") == (400, "unexpected end of JSON input")
    assert ask.refused("POST", f"{DNS}/nameservers", content=b"{")[0] == 400
