"""Carry tag rules out: which device gets which tags by which rule, and what access that gives and takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.actions import left_alone
from tailscale_sdk.operations.devices.tagging import tag_step
from tailscale_sdk.operations.fleet import Device, Fleet, LeftAlone, Proposal, Step
from tailscale_sdk.operations.tags.inventory import policy_of
from tailscale_sdk.operations.tags.rules import TagRule, check_against, tests_of
from tailscale_sdk.policy.compile import compile_together
from tailscale_sdk.policy.diff import AccessDiff, diff_access
from tailscale_sdk.policy.language import Policy
from tailscale_sdk.policy.tailnet import Tailnet, read_tailnet


@frozen
class TagChange:
    """Hold what rules make of one device.

    Attributes:
        device: the device.
        tags: all it is to have.
        rules: names of the rules that say so.
    """

    device: Device
    tags: tuple[str, ...]
    rules: tuple[str, ...]


@frozen
class TagProposal:
    """Hold what rules would do.

    Attributes:
        proposal: calls.
        changes: by device, with the rules behind them.
        access: what they give and take; None where policy or rules could not be compiled.
        access_unknown: why access is not told.
    """

    proposal: Proposal
    changes: tuple[TagChange, ...]
    access: AccessDiff | None
    access_unknown: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what it shows beside the plan, as JSON data."""
        found: dict[str, Any] = {
            "rules": {change.device.id: list(change.rules) for change in self.changes},
        }
        if self.access is not None:
            found["access"] = self.access.to_dict()
        if self.access_unknown is not None:
            found["access_unknown"] = self.access_unknown
        return found


def propose_tags(
    fleet: Fleet,
    rules: Sequence[TagRule],
    *,
    now: datetime,
    allow_untagged: bool = False,
    reason: str | None = None,
) -> TagProposal:
    """Propose what rules make of the devices; every rule that fits a device counts, in order.

    Args:
        fleet: devices, policy, users; posture attributes where rules ask for them.
        rules: as ``read_rules`` returns them.
        now: moment of asking, with a zone.
        allow_untagged: the last tag of a device may go.
        reason: why.

    Raises:
        ConfigurationError: two rules contradict each other on a device, or the policy does not define a tag.
    """
    policy = policy_of(fleet)
    if isinstance(policy, Policy):
        check_against(rules, policy)
    tests = [
        (rule, tests_of(rule, fleet, policy if isinstance(policy, Policy) else None, now)) for rule in rules
    ]
    steps: list[Step] = []
    changes: list[TagChange] = []
    left: list[LeftAlone] = []
    for device in fleet.devices:
        fitting = [rule for rule, test in tests if test(device)]
        if not fitting:
            continue
        tags = _tags(device, fitting)
        judged = tag_step(device, tags, allow_untagged=allow_untagged)
        if isinstance(judged, str):
            left.append(left_alone(device, judged))
            continue
        names = tuple(rule.name for rule in fitting)
        steps.append(evolve(judged, risks=(*judged.risks, f"{device.label}: by {', '.join(names)}")))
        changes.append(TagChange(device, tuple(judged.arguments["tags"]), names))
    proposal = Proposal(tuple(steps), len(fleet.devices), tuple(left), reason=reason)
    new_tags = {change.device.id: change.tags for change in changes}
    access, unknown = access_of_tags(fleet, new_tags)
    return TagProposal(proposal, tuple(changes), access, unknown)


def _tags(device: Device, rules: Sequence[TagRule]) -> list[str]:
    """Return the tags of a device after some rules.

    Raises:
        ConfigurationError: one adds what another removes.
    """
    added: dict[str, str] = {}
    removed: dict[str, str] = {}
    tags = list(device.tags)
    for rule in rules:
        for tag in rule.tags:
            if tag in removed:
                raise _contradiction(device, tag, rule.name, removed[tag])
            added.setdefault(tag, rule.name)
        gone = rule.remove if rule.exactly is None else [tag for tag in tags if tag not in rule.exactly]
        for tag in gone:
            if tag in added:
                raise _contradiction(device, tag, added[tag], rule.name)
            removed.setdefault(tag, rule.name)
        tags = [tag for tag in tags if tag not in gone]
        tags += [tag for tag in rule.tags if tag not in tags]
    return tags


def _contradiction(device: Device, tag: str, adds: str, removes: str) -> ConfigurationError:
    return ConfigurationError(
        f"rule {adds!r} adds {tag} to {device.label} ({device.id}), and rule {removes!r} removes it"
    )


def access_of_tags(fleet: Fleet, tags: Mapping[str, Sequence[str]]) -> tuple[AccessDiff | None, str | None]:
    """Return what other tags give and take, or why that is not known.

    Args:
        fleet: devices, policy and users.
        tags: all tags of a device, by nodeId.
    """
    policy = policy_of(fleet)
    if isinstance(policy, str):
        return None, policy
    try:
        before = read_tailnet(fleet.snapshot)
    except ConfigurationError as problem:
        return None, str(problem)
    return _difference(policy, before, _with_tags(before, tags)), None


def _with_tags(tailnet: Tailnet, tags: Mapping[str, Sequence[str]]) -> Tailnet:
    devices = []
    for device in tailnet.devices:
        if device.id in tags:
            user = "" if tags[device.id] else str(device.fields.get("user") or "")
            device = evolve(device, tags=tuple(tags[device.id]), user=user)
        devices.append(device)
    return evolve(tailnet, devices=tuple(devices))


def _difference(policy: Policy, before: Tailnet, after: Tailnet) -> AccessDiff:
    old, new = compile_together([(policy, before), (policy, after)])
    return diff_access(old, new)
