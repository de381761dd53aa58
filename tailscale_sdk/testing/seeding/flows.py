"""Seeded network flow logs: both ends tell of each connection, in bursts with quiet hours between."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from tailscale_sdk.testing.state import JsonObject, Tailnet

TCP, UDP, ICMP, REJECTED = 6, 17, 1, 99
BURSTS_SECONDS_AGO: Final = (86400, 50400, 18000, 7200, 900)
BURST_SECONDS: Final = 60
MAX_NODES: Final = 24
PORTS: Final = ((TCP, 443), (UDP, 53), (TCP, 22), (ICMP, 0), (TCP, 5432), (REJECTED, 0))


def seed_flows(tailnet: Tailnet) -> None:
    """Add flow records of the last day, oldest first."""
    nodes = [device for device in tailnet.devices.values() if not device.get("isExternal")][:MAX_NODES]
    for burst, seconds_ago in enumerate(BURSTS_SECONDS_AGO):
        for index, (one, other) in enumerate(pairwise(nodes)):
            proto, port = PORTS[(index + burst) % len(PORTS)]
            counts = [tailnet.random.randrange(2, 400) for _ in range(2)]
            _add_connection(tailnet, one, other, proto, port, counts, seconds_ago, index)
        for node in nodes:
            _add_forwarded(tailnet, node, seconds_ago)
    tailnet.flows.sort(key=lambda record: str(record["logged"]))


def _add_connection(
    tailnet: Tailnet,
    one: JsonObject,
    other: JsonObject,
    proto: int,
    port: int,
    packets: list[int],
    seconds_ago: int,
    index: int,
) -> None:
    """Add what both ends tell of one connection: each counts from its own side."""
    family = index % 5 == 4  # every fifth one is IPv6
    source = _endpoint(one["addresses"][family], 40000 + index if port else 0)
    target = _endpoint(other["addresses"][family], port)
    sent, received = packets
    flow = {"proto": proto, "src": source, "dst": target, **_counts(sent, received)}
    _add_record(
        tailnet, one, [other], seconds_ago, virtualTraffic=[flow], physicalTraffic=[_outside(one, index)]
    )
    if proto == REJECTED:
        return
    back = {"proto": proto, "src": target, "dst": source, **_counts(received, sent)}
    _add_record(tailnet, other, [one], seconds_ago, virtualTraffic=[back])


def _counts(sent: int, received: int) -> JsonObject:
    """Return counters; those of a direction without traffic are left out, as the service does."""
    found: JsonObject = {}
    if sent:
        found.update(txPkts=sent, txBytes=sent * 128)
    if received:
        found.update(rxPkts=received, rxBytes=received * 96)
    return found


def _outside(node: JsonObject, index: int) -> JsonObject:
    """Return the encrypted traffic below: it has no protocol."""
    return {
        "src": f"{node['addresses'][0]}:0",
        "dst": f"198.51.100.{index % 254 + 1}:41641",
        **_counts(20 + index, 18 + index),
    }


def _add_forwarded(tailnet: Tailnet, node: JsonObject, seconds_ago: int) -> None:
    """Add what a subnet router and an exit node carry for others."""
    routes = node.get("enabledRoutes") or []
    source = f"{node['addresses'][0]}:50123"
    if "0.0.0.0/0" in routes:
        flow = {"proto": TCP, "src": source, "dst": "203.0.113.80:443", **_counts(60, 90)}
        _add_record(tailnet, node, None, seconds_ago, exitTraffic=[flow])
    elif any(route.startswith("10.20.") for route in routes):
        flow = {"proto": UDP, "src": source, "dst": "10.20.0.53:53", **_counts(4, 4)}
        _add_record(tailnet, node, None, seconds_ago, subnetTraffic=[flow])


def _add_record(
    tailnet: Tailnet, node: JsonObject, others: list[JsonObject] | None, seconds_ago: int, **traffic: Any
) -> None:
    record: JsonObject = {
        "logged": tailnet.clock.text(plus_seconds=-seconds_ago + 5).replace("Z", ".123456789Z"),
        "nodeId": node["nodeId"],
        "start": tailnet.clock.text(plus_seconds=-seconds_ago - BURST_SECONDS),
        "end": tailnet.clock.text(plus_seconds=-seconds_ago),
        **traffic,
        "srcNode": _node(node),
    }
    if others is not None:
        record["dstNodes"] = [{**_node(other), "os": other["os"]} for other in others]
    tailnet.flows.append(record)


def _node(device: JsonObject) -> JsonObject:
    """Return a device as flow records name it: with tags or a user, never both."""
    owner = {"tags": device["tags"]} if device.get("tags") else {"user": device["user"]}
    facts = {name: device[name] for name in ("nodeId", "name", "addresses")}
    return {**facts, **owner}


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
