"""Random small tailnets, policies that are valid for them, and small edits: made so that rules overlap often.

Names, addresses, prefixes and ports come from short lists. Where the language leaves the meaning of a
combination open, it is not drawn: two prefixes that make up a route together, versions of different length.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

USERS = ("alice@example.com", "bob@example.com", "dave@example.org")
STRANGER = "guest@example.net"
TAGS = ("tag:server", "tag:router", "tag:client")
ROLES = ("owner", "admin", "member", "member", "auditor")
EXIT_ROUTES = ("0.0.0.0/0", "::/0")
ROUTES = (
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.2.128/25",
    "192.168.7.0/24",
    "100.64.0.0/30",
    "fd00:1::/48",
    "fd00:1:0:5::/64",
    "fd7a:115c:a1e0:b1a:0:7:a01:200/120",
)
NETWORKS = (
    *ROUTES,
    "10.1.2.0/26",
    "192.168.0.0/16",
    "172.16.0.0/12",
    "100.64.0.0/29",
    "fd7a:115c:a1e0:b1a::/64",
    "fd00::/16",
    "8.8.8.0/24",
    "2001:db8::/32",
)
# One address in each part that the prefixes cut out.
HOST_ADDRESSES = (
    "10.1.2.3",
    "10.1.2.100",
    "10.1.2.200",
    "10.1.9.9",
    "10.200.0.1",
    "192.168.7.9",
    "192.168.8.8",
    "8.8.8.8",
    "172.16.0.1",
    "fd00:1:0:5::9",
    "fd00:1:0:6::9",
    "fd7a:115c:a1e0:b1a:0:7:a01:203",
    "2001:db8::8",
)
# The last is outside what `*` means.
IPV4_ADDRESSES = (*(f"100.64.0.{number}" for number in range(1, 7)), "100.115.92.7")
IPV6_ADDRESSES = tuple(f"fd7a:115c:a1e0::{number}" for number in range(1, 8))
PORTS = ("22", "80", "443", "22-80", "80-443", "1-1023", "*")
PROBED_PORTS = (22, 50, 80, 443, 8080)
PROTOCOLS = ("tcp", "udp", "6", "17")
PORTLESS_PROTOCOLS = ("icmp", "gre", "1")
PROBED_PROTOCOLS = (1, 6, 17, 47, 132)
CAPABILITIES = ("example.com/cap/one", "example.com/cap/two", "tailscale.com/cap/drive")
VALUES: tuple[Any, ...] = ({}, {"role": "admin"}, {"shares": ["docs"], "access": "ro"}, "text")
ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "node:os": ("linux", "macos"),
    "node:tsVersion": ("1.9.2", "1.80.0", "1.80.3"),
    "custom:score": (1, 5, 20),
    "custom:managed": (True, False),
}
CONDITIONS = (
    "node:os == 'linux'",
    "node:os != 'linux'",
    "node:os IN ['macos', 'windows']",
    "node:os NOT IN ['macos', 'windows']",
    "node:tsVersion >= '1.80.0'",
    "node:tsVersion < '1.80.3'",
    "custom:score > 1",
    "custom:score <= 5",
    "custom:managed == true",
    "custom:managed IS SET",
    "custom:managed NOT SET",
)
POSTURES = ("posture:one", "posture:two")
GROUPS = ("group:one", "group:two", "group:empty")
ROLE_AUTOGROUPS = ("autogroup:owner", "autogroup:admin", "autogroup:auditor")
LOGINS = ("root", "ubuntu", "deploy", "autogroup:nonroot", " root", "localpart:*@example.com")
NODE_ATTRIBUTES = ("funnel", "drive:share", "nextdns:abc", "custom:thing")


def some(elements: st.SearchStrategy[Any], *, least: int = 1, most: int = 3) -> st.SearchStrategy[list[Any]]:
    """Draw a short list of different elements."""
    return st.lists(elements, min_size=least, max_size=most, unique_by=str)


@st.composite
def tailnets(draw: st.DrawFn) -> Json:
    """Draw a snapshot: 2 to 7 devices of 1 to 3 users, with tags, routes, exit nodes and attributes."""
    logins = USERS[: draw(st.integers(1, 3))]
    count = draw(st.integers(2, 7))
    numbers = draw(st.permutations(range(7)))[:count]
    devices = [draw(devices_with(position, number, logins)) for position, number in enumerate(numbers)]
    records = {device["nodeId"]: draw(attribute_records()) for device in devices}
    return {
        "devices": devices,
        "users": [
            {"id": str(number), "loginName": login, "role": draw(st.sampled_from(ROLES)), "status": "active"}
            for number, login in enumerate(logins, 1)
            # Not every user was read.
            if draw(st.integers(0, 9)) > 0
        ],
        "attributes": {node: record for node, record in records.items() if record is not None},
    }


@st.composite
def devices_with(draw: st.DrawFn, position: int, number: int, logins: tuple[str, ...]) -> Json:
    """Draw one device; the number gives its addresses."""
    kind = draw(st.sampled_from(["user", "user", "user", "tagged", "tagged", "tagged", "external"]))
    addresses = [IPV4_ADDRESSES[number], IPV6_ADDRESSES[number]]
    device: Json = {
        "nodeId": f"n{position}CNTRL",
        "id": str(position + 1),
        "hostname": f"host-{position}",
        "addresses": draw(st.sampled_from([addresses] * 6 + [addresses[:1], addresses[1:]])),
        "user": STRANGER if kind == "external" else draw(st.sampled_from(logins)),
        "enabledRoutes": [],
        "advertisedRoutes": [],
        "authorized": True,
    }
    if kind == "external":
        return {**device, "isExternal": True}
    if kind == "tagged":
        device["tags"] = draw(some(st.sampled_from(TAGS), most=2))
    if draw(st.booleans()):
        device.update(draw(route_fields()))
    return device


@st.composite
def route_fields(draw: st.DrawFn) -> Json:
    """Draw the routes of a device: some advertised ones are not approved, some approved ones wait."""
    routes = draw(some(st.sampled_from(ROUTES)))
    if draw(st.integers(0, 3)) == 0:
        routes += EXIT_ROUTES
    states = {
        route: draw(st.sampled_from(["both", "both", "both", "advertised", "approved"])) for route in routes
    }
    return {
        "advertisedRoutes": [route for route in routes if states[route] != "approved"],
        "enabledRoutes": [route for route in routes if states[route] != "advertised"],
    }


@st.composite
def attribute_records(draw: st.DrawFn) -> Json | None:
    """Draw the posture attributes of a device, or that nobody read them."""
    if draw(st.integers(0, 3)) == 0:
        return None
    attributes = {
        name: draw(st.sampled_from(values)) for name, values in ATTRIBUTES.items() if draw(st.booleans())
    }
    return {"attributes": attributes}


def device_addresses(snapshot: Json) -> list[str]:
    """Return every address a device has."""
    return [address for device in snapshot["devices"] for address in device["addresses"]]


@st.composite
def policies(draw: st.DrawFn, snapshot: Json) -> Json:
    """Draw a policy that is valid for a tailnet, mixing all that the language has."""
    policy = draw(definitions(snapshot))
    addresses = draw(st.sampled_from([True, False])) and device_addresses(snapshot)
    literals = st.sampled_from([*(addresses or HOST_ADDRESSES), *HOST_ADDRESSES[:3]])
    ranges = st.one_of(
        literals, st.sampled_from(NETWORKS), st.sampled_from([*policy["hosts"], *policy["ipsets"]])
    )
    present = draw(st.sampled_from(["acls", "grants", "both", "both", "both", "neither"]))
    if present in ("acls", "both"):
        policy["acls"] = draw(st.lists(acls(ranges), max_size=3))
    if present in ("grants", "both"):
        policy["grants"] = draw(st.lists(grants(ranges), max_size=4))
    if present != "neither" and draw(st.integers(0, 4)) == 0:
        policy["defaultSrcPosture"] = [draw(st.sampled_from(POSTURES))]
    if draw(st.booleans()):
        policy["ssh"] = draw(st.lists(ssh_entries(), max_size=3))
    if draw(st.booleans()):
        policy["nodeAttrs"] = draw(st.lists(node_attributes(), max_size=2))
    if draw(st.integers(0, 4)) == 0:
        policy["randomizeClientPort"] = draw(st.booleans())
    return policy


@st.composite
def definitions(draw: st.DrawFn, snapshot: Json) -> Json:
    """Draw the names that rules use: all defined, whether a rule uses them or not."""
    members = st.sampled_from([*USERS, "new@example.com"])
    literals = st.sampled_from([*device_addresses(snapshot), *HOST_ADDRESSES])
    hosts = {"machine": draw(literals), "office": draw(st.sampled_from(NETWORKS))}
    return {
        "groups": {
            "group:one": draw(some(members)),
            "group:two": draw(some(members)),
            "group:empty": [],
        },
        "hosts": hosts,
        "tagOwners": {tag: [draw(st.sampled_from([*USERS, "autogroup:admin"]))] for tag in TAGS},
        "ipsets": {
            "ipset:one": draw(ipset_entries([])),
            "ipset:two": draw(ipset_entries(["ipset:one"])),
        },
        "postures": {name: draw(some(st.sampled_from(CONDITIONS), most=2)) for name in POSTURES},
    }


@st.composite
def ipset_entries(draw: st.DrawFn, other_sets: list[str]) -> list[str]:
    """Draw the entries of an IP set, what is taken away coming last."""
    parts = st.sampled_from(
        [*NETWORKS, *HOST_ADDRESSES, "10.1.2.2-10.1.2.120", "host:machine", "office", *other_sets]
    )
    added = draw(some(parts))
    removed = draw(some(parts, least=0, most=1))
    bare = draw(st.booleans())
    return [part if bare else f"add {part}" for part in added] + [f"remove {part}" for part in removed]


def people() -> st.SearchStrategy[str]:
    """Draw a selector that `autogroup:self` takes as its source."""
    return st.sampled_from([*USERS, *GROUPS, "autogroup:member"])


def sources(ranges: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    """Draw the sources of a rule; none is legal and lets nobody in."""
    selectors = st.one_of(
        st.sampled_from(["*", "autogroup:member", "autogroup:tagged", *TAGS]),
        people(),
        ranges,
        st.sampled_from([*ROLE_AUTOGROUPS, "autogroup:shared", "autogroup:danger-all"]),
    )
    return some(selectors, least=0)


def destinations(ranges: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw one destination other than `autogroup:self`."""
    return st.one_of(
        st.sampled_from(["*", "autogroup:member", "autogroup:tagged", "autogroup:internet", *TAGS]),
        st.sampled_from([*USERS, *GROUPS]),
        ranges,
        ranges,
    )


