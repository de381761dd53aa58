"""The policy of an audited tailnet: compiled once, judged once, its rules named so that they can move."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError, HuJSONError, PolicyError
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Policy, Rule, SSHRule, read_policy
from tailscale_sdk.policy.lint import lint
from tailscale_sdk.policy.lint.rules import identity_of
from tailscale_sdk.policy.tailnet import read_tailnet


@frozen
class JudgedPolicy:
    """Hold a policy as checks look at it.

    Attributes:
        compiled: it and its tailnet.
    """

    compiled: CompiledPolicy = field(repr=False)

    @property
    def policy(self) -> Policy:
        """Return it as it is read."""
        return self.compiled.policy

    @cached_property
    def findings(self) -> Mapping[str, Sequence[Finding]]:
        """Return what is wrong with it, by the id of the check that says so."""
        found: dict[str, list[Finding]] = defaultdict(list)
        for finding in lint(self.policy, self.compiled):
            found[finding.check].append(finding)
        return found

    @cached_property
    def rule_ids(self) -> Mapping[str, str]:
        """Return an id for each rule, by where it stands: what it says, and which of equals it is."""
        seen = Counter[str]()
        ids: dict[str, str] = {}
        rules: Sequence[Rule | SSHRule] = (*self.policy.rules, *self.policy.ssh)
        for rule in rules:
            said = hashlib.sha256(identity_of(rule, self.policy).encode("utf-8", "surrogatepass")).hexdigest()
            ids[rule.place.pointer] = f"{said[:32]}-{seen[said]}"
            seen[said] += 1
        return ids


def judge_policy(fleet: Fleet) -> JudgedPolicy | str:
    """Read and compile the policy of a snapshot.

    Args:
        fleet: devices, users and policy.

    Returns:
        The policy, or why it cannot be judged.
    """
    try:
        return JudgedPolicy(
            compile_policy(read_policy(fleet.snapshot.policy or ""), read_tailnet(fleet.snapshot))
        )
    except (ConfigurationError, HuJSONError, PolicyError) as error:
        return f"the policy cannot be judged: {error}"
