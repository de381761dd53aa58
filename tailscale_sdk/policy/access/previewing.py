"""Which rules are about a user or an address: what the API's preview answers, and whether it agrees with us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from tailscale_sdk.policy.compile import ALLOW_ALL, CompiledPolicy, postures_of
from tailscale_sdk.policy.compile.addresses import ranges_of
from tailscale_sdk.policy.compile.traffic import HIGHEST_PORT
from tailscale_sdk.policy.language import Destination, Rule, Selector, Traffic
from tailscale_sdk.policy.tailnet import parse_address


@frozen
class Match:
    """Hold one rule that is about what was asked for."""

    rule: Rule
    ports: tuple[str, ...]
    postures: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the match as the API gives it."""
        found: dict[str, Any] = {
            "users": [selector.text for selector in self.rule.sources],
            "ports": list(self.ports),
            "lineNumber": self.rule.place.line,
        }
        if self.rule.via:
            found["via"] = list(self.rule.via)
        if self.postures:
            found["postures"] = list(self.postures)
        return found


def rules_for_user(compiled: CompiledPolicy, login: str) -> list[Match]:
    """Return the rules whose sources may mean a user; a posture does not count.

    Args:
        compiled: the policy in its tailnet.
        login: login name; it needs no device.
    """
    return [
        _match(compiled, rule, rule.destinations)
        for rule in compiled.rules
        if any(_names_user(compiled, selector, login) for selector in rule.sources)
    ]


def _names_user(compiled: CompiledPolicy, selector: Selector, login: str) -> bool:
    if selector.kind == "any" or selector.name in {"autogroup:member", "autogroup:danger-all"}:
        return True
    if selector.kind == "user":
        return selector.name == login
    if selector.kind == "group":
        group = compiled.policy.groups.get(selector.name)
        return group is not None and login in group.values
    if selector.kind == "autogroup":
        role = compiled.tailnet.roles.get(login)
        return role is not None and selector.name == f"autogroup:{role}"
    owned = compiled.selection.both_families(compiled.selection.owned.get(login, 0))
    return bool(compiled.selection.sources(selector).possible & owned)


def rules_for_address(compiled: CompiledPolicy, address: str, port: int) -> list[Match]:
    """Return the rules one of whose destinations may mean an address and port.

    Args:
        compiled: the policy in its tailnet.
        address: an address, of a device or behind a router.
        port: a port, over TCP or UDP.

    Raises:
        ValueError: it is no address.
    """
    asked = parse_address(address)
    if asked is None:
        raise ValueError(f"{address!r} is no address")
    found = []
    for rule in compiled.rules:
        wanted = [each for each in rule.destinations if _opens(each, port) and _means(compiled, each, asked)]
        if wanted:
            found.append(_match(compiled, rule, wanted))
    return found


def _opens(destination: Destination, port: int) -> bool:
    return any(
        first <= port <= last
        for traffic in destination.traffic
        if {6, 17}.intersection(traffic.protocols)
        for first, last in traffic.ports
    )


def _means(compiled: CompiledPolicy, destination: Destination, asked: tuple[int, int]) -> bool:
    version, address = asked
    selector = destination.selector
    if selector.kind == "any":
        return True
    for each in ranges_of(compiled.policy, selector):
        if each.version == version and each.first <= address <= each.last:
            return True
    holder = compiled.tailnet.by_address.get(asked)
    if holder is None:
        return False
    place = compiled.universe.source(compiled.number(holder), version)
    return bool(compiled.selection.places(selector).possible >> place & 1)


def _match(compiled: CompiledPolicy, rule: Rule, destinations: Iterable[Destination]) -> Match:
    ports = tuple(f"{each.selector.text}:{_ports(each.traffic)}" for each in destinations)
    return Match(rule, ports, postures_of(compiled.policy, rule))


def _ports(traffic: Sequence[Traffic]) -> str:
    ranges = dict.fromkeys(interval for each in traffic for interval in each.ports)
    if (0, HIGHEST_PORT) in ranges:
        return "*"
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


@frozen
class CrossCheck:
    """Hold what our compiler and the API's preview say of one question.

    Attributes:
        ours, theirs: lines of the rules each of them names.
    """

    ours: tuple[int, ...]
    theirs: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """Tell whether both name the same rules."""
        return self.ours == self.theirs

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data: the disagreement is what matters."""
        return {
            "agrees": self.agrees,
            "only_ours": sorted(set(self.ours) - set(self.theirs)),
            "only_theirs": sorted(set(self.theirs) - set(self.ours)),
        }


def cross_check(matches: Iterable[Match], answer: Mapping[str, Any]) -> CrossCheck:
    """Compare our matches with the answer of ``policy.preview`` for the same question and text.

    Args:
        matches: of ``rules_for_user`` or ``rules_for_address``.
        answer: the API's, as JSON data.
    """
    ours = {match.rule.place.line for match in matches if match.rule is not ALLOW_ALL}
    theirs = {each.get("lineNumber") for each in answer.get("matches") or ()}
    return CrossCheck(tuple(sorted(ours)), tuple(sorted(line for line in theirs if isinstance(line, int))))
