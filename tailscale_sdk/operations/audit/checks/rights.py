"""Judges of rights that lie with many people without saying so: users listed one by one, groups that hold all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tailscale_sdk.operations.audit.breadth import logins_of
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Outcome, Subject, fact
from tailscale_sdk.policy.access import tag_holders
from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.language import Approvers, Place, Selector
from tailscale_sdk.policy.lint.rights import LARGE_GROUP


def tags_of_many(judged: JudgedPolicy) -> Iterator[Outcome]:
    """Yield tags that many people can hand out, directly or through tags that own them."""
    policy = judged.policy
    for tag, definition in policy.tag_owners.items():
        owners = [read_selector(policy, owner) for owner in tag_holders(policy, tag, {}).owners]
        people = _many(judged, owners)
        if people:
            message = f"{tag} can be handed out by {people} people"
            yield _outcome(Subject("tag", tag, tag), message, definition.place, owners)


def routes_of_many(judged: JudgedPolicy) -> Iterator[Outcome]:
    """Yield routes that many people can have approved by themselves."""
    policy, approvers = judged.policy, list(judged.policy.route_approvers)
    if policy.exit_node_approvers:
        first = policy.exit_node_approvers[0].place
        approvers.append(Approvers("exitNode", policy.exit_node_approvers, first))
    for each in approvers:
        people = _many(judged, each.approvers)
        if people:
            message = f"routes in {each.target} are approved by {people} people"
            yield _outcome(Subject("route", each.target, each.target), message, each.place, each.approvers)


def _many(judged: JudgedPolicy, selectors: Iterable[Selector]) -> int:
    """Return how many people are named, 0 where they are few."""
    selectors = tuple(selectors)
    people = len(logins_of(judged.policy, selectors))
    return people if people >= LARGE_GROUP or judged.width(selectors).members else 0


def _outcome(subject: Subject, message: str, place: Place, selectors: Iterable[Selector]) -> Outcome:
    named = [selector.text for selector in selectors]
    evidence = (fact("getPolicyFile", pointer=place.pointer, named=named),)
    return Outcome(subject, "fail", message, evidence=evidence, place=place)
