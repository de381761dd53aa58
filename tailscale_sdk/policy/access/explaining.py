"""Why A can or cannot reach B: the policy's verdict, the present state, and every fact behind both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.access.ends import End, find_ends
from tailscale_sdk.policy.access.exits import exit_facts
from tailscale_sdk.policy.access.facts import Answer, Fact, Verdict, all_of, any_of
from tailscale_sdk.policy.access.identity import identity_facts, name_facts
from tailscale_sdk.policy.access.logins import ssh_facts
from tailscale_sdk.policy.access.matching import Asker, allowing_facts, match_parts, near_misses
from tailscale_sdk.policy.access.presence import presence_facts
from tailscale_sdk.policy.access.question import Question
from tailscale_sdk.policy.access.targets import Target, route_facts, router_fact, targets_of
from tailscale_sdk.policy.compile import CompiledPolicy

PAIR_LIMIT: Final = 50
_SSH_PORT: Final = 22


@frozen
class Explanation:
    """Hold the answer for one pair.

    Attributes:
        answer: of policy and present state together.
        policy: what the policy says.
        state: whether both ends and what is between them are ready.
    """

    source: End
    destination: End
    question: Question
    answer: Answer
    policy: Answer
    state: Answer
    facts: tuple[Fact, ...] = field(factory=tuple)

    @property
    def because(self) -> str:
        """Return the fact that decides, as a sentence."""
        wanted = {"yes": "allows", "no": "blocks", "unknown": "unknown"}[self.answer]
        deciding = [fact for fact in self.facts if fact.effect == wanted]
        if self.answer == "yes":
            return deciding[0].text if deciding else "nothing stands against it"
        return "; ".join(dict.fromkeys(fact.text for fact in deciding[:2])) or "no rule allows it"

    @property
    def next_steps(self) -> tuple[str, ...]:
        """Return what would settle or remove what stands in the way; nothing where nothing does."""
        steps = (fact.settle for fact in self.facts if fact.effect in {"blocks", "unknown"})
        return tuple(dict.fromkeys(step for step in steps if step)) if self.answer != "yes" else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON data."""
        return {
            "answer": self.answer,
            "question": f"{self.source.label} -> {self.destination.label} {self.question.text}",
            "because": self.because,
            "policy": self.policy,
            "state": self.state,
            "facts": [fact.to_dict() for fact in self.facts],
            "next": list(self.next_steps),
        }


def explain(
    compiled: CompiledPolicy, source: str, destination: str, question: Question, *, now: datetime
) -> dict[str, Any]:
    """Answer why a source can or cannot reach a destination.

    Args:
        compiled: the policy in its tailnet.
        source: a device, user, group, tag or address.
        destination: likewise; a name of several devices is answered pair by pair.
        question: which traffic.
        now: the moment that counts for expiry, with a time zone.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
    """
    sources = find_ends(compiled, source, role="source")
    destinations = find_ends(compiled, destination, role="destination")
    pairs = [(a, b) for a in sources for b in destinations if a.device is None or a.device is not b.device]
    if len(sources) == 1 and len(destinations) == 1:
        if not pairs:
            raise ConfigurationError(f"{source!r} and {destination!r} are the same device")
        return {**_explain_pair(compiled, *pairs[0], question, now).to_dict(), **_read(compiled)}
    return {**_explain_many(compiled, pairs, source, destination, question, now), **_read(compiled)}


def _read(compiled: CompiledPolicy) -> dict[str, Any]:
    """Say when the facts were read."""
    return {"read": compiled.tailnet.taken} if compiled.tailnet.taken else {}


def _explain_many(
    compiled: CompiledPolicy,
    pairs: Sequence[tuple[End, End]],
    source: str,
    destination: str,
    question: Question,
    now: datetime,
) -> dict[str, Any]:
    found = [_explain_pair(compiled, a, b, question, now) for a, b in islice(pairs, PAIR_LIMIT)]
    counts = {answer: sum(each.answer == answer for each in found) for answer in ("yes", "no", "unknown")}
    told = f", the first {PAIR_LIMIT} are told" if len(pairs) > PAIR_LIMIT else ""
    words = f"{counts['yes']} of {len(found)} pairs can{told}" if found else _nobody(source, destination)
    return {
        "answer": all_of(each.answer for each in found) if found else "no",
        "question": f"{source} -> {destination} {question.text}",
        "because": words,
        "pairs": len(pairs),
        "counts": counts,
        "explanations": [each.to_dict() for each in sorted(found, key=lambda each: each.answer == "yes")],
    }


