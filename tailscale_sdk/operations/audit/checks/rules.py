"""What an outcome about a rule looks like, and what every judge of rules asks of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Outcome, Subject, fact
from tailscale_sdk.policy.compile import ALLOW_ALL
from tailscale_sdk.policy.compile.selecting import SELF
from tailscale_sdk.policy.language import Destination, Rule, Selector, SSHRule

POLICY: Final = Subject("policy", "policy")
_SOURCE: Final = "getPolicyFile"


def about(judged: JudgedPolicy, rule: Rule | SSHRule, message: str, aspect: str = "", **told: Any) -> Outcome:
    """Return what is wrong with a rule.

    Args:
        judged: the policy.
        rule: of its acls, grants or ssh; or the one behind missing acls and grants.
        message: one sentence.
        aspect: what tells two outcomes of one check on one rule apart.
        **told: facts beside the place of the rule.
    """
    pointer = rule.place.pointer
    evidence = (fact(_SOURCE, pointer=pointer, **told),)
    kind = "ssh rule" if isinstance(rule, SSHRule) else "rule"
    subject = POLICY if rule is ALLOW_ALL else Subject(kind, judged.rule_ids[pointer], pointer)
    return Outcome(subject, "fail", message, aspect=aspect, evidence=evidence, place=rule.place)


def opened(rule: Rule) -> tuple[Destination, ...]:
    """Return the destinations a rule opens for others than their own user; capabilities alone open none."""
    return tuple(each for each in rule.destinations if each.traffic and each.selector.name != SELF)


def spelled_out(selectors: Sequence[Selector]) -> str:
    """Return selectors as they are written."""
    return ", ".join(dict.fromkeys(selector.text for selector in selectors))
