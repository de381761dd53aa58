"""What a name means in a tailnet, and whether its resolvers can be reached, without a query leaving the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.operations.fleet import Device, Fleet
from tailscale_sdk.operations.network.dns import DNSView, dns_view
from tailscale_sdk.operations.values import Network, network_of, text_of, texts_of

Kind = Literal["device", "service", "split-dns", "search-path", "resolver", "unknown"]


@frozen
class Resolution:
    """Say who answers for a name.

    Attributes:
        name: as asked.
        kind: device, service, split DNS domain, search path, the tailnet's resolvers, or unknown.
        answers: addresses, or the resolvers that are asked.
        reason: one sentence.
    """

    name: str
    kind: Kind
    answers: tuple[str, ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"name": self.name, "kind": self.kind, "answers": list(self.answers), "reason": self.reason}


def resolve(fleet: Fleet, name: str) -> Resolution:
    """Say who answers for a name, in the order a device asks.

    Args:
        fleet: devices, services and DNS.
        name: short or full name.
    """
    wanted, view = name.strip().rstrip(".").lower(), dns_view(fleet)
    found = _device(fleet, name, wanted, view) or _service(fleet, name, wanted)
    if found is not None:
        return found
    if view.unknown is not None:
        return Resolution(name, "unknown", (), f"DNS was not read: {view.unknown}")
    for domain, servers in sorted(view.split_dns.items(), key=lambda item: -len(item[0])):
        if wanted == domain.lower() or wanted.endswith(f".{domain.lower()}"):
            return Resolution(name, "split-dns", servers, f"split DNS of {domain} answers")
    if "." not in wanted and view.search_paths:
        tried = ", ".join(f"{wanted}.{path}" for path in view.search_paths)
        return Resolution(name, "search-path", view.nameservers, f"a short name: {tried} are tried in turn")
    if view.nameservers:
        return Resolution(
            name, "resolver", view.nameservers, "no rule of the tailnet fits: its resolvers answer"
        )
    return Resolution(name, "unknown", (), "the tailnet has no resolvers: each device asks its own")


def _device(fleet: Fleet, name: str, wanted: str, view: DNSView) -> Resolution | None:
    for device in fleet.devices:
        if device.name and wanted in {device.name.lower(), device.label.lower()}:
            if view.magic_dns is False:
                return Resolution(name, "unknown", (), f"it is {device.name}, but MagicDNS is off")
            sure = "" if view.magic_dns else ", where MagicDNS is on, which is not known"
            return Resolution(
                name, "device", device.addresses, f"MagicDNS answers for the device {device.id}{sure}"
            )
    return None


def _service(fleet: Fleet, name: str, wanted: str) -> Resolution | None:
    for service in fleet.snapshot.content.get("services") or ():
        label = text_of(service, "name").removeprefix("svc:").lower()
        if label and wanted.partition(".")[0] == label:
            return Resolution(name, "service", texts_of(service, "addrs"), f"it is the service svc:{label}")
    return None


@frozen
class ResolverCheck:
    """Say whether a resolver can be reached by the devices of the tailnet.

    Attributes:
        server: its address.
        used_for: ``*`` or a split DNS domain.
        status: ok, problem or unknown.
        reason: one sentence.
    """

    server: str
    used_for: str
    status: Literal["ok", "problem", "unknown"]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "server": self.server,
            "used_for": self.used_for,
            "status": self.status,
            "reason": self.reason,
        }


def check_resolvers(fleet: Fleet) -> tuple[ResolverCheck, ...]:
    """Say of each resolver whether devices can reach it: it is public, a device, or behind a router that is online.

    Args:
        fleet: devices and DNS; without DNS there is nothing to say.
    """
    view = dns_view(fleet)
    used = [
        *((server, "*") for server in view.nameservers),
        *((server, domain) for domain, servers in view.split_dns.items() for server in servers),
    ]
    return tuple(ResolverCheck(server, where, *_reach(fleet, server)) for server, where in used)


def _reach(fleet: Fleet, server: str) -> tuple[Literal["ok", "problem", "unknown"], str]:
    address = network_of(server)
    if address is None:
        return "unknown", "it is no plain address: encrypted resolvers are not looked at"
    holder = next((device for device in fleet.devices if server in device.addresses), None)
    if holder is not None:
        return (
            ("ok", f"it is {holder.label}")
            if holder.is_connected
            else ("problem", f"{holder.label} is offline")
        )
    if not address.is_private and not _is_tailnet(address):
        return "ok", "it is a public address"
    routers = list(_routers_of(fleet, address))
    if any(router.is_connected for router in routers):
        return "ok", f"it is behind {next(router.label for router in routers if router.is_connected)}"
    if routers:
        return "problem", f"no router to it is online: {', '.join(router.label for router in routers)}"
    return "problem", "no device has this address, and no approved route leads to it"


def _is_tailnet(address: Network) -> bool:
    return any(
        outer is not None and outer.version == address.version and address.subnet_of(outer)  # type: ignore[arg-type]
        for outer in (network_of("100.64.0.0/10"), network_of("fd7a:115c:a1e0::/48"))
    )


def _routers_of(fleet: Fleet, address: Network) -> Iterator[Device]:
    for device in fleet.devices:
        if any(
            network.version == address.version and address.subnet_of(network)  # type: ignore[arg-type]
            for network in device.approved_subnets
        ):
            yield device