def _nobody(source: str, destination: str) -> str:
    return f"no device stands behind {source} or {destination}"


def _explain_pair(
    compiled: CompiledPolicy, source: End, destination: End, question: Question, now: datetime
) -> Explanation:
    targets = targets_of(compiled, destination)
    policy = _policy_verdict(compiled, source, destination, targets, question)
    state = _state_verdict(source, destination, targets, policy, now)
    facts = [*identity_facts(compiled, source), *identity_facts(compiled, destination)]
    facts += [*name_facts(compiled, destination), *policy.facts, *state.facts]
    if question.covers(6, _SSH_PORT) and question.port is not None:
        facts += ssh_facts(compiled, source.device, destination.device)
    return Explanation(
        source,
        destination,
        question,
        all_of([policy.answer, state.answer]),
        policy.answer,
        state.answer,
        tuple(dict.fromkeys(facts)),
    )


def _policy_verdict(
    compiled: CompiledPolicy, source: End, destination: End, targets: Sequence[Target], question: Question
) -> Verdict:
    """Say whether the policy lets the source in at any of the places it may be delivered to."""
    if destination.device is None and (not targets or targets[0].is_exit):
        verdict = exit_facts(compiled, source, destination)
        return verdict if verdict is not None else Verdict("no", tuple(route_facts(compiled, destination)))
    answers: list[Answer] = []
    allowing: list[Fact] = []
    missing: list[Fact] = []
    for asker, target in _meetings(compiled, source, targets):
        traffic = question.bits(compiled.universe.traffic)
        matches = match_parts(compiled, asker, target, traffic)
        answer = any_of("no" if not match.covers else match.let_in for match in matches)  # type: ignore[misc]
        answers.append(answer)
        allowing += allowing_facts(compiled, matches, asker)
        if answer == "no":
            missing += near_misses(compiled, asker, target, matches, question.text)
        through = router_fact(target)
        allowing += [through] if through else []
    if not answers:
        return Verdict("no", (_no_common_family(source, destination),))
    answer = any_of(answers)
    return Verdict(answer, (*allowing, *(missing if answer == "no" else ())))


def _meetings(
    compiled: CompiledPolicy, source: End, targets: Sequence[Target]
) -> Iterator[tuple[Asker, Target]]:
    """Yield the source's address of each family with the places of that family."""
    universe = compiled.universe
    for target in targets:
        for version, address in source.addresses:
            if version != target.version or source.device is target.device:
                continue
            bit = (
                universe.source(compiled.number(source.device), version)
                if source.device is not None
                else universe.host(universe.atoms.holding(version, address))
            )
            yield Asker(bit, version, source.device, source.label), target


def _no_common_family(source: End, destination: End) -> Fact:
    return Fact(
        "no-common-family",
        f"{source.label} and {destination.label} have no addresses of one family",
        "devices",
        "blocks",
        settle="ask for an address of the family that both have",
    )


def _state_verdict(
    source: End, destination: End, targets: Sequence[Target], policy: Verdict, now: datetime
) -> Verdict:
    """Say whether the ends, and one router between them, are ready now."""
    facts = list(presence_facts(source.device, now, receives=False)) if source.device else []
    ends = [_ready(facts)]
    if destination.device is not None:
        found = list(presence_facts(destination.device, now, receives=True))
        facts += found
        ends.append(_ready(found))
    else:
        routers = [list(presence_facts(target.device, now, receives=False)) for target in _routers(targets)]
        ready = [_ready(found) for found in routers]
        usable = any_of(ready) if ready else "yes"
        ends.append(usable)
        # One router that works is enough; the others are told of only where none does.
        for found, answer in zip(routers, ready, strict=True):
            facts += found if answer == usable else []
    return Verdict(all_of(ends), tuple(facts))


def _routers(targets: Sequence[Target]) -> list[Target]:
    return list({target.device.id: target for target in targets}.values())


def _ready(facts: Sequence[Fact]) -> Answer:
    if any(fact.effect == "blocks" for fact in facts):
        return "no"
    return "unknown" if any(fact.effect == "unknown" for fact in facts) else "yes"
