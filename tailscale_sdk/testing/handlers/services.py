"""Services of the embedded tailnet: named addresses that several devices may host."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from tailscale_sdk.testing.audit import build_target
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles, typed
from tailscale_sdk.testing.state import JsonObject, Tailnet
from tailscale_sdk.testing.tags import check_tags

V4_RANGE: Final = ipaddress.IPv4Network("100.64.0.0/10")
V6_RANGE: Final = ipaddress.IPv6Network("fd7a:115c:a1e0::/48")
V4_SERVICES: Final = ipaddress.IPv4Network("100.96.0.0/12")
UNCHECKED_PORTS: Final = "do-not-validate"
APPROVED: Final = frozenset({"approved:auto", "approved:manual"})
_NAME = re.compile(r"svc:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORTS = re.compile(r"tcp:(\d{1,5})(-(\d{1,5}))?")


def _service(call: Call) -> JsonObject:
    found = call.tailnet.services.get(call.path["serviceName"])
    if found is None:
        raise Refusal(404, "no Service with this name in the tailnet")
    return found


@handles("listServices")
def list_services(call: Call) -> JsonObject:
    """Give all Services."""
    return {"vipServices": list(call.tailnet.services.values())}


@handles("getService")
def get_service(call: Call) -> JsonObject:
    """Give one Service."""
    return _service(call)


@handles("updateService")
def update_service(call: Call) -> JsonObject:
    """Create, change or rename: the path holds the current name, the body the new one."""
    tailnet, current = call.tailnet, call.path["serviceName"]
    old = tailnet.services.get(current)
    name = _read_name(call, current, is_new=old is None)
    service: JsonObject = {
        "name": name,
        "addrs": _read_addresses(call, old),
        "comment": call.field("comment", str, False) or "",
        "ports": _read_ports(call),
        "tags": call.strings("tags", False) or [],
        "annotations": _read_annotations(call),
    }
    check_tags(tailnet, call.caller, service["tags"])
    tailnet.services = {_renamed(key, current, name): value for key, value in tailnet.services.items()}
    tailnet.services[name] = service
    if current in tailnet.service_hosts:
        tailnet.service_hosts[name] = tailnet.service_hosts.pop(current)
    if old is None:
        tailnet.record(call, action="CREATE", target=_target(name), new=service)
    else:
        tailnet.record(call, action="UPDATE", target=_target(current), old=old, new=service)
    return service


def _renamed(key: str, current: str, name: str) -> str:
    return name if key == current else key


def _read_name(call: Call, current: str, *, is_new: bool) -> str:
    name = call.field("name", str, False) or current
    if not _NAME.fullmatch(name):
        raise Refusal(400, "name must be svc: followed by lower-case letters, numbers and dashes")
    if is_new and name != current:
        raise Refusal(400, "to create a Service, the name in the body must be that of the path")
    if name != current and name in call.tailnet.services:
        raise Refusal(400, f"a Service named {name} exists already")
    return name


def _read_ports(call: Call) -> list[str]:
    ports = call.strings("ports", False) or []
    if UNCHECKED_PORTS in ports:
        return ports
    for port in ports:
        found = _PORTS.fullmatch(port)
        if not found or not all(1 <= int(number) <= 65535 for number in (found[1], found[3] or found[1])):
            raise Refusal(400, f"ports: {port!r} must be tcp: and a port, such as tcp:443")
    return ports


def _read_annotations(call: Call) -> dict[str, str]:
    annotations = call.field("annotations", dict, False) or {}
    return {name: typed(value, str, f"annotations.{name}") for name, value in annotations.items()}


def _read_addresses(call: Call, old: JsonObject | None) -> list[str]:
    """Return the wanted addresses, else those the Service has, else free ones: IPv4 first, then IPv6."""
    wanted = call.strings("addrs", False)
    if not wanted:
        return list(old["addrs"]) if old and old.get("addrs") else _free_addresses(call.tailnet)
    taken = _taken(call.tailnet) - set(old.get("addrs") or () if old else ())
    addresses = [_read_address(text, f"addrs[{i}]") for i, text in enumerate(wanted)]
    if [address.version for address in addresses] not in ([4], [4, 6]):
        raise Refusal(400, "addrs must hold one IPv4 address and, after it, at most one IPv6 address")
    for address in addresses:
        if str(address) in taken:
            raise Refusal(400, f"addrs: {address} is in use")
    if len(addresses) == 1:
        addresses.append(_v6_for(ipaddress.IPv4Address(addresses[0])))
    return [str(address) for address in addresses]


def _read_address(text: str, where: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Refusal(400, f"{where} must be an IP address") from None
    if address not in (V4_RANGE if address.version == 4 else V6_RANGE):
        raise Refusal(400, f"{where} must lie in {V4_RANGE} or {V6_RANGE}")
    return address


def _taken(tailnet: Tailnet) -> set[str]:
    used = {address for device in tailnet.devices.values() for address in device.get("addresses") or ()}
    return used | {address for service in tailnet.services.values() for address in service.get("addrs") or ()}


def _free_addresses(tailnet: Tailnet) -> list[str]:
    taken = _taken(tailnet)
    while True:
        offset = tailnet.random.randrange(1, V4_SERVICES.num_addresses - 1)
        v4 = V4_SERVICES[offset]
        v6 = _v6_for(v4)
        if taken.isdisjoint({str(v4), str(v6)}):
            return [str(v4), str(v6)]


def _v6_for(v4: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    """Return the IPv6 address that goes with an IPv4 one, so that neither collides alone."""
    return V6_RANGE[(0x53 << 64) + int(v4)]


@handles("deleteService")
def delete_service(call: Call) -> Answer:
    """Remove a Service and what was decided about its hosts."""
    service = _service(call)
    del call.tailnet.services[service["name"]]
    call.tailnet.service_hosts.pop(service["name"], None)
    call.tailnet.record(call, action="DELETE", target=_target(service["name"]), old=service)
    return Answer()


@handles("listServiceHosts")
def list_hosts(call: Call) -> JsonObject:
    """Give the devices that host a Service; one approved in advance is not a host yet."""
    name = _service(call)["name"]
    hosts = call.tailnet.service_hosts.get(name, [])
    return {"hosts": [host for host in hosts if host.get("configured")]}


@handles("getServiceDeviceApproval")
def get_approval(call: Call) -> JsonObject:
    """Tell whether a device may host a Service."""
    return _approval(_host(call) or {})


@handles("updateServiceDeviceApproval")
def set_approval(call: Call) -> JsonObject:
    """Let a device host a Service, or stop it; a device may be approved before it offers itself."""
    approved = call.field("approved", bool)
    host = _host(call)
    if host is None:
        node = call.tailnet.device(call.path["deviceId"], call.caller)
        host = {"stableNodeID": node["nodeId"], "approvalLevel": "not-approved"}
        call.tailnet.service_hosts.setdefault(call.path["serviceName"], []).append(host)
    old = _approval(host)
    if approved != old["approved"]:
        host["approvalLevel"] = "approved:manual" if approved else "not-approved"
    target = _target(call.path["serviceName"])
    call.tailnet.record(call, action="UPDATE", target=target, old=old, new=dict(host))
    return _approval(host)


def _host(call: Call) -> JsonObject | None:
    """Return what is known about a device as a host of a Service; both have to exist."""
    name = _service(call)["name"]
    node = call.tailnet.device(call.path["deviceId"], call.caller)
    hosts = call.tailnet.service_hosts.get(name, [])
    return next((host for host in hosts if host.get("stableNodeID") == node.get("nodeId")), None)


def _approval(host: JsonObject) -> JsonObject:
    level = host.get("approvalLevel")
    return {"approved": level in APPROVED, "autoApproved": level == "approved:auto"}


def _target(name: str) -> dict[str, Any]:
    return build_target("SERVICE", name, name)
