"""What a new policy means for a tailnet: access gained and lost, risks, lock-outs, tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from tailscale_sdk.errors import ChangeRefusedError, HuJSONError, PolicyError
from tailscale_sdk.operations.policies.extremes import find_extremes
from tailscale_sdk.operations.policies.lockouts import find_lockouts
from tailscale_sdk.operations.policies.stakes import Lockout, Stakes
from tailscale_sdk.operations.policies.texts import text_difference
from tailscale_sdk.policy.compile import compile_policy, compile_together
from tailscale_sdk.policy.diff import AccessDiff, Risk, diff_access, risks_of
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.tailnet import Tailnet
from tailscale_sdk.policy.verdicts import TestReport, run_tests


@frozen
class Judgement:
    """Hold what a new policy means.

    Attributes:
        access: what is gained and lost; None where the stored policy cannot be read, so that it is not known.
        risks: marks, the worst first.
        lockouts: what it takes away that it should not.
        text: the textual difference, as lines.
        tests: what the policy's own tests say here, before the service runs them; None where it is not known.
    """

    access: AccessDiff | None
    risks: tuple[Risk, ...]
    lockouts: tuple[Lockout, ...]
    text: tuple[str, ...]
    tests: TestReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "access": self.access.to_dict() if self.access is not None else None,
            "risks": [risk.to_dict() for risk in self.risks],
            "lockouts": [lockout.to_dict() for lockout in self.lockouts],
            "text": list(self.text),
            "failed_tests": None if self.tests is None else len(self.tests.failures),
        }

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what a person must read before saying yes."""
        worst = [f"{risk.level} risk: {risk.text}" for risk in self.risks]
        overridden = [f"overridden lock-out {lockout.name}: {lockout.text}" for lockout in self.lockouts]
        access = (
            self.access.summary
            if self.access is not None
            else "unknown, the devices or the stored policy cannot be read"
        )
        failures = self.tests.failures if self.tests is not None else ()
        failed = [f"a test fails here, of {source}: {'; '.join(errors)}" for source, errors in failures]
        return (f"access: {access}", *overridden, *failed, *worst)

    def with_lockouts(self, more: Iterable[Lockout]) -> Judgement:
        """Return it with further lock-outs."""
        return evolve(self, lockouts=(*self.lockouts, *more))

    def refuse_lockouts(self, override: Iterable[str]) -> None:
        """Refuse what locks somebody out, unless it is overridden by name.

        Args:
            override: names of lock-outs that are accepted.

        Raises:
            ChangeRefusedError: the text says who loses what, and what to name.
        """
        accepted = set(override)
        left = [lockout for lockout in self.lockouts if lockout.name not in accepted]
        if left:
            reasons = "; ".join(lockout.text for lockout in left)
            names = ", ".join(dict.fromkeys(lockout.name for lockout in left))
            raise ChangeRefusedError(f"{reasons}. Where that is meant, name it in override: {names}")


def judge(
    old: str, new: str, tailnet: Tailnet | None, *, stakes: Stakes | None = None, protect: Iterable[str] = ()
) -> Judgement:
    """Judge a new policy offline.

    Args:
        old: the text that is stored.
        new: the text that would be.
        tailnet: the tailnet as it is; None where it may not be read, so that only the texts are judged.
        stakes: what must not be lost.
        protect: tags whose devices count as critical.

    Raises:
        HuJSONError, PolicyError: the control plane would refuse the new policy.
    """
    after = read_policy(new)
    text = text_difference(old, new)
    try:
        before = read_policy(old)
    except (HuJSONError, PolicyError):
        # A policy that nobody can read must be replaceable all the same.
        extremes = find_extremes(compile_policy(after, tailnet or Tailnet(())))
        return Judgement(
            None, (), tuple(extremes), text, None if tailnet is None else run_tests(after, tailnet)
        )
    stakes = stakes or Stakes(critical=frozenset(protect))
    if tailnet is None:
        empty = Tailnet(())
        sides = compile_together([(before, empty), (after, empty)])
        return Judgement(None, (), tuple(find_lockouts(sides[0], sides[1], stakes)), text)
    compiled_before, compiled_after = compile_together([(before, tailnet), (after, tailnet)])
    access = diff_access(compiled_before, compiled_after)
    return Judgement(
        access=access,
        risks=tuple(risks_of(access, protected=protect)),
        lockouts=tuple(find_lockouts(compiled_before, compiled_after, stakes)),
        text=text,
        tests=run_tests(after, tailnet),
    )
