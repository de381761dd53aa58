"""Why the service would refuse a policy, as far as that can be seen without evaluating it.

The texts are the service's own wherever they are known; what has the wrong kind of value is
refused in words of this tailnet.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

Policy = dict[str, Any]
KNOWN_CAPABILITIES: Final = frozenset({"drive", "golink", "kubernetes", "relay", "secrets", "tsidp", "webui"})
RESERVED_POOLS: Final = tuple(
    map(ipaddress.ip_network, ("100.100.0.0/24", "100.100.100.0/24", "100.115.92.0/23"))
)
SELF: Final = "autogroup:self"
SELF_SOURCES: Final = "autogroup:self can only be used with users, groups, or supported autogroups"
_CAPABILITY = re.compile(r"[^/:]+\.[^/:]+/.+")


def find_problem(policy: Policy) -> str | None:
    """Return the text of the first refusal in document order, None when nothing is wrong."""
    for name, value in policy.items():
        check = CHECKS.get(name)
        problem = next(check(policy, value), None) if check and value is not None else None
        if problem:
            return problem
    return None


def breaks_service(policy: Policy) -> bool:
    """Tell whether the service fails over this policy: it does for node attributes of autogroup:self."""
    entries = policy.get("nodeAttrs")
    if not isinstance(entries, list):
        return False
    return any(isinstance(entry, dict) and SELF in _texts(entry.get("target")) for entry in entries)


def missing_engine(policy: Policy) -> str | None:
    """Return which part of a policy cannot be carried out without a policy engine."""
    for name in ("tests", "sshTests", "autoApprovers"):
        if policy.get(name):
            return name
    return None


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _objects(name: str, value: Any) -> Iterator[str | dict[str, Any]]:
    """Give the objects of a list, or a text for what is not one."""
    if not isinstance(value, list):
        yield f"{name} must be a list"
        return
    for index, item in enumerate(value):
        yield item if isinstance(item, dict) else f"{name}[{index}] must be an object"


def _bad_list(where: str, value: Any) -> str | None:
    if value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return None
    return f"{where} must be a list of strings"


def _check_lists_by_name(section: str) -> Callable[[Policy, Any], Iterator[str]]:
    def check(policy: Policy, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{section} must be an object"
            return
        for name, members in value.items():
            problem = _bad_list(f'{section}["{name}"]', members)
            if problem:
                yield problem

    return check


def _check_groups(policy: Policy, value: Any) -> Iterator[str]:
    yield from _check_lists_by_name("groups")(policy, value)
    nested = [(name, m) for name, members in value.items() for m in _texts(members) if m.startswith("group:")]
    # With several of them the service names the last one.
    for name, member in nested[-1:]:
        yield f'groups["{name}"]: "{member}": group members cannot be recursive'


def _check_tag_owners(policy: Policy, value: Any) -> Iterator[str]:
    yield from _check_lists_by_name("tagOwners")(policy, value)
    for tag in value:
        if not (tag.startswith("tag:") and tag[4:5].isascii() and tag[4:5].isalpha()):
            yield "tag names must start with a letter, after 'tag:'"


def _check_hosts(policy: Policy, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "hosts must be an object"
        return
    for name, address in value.items():
        if not isinstance(address, str):
            yield f'hosts["{name}"] must be a string'


def _unknown_tag(policy: Policy, side: str, name: str) -> str | None:
    owners = policy.get("tagOwners")
    if not name.startswith("tag:") or (isinstance(owners, dict) and name in owners):
        return None
    return f'{side}=tag not found: "{name}"'


def _check_acls(policy: Policy, value: Any) -> Iterator[str]:
    for rule in _objects("acls", value):
        if isinstance(rule, str):
            yield rule
            continue
        source = "src" if "src" in rule else "users"
        target = "dst" if "dst" in rule else "ports"
        yield from filter(None, (_bad_list(f"acls: {n}", rule.get(n)) for n in (source, target)))
        yield from _check_action(rule.get("action"), {"accept"})
        sources = _texts(rule.get(source))
        yield from _check_sources(policy, sources)
        for text in _texts(rule.get(target)):
            name, colon, ports = text.rpartition(":")
            if not colon:
                yield f'dst="{text}": the port is missing, such as {text}:*'
            yield from _check_ports(text, ports)
            yield from _check_target(policy, name, sources, {"*"})


def _check_action(action: Any, allowed: set[str]) -> Iterator[str]:
    if action in (None, ""):
        yield "action must be specified"
    elif not isinstance(action, str) or action.strip() not in allowed:
        yield f'"{action}" is not a valid action'


def _check_sources(policy: Policy, sources: list[str]) -> Iterator[str]:
    for name in sources:
        if name == SELF:
            yield f'"{SELF}" not valid on the src side of a rule'
        unknown = _unknown_tag(policy, "src", name)
        if unknown:
            yield unknown


def _check_ports(text: str, ports: str) -> Iterator[str]:
    if ports == "*":
        return
    for part in ports.split(","):
        first, dash, last = part.partition("-")
        if not _is_port(first):
            yield f'dst="{text}": port range "{part}": invalid first integer'
        elif dash and not _is_port(last):
            yield f'dst="{text}": port range "{part}": invalid last integer'


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535


def _check_target(policy: Policy, name: str, sources: list[str], also: set[str]) -> Iterator[str]:
    """Check the name of a destination; ``also`` are sources that autogroup:self takes beside people."""
    if name == "autogroup:danger-all":
        yield "cannot use autogroup:danger-all as a dst"
    if name == "0.0.0.0/0":
        yield f'dst "{name}": to allow all IP addresses, use "*" or "autogroup:internet"'
    unknown = _unknown_tag(policy, "dst", name)
    if unknown:
        yield unknown
    if name == SELF and not all(_is_people(source) or source in also for source in sources):
        yield SELF_SOURCES


def _is_people(source: str) -> bool:
    if source.startswith("autogroup:"):
        return source not in {"autogroup:tagged", "autogroup:danger-all", "autogroup:internet"}
    return source.startswith("group:") or "@" in source


def _check_grants(policy: Policy, value: Any) -> Iterator[str]:
    for grant in _objects("grants", value):
        if isinstance(grant, str):
            yield grant
            continue
        yield from filter(
            None, (_bad_list(f"grants: {n}", grant.get(n)) for n in ("src", "dst", "ip", "via"))
        )
        sources = _texts(grant.get("src"))
        yield from _check_sources(policy, sources)
        for name in _texts(grant.get("dst")):
            yield from _check_target(policy, name, sources, set())
        yield from _check_capabilities(grant.get("app"))


def _check_capabilities(app: Any) -> Iterator[str]:
    if app is not None and not isinstance(app, dict):
        yield "grants: app must be an object"
        return
    for name in app or ():
        domain, _, path = name.partition("/")
        if not _CAPABILITY.fullmatch(name):
            yield "capability name must have the form {domain}/{path}"
        elif domain == "tailscale.com" and path.removeprefix("cap/") not in KNOWN_CAPABILITIES:
            yield "capability name must not be in the tailscale.com domain"


def _check_ssh(policy: Policy, value: Any) -> Iterator[str]:
    for rule in _objects("ssh", value):
        if isinstance(rule, str):
            yield rule
            continue
        yield from filter(None, (_bad_list(f"ssh: {n}", rule.get(n)) for n in ("src", "dst", "users")))
        yield from _check_action(rule.get("action"), {"accept", "check"})
        yield from _check_sources(policy, _texts(rule.get("src")))
        hosts = policy.get("hosts")
        for name in _texts(rule.get("dst")):
            if isinstance(hosts, dict) and name in hosts:
                yield f'invalid dst "{name}"'
            yield from filter(None, [_unknown_tag(policy, "dst", name)])
        if rule.get("users") is None:
            yield "users must be specified"
        for user in _texts(rule.get("users")):
            if user.strip() in {"", "*"}:
                yield f'user "{user}" is not valid'


def _check_node_attributes(policy: Policy, value: Any) -> Iterator[str]:
    for entry in _objects("nodeAttrs", value):
        if isinstance(entry, str):
            yield entry
            continue
        names = ("target", "attr", "ipPool")
        yield from filter(None, (_bad_list(f"nodeAttrs: {n}", entry.get(n)) for n in names))
        for pool in _texts(entry.get("ipPool")):
            if _is_reserved(pool):
                yield f"IPPool({pool}): network within reserved range"


def _is_reserved(pool: str) -> bool:
    try:
        network = ipaddress.ip_network(pool, strict=False)
    except ValueError:
        return False
    return any(
        network.version == reserved.version and network.overlaps(reserved) for reserved in RESERVED_POOLS
    )


def _check_ssh_tests(policy: Policy, value: Any) -> Iterator[str]:
    for test in _objects("sshTests", value):
        if isinstance(test, str):
            yield test
            continue
        for name in _texts(test.get("dst")):
            if "/" in name:
                yield f'SSH tests dst contains disallowed element "{name}"'


def _check_tests(policy: Policy, value: Any) -> Iterator[str]:
    yield from (item for item in _objects("tests", value) if isinstance(item, str))


CHECKS: Final[dict[str, Callable[[Policy, Any], Iterator[str]]]] = {
    "acls": _check_acls,
    "grants": _check_grants,
    "groups": _check_groups,
    "hosts": _check_hosts,
    "nodeAttrs": _check_node_attributes,
    "ssh": _check_ssh,
    "sshTests": _check_ssh_tests,
    "tagOwners": _check_tag_owners,
    "tests": _check_tests,
}
