"""Checks of the policy: who is let in, as what, who may widen it, and whether tests watch over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from attrs import evolve

from tailscale_sdk.operations.audit.checks import coverage, reach, rights, ssh_rules
from tailscale_sdk.operations.audit.checks.rules import POLICY
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, fact
from tailscale_sdk.operations.values import flag_of, text_of, texts_of
from tailscale_sdk.policy.findings import Finding

Judge = Callable[[JudgedPolicy, Audited], Iterator[Outcome]]


def _judged(judge: Judge) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check of the policy, which passes where the judge has nothing to say."""

    def evaluate(audited: Audited) -> Iterator[Outcome]:
        judged = audited.policy
        if isinstance(judged, str):
            yield Outcome(POLICY, "unknown", judged)
        else:
            yield from [*judge(judged, audited)] or [Outcome(POLICY, "pass")]

    return evaluate


def _linted(*checks: str) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check that fails where one of the linter's does."""

    def judge(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
        for check in checks:
            for finding in judged.findings.get(check, ()):
                yield _outcome(judged, finding)

    return _judged(judge)


def _outcome(judged: JudgedPolicy, finding: Finding) -> Outcome:
    pointer = finding.place.pointer if finding.place is not None else ""
    resource = judged.rule_ids.get(finding.resource or "", finding.resource or "policy")
    return Outcome(
        Subject(finding.kind, resource, finding.resource or ""),
        "fail",
        finding.message,
        aspect=f"{finding.check} {finding.aspect}".strip(),
        evidence=(fact("getPolicyFile", pointer=pointer, check=finding.check),),
        patch=finding.fix,
        place=finding.place,
    )


def _everything(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    for finding in judged.findings.get("allow-all", ()):
        yield _outcome(judged, finding)
    yield from reach.everything_to_everybody(judged, audited)


def _tag_owners(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    told = set[str | None]()
    for finding in judged.findings.get("tag-owners-broad", ()):
        told.add(finding.resource)
        yield _outcome(judged, finding)
    yield from (outcome for outcome in rights.tags_of_many(judged) if outcome.subject.id not in told)


def _approvers(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    told = set[str | None]()
    for finding in judged.findings.get("approvers-broad", ()):
        told.add(finding.resource)
        yield _outcome(judged, finding)
    yield from (outcome for outcome in rights.routes_of_many(judged) if outcome.subject.id not in told)


def _tests(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    for check, lacking in (
        ("no-tests", coverage.lacking_tests(judged)),
        ("no-ssh-tests", coverage.lacking_ssh_tests(judged)),
    ):
        for finding in judged.findings.get(check, ()):
            yield evolve(_outcome(judged, finding), tests_for=lacking)
    for finding in judged.findings.get("tag-without-deny-test", ()):
        tag = finding.resource or ""
        if coverage.is_protected(tag, judged, audited):
            yield evolve(_outcome(judged, finding), tests_for={"deny": [tag]})


def _unused(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    given = {tag for row in audited.keys for tag in row.key.tags}
    for check in _UNUSED:
        for finding in judged.findings.get(check, ()):
            # What a credential still gives comes back with the next device.
            if check != "unused-tag" or finding.resource not in given:
                yield _outcome(judged, finding)


def _unmanaged(audited: Audited) -> Iterator[Outcome]:
    subject, managed = (
        Subject("setting", "aclsExternallyManagedOn"),
        flag_of(audited.settings, "aclsExternallyManagedOn"),
    )
    if managed is None:
        yield Outcome(subject, "unknown", "the API does not say whether the policy is managed elsewhere")
    elif managed:
        yield Outcome(subject, "pass")
    else:
        evidence = (fact("getTailnetSettings", aclsExternallyManagedOn=False),)
        yield Outcome(
            subject, "fail", "anybody with the right can edit the policy by hand", evidence=evidence
        )


def _warnings(audited: Audited) -> Iterator[Outcome]:
    told = audited.part("policy_validation")
    warned = 0
    for entry in told.get("data") or ():
        about = text_of(entry, "user")
        for warning in (*texts_of(entry, "warnings"), *texts_of(entry, "errors")):
            warned += 1
            evidence = (fact("validateAndTestPolicyFile", user=about, said=warning),)
            yield Outcome(
                Subject("policy", about or "policy"), "fail", warning, aspect=warning, evidence=evidence
            )
    if warned:
        return
    message = text_of(told, "message")
    if message:
        evidence = (fact("validateAndTestPolicyFile", said=message),)
        yield Outcome(POLICY, "fail", message, aspect=message, evidence=evidence)
    else:
        yield Outcome(POLICY, "pass")


_check = partial(Check, inputs=("policy",), controls=("CC6.1", "CC6.2"), version=2)
_ssh = partial(Check, inputs=("policy",), controls=("CC6.1", "CC7.2"), version=2)
_UNUSED: Final = ("unused-group", "unused-host", "unused-tag", "unused-ipset", "unused-posture", "empty-group", "unknown-member")  # fmt: skip
CHECKS: Final = (
    _check("ACC-01", "critical", "Everybody reaches everything", "let people reach what they need: groups and tags", evaluate=_judged(_everything)),
    _check("ACC-02", "high", "Rules for every source", "name the groups and tags that need it", evaluate=_judged(reach.every_source)),
    _check("ACC-03", "high", "Rules for every destination or port", "name the tags and ports that are needed", evaluate=_judged(reach.every_destination)),
    _check("ACC-04", "critical", "Tags that too many can give", "let admins or a small group own it", evaluate=_judged(_tag_owners)),
    _check("ACC-05", "high", "Routes that too many can have approved", "let the routers' tag approve, for what they route", evaluate=_judged(_approvers)),
    _check("ACC-06", "medium", "A policy no test watches over", "add tests that hold today: tailscale-sdk policy generate-tests writes them", evaluate=_judged(_tests)),
    _check("ACC-07", "low", "Names nobody uses, members who are nobody", "remove it", inputs=("policy", "users"), evaluate=_judged(_unused)),
    _check("ACC-08", "low", "Rules that others contain", "remove it", evaluate=_linted("redundant-rule", "duplicate-rule")),
    _check("ACC-09", "medium", "Production reached without posture", "add srcPosture, or a defaultSrcPosture", evaluate=_judged(reach.production_without_posture)),
    Check("ACC-10", "medium", "A policy edited by hand", "keep the policy in a repository, and say so in the settings", ("settings",), ("CC6.1", "CC6.2"), _unmanaged),
    _check("ACC-11", "medium", "Rules for members beside people of other tailnets", "name a group", inputs=("policy", "users"), evaluate=_judged(reach.members_beside_guests)),
    Check("ACC-12", "medium", "What the service warns of", "make the warning go away: often a group is not synchronised", ("policy_validation",), ("CC6.1", "CC6.2"), _warnings),
    _ssh("SSH-01", "critical", "SSH as root without signing in", 'use action "check", and name who may', evaluate=_judged(ssh_rules.privileged_without_check)),
    _ssh("SSH-02", "high", "SSH from everywhere, or to everywhere", "name who may log in, and where", evaluate=_judged(ssh_rules.wide)),
    _ssh("SSH-03", "low", "SSH that asks too rarely", "set checkPeriod, for root to always", evaluate=_judged(ssh_rules.seldom_asked)),
    _ssh("SSH-04", "medium", "SSH nobody records", "set recorder and enforceRecorder", evaluate=_judged(ssh_rules.unrecorded)),
)  # fmt: skip
"""In the order of their ids."""
