"""Seeded DNS and Services."""

from __future__ import annotations

from tailscale_sdk.testing.state import JsonObject, Tailnet

LEVELS = ("approved:auto", "approved:manual", "not-approved", "pending")


def seed_network(tailnet: Tailnet) -> None:
    """Fill DNS and Services; the hosts are the first tagged servers of the fleet."""
    tailnet.dns = {
        "nameservers": [{"address": "192.0.2.53"}, {"address": "2001:db8::53", "useWithExitNode": True}],
        "searchPaths": ["corp.example.com"],
        "splitDns": {"corp.example.com": [{"address": "10.20.0.53"}, {"address": "10.20.0.54"}]},
        "preferences": {"magicDNS": True, "overrideLocalDNS": False},
    }
    _add_service(tailnet, "svc:dashboard", "100.96.0.10", ["tcp:443"], "Dashboards of operations")
    _add_service(tailnet, "svc:warehouse-db", "100.96.0.11", ["tcp:5432"], "")
    hosts = [device for device in tailnet.devices.values() if "tag:server" in device.get("tags", ())]
    for name in tailnet.services:
        tailnet.service_hosts[name] = [
            {"stableNodeID": host["nodeId"], "approvalLevel": level, "configured": "ready"}
            for host, level in zip(hosts, LEVELS, strict=False)
        ]


def _add_service(tailnet: Tailnet, name: str, address: str, ports: list[str], comment: str) -> None:
    last = int(address.rpartition(".")[2])
    service: JsonObject = {
        "name": name,
        "addrs": [address, f"fd7a:115c:a1e0::5:{last:x}"],
        "comment": comment,
        "ports": ports,
        "tags": ["tag:server"],
        "annotations": {"example.com/team": "operations"},
    }
    tailnet.services[name] = service
