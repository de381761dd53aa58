"""The devices of the seeded tailnet: servers, laptops, phones, routers, exit nodes, in any number."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from tailscale_sdk.testing.state import Tailnet

CGNAT: Final = ipaddress.IPv4Network("100.64.0.0/10")
V6_PREFIX: Final = int(ipaddress.IPv6Address("fd7a:115c:a1e0::"))
EXIT_ROUTES: Final = ["0.0.0.0/0", "::/0"]
DAY_SECONDS: Final = 86400
KEY_DAYS: Final = 180
ADDRESS_STEP: Final = 40503  # odd, so that every index below 2^22 gets an address of its own

VERSIONS: Final = ("1.84.2-t1", "1.86.4-t2", "1.88.1-t3", "1.90.0-t4", "1.78.1-t5")
LATEST_VERSION: Final = "1.90.0-t4"
DISTROS: Final = (
    {"name": "debian", "version": "13", "codeName": "trixie"},
    {"name": "ubuntu", "version": "24.04", "codeName": "noble"},
    {"name": "fedora", "version": "42"},
)
REGIONS: Final = ("Frankfurt", "Amsterdam", "New York City", "Singapore", "Sydney")
SERVER_TAGS: Final = (["tag:server"], ["tag:server", "tag:web"], ["tag:db"], ["tag:server", "tag:prod"])

# hostname stem, operating system, share of the bulk in parts of ten
KINDS: Final = (
    ("srv", "linux"),
    ("srv", "linux"),
    ("srv", "linux"),
    ("srv", "windows"),
    ("laptop", "macOS"),
    ("laptop", "windows"),
    ("laptop", "linux"),
    ("phone", "iOS"),
    ("phone", "android"),
    ("ci", "linux"),
)


def address_of(index: int) -> str:
    """Return the IPv4 address of the device with an index: unique, inside the CGNAT range, never reserved."""
    value = int(CGNAT.network_address) + (index * ADDRESS_STEP + 1027) % CGNAT.num_addresses
    return str(ipaddress.IPv4Address(value))


def is_assignable(address: ipaddress.IPv4Address) -> bool:
    """Tell whether a device may have an address: in the CGNAT range and not used by the service itself."""
    edges = {CGNAT.network_address, CGNAT.broadcast_address, ipaddress.IPv4Address("100.100.100.100")}
    return (
        address in CGNAT and address not in edges and address not in ipaddress.IPv4Network("100.115.92.0/23")
    )


class Builder:
    """Make devices one after the other; each takes the next address and ids."""

    def __init__(self, tailnet: Tailnet) -> None:
        self.tailnet = tailnet
        self.random = tailnet.random
        self.count = 0
        self._index = 0

    def device(
        self,
        hostname: str,
        os: str,
        login: str,
        *,
        name: str = "",
        tags: list[str] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """Add a device with plausible values.

        Args:
            hostname: name the operating system reports, any text.
            os: operating system.
            login: login name of its user; for a tagged device, of who added it.
            name: base name in MagicDNS; the hostname when empty.
            tags: its tags; without any, the key is left out.
            changes: API fields to set over the plausible ones; DROP removes a field.
        """
        tailnet = self.tailnet
        node_id, number = tailnet.ids.new("n"), tailnet.ids.number()
        days = self.random.randrange(1, KEY_DAYS)
        device: dict[str, Any] = {
            "addresses": self._addresses(),
            "id": number,
            "nodeId": node_id,
            "user": login,
            "name": f"{name or hostname}.{tailnet.dns_name}",
            "hostname": hostname,
            "clientVersion": VERSIONS[self.count % len(VERSIONS)],
            "updateAvailable": VERSIONS[self.count % len(VERSIONS)] != LATEST_VERSION,
            "os": os,
            "created": tailnet.clock.text(plus_seconds=-days * DAY_SECONDS),
            "connectedToControl": True,
            "keyExpiryDisabled": bool(tags),
            "expires": tailnet.clock.text(plus_seconds=(KEY_DAYS - days) * DAY_SECONDS),
            "authorized": True,
            "isExternal": False,
            "multipleConnections": False,
            "machineKey": f"mkey:{tailnet.ids.hexadecimal(64)}",
            "nodeKey": f"nodekey:{tailnet.ids.hexadecimal(64)}",
            "blocksIncomingConnections": os in {"iOS", "android"},
            "enabledRoutes": [],
            "advertisedRoutes": [],
            "clientConnectivity": self._connectivity(),
            "sshEnabled": os == "linux" and bool(tags),
            "postureIdentity": {"serialNumbers": [f"DEMO{tailnet.ids.hexadecimal(8).upper()}"]},
            "isEphemeral": False,
            "distro": dict(DISTROS[self.count % len(DISTROS)]) if os == "linux" else {},
            "tailnetLockError": "",
            "tailnetLockKey": "",
        }
        if tags:
            device["tags"] = list(tags)
        _apply(device, changes)
        tailnet.devices[node_id] = device
        self.count += 1
        return device

    def bulk(self, logins: list[str]) -> None:
        """Add one ordinary device of the kind whose turn it is."""
        stem, os = KINDS[self.count % len(KINDS)]
        login = logins[self.count % len(logins)]
        hostname = f"{stem}-{self.count}"
        if stem == "srv":
            device = self.device(hostname, os, login, tags=SERVER_TAGS[self.count % len(SERVER_TAGS)])
            if self.count % 50 == 1:
                route = f"10.{self.random.randrange(64, 250)}.{self.random.randrange(256)}.0/24"
                device.update(advertisedRoutes=[route], enabledRoutes=[route])
        elif stem == "ci":
            self.device(hostname, os, login, tags=["tag:ci"], isEphemeral=True)
        else:
            device = self.device(hostname, os, login)
            self.come_and_go(device)

    def come_and_go(self, device: dict[str, Any]) -> None:
        """Give a device hours: it is connected for a part of every period of the virtual clock."""
        period = self.random.randrange(8, 48) * 3600
        online = period * self.random.randrange(3, 9) // 10
        presence = self.tailnet.memory.setdefault("presence", {})
        presence[device["nodeId"]] = (period, online, self.random.randrange(period))

    def _addresses(self) -> list[str]:
        while True:
            first = address_of(self._index)
            self._index += 1
            if is_assignable(ipaddress.IPv4Address(first)):
                break
        return [
            first,
            str(ipaddress.IPv6Address(V6_PREFIX + (self._index << 32) + self.random.getrandbits(32))),
        ]

    def _connectivity(self) -> dict[str, Any]:
        port = self.random.randrange(32768, 61000)
        near, far = REGIONS[self.count % len(REGIONS)], REGIONS[(self.count + 1) % len(REGIONS)]
        return {
            "endpoints": [
                f"192.0.2.{self.count % 254 + 1}:{port}",
                f"198.51.100.{self.count % 254 + 1}:41641",
            ],
            "mappingVariesByDestIP": False,
            "latency": {
                near: {"preferred": True, "latencyMs": self.random.randrange(400, 9000) / 250},
                far: {"latencyMs": self.random.randrange(9000, 40000) / 250},
            },
            "clientSupports": {
                "hairPinning": None,
                "ipv6": self.count % 3 == 0,
                "pcp": False,
                "pmp": False,
                "udp": True,
                "upnp": self.count % 4 == 0,
            },
        }


DROP: Final = object()


def _apply(device: dict[str, Any], changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        if value is DROP:
            device.pop(field, None)
        else:
            device[field] = value
