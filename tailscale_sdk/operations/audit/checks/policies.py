"""Checks of the policy: who is let in, as what, who may widen it, and whether tests watch over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy
from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, fact
from tailscale_sdk.operations.values import flag_of, text_of, texts_of
from tailscale_sdk.policy.findings import Finding, Severity
from tailscale_sdk.policy.language import SSHRule

_POLICY: Final = Subject("policy", "policy")
_PRIVILEGED: Final = frozenset({"root", "autogroup:nonroot"})
Judge = Callable[[JudgedPolicy, Audited], Iterator[Outcome]]


def _judged(judge: Judge) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check of the policy, which passes where the judge has nothing to say."""

    def evaluate(audited: Audited) -> Iterator[Outcome]:
        judged = audited.policy
        if isinstance(judged, str):
            yield Outcome(_POLICY, "unknown", judged)
        else:
            yield from [*judge(judged, audited)] or [Outcome(_POLICY, "pass")]

    return evaluate


def _linted(
    *checks: str, severities: Mapping[str, Severity] | None = None
) -> Callable[[Audited], Iterator[Outcome]]:
    """Return a check that fails where one of the linter's does."""

    def judge(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
        for check in checks:
            for finding in judged.findings.get(check, ()):
                yield _outcome(judged, finding, (severities or {}).get(check))

    return _judged(judge)


def _outcome(judged: JudgedPolicy, finding: Finding, severity: Severity | None) -> Outcome:
    pointer = finding.place.pointer if finding.place is not None else ""
    resource = judged.rule_ids.get(finding.resource or "", finding.resource or "policy")
    return Outcome(
        Subject(finding.kind, resource, finding.resource or ""),
        "fail",
        finding.message,
        severity,
        aspect=f"{finding.check} {finding.aspect}".strip(),
        evidence=(fact("getPolicyFile", pointer=pointer, check=finding.check),),
        patch=finding.fix,
        place=finding.place,
    )


def _rule(judged: JudgedPolicy, rule: SSHRule, message: str, aspect: str = "") -> Outcome:
    pointer = rule.place.pointer
    subject = Subject("ssh rule", judged.rule_ids[pointer], pointer)
    evidence = (fact("getPolicyFile", pointer=pointer, action=rule.action, users=list(rule.users)),)
    return Outcome(subject, "fail", message, aspect=aspect, evidence=evidence, place=rule.place)


def _everything(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    for finding in judged.findings.get("allow-all", ()):
        yield _outcome(judged, finding, None)
    open_to_all = {finding.resource for finding in judged.findings.get("any-source", ())}
    whole = {finding.resource for finding in judged.findings.get("all-ports", ()) if finding.aspect == "*"}
    for finding in judged.findings.get("any-destination", ()):
        if finding.resource in open_to_all & whole:
            yield _outcome(judged, finding, None)


def _check_periods(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    for rule in judged.policy.ssh:
        if rule.action != "check":
            continue
        if rule.check_period is None:
            yield _rule(judged, rule, "it does not say how often a person has to sign in again", "period")
        elif _PRIVILEGED & set(rule.users) and rule.check_period != "always":
            yield _rule(judged, rule, "as root a person should have to sign in every time", "always")


def _recorders(judged: JudgedPolicy, audited: Audited) -> Iterator[Outcome]:
    for rule in judged.policy.ssh:
        if not _PRIVILEGED & set(rule.users):
            continue
        if not rule.recorder:
            yield _rule(judged, rule, "nothing records what is done as root", "recorder")
        elif not rule.enforce_recorder:
            yield _rule(judged, rule, "sessions go on when the recorder is not there", "enforce")


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
        yield Outcome(_POLICY, "fail", message, aspect=message, evidence=evidence)
    else:
        yield Outcome(_POLICY, "pass")


_check = partial(Check, inputs=("policy", "users"), controls=("CC6.1", "CC6.2"))
_ssh = partial(Check, inputs=("policy",), controls=("CC6.1", "CC7.2"))
_UNUSED: Final = ("unused-group", "unused-host", "unused-tag", "unused-ipset", "unused-posture", "empty-group", "unknown-member", "duplicate-member", "rule-matches-nobody")  # fmt: skip
CHECKS: Final = (
    _check("ACC-01", "critical", "Everybody reaches everything", "let people reach what they need: groups and tags", evaluate=_judged(_everything)),
    _check("ACC-02", "high", "Rules for every source", "name the groups and tags that need it", evaluate=_linted("any-source", "danger-all-source")),
    _check("ACC-03", "high", "Rules for every destination or port", "name the tags and ports that are needed", evaluate=_linted("any-destination", "all-ports", severities={"all-ports": "medium"})),
    _check("ACC-04", "critical", "Tags that too many can give", "let admins or a small group own it", evaluate=_linted("tag-owners-broad")),
    _check("ACC-05", "high", "Routes that too many can have approved", "let the routers' tag approve, for what they route", evaluate=_linted("approvers-broad")),
    _check("ACC-06", "medium", "A policy no test watches over", "add tests: tailscale-sdk policy lint says which", evaluate=_linted("no-tests", "tag-without-deny-test", "no-ssh-tests")),
    _check("ACC-07", "low", "Names nobody uses, members who are nobody", "remove it", evaluate=_linted(*_UNUSED)),
    _check("ACC-08", "low", "Rules that others contain", "remove it", evaluate=_linted("redundant-rule", "duplicate-rule")),
    _check("ACC-09", "medium", "Protected tags reached without posture", "add srcPosture, or a defaultSrcPosture", evaluate=_linted("no-posture")),
    Check("ACC-10", "medium", "A policy edited by hand", "keep the policy in a repository, and say so in the settings", ("settings",), ("CC6.1", "CC6.2"), _unmanaged),
    _check("ACC-11", "medium", "Rules for members beside people of other tailnets", "name a group", evaluate=_linted("member-with-shared")),
    Check("ACC-12", "medium", "What the service warns of", "make the warning go away: often a group is not synchronised", ("policy_validation",), ("CC6.1", "CC6.2"), _warnings),
    _ssh("SSH-01", "critical", "SSH as root without signing in", 'use action "check", and name who may', evaluate=_linted("ssh-root", "ssh-nonroot")),
    _ssh("SSH-02", "high", "SSH from everywhere", "name who may log in", evaluate=_linted("ssh-any-source")),
    _ssh("SSH-03", "low", "SSH that asks too rarely", "set checkPeriod, for root to always", evaluate=_judged(_check_periods)),
    _ssh("SSH-04", "medium", "SSH nobody records", "set recorder and enforceRecorder", evaluate=_judged(_recorders)),
)  # fmt: skip
"""In the order of their ids."""
