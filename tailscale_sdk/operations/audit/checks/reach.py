"""Judges of what rules really open: to whom, to what, on which ports, and in which state of the device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Final

from tailscale_sdk.operations.audit.breadth import Width, are_all_ports, tagged_devices
from tailscale_sdk.operations.audit.checks.rules import POLICY, about, opened, spelled_out
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Audited, Outcome, fact
from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.language import Destination, Rule, Selector

_INTERNET: Final = "autogroup:internet"
_PRODUCTION: Final = frozenset({"prod", "production"})
_WORDS: Final = re.compile(r"[a-z]+")
_SHOWN: Final = 3


def everything_to_everybody(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules by which everybody reaches everything, alone or only together."""
    opened_cells: dict[tuple[str, str], str] = {}
    alone = False
    for rule in judged.policy.rules:
        if rule.via or judged.is_conditional(rule):
            continue
        whole = tuple(each.selector for each in opened(rule) if are_all_ports(each.traffic))
        source, destination = judged.width(rule.sources), judged.width(whole)
        if source.is_everything and destination.is_everything:
            alone = True
            message = f"{cite(rule)} opens every device to every device on every port"
            yield about(judged, rule, message, src=spelled_out(rule.sources), dst=spelled_out(whole))
        for cell in product(_halves(source), _halves(destination)):
            opened_cells.setdefault(cell, rule.pointer)
    if len(opened_cells) == 4 and not alone:
        pointers = sorted(set(opened_cells.values()))
        evidence = (fact("getPolicyFile", pointers=pointers),)
        message = f"{', '.join(pointers)} together open every device to every device on every port"
        yield Outcome(POLICY, "fail", message, aspect="together", evidence=evidence)


def _halves(width: Width) -> list[str]:
    return [name for name, held in (("members", width.members), ("tagged", width.tagged)) if held]


def every_source(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules that let in the whole tailnet, or the whole internet."""
    for rule in judged.policy.rules:
        # A posture is met by few devices, and by no host that is none.
        if not opened(rule) or judged.is_conditional(rule):
            continue
        written = spelled_out(rule.sources)
        if any(selector.name == "autogroup:danger-all" for selector in rule.sources):
            message = f"{cite(rule)} lets in every address there is: {written}"
            yield about(judged, rule, message, "internet", src=written)
        elif judged.width(rule.sources).is_everything:
            message = f"{cite(rule)} lets in every device of the tailnet: {written}"
            yield about(judged, rule, message, "source", src=written)


def every_destination(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules that open the whole tailnet, or every port of a server."""
    for rule in judged.policy.rules:
        # With named routers a rule is about what they route, never about a device.
        if rule.via:
            continue
        destinations = opened(rule)
        selectors = tuple(each.selector for each in destinations)
        if judged.width(selectors).is_everything:
            written = spelled_out(selectors)
            message = f"{cite(rule)} opens every device and every route: {written}"
            yield about(judged, rule, message, "destination", dst=written)
            continue
        for destination in destinations:
            yield from _every_port(judged, rule, destination)


def _every_port(judged: JudgedPolicy, rule: Rule, destination: Destination) -> Iterator[Outcome]:
    selector = destination.selector
    if selector.name == _INTERNET or not are_all_ports(destination.traffic):
        return
    servers = tagged_devices(judged.compiled, judged.devices_at(selector))
    names_tags = selector.kind == "tag" or selector.name == "autogroup:tagged"
    if not names_tags and not servers:
        return
    shown = "" if names_tags else f", which is {', '.join(servers[:_SHOWN])}"
    message = f"{cite(rule)} opens every port of {selector.text}{shown}"
    yield about(judged, rule, message, f"ports {selector.text}", dst=selector.text)


def production_without_posture(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules by which people reach production from devices in whatever state."""
    production = production_tags(judged, audited)
    for rule in judged.compiled.rules if production else ():
        if rule.via or judged.is_conditional(rule) or _are_machines(judged, rule):
            continue
        reached = sorted(
            {tag for each in opened(rule) for tag in production if _reaches(judged, each.selector, tag)}
        )
        if reached:
            message = f"{cite(rule)} reaches {', '.join(reached)} from any device in whatever state"
            yield about(judged, rule, message, tags=reached)


def production_tags(judged: JudgedPolicy, audited: Audited) -> frozenset[str]:
    """Return the tags of production: those of the options, else those whose name says so.

    Args:
        judged: the policy.
        audited: with the options.
    """
    tags = {*judged.policy.tag_owners, *judged.compiled.selection.tagged}
    said = audited.options.production_tags
    return frozenset(tag for tag in tags if (tag in said if said else _PRODUCTION & {*_WORDS.findall(tag)}))


def _reaches(judged: JudgedPolicy, selector: Selector, tag: str) -> bool:
    tagged = judged.compiled.selection.tagged.get(tag, 0)
    return selector.name in {tag, "autogroup:tagged"} or bool(judged.devices_at(selector) & tagged)


def _are_machines(judged: JudgedPolicy, rule: Rule) -> bool:
    """Tell whether only tagged devices are let in: postures are about the devices of people."""
    return all(_is_machine(judged, selector) for selector in rule.sources)


def _is_machine(judged: JudgedPolicy, selector: Selector) -> bool:
    if selector.kind == "tag" or selector.name == "autogroup:tagged":
        return True
    if selector.kind not in {"address", "host", "ipset"} or judged.width((selector,)).is_wide:
        return False
    devices = judged.devices_at(selector)
    return bool(devices) and not devices & judged.compiled.selection.people


def members_beside_guests(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules for members in a tailnet that people of other tailnets have a part in."""
    guests = judged.compiled.tailnet.shared
    for rule in judged.policy.rules if guests else ():
        if opened(rule) and any(selector.name == "autogroup:member" for selector in rule.sources):
            there = "1 person" if len(guests) == 1 else f"{len(guests)} people"
            verb = "is" if len(guests) == 1 else "are"
            message = f"{cite(rule)} is for autogroup:member, and {there} of other tailnets {verb} here"
            yield about(judged, rule, message, guests=sorted(guests))
