"""A tailnet as it would be, what one rule gives alone, and a device's packet filter as it is looked at."""

from __future__ import annotations

import json

import pytest

from tailscale_sdk.errors import ConfigurationError, HuJSONError
from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.diff import AccessDiff, diff_policies
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import Tailnet
from tailscale_sdk.policy.what_if import with_approved, with_tags, without_device, without_rule
from tests.policy.small import Json, device, tailnet, user

POLICY: Json = {
    "tagOwners": {"tag:web": [], "tag:db": [], "tag:router": []},
    "grants": [
        {"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
        {"src": ["bob@example.com"], "dst": ["10.0.0.0/8"], "ip": ["tcp:22"]},
        {"src": ["tag:web", "bob@example.com"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
    ],
}
WEB, DB, BOB = device("web", "", "tag:web"), device("db", "", "tag:db"), device("bobpc", "bob@example.com")
ROUTER = device(
    "router", "", "tag:router", advertised=["10.0.0.0/16", "10.9.0.0/16"], approved=["10.0.0.0/16"]
)


@pytest.fixture
def network() -> Tailnet:
    return tailnet(WEB, DB, BOB, ROUTER, user("bob@example.com"))


def lines(diff: AccessDiff) -> list[str]:
    return [row.text.split("  [")[0] for row in diff.rows]


def change(network: Tailnet, after: Tailnet) -> list[str]:
    policy = read_policy(json.dumps(POLICY))
    return lines(diff_policies(policy, policy, network, after))


def test_other_tags(network: Tailnet) -> None:
    assert change(network, with_tags(network, "bobpc", ["tag:web"])) == [
        "- bob@example.com -> 10.0.0.0/16 behind router: tcp 22"
    ]
    assert change(network, with_tags(network, "web", [])) == ["- tag:web -> tag:db: tcp 5432"]
    assert with_tags(network, "bobpc", ["tag:web"]).named("bobpc")[0].user == ""


def test_an_approved_route(network: Tailnet) -> None:
    assert change(network, with_approved(network, "router", ["10.9.0.0/16"])) == [
        "+ bob@example.com -> 10.9.0.0/16 behind router: tcp 22"
    ]


def test_a_device_that_is_gone(network: Tailnet) -> None:
    after = without_device(network, "db")
    assert [device.index for device in after.devices] == [0, 1, 2]
    assert change(network, after) == [
        "- tag:web -> tag:db: tcp 5432",
        "- bob@example.com -> tag:db: tcp 5432",
    ]


@pytest.mark.parametrize("name, words", [("nobody", "no device"), ("twin", "several devices")])
def test_a_device_that_cannot_be_meant(network: Tailnet, name: str, words: str) -> None:
    twins = tailnet({**WEB, "hostname": "twin"}, {**DB, "hostname": "twin"})
    with pytest.raises(ConfigurationError, match=words):
        without_device(twins, name)
    with pytest.raises(ConfigurationError, match="is no route"):
        with_approved(network, "router", ["nonsense"])


def test_what_a_rule_gives_alone(network: Tailnet) -> None:
    policy = read_policy(json.dumps(POLICY))
    assert lines(without_rule(policy, "/grants/0", network)) == []
    assert lines(without_rule(policy, "/grants/2", network)) == ["- bob@example.com -> tag:db: tcp 5432"]
    with pytest.raises(HuJSONError, match="value not found"):
        without_rule(policy, "/grants/9", network)


def filters(compiled: CompiledPolicy, name: str) -> list[tuple[str, str, list[str], object]]:
    """Return a device's packet filter with the devices it lets in."""
    (wanted,) = compiled.tailnet.named(name)
    return [
        (
            entry.key,
            entry.rule.pointer,
            [
                each.label
                for each in compiled.devices(
                    compiled.universe.devices_in(entry.sources.yes & compiled.universe.own)
                )
            ],
            entry.ports,
        )
        for entry in compiled.packet_filter(wanted)
    ]


def test_a_packet_filter_has_an_entry_for_each_key_and_rule(network: Tailnet) -> None:
    compiled = compile_policy(read_policy(json.dumps(POLICY)), network)
    ports = {6: ((5432, 5432),)}
    assert filters(compiled, "db") == [
        (key, pointer, sources, ports)
        for key in ("v4", "v6")
        for pointer, sources in (("/grants/0", ["web"]), ("/grants/2", ["web", "bobpc"]))
    ]
    assert filters(compiled, "router") == [("10.0.0.0/16", "/grants/1", ["bobpc"], {6: ((22, 22),)})]
    assert filters(compiled, "web") == []
