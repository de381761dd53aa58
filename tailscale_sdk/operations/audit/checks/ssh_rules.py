"""Judges of SSH rules: who is let in as whom, where, how often they sign in, and who keeps the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tailscale_sdk.operations.audit.breadth import tagged_devices
from tailscale_sdk.operations.audit.checks.rules import about, spelled_out
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Audited, Outcome
from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.compile.selecting import SELF
from tailscale_sdk.policy.language import Selector, SSHRule

_PRIVILEGED: Final = {"root": "root", "autogroup:nonroot": "any login but root"}


def _privileges(rule: SSHRule) -> list[str]:
    return [user for user in _PRIVILEGED if user in rule.users]


def _others(rule: SSHRule) -> tuple[Selector, ...]:
    """Return the destinations of a rule that are not the devices of the same person."""
    return tuple(selector for selector in rule.destinations if selector.name != SELF)


def _is_tagged(judged: JudgedPolicy, selector: Selector) -> bool:
    if selector.kind == "tag" or selector.name == "autogroup:tagged":
        return True
    return bool(tagged_devices(judged.compiled, judged.devices_at(selector)))


def privileged_without_check(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules that let in on tagged devices as root, or as any login, without signing in again."""
    for rule in judged.policy.ssh:
        hosts = [selector for selector in _others(rule) if _is_tagged(judged, selector)]
        if rule.action != "accept" or not hosts:
            continue
        for user in _privileges(rule):
            message = f"{cite(rule)} lets in on {spelled_out(hosts)} as {_PRIVILEGED[user]} without a check"
            yield about(judged, rule, message, user, action=rule.action, users=list(rule.users))


def wide(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules for everybody, and rules for every device."""
    for rule in judged.policy.ssh:
        others = _others(rule)
        if not others:
            continue
        source, written = judged.width(rule.sources), spelled_out(rule.sources)
        if source.is_wide and not rule.postures:
            whom = "every device" if source.tagged else "every member"
            yield about(judged, rule, f"{cite(rule)} lets in {whom}: {written}", "source", src=written)
        destination, written = judged.width(others), spelled_out(others)
        if destination.is_wide:
            where = "every tagged device" if destination.tagged else "every member's devices"
            yield about(
                judged, rule, f"{cite(rule)} lets in on {where}: {written}", "destination", dst=written
            )


def seldom_asked(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules with a check that do not say how often, or too seldom for what they give on devices of others."""
    for rule in judged.policy.ssh:
        if rule.action != "check":
            continue
        privileges = _privileges(rule)
        if rule.check_period is None:
            message = f"{cite(rule)} does not say how often a person has to sign in again"
            yield about(judged, rule, message, "period", users=list(rule.users))
        elif privileges and _others(rule) and rule.check_period != "always":
            as_whom = " or ".join(_PRIVILEGED[user] for user in privileges)
            message = (
                f"{cite(rule)} lets in as {as_whom} and asks only after {rule.check_period}, not every time"
            )
            yield about(judged, rule, message, "always", users=list(rule.users))


def unrecorded(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    """Yield rules that give rights on devices of others, and let nobody look at it later."""
    for rule in judged.policy.ssh:
        privileges = _privileges(rule)
        if not privileges or not _others(rule):
            continue
        as_whom = " or ".join(_PRIVILEGED[user] for user in privileges)
        if not rule.recorder:
            message = f"{cite(rule)}: nothing records what is done as {as_whom}"
            yield about(judged, rule, message, "recorder", users=list(rule.users))
        elif not rule.enforce_recorder:
            message = f"{cite(rule)}: sessions as {as_whom} go on when the recorder is not there"
            yield about(judged, rule, message, "enforce", users=list(rule.users))
