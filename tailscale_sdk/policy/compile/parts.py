"""The parts of a policy that let somebody in: one for each destination of each rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.policy.compile.bits import NOTHING, TriState, union
from tailscale_sdk.policy.compile.selecting import SELF, Selection
from tailscale_sdk.policy.compile.traffic import EVERYTHING
from tailscale_sdk.policy.language import Destination, Place, Policy, Rule, Selector

_TOP: Final = Place("", 1, 1)
_ANY: Final = Selector("any", "*", "*", _TOP)
ALLOW_ALL: Final = Rule(
    kind="acl", index=-1, place=_TOP, sources=(_ANY,), destinations=(Destination(_ANY, EVERYTHING),)
)
"""What holds where a policy has neither ``acls`` nor ``grants``."""


@frozen(eq=False)
class Part:
    """Hold what one destination of a rule allows, over the numbers of a universe.

    Attributes:
        rule: the entry.
        destination: the place in its list, from 0.
        sources: who is let in.
        places: where to.
        traffic: pieces of protocols and ports; empty for a rule that gives capabilities alone.
        same_owner: only between devices of one user.
        app: capabilities it gives.
    """

    rule: Rule
    destination: int
    sources: TriState
    places: TriState
    traffic: int
    same_owner: bool
    app: Mapping[str, tuple[Any, ...]] = field(factory=dict)


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    """Return what lets somebody in, the rule behind a missing one included."""
    return (ALLOW_ALL,) if policy.allows_all else policy.rules


def build_parts(selection: Selection) -> Iterator[Part]:
    """Yield the parts of a policy, in the order of the text."""
    for rule in rules_of(selection.policy):
        postures = postures_of(selection.policy, rule)
        met = selection.meeting(postures) if postures else None
        sources = union(selection.sources(selector) for selector in rule.sources)
        for place, destination in enumerate(rule.destinations):
            same_owner = destination.selector.name == SELF
            let_in = _own_sources(selection, rule) if same_owner else sources
            yield Part(
                rule=rule,
                destination=place,
                sources=let_in if met is None else let_in & met,
                places=_places(selection, rule, destination.selector),
                traffic=selection.universe.traffic.bits(destination.traffic),
                same_owner=same_owner,
                app=rule.app,
            )


def postures_of(policy: Policy, rule: Rule) -> tuple[str, ...]:
    """Return the conditions on a rule's sources: its own, or those for every rule without."""
    if rule is ALLOW_ALL:
        return ()
    return rule.postures or policy.default_postures


def _own_sources(selection: Selection, rule: Rule) -> TriState:
    """Return whom ``autogroup:self`` lets in: there ``*`` means members, and only their own devices count."""
    everybody = selection.both_families(selection.people)
    if any(selector.kind == "any" for selector in rule.sources):
        return TriState(everybody)
    return union(selection.sources(selector) for selector in rule.sources).within(everybody)


def _places(selection: Selection, rule: Rule, selector: Selector) -> TriState:
    places = selection.places(selector)
    if not rule.via:
        return places
    # A rule that names its routers is about what they route, never about a device itself.
    if selector.name == SELF:
        return NOTHING
    routers = 0
    for tag in rule.via:
        routers |= selection.tagged.get(tag, 0)
    return places.within(selection.routed_by(routers))
