"""Whether the tests of a policy watch over what it protects."""

from __future__ import annotations

from collections.abc import Iterator

from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Place, Policy
from tailscale_sdk.policy.lint.catalog import CHECKS


def protected_tags(policy: Policy) -> frozenset[str]:
    """Return the tags that rules name as destinations: those somebody thought worth naming."""
    return frozenset(
        destination.selector.name
        for rule in policy.rules
        for destination in rule.destinations
        if destination.selector.kind == "tag"
    )


def check_coverage(policy: Policy, protected: frozenset[str]) -> Iterator[Finding]:
    """Yield what no test watches over.

    Args:
        policy: with its tests.
        protected: tags that need a test of either kind.
    """
    top = Place("", 1, 1)
    if policy.ssh and not policy.ssh_tests:
        message = f"{len(policy.ssh)} ssh rules and no sshTests"
        yield CHECKS["no-ssh-tests"].finding(message, policy.ssh[0].place, resource="sshTests", kind="policy")
    if not policy.tests:
        if policy.rules:
            yield CHECKS["no-tests"].finding("the policy has no tests", top, resource="tests", kind="policy")
        return
    accepted, denied = (_tested(policy, kind) for kind in ("accept", "deny"))
    for tag in sorted(protected):
        place = policy.tag_owners[tag].place if tag in policy.tag_owners else top
        for check, tested, words in (
            ("tag-without-accept-test", accepted, "no test expects anybody to reach"),
            ("tag-without-deny-test", denied, "no test expects anybody to be kept from"),
        ):
            if tag not in tested:
                yield CHECKS[check].finding(f"{words} {tag}", place, resource=tag, kind="tag")


def _tested(policy: Policy, kind: str) -> frozenset[str]:
    texts = (text for test in policy.tests for text in (test.accept if kind == "accept" else test.deny) or ())
    return frozenset(read_selector(policy, text.rpartition(":")[0]).name for text in texts)
