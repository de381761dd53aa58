"""The seeded fleet: deterministic, of any size, with everything in it that breaks careless clients."""

from __future__ import annotations

import ipaddress
from typing import Any

import orjson
import pytest

from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.seed import seed_tailnet
from tailscale_sdk.testing.state import Tailnet
from tests.contract.talk import Talk

PATHS = (
    "/tailnet/-/devices?fields=all",
    "/tailnet/-/users",
    "/tailnet/-/keys?all=true",
    "/tailnet/-/acl",
    "/tailnet/-/dns/configuration",
    "/tailnet/-/webhooks",
    "/tailnet/-/services",
    "/tailnet/-/logging/configuration?start=2026-05-01T00:00:00Z&end=2026-07-01T00:00:00Z",
    "/tailnet/-/logging/network?start=2026-05-01T00:00:00Z&end=2026-07-01T00:00:00Z",
)


def conversation(seed: int) -> list[bytes]:
    """Read everything, write something, read it again; give all bytes."""
    with FakeTailnet(devices=40, seed=seed) as tailnet:
        talk = Talk(tailnet)
        answers = [talk.request("GET", path).content for path in PATHS]
        answers.append(talk.post("/tailnet/-/user-invites", [{"email": "new@example.com"}]).content)
        answers.append(talk.post("/tailnet/-/keys", {"capabilities": {"devices": {"create": {}}}}).content)
        tailnet.advance(100_000)
        answers += [talk.request("GET", path).content for path in PATHS]
        return [tailnet.api_key.encode(), *answers]


def test_two_runs_give_equal_bytes_and_another_seed_gives_others() -> None:
    first = conversation(7)
    assert conversation(7) == first
    assert conversation(8)[1] != first[1]


@pytest.fixture(scope="module")
def seeded() -> Tailnet:
    tailnet = Tailnet(seed=3)
    seed_tailnet(tailnet, 400)
    return tailnet


@pytest.mark.parametrize("count", [0, 1, 5, 12, 25, 1000])
def test_any_number_of_devices(count: int) -> None:
    tailnet = Tailnet(seed=3)
    seed_tailnet(tailnet, count)
    assert len(tailnet.devices) == count
    assert len({d["id"] for d in tailnet.devices.values()}) == count
    assert len({d["name"] for d in tailnet.devices.values()}) == count


def test_addresses_are_unique_and_in_the_range(seeded: Tailnet) -> None:
    addresses = [ipaddress.ip_address(text) for d in seeded.devices.values() for text in d["addresses"]]
    assert len(set(addresses)) == 2 * len(seeded.devices)
    assert all(a in ipaddress.ip_network("100.64.0.0/10") for a in addresses if a.version == 4)
    assert all(a in ipaddress.ip_network("fd7a:115c:a1e0::/48") for a in addresses if a.version == 6)


def has(devices: list[dict[str, Any]], **wanted: Any) -> bool:
    return any(all(device.get(name) == value for name, value in wanted.items()) for device in devices)


def test_the_odd_devices_are_all_there() -> None:
    with FakeTailnet() as tailnet:
        devices = Talk(tailnet).devices()
    assert any(d["connectedToControl"] and "lastSeen" not in d for d in devices)
    empty = dict.fromkeys(("created", "lastSeen", "expires", "clientVersion", "machineKey"), "")
    assert has(devices, isExternal=True, **empty)
    assert has(devices, expires="0001-01-01T00:00:00Z", keyExpiryDisabled=True)
    assert has(devices, expires=None, keyExpiryDisabled=True)
    assert any("tags" not in d for d in devices)
    assert not any(d.get("tags") == [] for d in devices)
    assert has(devices, os="plan9", fleetRing="canary")
    assert any(int(d["id"]) > 2**53 for d in devices)
    assert has(devices, authorized=False)
    assert has(devices, isEphemeral=True, oauthClientId="kDemoC1ient11CNTRL")
    assert has(devices, clientConnectivity=None)
    assert has(devices, distro={}, postureIdentity={"disabled": True})
    exits = [d for d in devices if {"0.0.0.0/0", "::/0"} <= set(d["enabledRoutes"] or [])]
    assert len(exits) == 1
    names = "".join(d["hostname"] for d in devices)
    for odd in ("\x1b", "\u202e", "\U0001f680", "\u0639", "</devices>"):
        assert odd in names


def test_routes_wait_for_approval_and_overlap() -> None:
    with FakeTailnet() as tailnet:
        devices = Talk(tailnet).devices()
    waiting = {r for d in devices for r in set(d["advertisedRoutes"] or []) - set(d["enabledRoutes"] or [])}
    assert {"10.0.0.0/8", "192.168.10.0/24", "0.0.0.0/0"} <= waiting
    enabled = [ipaddress.ip_network(r) for d in devices for r in d["enabledRoutes"] or [] if ":" not in r]
    subnets = [n for n in enabled if n.prefixlen]
    assert any(a != b and a.overlaps(b) for a in subnets for b in subnets)
    early = {r for d in devices for r in set(d["enabledRoutes"] or []) - set(d["advertisedRoutes"] or [])}
    assert "172.31.0.0/20" in early


def test_people_of_every_role_and_status() -> None:
    with FakeTailnet() as tailnet:
        users = Talk(tailnet).get("/tailnet/-/users")["users"]
    roles = {
        "owner",
        "admin",
        "it-admin",
        "network-admin",
        "billing-admin",
        "auditor",
        "member",
        "fleet-steward",
    }
    assert {u["role"] for u in users} == roles
    assert {u["status"] for u in users} == {"active", "idle", "suspended", "needs-approval", "over-quota"}
    assert {u["type"] for u in users} == {"member", "shared"}
    assert all(u["loginName"].endswith((".example.net", "@example.com")) for u in users)


def test_secrets_are_recognisable_as_demo_ones() -> None:
    with FakeTailnet() as tailnet:
        assert tailnet.api_key.startswith("tskey-api-demo-")
        keys = tailnet.tailnet.keys
        assert all("-demo-" in s for i, s in tailnet.tailnet.secrets.items() if i in keys)
        assert {k["keyType"] for k in keys.values()} == {"api", "auth", "client", "federated"}


@pytest.mark.untraced
def test_ten_thousand_devices_are_served() -> None:
    with FakeTailnet(devices=10_000) as tailnet:
        response = Talk(tailnet).request("GET", "/tailnet/-/users")
        assert len(response.json()["users"]) > 1000
        listed = orjson.loads(Talk(tailnet).request("GET", "/tailnet/-/devices").content)
        assert len(listed["devices"]) == 10_000
