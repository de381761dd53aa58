"""Services: which devices host them, whether they are approved and ready, and their changes."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.client import AsyncTailscale, Tailscale
from tailscale_sdk.errors import ConfigurationError, TailscaleError
from tailscale_sdk.operations.fleet import Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.parts import Call, read, read_async
from tailscale_sdk.operations.values import text_of, texts_of

_NAME: Final = re.compile(r"svc:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT: Final = re.compile(r"tcp:\d{1,5}|do-not-validate")


@frozen
class Host:
    """Hold one device that hosts a service.

    Attributes:
        device_id: nodeId.
        name: its name in the tailnet, empty where the device is not known.
        approval: approval level, a word of the service.
        configured: configuration state, a word of the service.
        online: it is connected; None where the device is not known.
    """

    device_id: str
    name: str
    approval: str
    configured: str
    online: bool | None

    @property
    def is_approved(self) -> bool:
        """Tell whether it may host the service."""
        return self.approval.startswith("approved")

    @property
    def is_ready(self) -> bool:
        """Tell whether it serves now."""
        return self.is_approved and self.configured == "ready" and self.online is not False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.device_id,
            "name": self.name,
            "approval": self.approval,
            "configured": self.configured,
            "online": self.online,
            "ready": self.is_ready,
        }


@frozen
class ServiceStatus:
    """Hold one service with its hosts.

    Attributes:
        name: ``svc:NAME``.
        addresses, ports, tags: of the service.
        hosts: devices that offer it; None where they could not be read.
        unknown: why they could not.
    """

    name: str
    addresses: tuple[str, ...]
    ports: tuple[str, ...]
    tags: tuple[str, ...]
    hosts: tuple[Host, ...] | None
    unknown: str | None = None

    @property
    def status(self) -> str:
        """Return served, waiting for approval, without a ready host, or unknown."""
        if self.hosts is None:
            return "unknown"
        if any(host.is_ready for host in self.hosts):
            return "served"
        return "waiting" if any(not host.is_approved for host in self.hosts) else "not served"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "name": self.name,
            "status": self.status,
            "addresses": list(self.addresses),
            "ports": list(self.ports),
            "tags": list(self.tags),
            "hosts": None if self.hosts is None else [host.to_dict() for host in self.hosts],
            **({"unknown": self.unknown} if self.unknown else {}),
        }


Hosts = Mapping[str, Sequence[Mapping[str, Any]] | str]
"""Hosts of each service as the API returns them, or why they could not be read."""


def _reads(names: Sequence[str]) -> Generator[Call, Any, Hosts]:
    found: dict[str, Sequence[Mapping[str, Any]] | str] = {}
    for name in names:
        try:
            hosts = yield _hosts_of(name)
            found[name] = [host.to_dict() for host in hosts]
        except TailscaleError as error:
            found[name] = str(error)
    return found


def _hosts_of(name: str) -> Call:
    return lambda client: client.services.list_hosts(name)


def load_hosts(client: Tailscale, fleet: Fleet) -> Hosts:
    """Read the hosts of every service; one that cannot be read says why.

    Args:
        client: reads, one call per service.
        fleet: with services.

    Scope: ``services:read`` and ``devices:core:read``.
    """
    return read(client, _reads(service_names(fleet)))


async def load_hosts_async(client: AsyncTailscale, fleet: Fleet) -> Hosts:
    """Read the hosts of every service with an asynchronous client, as ``load_hosts`` does."""
    return await read_async(client, _reads(service_names(fleet)))


def hosting(hosts: Hosts) -> frozenset[str] | None:
    """Return the nodeIds of devices that host a service; None where hosts of one could not be read.

    Args:
        hosts: of each service.
    """
    found: set[str] = set()
    for each in hosts.values():
        if isinstance(each, str):
            return None
        found.update(text_of(host, "stableNodeID") for host in each)
    return frozenset(found)


def service_names(fleet: Fleet) -> list[str]:
    """Return the names of the services in a snapshot.

    Args:
        fleet: with services.
    """
    return [name for each in fleet.snapshot.content.get("services") or () if (name := text_of(each, "name"))]


def service_statuses(fleet: Fleet, hosts: Hosts) -> tuple[ServiceStatus, ...]:
    """Return every service with its hosts.

    Args:
        fleet: services and devices.
        hosts: of each service.
    """
    found = []
    for record in fleet.snapshot.content.get("services") or ():
        name = text_of(record, "name")
        known = hosts.get(name, "its hosts were not read")
        found.append(
            ServiceStatus(
                name,
                texts_of(record, "addrs"),
                texts_of(record, "ports"),
                texts_of(record, "tags"),
                None if isinstance(known, str) else tuple(_host(fleet, host) for host in known),
                known if isinstance(known, str) else None,
            )
        )
    return tuple(found)


def _host(fleet: Fleet, record: Mapping[str, Any]) -> Host:
    node = text_of(record, "stableNodeID")
    device = fleet.by_id.get(node)
    return Host(
        node,
        "" if device is None else device.name,
        text_of(record, "approvalLevel"),
        text_of(record, "configured"),
        None if device is None else device.is_connected,
    )


def define_service(
    fleet: Fleet,
    name: str,
    *,
    ports: Sequence[str],
    tags: Sequence[str] = (),
    comment: str | None = None,
    reason: str | None = None,
) -> Proposal:
    """Propose to create a service, or to change one; its addresses stay.

    Args:
        fleet: with services.
        name: ``svc:NAME``.
        ports: ``tcp:443`` and the like, or ``do-not-validate``.
        tags: who may host it by auto-approval is told by these.
        comment: for people.
        reason: why.

    Raises:
        ConfigurationError: the name or a port cannot be one, or services were not read.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"{name!r} is no service: svc: and letters, digits and hyphens")
    wrong = [port for port in ports if _PORT.fullmatch(port) is None]
    if wrong or not ports:
        raise ConfigurationError(f"ports are tcp:NUMBER or do-not-validate, not {', '.join(wrong) or 'none'}")
    known = next((each for each in _known(fleet) if text_of(each, "name") == name), None)
    kept = {} if known is None else {"addrs": list(texts_of(known, "addrs"))}
    arguments = {
        "service_name": name,
        "name": name,
        "ports": list(ports),
        "tags": list(tags),
        **({} if comment is None else {"comment": comment}),
        **kept,
    }
    return Proposal((Step("updateService", arguments),), reason=reason)


