"""Facts behind an answer, each with where it comes from, and the three answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from attrs import field, frozen

from tailscale_sdk.policy.compile import ALLOW_ALL
from tailscale_sdk.policy.language import Place, Rule, SSHRule

Answer = Literal["yes", "no", "unknown"]
Source = Literal["policy", "devices", "users", "attributes", "routes", "dns"]


@frozen
class Fact:
    """Hold one fact that an answer rests on.

    Attributes:
        id: what kind of fact it is, such as ``key-expired``.
        text: what is the case, one sentence.
        source: which part of the snapshot it was read from.
        effect: it opens the way, blocks it, leaves it open, or is told for context.
        place: where it stands in the policy.
        settle: what would settle a fact that is missing, or remove one that blocks.
    """

    id: str
    text: str
    source: Source
    effect: Literal["allows", "blocks", "unknown", "context"] = "context"
    place: Place | None = None
    settle: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fact as JSON data."""
        found: dict[str, Any] = {
            "fact": self.id,
            "text": self.text,
            "effect": self.effect,
            "source": self.source,
        }
        if self.place is not None and self.place.pointer:
            found |= {"pointer": self.place.pointer, "line": self.place.line}
        if self.settle:
            found["next"] = self.settle
        return found


@frozen
class Verdict:
    """Hold an answer with the facts it rests on."""

    answer: Answer
    facts: tuple[Fact, ...] = field(factory=tuple)


def all_of(answers: Iterable[Answer]) -> Answer:
    """Say whether all hold: one "no" decides, else one "unknown" forbids "yes"."""
    given = set(answers)
    if "no" in given:
        return "no"
    return "unknown" if "unknown" in given else "yes"


def any_of(answers: Iterable[Answer]) -> Answer:
    """Say whether one holds: one "yes" decides, else one "unknown" forbids "no"."""
    given = set(answers)
    if "yes" in given:
        return "yes"
    return "unknown" if "unknown" in given else "no"


def cite(rule: Rule | SSHRule) -> str:
    """Name a rule as people find it: its list, its number and its line."""
    if rule is ALLOW_ALL:
        return "no acls and no grants: everything is allowed"
    section = "ssh" if isinstance(rule, SSHRule) else f"{rule.kind}s"
    return f"{section}[{rule.index}] line {rule.place.line}"
