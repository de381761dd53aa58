"""DNS of a tailnet in one picture, and its changes: read, altered and written whole where the API replaces whole lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Fleet, Proposal, Step
from tailscale_sdk.operations.values import flag_of, mapping_of, texts_of

_SOURCES: Final = {
    "nameservers": "dns.get_nameservers",
    "search_paths": "dns.get_search_paths",
    "split_dns": "dns.get_split_dns",
    "magic_dns": "dns.get_preferences",
}


@frozen
class DNSView:
    """Hold what is known of a tailnet's DNS.

    Attributes:
        nameservers: resolvers for every name, in order.
        search_paths: domains that are tried for short names, in order.
        split_dns: resolvers by domain.
        magic_dns: whether devices are found by name; None where it is not known.
        unknown: why DNS was not read; None where it was.
        sources: which call each value is from.
    """

    nameservers: tuple[str, ...] = ()
    search_paths: tuple[str, ...] = ()
    split_dns: Mapping[str, tuple[str, ...]] = {}
    magic_dns: bool | None = None
    unknown: str | None = None
    sources: Mapping[str, str] = _SOURCES

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        if self.unknown is not None:
            return {"unknown": self.unknown}
        return {
            "nameservers": list(self.nameservers),
            "search_paths": list(self.search_paths),
            "split_dns": {domain: list(servers) for domain, servers in self.split_dns.items()},
            "magic_dns": self.magic_dns,
            "sources": dict(self.sources),
        }


def dns_view(fleet: Fleet) -> DNSView:
    """Return DNS as it was read, in one picture.

    Args:
        fleet: whose snapshot is looked at.
    """
    if "dns" not in fleet.snapshot.content:
        return DNSView(unknown=fleet.coverage.get("dns", "dns was not read"))
    content = mapping_of(fleet.snapshot.content, "dns")
    split = mapping_of(content, "splitDns")
    return DNSView(
        texts_of(content, "nameservers"),
        texts_of(content, "searchPaths"),
        {domain: texts_of(split, domain) for domain in split},
        flag_of(mapping_of(content, "preferences"), "magicDNS"),
    )


def known_dns(fleet: Fleet) -> DNSView:
    """Return DNS as it was read, to be changed.

    Raises:
        ConfigurationError: it was not read, so that a whole list would be written from nothing.
    """
    view = dns_view(fleet)
    if view.unknown is not None:
        raise ConfigurationError(f"dns cannot be changed before it is read: {view.unknown}")
    return view


def set_nameservers(fleet: Fleet, servers: Sequence[str], *, reason: str | None = None) -> Proposal:
    """Propose other resolvers; the API takes the whole list.

    Args:
        fleet: with DNS.
        servers: addresses of all resolvers, in order.
        reason: why.

    Raises:
        ConfigurationError: DNS was not read, or nothing would change.
    """
    view = known_dns(fleet)
    wanted = list(dict.fromkeys(servers))
    _changes(list(view.nameservers), wanted, "the nameservers")
    risks: tuple[str, ...] = ()
    if not wanted and view.magic_dns:
        risks = ("without nameservers MagicDNS is switched off, and it stays off when nameservers come back",)
    return _one("setDnsNameservers", {"dns": wanted}, reason, risks)


def change_nameservers(
    fleet: Fleet, *, add: Sequence[str] = (), remove: Sequence[str] = (), reason: str | None = None
) -> Proposal:
    """Propose resolvers to add and to take away; all others stay in their order.

    Args:
        fleet: with DNS.
        add: addresses to add at the end.
        remove: addresses to take away.
        reason: why.

    Raises:
        ConfigurationError: DNS was not read, one that is to go is not there, or nothing would change.
    """
    return set_nameservers(fleet, _edited(known_dns(fleet).nameservers, add, remove), reason=reason)


def change_search_paths(
    fleet: Fleet, *, add: Sequence[str] = (), remove: Sequence[str] = (), reason: str | None = None
) -> Proposal:
    """Propose search paths to add and to take away; all others stay in their order.

    Args:
        fleet: with DNS.
        add: domains to add at the end.
        remove: domains to take away.
        reason: why.

    Raises:
        ConfigurationError: DNS was not read, one that is to go is not there, or nothing would change.
    """
    before = known_dns(fleet).search_paths
    wanted = _edited(before, add, remove)
    _changes(list(before), wanted, "the search paths")
    return _one("setDnsSearchPaths", {"search_paths": wanted}, reason)


def set_split_dns(
    fleet: Fleet, domain: str, servers: Sequence[str], *, reason: str | None = None
) -> Proposal:
    """Propose resolvers for one domain; every other domain stays as it is.

    Args:
        fleet: with DNS.
        domain: whose names they answer.
        servers: addresses; none takes the domain away.
        reason: why.

    Raises:
        ConfigurationError: DNS was not read, or nothing would change.
    """
    before = known_dns(fleet).split_dns.get(domain, ())
    _changes(list(before), list(servers), f"split DNS of {domain}")
    risks = (f"names below {domain} are resolved elsewhere from now on",) if before else ()
    return _one("updateSplitDns", {"split_dns": {domain: list(servers) or None}}, reason, risks)


def set_magic_dns(fleet: Fleet, enabled: bool, *, reason: str | None = None) -> Proposal:
    """Propose to switch MagicDNS on or off.

    Args:
        fleet: with DNS.
        enabled: devices are found by name.
        reason: why.

    Raises:
        ConfigurationError: DNS was not read, or nothing would change.
    """
    view = known_dns(fleet)
    _changes(view.magic_dns, enabled, "MagicDNS")
    risks = () if enabled else ("names of devices stop resolving at once",)
    return _one("setDnsPreferences", {"magic_dns": enabled}, reason, risks)


def _edited(before: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
    missing = [item for item in remove if item not in before]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} cannot be removed: there is {', '.join(before) or 'none'}"
        )
    return list(dict.fromkeys([*(item for item in before if item not in set(remove)), *add]))


def _changes(before: object, wanted: object, what: str) -> None:
    if before == wanted:
        raise ConfigurationError(f"{what}: nothing would change")


def _one(
    operation_id: str, arguments: Mapping[str, Any], reason: str | None, risks: tuple[str, ...] = ()
) -> Proposal:
    return Proposal((Step(operation_id, arguments, risks=risks),), reason=reason)
