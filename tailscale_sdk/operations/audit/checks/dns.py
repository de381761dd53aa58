"""Checks of DNS: whether devices are found by name, and whether the resolvers can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, call, fact
from tailscale_sdk.operations.network.dns import dns_view
from tailscale_sdk.operations.network.resolving import ResolverCheck, check_resolvers
from tailscale_sdk.operations.values import flag_of, mapping_of, network_of
from tailscale_sdk.policy.findings import Status

_STATUSES: Final[dict[str, Status]] = {"ok": "pass", "problem": "fail", "unknown": "unknown"}


def _dns(audited: Audited) -> Iterator[Outcome]:
    subject, magic = Subject("setting", "magicDNS"), dns_view(audited.fleet).magic_dns
    if magic is None:
        yield Outcome(subject, "unknown", "the API does not say whether MagicDNS is on")
    elif magic:
        yield Outcome(subject, "pass")
    else:
        yield Outcome(
            subject,
            "fail",
            "devices are not found by name",
            evidence=(fact("getDnsPreferences", magicDNS=False),),
            fix=(call("setDnsPreferences", magic_dns=True),),
        )
    yield from _override(audited)
    for found in dict.fromkeys(check_resolvers(audited.fleet)):
        yield _resolver(found)


def _override(audited: Audited) -> Iterator[Outcome]:
    """Yield whether devices ask the tailnet's public resolvers, or go on asking those of the network they are in."""
    servers = [server for server in dns_view(audited.fleet).nameservers if _is_public(server)]
    subject = Subject("setting", "overrideLocalDNS")
    override = flag_of(mapping_of(audited.part("dns"), "preferences"), "overrideLocalDNS")
    if override is False and servers:
        evidence = (fact("getDnsConfiguration", overrideLocalDNS=False, nameservers=servers),)
        message = f"devices may ask whatever resolver their network names, beside {', '.join(servers)}"
        yield Outcome(subject, "fail", message, evidence=evidence)
    elif override is not None:
        yield Outcome(subject, "pass")
    elif servers:
        yield Outcome(
            subject, "unknown", "the API does not say whether resolvers replace those of the network"
        )


def _is_public(server: str) -> bool:
    address = network_of(server)
    return address is not None and address.is_global


def _resolver(found: ResolverCheck) -> Outcome:
    evidence = (fact("getDnsNameservers", server=found.server, used_for=found.used_for),)
    subject = Subject("resolver", found.server)
    return Outcome(subject, _STATUSES[found.status], found.reason, aspect=found.used_for, evidence=evidence)


CHECKS: Final = (
    Check("DNS-01", "low", "Names that do not resolve", "turn MagicDNS on, and name resolvers that devices reach", ("dns",), ("CC6.6",), _dns),
)  # fmt: skip
"""In the order of their ids."""