@st.composite
def acls(draw: st.DrawFn, ranges: st.SearchStrategy[str]) -> Json:
    """Draw an entry of `acls`, now and then in the older spelling."""
    to_self = draw(st.integers(0, 4)) == 0
    portless = draw(st.integers(0, 4)) == 0
    ports = st.just("*") if portless else st.sampled_from([*PORTS, "22,443", "80,100-200"])
    froms = draw(st.one_of(st.just(["*"]), some(people())) if to_self else sources(ranges))
    selectors = draw(some(destinations(ranges)))
    if to_self:
        selectors[0] = "autogroup:self"
    targets = [f"{selector}:{draw(ports)}" for selector in selectors]
    old = not to_self and draw(st.integers(0, 5)) == 0
    rule: Json = {
        "action": "accept",
        **({"users": froms, "ports": targets} if old else {"src": froms, "dst": targets}),
    }
    if portless:
        rule["proto"] = draw(st.sampled_from(PORTLESS_PROTOCOLS))
    elif draw(st.booleans()):
        rule["proto"] = draw(st.sampled_from(PROTOCOLS))
    return {**rule, **draw(posture_fields())}


@st.composite
def grants(draw: st.DrawFn, ranges: st.SearchStrategy[str]) -> Json:
    """Draw an entry of `grants`: packets, capabilities or both, or routes by way of tagged routers."""
    kind = draw(st.sampled_from(["plain", "plain", "plain", "self", "via"]))
    if kind == "self":
        selectors = ["autogroup:self", *draw(some(destinations(ranges), least=0, most=1))]
        rule: Json = {"src": draw(some(people())), "dst": selectors}
    elif kind == "via":
        routed = st.one_of(ranges, ranges, st.sampled_from(["autogroup:internet", *TAGS]))
        rule = {
            "src": draw(sources(ranges)),
            "dst": draw(some(routed)),
            "via": draw(some(st.sampled_from(TAGS), most=2)),
        }
    else:
        rule = {"src": draw(sources(ranges)), "dst": draw(some(destinations(ranges)))}
    with_app = kind != "via" and draw(st.booleans())
    if not with_app or draw(st.booleans()):
        rule["ip"] = draw(some(grant_accesses()))
    if with_app:
        rule["app"] = draw(
            st.dictionaries(
                st.sampled_from(CAPABILITIES),
                some(st.sampled_from(VALUES), least=0, most=2),
                min_size=1,
                max_size=2,
            )
        )
    return {**rule, **draw(posture_fields())}


