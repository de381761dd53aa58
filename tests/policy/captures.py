"""Captures of the service's answers: turned into a policy and a snapshot, and compared with ours."""

from __future__ import annotations

import gzip
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

Json = dict[str, Any]

BASE_KEYS = frozenset(
    {
        "default-auto-update",
        "probe-udp-lifetime",
        "ssh-behavior-v1",
        "ssh-env-vars",
        "store-appc-routes",
        "tailnet-display-name",
        *(
            f"https://tailscale.com/cap/{name}"
            for name in ("file-sharing", "ssh", "tailnet-lock", "is-owner", "is-admin")
        ),
    }
)


def load_captures(folder: Path) -> list[Json]:
    """Read all captures of the reference data."""
    with gzip.open(folder / "policy-captures.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_accepted(capture: Json) -> bool:
    """Tell whether the service stored this policy; only then the other fields belong to it."""
    return bool(capture["api_status"] == 200)


def runs_tests(capture: Json) -> bool:
    """Tell whether the service got as far as running the tests of this policy."""
    return is_accepted(capture) or capture["api_error"] == "test(s) failed"


def policy_text(capture: Json) -> str:
    """Return the policy as text, key order kept."""
    return json.dumps(capture["policy"])


def email_of(user: Json) -> str:
    """Return a user's login name; some captures kept only the name."""
    return str(user["email"] or user["name"])


def snapshot_of(capture: Json) -> Json:
    """Return the tailnet of a capture as a snapshot."""
    emails = {user["name"]: email_of(user) for user in capture["users"]}
    nodes = capture["nodes"]
    roles = {node["user"]: node["cap_role"] for node in nodes.values() if node["user"] and not node["tags"]}
    return {
        "devices": [
            device_of(name, node, str(number), emails) for number, (name, node) in enumerate(nodes.items(), 1)
        ],
        "users": [
            {
                "id": str(user["id"]),
                "loginName": email_of(user),
                "displayName": user["name"],
                "role": roles.get(user["name"]) or "member",
                "status": "active",
                "type": "member",
            }
            for user in capture["users"]
        ],
        "policy": policy_text(capture),
    }


def device_of(name: str, node: Json, identifier: str, emails: dict[str, str]) -> Json:
    """Return a node as the API would show the device."""
    # A tagged device shows some user too, who is not its owner.
    user = emails[node["user"]] if node["user"] else next(iter(emails.values()), "")
    device = {
        "id": identifier,
        "nodeId": name,
        "name": name,
        "hostname": node["hostname"],
        "user": user,
        "addresses": [node["ipv4"], node["ipv6"]],
        "enabledRoutes": node["approved_routes"] or [],
        "advertisedRoutes": node["routable_ips"] or [],
        "authorized": True,
        "connectedToControl": True,
        "os": "linux",
    }
    return {**device, "tags": node["tags"]} if node["tags"] else device


def unrecorded(capture: Json) -> set[str]:
    """Return the nodes that were not recorded, by the key sets that each recorded one has."""
    return set() if capture["cap_map"] is None else set(capture["nodes"]) - set(capture["cap_map"])


def normal_ports(accesses: list[Json]) -> dict[int, list[tuple[int, int]]]:
    """Turn items of protocols and ports into the merged ranges of each protocol."""
    ranges: dict[int, list[tuple[int, int]]] = {}
    for first, last, protocol in sorted(
        (*access["ports"], protocol) for access in accesses for protocol in access["proto"]
    ):
        known = ranges.setdefault(protocol, [])
        if known and first <= known[-1][1] + 1:
            known[-1] = (known[-1][0], max(known[-1][1], last))
        else:
            known.append((first, last))
    return ranges


def normal_caps(caps: Json) -> dict[str, set[str]]:
    """Turn capabilities into sets of their values, written so that equal ones are equal."""
    return {
        name: {json.dumps(value, sort_keys=True) for value in values or []} for name, values in caps.items()
    }


def normal_reach(reach: Json, *, without: set[str] | None = None) -> Json:
    """Bring an answer of `policy reach`, or of a capture, into the form in which equal ones are equal.

    Args:
        reach: per destination, source and key.
        without: destinations to leave out.
    """
    normal: Json = {}
    for destination, sources in reach.items():
        if destination in (without or set()):
            continue
        for source, keys in sources.items():
            pair = {
                key: normal_caps(value) if key == "caps" else normal_ports(value)
                for key, value in keys.items()
            }
            pair = {key: value for key, value in pair.items() if value}
            if pair:
                normal.setdefault(destination, {})[source] = pair
    return normal


def reach_differences(expected: Json, actual: Json, *, without: set[str] | None = None) -> list[str]:
    """Name each place where two answers of `policy reach` differ in meaning."""
    left, right = normal_reach(expected, without=without), normal_reach(actual, without=without)
    places = {
        (destination, source, key)
        for side in (left, right)
        for destination, sources in side.items()
        for source, keys in sources.items()
        for key in keys
    }
    return [
        f"{destination} from {source}, {key}: expected {wanted}, got {found}"
        for destination, source, key in sorted(places)
        if (wanted := left.get(destination, {}).get(source, {}).get(key))
        != (found := right.get(destination, {}).get(source, {}).get(key))
    ]


def recorded_ssh(capture: Json) -> Json:
    """Split the SSH rules of a capture by source, order kept: the form of `policy ssh`."""
    names = {
        ip_address(node[family]): name
        for name, node in capture["nodes"].items()
        for family in ("ipv4", "ipv6")
        if node[family]
    }
    split: Json = {}
    for destination, rules in (capture["ssh_rules"] or {}).items():
        for rule in rules or []:
            for source in {names[ip_address(principal["nodeIP"])] for principal in rule["principals"]}:
                split.setdefault(destination, {}).setdefault(source, []).append(shown_ssh_rule(rule))
    return split


def shown_ssh_rule(rule: Json) -> Json:
    """Turn a rule from the wire into one of `policy ssh`."""
    shown = {
        "users": rule["sshUsers"],
        "action": "accept" if rule["action"].get("accept") else "check",
        "acceptEnv": rule.get("acceptEnv"),
    }
    return {key: value for key, value in shown.items() if value is not None}


def ssh_differences(expected: Json, actual: Json) -> list[str]:
    """Name each pair for which two answers of `policy ssh` differ; further keys of a rule are not compared."""
    compared = ("users", "action", "acceptEnv")

    def rules_of(side: Json, destination: str, source: str) -> list[Json]:
        rules = side.get(destination, {}).get(source, [])
        return [{key: rule[key] for key in compared if rule.get(key)} for rule in rules]

    places = {
        (destination, source)
        for side in (expected, actual)
        for destination, sources in side.items()
        for source in sources
    }
    return [
        f"{destination} from {source}: expected {wanted}, got {found}"
        for destination, source in sorted(places)
        if (wanted := rules_of(expected, destination, source))
        != (found := rules_of(actual, destination, source))
    ]


def cap_map_differences(capture: Json, actual: dict[str, Any]) -> list[str]:
    """Name each recorded node for which the policy adds other keys than it did."""
    return [
        f"{node}: expected {wanted}, got {found}"
        for node, recorded in sorted(capture["cap_map"].items())
        if (wanted := set(recorded or {}) - BASE_KEYS) != (found := set(actual.get(node, {})) - BASE_KEYS)
    ]
