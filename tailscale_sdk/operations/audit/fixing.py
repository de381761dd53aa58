"""Turn findings into one plan: calls that can be made safely, and one edit of the policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError
from tailscale_sdk.operations import fleet_changes
from tailscale_sdk.operations.audit.missing_tests import write_tests
from tailscale_sdk.operations.audit.model import Outcome
from tailscale_sdk.operations.audit.report import SHORTEST, SHOWN
from tailscale_sdk.operations.audit.running import AuditRun
from tailscale_sdk.operations.fleet import LeftAlone, Proposal, Step
from tailscale_sdk.operations.fleet_changes import USUAL, FleetPlan, Limits
from tailscale_sdk.operations.policies.edit_steps import edit_step
from tailscale_sdk.policy.edits import PatchText
from tailscale_sdk.policy.findings import Finding

Json = Mapping[str, Any]


@frozen
class Remedy:
    """Hold what removes the chosen findings.

    Attributes:
        proposal: calls, and what is left alone with the reason.
        patch: RFC 6902 operations on the policy, in an order that lets each find its place.
        policy: text they were made for.
    """

    proposal: Proposal
    patch: tuple[Json, ...] = ()
    policy: str | None = field(default=None, repr=False)


def choose(run: AuditRun, wanted: Iterable[str]) -> Iterator[tuple[Finding, bool]]:
    """Yield the failures that are meant, and whether each was named itself.

    Args:
        run: of an audit.
        wanted: ids of checks, or fingerprints, of which eight characters are enough.

    Raises:
        ConfigurationError: nothing is wanted, or a word names no failure.
    """
    words = [word.strip() for word in wanted]
    if not words:
        raise ConfigurationError("say what is to be fixed: ids of checks such as SET-01, or fingerprints")
    for word in words:
        if not any(_is_meant(finding, word) for finding in run.failed):
            raise ConfigurationError(f"{word!r} is neither a check that found something nor a fingerprint")
    for finding in run.failed:
        meant = [word for word in words if _is_meant(finding, word)]
        if meant:
            yield finding, any(word.upper() != finding.check for word in meant)


def _is_meant(finding: Finding, word: str) -> bool:
    return word.upper() == finding.check or (
        len(word) >= SHORTEST and finding.fingerprint.startswith(word.lower())
    )


def propose_fix(
    run: AuditRun, wanted: Iterable[str], *, risky: bool = False, reason: str | None = None
) -> Remedy:
    """Propose what removes findings; what people will notice only where a finding was named itself.

    Args:
        run: of an audit of the tailnet as it is now.
        wanted: ids of checks, or fingerprints.
        risky: also what people will notice.
        reason: why.

    Raises:
        ConfigurationError: nothing is wanted, or a word names no failure.
    """
    steps: list[Step] = []
    patch: list[Json] = []
    left: list[LeftAlone] = []
    chosen = [
        (finding, run.causes[finding.fingerprint][1], is_named) for finding, is_named in choose(run, wanted)
    ]
    tests = _tests(run, [outcome for _, outcome, _ in chosen])
    for (finding, outcome, is_named), added in zip(chosen, tests, strict=True):
        edit = (*outcome.patch, *added)
        why = _why_not(finding, outcome, edit, risky or is_named)
        if why is None:
            steps += outcome.fix
            patch += edit
        else:
            left.append(LeftAlone(finding.kind, finding.resource or "", finding.name, why))
    proposal = Proposal(
        tuple(_merged(steps)), len(run.audited.devices), tuple(dict.fromkeys(left)), reason=reason
    )
    return Remedy(proposal, tuple(_ordered(patch)), run.audited.fleet.snapshot.policy)


def _tests(run: AuditRun, outcomes: Sequence[Outcome]) -> Sequence[tuple[Json, ...]]:
    judged = run.audited.policy
    if isinstance(judged, str):
        return [() for _ in outcomes]
    return write_tests(judged, [outcome.tests_for or {} for outcome in outcomes])


def _why_not(finding: Finding, outcome: Outcome, edit: Sequence[Json], takes_risks: bool) -> str | None:
    if not outcome.fix and not edit:
        if outcome.tests_for:
            return "no test of it would pass in this tailnet: everybody who could be named is let in"
        return f"a person has to act: {finding.help}"
    risks = [risk for step in outcome.fix for risk in step.risks]
    if risks and not takes_risks:
        return f"{risks[0]}: name it by {finding.fingerprint[:SHOWN]} if that is meant"
    return None


def _merged(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield each call once: settings together, and of one device's routes the sum of what is asked for."""
    found: dict[str, Step] = {}
    for step in steps:
        key = _key(step)
        found[key] = step if key not in found else _together(found[key], step)
    yield from found.values()