def grant_accesses() -> st.SearchStrategy[str]:
    """Draw one element of a grant's `ip`."""
    with_protocol = st.tuples(st.sampled_from(PROTOCOLS[:2]), st.sampled_from(PORTS)).map(":".join)
    portless = st.sampled_from(PORTLESS_PROTOCOLS[:2]).map(lambda name: f"{name}:*")
    return st.one_of(st.sampled_from(PORTS), with_protocol, portless)


@st.composite
def posture_fields(draw: st.DrawFn) -> Json:
    """Draw whether a rule asks for a posture."""
    if draw(st.integers(0, 3)) > 0:
        return {}
    return {"srcPosture": draw(some(st.sampled_from(POSTURES), most=2))}


@st.composite
def ssh_entries(draw: st.DrawFn) -> Json:
    """Draw an entry of `ssh`."""
    to_self = draw(st.booleans())
    froms = people() if to_self else st.one_of(people(), st.sampled_from([*TAGS, "autogroup:tagged"]))
    rule: Json = {
        "action": draw(st.sampled_from(["accept", "check", " accept"])),
        "src": draw(some(froms)),
        "dst": ["autogroup:self"] if to_self else draw(some(st.sampled_from(TAGS), most=2)),
        "users": draw(some(st.sampled_from(LOGINS))),
    }
    if to_self and draw(st.booleans()):
        rule["dst"].append(draw(st.sampled_from(TAGS)))
    if draw(st.integers(0, 3)) == 0:
        rule["acceptEnv"] = ["TERM"]
    return rule


