"""The policy of an audited tailnet: compiled once, judged once, its rules named so that they can move."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError, HuJSONError, PolicyError
from tailscale_sdk.operations.audit.breadth import Width, width_of
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.values import text_of
from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy, postures_of
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Policy, Rule, Selector, SSHRule, read_policy
from tailscale_sdk.policy.lint import lint
from tailscale_sdk.policy.lint.rules import identity_of
from tailscale_sdk.policy.tailnet import read_tailnet


@frozen
class JudgedPolicy:
    """Hold a policy as checks look at it.

    Attributes:
        compiled: it and its tailnet.
        people: login names of the users who can sign in, in lower case; none where users were not read.
    """

    compiled: CompiledPolicy = field(repr=False)
    people: frozenset[str] = frozenset()
    _widths: dict[tuple[str, ...], Width] = field(factory=dict, init=False, repr=False, eq=False)

    @property
    def policy(self) -> Policy:
        """Return it as it is read."""
        return self.compiled.policy

    def width(self, selectors: Iterable[Selector]) -> Width:
        """Return how much of the tailnet some selectors stand for together."""
        selectors = tuple(selectors)
        key = tuple(selector.name for selector in selectors)
        found = self._widths.get(key)
        if found is None:
            found = self._widths[key] = width_of(self.compiled, selectors, self.people)
        return found

    def devices_at(self, selector: Selector) -> int:
        """Return the devices a destination means by their own addresses: bit *d* for device *d*."""
        universe = self.compiled.universe
        return universe.devices_in(self.compiled.selection.places(selector).possible & universe.own)

    def is_conditional(self, rule: Rule) -> bool:
        """Tell whether only devices in a certain state may use a rule."""
        return bool(postures_of(self.policy, rule))

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
    # A tailnet whose policy is empty has neither acls nor grants, and that allows everything.
    text = fleet.snapshot.policy or ""
    try:
        policy = read_policy(text if text.strip() else "{}")
        return JudgedPolicy(compile_policy(policy, read_tailnet(fleet.snapshot)), _people(fleet))
    except (ConfigurationError, HuJSONError, PolicyError) as error:
        return f"the policy cannot be judged: {error}"


def _people(fleet: Fleet) -> frozenset[str]:
    users = fleet.snapshot.users
    return frozenset(
        text_of(user, "loginName").lower()
        for user in users
        if text_of(user, "type") != "shared" and text_of(user, "status") != "suspended"
    )
