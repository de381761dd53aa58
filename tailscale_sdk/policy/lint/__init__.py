"""What is wrong with a policy: unused, redundant, over-broad, untested; with lines, and fixes where they are safe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.findings import Finding, sort_findings
from tailscale_sdk.policy.language import Policy
from tailscale_sdk.policy.lint.catalog import CHECKS, LintCheck
from tailscale_sdk.policy.lint.coverage import check_coverage, protected_tags
from tailscale_sdk.policy.lint.definitions import check_definitions
from tailscale_sdk.policy.lint.generated_tests import generate_tests
from tailscale_sdk.policy.lint.rights import check_rights
from tailscale_sdk.policy.lint.rules import check_postures, check_rules
from tailscale_sdk.policy.lint.ssh import check_ssh

__all__ = ["CHECKS", "LintCheck", "generate_tests", "lint"]


def lint(
    policy: Policy, compiled: CompiledPolicy | None = None, *, protected: Iterable[str] = ()
) -> list[Finding]:
    """Return what is wrong with a policy, the most severe first.

    Args:
        policy: to judge.
        compiled: the same policy in its tailnet; without it only the text is judged.
        protected: tags that need tests of either kind; those that rules name as destinations when left out.
    """
    tags = frozenset(protected) or protected_tags(policy)
    return sort_findings(
        [
            *check_rules(policy, compiled),
            *check_definitions(policy, compiled),
            *check_ssh(policy),
            *check_rights(policy),
            *check_coverage(policy, tags),
            *check_postures(policy, tags),
            *_unread(policy),
        ]
    )


def _unread(policy: Policy) -> Iterator[Finding]:
    for place in policy.unread:
        name = place.pointer.removeprefix("/")
        yield CHECKS["unknown-key"].finding(
            f"{name} is no key this version knows", place, resource=name, kind="policy"
        )
