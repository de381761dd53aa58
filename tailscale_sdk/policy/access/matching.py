"""Which rules let a source in at a place, and which ones nearly do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import evolve, frozen

from tailscale_sdk.policy.access.facts import Fact, cite
from tailscale_sdk.policy.access.targets import Target
from tailscale_sdk.policy.compile import CompiledPolicy, Part, postures_of, union
from tailscale_sdk.policy.compile.postures import holds, names_in
from tailscale_sdk.policy.compile.selecting import SELF
from tailscale_sdk.policy.compile.traffic import HIGHEST_PORT, Intervals
from tailscale_sdk.policy.language import Selector
from tailscale_sdk.policy.tailnet import Device

_SHOWN: Final = 3
_PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
_PORTLESS: Final = frozenset({1, 58})


@frozen
class Asker:
    """Hold a source as the sets know it.

    Attributes:
        bit: its number.
        version: the family it speaks.
        device: None for a host behind a router.
        label: what people call it.
    """

    bit: int
    version: int
    device: Device | None
    label: str


@frozen
class Match:
    """Hold one part of a policy seen from one source and one place."""

    part: Part
    let_in: str
    covers: bool


def match_parts(compiled: CompiledPolicy, asker: Asker, target: Target, traffic: int) -> list[Match]:
    """Return every part about a place, with whether it lets the source in and covers the traffic."""
    return [
        Match(part, compiled.sources_at(part, target.place).answer(asker.bit), bool(part.traffic & traffic))
        for part in compiled.parts_at(target.place)
    ]


def allowing_facts(compiled: CompiledPolicy, matches: Iterable[Match], asker: Asker) -> Iterator[Fact]:
    """Yield the rules that allow what is asked, and those of which it is not known."""
    for match in matches:
        if not match.covers or match.let_in == "no":
            continue
        if match.let_in == "yes":
            yield Fact(
                "rule-allows",
                f"{cite(match.part.rule)} allows it: {_said(compiled, match.part, asker)}",
                "policy",
                "allows",
                match.part.rule.place,
            )
        else:
            yield from _doubt(compiled, match.part, asker)


def near_misses(
    compiled: CompiledPolicy, asker: Asker, target: Target, matches: Sequence[Match], wanted: str
) -> Iterator[Fact]:
    """Yield why no rule allows it: the rules that come closest first."""
    closest = [*_wrong_ports(compiled, asker, matches), *_unmet_postures(compiled, asker, matches)]
    closest += _wrong_family(compiled, asker, matches)
    others = list(_wrong_source(compiled, asker, matches))
    via = list(_wrong_router(compiled, asker, target))
    if closest or via:
        # What comes close decides; that others are let in is told beside it.
        others = [evolve(fact, effect="context", settle=None) for fact in others]
    found = [*closest, *via, *others[:_SHOWN]]
    if len(others) > _SHOWN:
        found.append(Fact("more-rules", f"{len(others) - _SHOWN} more rules open it to others", "policy"))
    if not found:
        found = [
            Fact(
                "no-rule",
                f"no rule opens {wanted} of {target.device.label} ({target.device.identity}) to anybody",
                "policy",
                "blocks",
                settle="add a rule with it among the destinations",
            )
        ]
    yield from found


def _wrong_ports(compiled: CompiledPolicy, asker: Asker, matches: Sequence[Match]) -> Iterator[Fact]:
    for match in matches:
        if match.let_in != "no" and not match.covers:
            opened = compiled.universe.traffic.intervals(match.part.traffic)
            what = (
                f"only on {ports_text(opened)}"
                if opened
                else "for application capabilities alone, on no port"
            )
            yield Fact(
                "port-not-covered",
                f"{cite(match.part.rule)} lets {asker.label} in, but {what}",
                "policy",
                "blocks",
                match.part.rule.place,
                settle="add the port to this rule, or a rule of its own",
            )


def _unmet_postures(compiled: CompiledPolicy, asker: Asker, matches: Sequence[Match]) -> Iterator[Fact]:
    for match in matches:
        postures = postures_of(compiled.policy, match.part.rule)
        if match.covers and match.let_in == "no" and postures and _selected(compiled, match.part, asker):
            yield Fact(
                "posture-not-met",
                f"{cite(match.part.rule)} lets {asker.label} in only under {' or '.join(postures)}: "
                + "; ".join(_unmet(compiled, postures, asker.device)),
                "attributes",
                "blocks",
                match.part.rule.place,
                settle=f"bring {asker.label} into the state that the posture asks for",
            )


def _unmet(compiled: CompiledPolicy, postures: Sequence[str], device: Device | None) -> Iterator[str]:
    attributes = compiled.tailnet.attributes.get(device.id, {}) if device else {}
    for name in postures:
        definition = compiled.policy.postures.get(name)
        for condition in definition.values if definition else ():
            if holds(condition, attributes) is False:
                asked = names_in([condition])
                has = [
                    f"{each} is {attributes[each]!r}" if each in attributes else f"{each} is not set"
                    for each in asked
                ]
                yield f"{condition} does not hold, {', '.join(has)}"


def _wrong_family(compiled: CompiledPolicy, asker: Asker, matches: Sequence[Match]) -> Iterator[Fact]:
    """Tell of rules whose sources are addresses of the other family of the same device."""
    if asker.device is None:
        return
    other = compiled.universe.source(compiled.number(asker.device), 10 - asker.version)
    for match in matches:
        if match.covers and match.let_in == "no" and match.part.sources.yes >> other & 1:
            yield Fact(
                "other-family",
                f"{cite(match.part.rule)} names addresses of {asker.label} of the other family than IPv{asker.version}",
                "policy",
                "blocks",
                match.part.rule.place,
                settle="name the device by its tag or user, or by both addresses",
            )


def _wrong_source(compiled: CompiledPolicy, asker: Asker, matches: Sequence[Match]) -> Iterator[Fact]:
    seen = set()
    for match in matches:
        rule = match.part.rule
        postures = postures_of(compiled.policy, rule)
        if not match.covers or match.let_in != "no" or rule.pointer in seen:
            continue
        if postures and _selected(compiled, match.part, asker):
            continue
        seen.add(rule.pointer)
        who = asker.device.identity if asker.device else "no device of this tailnet"
        yield Fact(
            "source-not-covered",
            f"{cite(rule)} opens it to {_listed(rule.sources)}; {asker.label} is {who}",
            "policy",
            "blocks",
            rule.place,
            settle=f"add {asker.label} to one of these, or its identity to the sources of the rule",
        )


def _wrong_router(compiled: CompiledPolicy, asker: Asker, target: Target) -> Iterator[Fact]:
    for rule in compiled.rules:
        named = any(
            compiled.selection.places(each.selector).yes >> target.place & 1 for each in rule.destinations
        )
        if rule.via and named and not set(rule.via) & set(target.device.tags):
            sources = union(compiled.selection.sources(selector) for selector in rule.sources)
            if sources.answer(asker.bit) != "no":
                yield Fact(
                    "other-router",
                    f"{cite(rule)} goes through routers with {', '.join(rule.via)} only; "
                    f"{target.device.label} is {target.device.identity}",
                    "policy",
                    "blocks",
                    rule.place,
                    settle=f"give {target.device.label} the tag, or advertise and approve the route on such a router",
                )


def _selected(compiled: CompiledPolicy, part: Part, asker: Asker) -> bool:
    """Tell whether the sources of a rule name somebody, whatever the posture."""
    sources = union(compiled.selection.sources(selector) for selector in part.rule.sources)
    return sources.answer(asker.bit) != "no"


def _doubt(compiled: CompiledPolicy, part: Part, asker: Asker) -> Iterator[Fact]:
    postures = postures_of(compiled.policy, part.rule)
    sources = union(compiled.selection.sources(selector) for selector in part.rule.sources)
    if postures and compiled.selection.meeting(postures).answer(asker.bit) == "unknown":
        where = (
            f"the posture attributes of {asker.label} were not read" if asker.device else "it is no device"
        )
        yield Fact(
            "posture-unknown",
            f"{cite(part.rule)} lets {asker.label} in under {' or '.join(postures)}; {where}",
            "attributes",
            "unknown",
            part.rule.place,
            settle="read its posture attributes (devices.get_posture_attributes), or take a snapshot with them",
        )
    if sources.answer(asker.bit) == "unknown":
        names = [
            each
            for each in part.rule.sources
            if compiled.selection.sources(each).answer(asker.bit) == "unknown"
        ]
        yield Fact(
            "selector-unknown",
            f"{cite(part.rule)}: it is not known whether {_listed(names)} means {asker.label}",
            "users",
            "unknown",
            part.rule.place,
            settle="read the users with their roles (users.list), or ask the service with policy.preview",
        )
    if part.places.maybe and not sources.maybe and not postures:
        selector = part.rule.destinations[part.destination].selector
        yield Fact(
            "selector-unknown",
            f"{cite(part.rule)}: it is not known whether {selector.text} means the destination",
            "users",
            "unknown",
            part.rule.place,
            settle="read the users with their roles (users.list)",
        )


def _said(compiled: CompiledPolicy, part: Part, asker: Asker) -> str:
    """Say a part in one line, naming the selectors that let the source in."""
    matching = [
        each for each in part.rule.sources if compiled.selection.sources(each).answer(asker.bit) != "no"
    ]
    destination = part.rule.destinations[part.destination].selector
    text = f"{_listed(matching or part.rule.sources)} to {destination.text}"
    opened = compiled.universe.traffic.intervals(part.traffic)
    words = f"{text} on {ports_text(opened)}" if opened else text
    if destination.name == SELF:
        words += ", both belong to one user"
    postures = postures_of(compiled.policy, part.rule)
    return f"{words}, under {' or '.join(postures)}" if postures else words


def _listed(selectors: Sequence[Selector]) -> str:
    texts = [selector.text for selector in selectors]
    return ", ".join(texts[:6]) + (f" and {len(texts) - 6} more" if len(texts) > 6 else "") or "nobody"


def ports_text(ports: dict[int, Intervals]) -> str:
    """Write ports by protocol for people: ``tcp 22, 443``, ``tcp, udp, icmp on every port``."""
    by_ports: dict[Intervals, list[int]] = {}
    for protocol, intervals in ports.items():
        by_ports.setdefault(intervals, []).append(protocol)
    return "; ".join(_one_kind(protocols, intervals) for intervals, protocols in by_ports.items())


def _one_kind(protocols: list[int], intervals: Intervals) -> str:
    if intervals == ((0, HIGHEST_PORT),):
        if set(protocols) == {1, 6, 17, 58}:
            return "every port"
        return ", ".join(
            name if number in _PORTLESS else f"{name} every port" for number, name in _named(protocols)
        )
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in intervals)
    words = "/".join(
        name for _, name in _named([each for each in protocols if each not in _PORTLESS] or protocols)
    )
    return f"port {shown}" if words in {"tcp/udp", "udp/tcp"} else f"{words} {shown}"


def _named(protocols: Iterable[int]) -> list[tuple[int, str]]:
    return [(number, _PROTOCOLS.get(number, f"protocol {number}")) for number in protocols]
