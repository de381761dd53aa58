"""DNS of the embedded tailnet: five views of one configuration, so that each write shows in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailscale_sdk.testing.exchange import Call, Refusal, handles, typed
from tailscale_sdk.testing.state import JsonObject, Tailnet
from tailscale_sdk.testing.values import check_address, check_domain

NEEDS_NAMESERVER = "need at least one nameserver to enable MagicDNS"


def configuration(tailnet: Tailnet) -> JsonObject:
    """Return the DNS settings as the whole-document form of the API.

    A snapshot may spell resolvers as plain addresses and the map of domains either way.
    """
    dns = tailnet.dns
    routes = dns.get("splitDns") or dns.get("splitDNS") or {}
    preferences = dns.get("preferences") or {}
    return {
        "nameservers": [_resolver(entry) for entry in dns.get("nameservers") or []],
        "splitDNS": {
            domain: [_resolver(entry) for entry in entries] for domain, entries in routes.items() if entries
        },
        "searchPaths": list(dns.get("searchPaths") or []),
        "preferences": {
            "overrideLocalDNS": bool(preferences.get("overrideLocalDNS")),
            "magicDNS": bool(preferences.get("magicDNS")),
        },
    }


def _resolver(entry: Any) -> JsonObject:
    return {"address": entry} if isinstance(entry, str) else dict(entry)


def _addresses(resolvers: list[JsonObject]) -> list[str]:
    return [resolver["address"] for resolver in resolvers]


def _split_dns(document: JsonObject) -> dict[str, list[str]]:
    return {domain: _addresses(resolvers) for domain, resolvers in document["splitDNS"].items()}


def _store(call: Call, document: JsonObject) -> JsonObject:
    """Put a new configuration in place, MagicDNS rule applied, with its audit entries."""
    before = configuration(call.tailnet)
    if not document["nameservers"]:
        document["preferences"]["magicDNS"] = False
    call.tailnet.dns = {
        "nameservers": document["nameservers"],
        "searchPaths": document["searchPaths"],
        "splitDns": document["splitDNS"],
        "preferences": document["preferences"],
    }
    magic, was_magic = document["preferences"]["magicDNS"], before["preferences"]["magicDNS"]
    target = call.tailnet.target()
    if magic != was_magic:
        action = "ENABLE" if magic else "DISABLE"
        call.tailnet.record(call, action=action, target={**target, "property": "MAGIC_DNS"})
    before["preferences"]["magicDNS"] = magic
    if document != before or magic == was_magic:
        call.tailnet.record(
            call, action="UPDATE", target={**target, "property": "DNS_CONFIG"}, old=before, new=document
        )
    return document


@handles("listDnsNameservers")
def list_nameservers(call: Call) -> JsonObject:
    """Give the global nameservers."""
    return {"dns": _addresses(configuration(call.tailnet)["nameservers"])}


@handles("setDnsNameservers")
def set_nameservers(call: Call) -> JsonObject:
    """Replace the global nameservers; none left switches MagicDNS off until somebody switches it on."""
    addresses = [check_address(value, f"dns[{i}]") for i, value in enumerate(call.strings("dns"))]
    document = configuration(call.tailnet)
    known = {resolver["address"]: resolver for resolver in document["nameservers"]}
    document["nameservers"] = [known.get(address, {"address": address}) for address in addresses]
    stored = _store(call, document)
    return {"dns": addresses, "magicDNS": stored["preferences"]["magicDNS"]}


@handles("getDnsPreferences")
def get_preferences(call: Call) -> JsonObject:
    """Tell whether MagicDNS is on."""
    return {"magicDNS": configuration(call.tailnet)["preferences"]["magicDNS"]}


@handles("setDnsPreferences")
def set_preferences(call: Call) -> JsonObject:
    """Switch MagicDNS, which needs a nameserver."""
    wanted = call.field("magicDNS", bool)
    document = configuration(call.tailnet)
    if wanted and not document["nameservers"]:
        raise Refusal(400, NEEDS_NAMESERVER)
    document["preferences"]["magicDNS"] = wanted
    return {"magicDNS": _store(call, document)["preferences"]["magicDNS"]}


@handles("listDnsSearchPaths")
def list_search_paths(call: Call) -> JsonObject:
    """Give the search paths."""
    return {"searchPaths": configuration(call.tailnet)["searchPaths"]}


@handles("setDnsSearchPaths")
def set_search_paths(call: Call) -> JsonObject:
    """Replace the search paths."""
    document = configuration(call.tailnet)
    document["searchPaths"] = _read_search_paths(call.strings("searchPaths"))
    return {"searchPaths": _store(call, document)["searchPaths"]}


def _read_search_paths(values: list[str]) -> list[str]:
    return [check_domain(value, f"searchPaths[{i}]") for i, value in enumerate(values)]


@handles("getSplitDns")
def get_split_dns(call: Call) -> dict[str, list[str]]:
    """Give the nameservers of each domain."""
    return _split_dns(configuration(call.tailnet))


@handles("updateSplitDns")
def update_split_dns(call: Call) -> dict[str, list[str]]:
    """Change the named domains only; null or an empty list clears one."""
    document = configuration(call.tailnet)
    document["splitDNS"] = _merged(document["splitDNS"], _read_split_dns(call.fields()))
    return _split_dns(_store(call, document))


@handles("setSplitDns")
def set_split_dns(call: Call) -> dict[str, list[str]]:
    """Replace the nameservers of all domains; an empty object clears them."""
    document = configuration(call.tailnet)
    document["splitDNS"] = _merged({}, _read_split_dns(call.fields()))
    return _split_dns(_store(call, document))


def _read_split_dns(fields: Mapping[str, Any]) -> dict[str, list[JsonObject]]:
    """Read a map of domains to lists of resolvers, plain addresses or objects."""
    routes: dict[str, list[JsonObject]] = {}
    for domain, entries in fields.items():
        check_domain(domain, f"the domain {domain!r}")
        values = [] if entries is None else typed(entries, list, domain)
        routes[domain] = [_read_resolver(value, f"{domain}[{i}]") for i, value in enumerate(values)]
    return routes


def _merged(old: Mapping[str, list[JsonObject]], changes: Mapping[str, list[JsonObject]]) -> JsonObject:
    return {domain: entries for domain, entries in {**old, **changes}.items() if entries}


def _read_resolver(value: Any, where: str) -> JsonObject:
    if isinstance(value, str):
        return {"address": check_address(value, where)}
    fields = typed(value, dict, where)
    resolver: JsonObject = {"address": check_address(fields.get("address"), f"{where}.address")}
    if fields.get("useWithExitNode") is not None:
        resolver["useWithExitNode"] = typed(fields["useWithExitNode"], bool, f"{where}.useWithExitNode")
    return resolver


@handles("getDnsConfiguration")
def get_configuration(call: Call) -> JsonObject:
    """Give the whole configuration; like the service, without the parts that are empty."""
    document = configuration(call.tailnet)
    return {name: part for name, part in document.items() if part or call.tailnet.plain}


@handles("setDnsConfiguration")
def set_configuration(call: Call) -> JsonObject:
    """Replace the whole configuration; what is left out becomes empty or off."""
    nameservers = call.field("nameservers", list, False) or []
    preferences = call.field("preferences", dict, False) or {}
    wanted = {
        name: typed(preferences.get(name) or False, bool, f"preferences.{name}")
        for name in ("overrideLocalDNS", "magicDNS")
    }
    document = {
        "nameservers": [_read_resolver(value, f"nameservers[{i}]") for i, value in enumerate(nameservers)],
        "splitDNS": _merged({}, _read_split_dns(call.field("splitDNS", dict, False) or {})),
        "searchPaths": _read_search_paths(call.strings("searchPaths", False) or []),
        "preferences": wanted,
    }
    if wanted["magicDNS"] and not nameservers:
        raise Refusal(400, NEEDS_NAMESERVER)
    return _store(call, document)