def _key(step: Step) -> str:
    if step.operation_id == "updateTailnetSettings":
        return step.operation_id
    if step.operation_id == "setDeviceRoutes":
        return f"{step.operation_id} {step.arguments['device_id']}"
    return json.dumps([step.operation_id, step.arguments], sort_keys=True, default=str)


def _together(first: Step, second: Step) -> Step:
    arguments = {**first.arguments, **second.arguments}
    if first.operation_id == "setDeviceRoutes":
        approved = [*((first.known or {}).get("enabledRoutes") or ())]
        asked = [[*step.arguments["routes"]] for step in (first, second)]
        dropped = {route for route in approved if any(route not in routes for routes in asked)}
        routes = dict.fromkeys([*approved, *asked[0], *asked[1]])
        arguments["routes"] = [route for route in routes if route not in dropped]
    risks = tuple(dict.fromkeys((*first.risks, *second.risks)))
    return evolve(first, arguments=arguments, risks=risks)


def _ordered(patch: Iterable[Json]) -> list[Json]:
    """Order operations so that none moves what another means: additions first, then removals from the end."""
    once = list({json.dumps(each, sort_keys=True): each for each in patch}.values())
    added = [each for each in once if each["op"] != "remove"]
    paths = {each["path"] for each in once if each["op"] == "remove"}
    outermost = [path for path in paths if not any(path.startswith(f"{other}/") for other in paths)]
    return [*added, *({"op": "remove", "path": path} for path in sorted(outermost, key=_place, reverse=True))]


def _place(path: str) -> tuple[tuple[bool, int, str], ...]:
    parts = path.split("/")[1:]
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


async def plan_fix(
    client: AsyncTailscale,
    run: AuditRun,
    remedy: Remedy,
    *,
    changes: AsyncChanges,
    principal: str | None = None,
    digest: str | None = None,
    limits: Limits = USUAL,
) -> FleetPlan:
    """Plan a remedy as one change; the policy comes last, and nobody may lose access by its clean-up.

    Args:
        client: prepares the calls and reads the policy.
        run: of the audit.
        remedy: of ``propose_fix``.
        changes: engine that keeps the plan.
        principal: who plans.
        digest: hash of the caller's arguments.
        limits: how much may be touched at once.

    Raises:
        NothingToChangeError: nothing of it can be fixed by a call; the text says why.
        ChangeRefusedError: it is more than the limits allow, or the policy is another one by now.
        TailscaleError: the state cannot be read.
    """
    proposal, facts = remedy.proposal, None
    if remedy.patch:
        step, facts = await _policy_step(client, run, remedy.patch, remedy.policy)
        proposal = evolve(proposal, steps=(*proposal.steps, step))
    return await fleet_changes.plan_change(
        client, proposal, changes=changes, principal=principal, digest=digest, limits=limits, facts=facts
    )


async def _policy_step(
    client: AsyncTailscale, run: AuditRun, patch: Sequence[Json], policy: str | None
) -> tuple[Step, dict[str, Any]]:
    edits = [PatchText([dict(operation) for operation in patch])]
    step, judgement = await edit_step(client, run.audited.fleet, edits, based_on=policy)
    if judgement.access is not None and judgement.access.rows:
        raise ChangeRefusedError(
            f"together the clean-ups of the policy change who reaches what ({judgement.access.summary}): "
            "choose fewer of them"
        )
    return step, judgement.to_dict()