def delete_service(fleet: Fleet, name: str, *, reason: str | None = None) -> Proposal:
    """Propose to delete a service; its addresses stop working at once.

    Args:
        fleet: with services.
        name: ``svc:NAME``.
        reason: why.

    Raises:
        ConfigurationError: there is no such service.
    """
    if name not in [text_of(each, "name") for each in _known(fleet)]:
        raise ConfigurationError(
            f"there is no service {name!r}: {', '.join(service_names(fleet)) or 'none'} exist"
        )
    return Proposal((Step("deleteService", {"service_name": name}),), reason=reason)


def approve_hosts(
    fleet: Fleet,
    hosts: Hosts,
    service: str,
    *,
    only: Sequence[str] | None = None,
    approved: bool = True,
    reason: str | None = None,
) -> Proposal:
    """Propose to approve the devices that offer a service, or to take their approval back.

    Args:
        fleet: services and devices.
        hosts: of each service.
        service: ``svc:NAME``.
        only: nodeIds of the devices that are meant; all that offer it when left out.
        approved: approve them.
        reason: why.

    Raises:
        ConfigurationError: there is no such service, or its hosts could not be read.
    """
    status = next((each for each in service_statuses(fleet, hosts) if each.name == service), None)
    if status is None:
        raise ConfigurationError(
            f"there is no service {service!r}: {', '.join(service_names(fleet)) or 'none'} exist"
        )
    if status.hosts is None:
        raise ConfigurationError(f"the hosts of {service} could not be read: {status.unknown}")
    steps, left = [], []
    for host in status.hosts:
        if only is not None and host.device_id not in only:
            continue
        if host.is_approved is approved:
            why = "it is approved already" if approved else "it is not approved anyway"
            left.append(LeftAlone("device", host.device_id, host.name, why))
        else:
            arguments = {"service_name": service, "device_id": host.device_id, "approved": approved}
            steps.append(Step("updateServiceDeviceApproval", arguments))
    return Proposal(tuple(steps), None, tuple(left), reason=reason)


def _known(fleet: Fleet) -> Sequence[Mapping[str, Any]]:
    if "services" not in fleet.snapshot.content:
        raise ConfigurationError(
            f"services were not read: {fleet.coverage.get('services', 'read them first')}"
        )
    return list(fleet.snapshot.content["services"] or ())