@st.composite
def node_attributes(draw: st.DrawFn) -> Json:
    """Draw an entry of `nodeAttrs`; without a target or an attribute it does nothing."""
    targets = st.one_of(people(), st.sampled_from(["*", "autogroup:tagged", "autogroup:admin", *TAGS]))
    entry: Json = {"target": draw(some(targets, least=0))}
    if draw(st.integers(0, 4)) > 0:
        entry["attr"] = draw(some(st.sampled_from(NODE_ATTRIBUTES)))
    return entry


@st.composite
def edits(draw: st.DrawFn, policy: Json) -> Json:
    """Draw a copy of a policy with one small change that leaves it valid; the policy stays as it is."""
    changed = copy.deepcopy(policy)
    changes: list[Callable[[st.DrawFn, Json], None]] = [add_rule, change_group]
    if any(policy.get(section) for section in ("acls", "grants", "ssh")):
        changes += [remove_rule, swap_rules, drop_source, drop_destination, change_posture]
    draw(st.sampled_from(changes))(draw, changed)
    return changed


def add_rule(draw: st.DrawFn, policy: Json) -> None:
    """Add a rule of each kind's simplest form; to a policy without rules this ends that all is allowed."""
    source = draw(st.sampled_from(["*", *USERS, *TAGS]))
    target = draw(st.sampled_from(["*", *TAGS, "10.1.0.0/16"]))
    port = draw(st.sampled_from(PORTS))
    if draw(st.booleans()):
        policy.setdefault("acls", []).append(
            {"action": "accept", "src": [source], "dst": [f"{target}:{port}"]}
        )
    else:
        policy.setdefault("grants", []).append({"src": [source], "dst": [target], "ip": [port]})


def change_group(draw: st.DrawFn, policy: Json) -> None:
    """Add a member to a group, or take all away."""
    members = policy["groups"][draw(st.sampled_from(GROUPS))]
    login = draw(st.sampled_from(USERS))
    if members and draw(st.booleans()):
        members.clear()
    elif login not in members:
        members.append(login)


def some_section(draw: st.DrawFn, policy: Json) -> list[Json]:
    """Draw a section that has rules."""
    sections = [policy[name] for name in ("acls", "grants", "ssh") if policy.get(name)]
    return list.__getitem__(sections, draw(st.integers(0, len(sections) - 1)))


def remove_rule(draw: st.DrawFn, policy: Json) -> None:
    """Take one rule away; the section stays, though empty."""
    rules = some_section(draw, policy)
    del rules[draw(st.integers(0, len(rules) - 1))]


def swap_rules(draw: st.DrawFn, policy: Json) -> None:
    """Change the order of one section."""
    rules = some_section(draw, policy)
    rules[:] = draw(st.permutations(rules))


def drop_source(draw: st.DrawFn, policy: Json) -> None:
    """Take one source from a rule."""
    drop_one(draw, policy, ("src", "users"), least=0)


def drop_destination(draw: st.DrawFn, policy: Json) -> None:
    """Take one destination from a rule that has others."""
    drop_one(draw, policy, ("dst", "ports"), least=1)


def drop_one(draw: st.DrawFn, policy: Json, names: tuple[str, str], *, least: int) -> None:
    """Take one element from the list of a rule that stands under the newer or the older name."""
    rule = draw(st.sampled_from(some_section(draw, policy)))
    elements = rule[names[0]] if names[0] in rule else rule[names[1]]
    if len(elements) > least:
        del elements[draw(st.integers(0, len(elements) - 1))]


def change_posture(draw: st.DrawFn, policy: Json) -> None:
    """Let a posture ask for something else."""
    policy["postures"][draw(st.sampled_from(POSTURES))] = [draw(st.sampled_from(CONDITIONS))]
