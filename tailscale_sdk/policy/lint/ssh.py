"""SSH rules that let in too many, as too much."""

from __future__ import annotations

from collections.abc import Iterator

from tailscale_sdk.policy.access.facts import cite
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Policy, SSHRule
from tailscale_sdk.policy.lint.catalog import CHECKS

_MANY = frozenset({"*", "autogroup:member", "autogroup:danger-all"})


def check_ssh(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with the entries of ``ssh``."""
    for rule in policy.ssh:
        tagged = any(each.kind == "tag" or each.name == "autogroup:tagged" for each in rule.destinations)
        if tagged and rule.action == "accept":
            if "root" in rule.users:
                yield _found("ssh-root", rule, "lets in as root without a check")
            if "autogroup:nonroot" in rule.users:
                yield _found("ssh-nonroot", rule, "lets in as any login but root without a check")
        if tagged and any(selector.name in _MANY for selector in rule.sources):
            yield _found("ssh-any-source", rule, "is for every device of every member")
        if tagged and not rule.recorder:
            yield _found("ssh-no-recorder", rule, "has no recorder")


def _found(check: str, rule: SSHRule, message: str) -> Finding:
    return CHECKS[check].finding(
        f"{cite(rule)} {message}", rule.place, resource=rule.place.pointer, kind="ssh rule"
    )
