"""Every check of a policy: its id, how bad it is, what it is about, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.policy.findings import Finding, Severity
from tailscale_sdk.policy.language import Place


@frozen
class LintCheck:
    """Describe one check.

    Attributes:
        id: stable name, such as ``unused-group``.
        severity: how bad a finding is.
        title: what it is about.
        help: what to do about it.
    """

    id: str
    severity: Severity
    title: str
    help: str

    def finding(
        self,
        message: str,
        place: Place,
        *,
        resource: str,
        kind: str,
        severity: Severity | None = None,
        fix: Sequence[Mapping[str, Any]] = (),
        aspect: str = "",
    ) -> Finding:
        """Return what it says of one resource."""
        return Finding(
            check=self.id,
            severity=severity or self.severity,
            message=message,
            place=place,
            resource=resource,
            help=self.help,
            fix=tuple(fix),
            title=self.title,
            kind=kind,
            aspect=aspect,
        )


_ALL: Final = (
    LintCheck("allow-all", "critical", "Everything is allowed", "add acls or grants: without both keys everybody reaches everything"),
    LintCheck("any-source", "high", "A rule lets in every source", "name the users, groups or tags that need it"),
    LintCheck("any-destination", "medium", "A rule opens every destination", "name the tags or hosts that are needed"),
    LintCheck("all-ports", "low", "A rule opens every port", "name the ports that are needed"),
    LintCheck("danger-all-source", "critical", "A rule lets in the whole internet", "autogroup:danger-all is every address there is: use *, or name who needs it"),
    LintCheck("many-devices", "low", "A rule reaches many devices", "split it, or narrow its sources and destinations"),
    LintCheck("ssh-root", "high", "SSH as root on tagged machines without a check", 'use action "check", or another login'),
    LintCheck("ssh-nonroot", "medium", "SSH as any login on tagged machines without a check", 'use action "check", or name the logins'),
    LintCheck("ssh-any-source", "high", "SSH from every device", "name who may log in"),
    LintCheck("ssh-no-recorder", "info", "SSH sessions are not recorded", "add a recorder where sessions have to be kept"),
    LintCheck("tag-owners-broad", "high", "Too many can hand out a tag", "let a small group own it"),
    LintCheck("approvers-broad", "high", "Too many can have a route approved", "let the routers' tag approve, for the networks they route"),
    LintCheck("no-posture", "info", "A protected tag is reached without posture", "add srcPosture to the rules that reach it"),
    LintCheck("member-with-shared", "medium", "A rule for members beside people of other tailnets", "make sure that they are not meant: name a group"),
    LintCheck("unused-group", "low", "A group nobody uses", "remove it"),
    LintCheck("unused-host", "low", "A host nobody uses", "remove it"),
    LintCheck("unused-tag", "low", "A tag nobody uses", "remove it, once no device and no key has it"),
    LintCheck("unused-ipset", "low", "An IP set nobody uses", "remove it"),
    LintCheck("unused-posture", "low", "A posture nobody uses", "remove it"),
    LintCheck("empty-group", "low", "A group without members", "add its members, or remove it"),
    LintCheck("unknown-member", "medium", "A member who is no user", "check how the login name is spelled, or remove it"),
    LintCheck("duplicate-member", "low", "The same entry twice", "remove one of them"),
    LintCheck("rule-matches-nobody", "low", "A rule without effect", "check its names: no device is its source, or none its destination"),
    LintCheck("redundant-rule", "low", "A rule that others contain", "remove it: others give all it gives"),
    LintCheck("duplicate-rule", "low", "The same rule twice", "remove one of them"),
    LintCheck("no-tests", "medium", "A policy without tests", "add tests: they stop a change that breaks access or opens too much"),
    LintCheck("tag-without-accept-test", "low", "No test expects access to a protected tag", "add a test with accept"),
    LintCheck("tag-without-deny-test", "medium", "No test expects a protected tag to be closed", "add a test with deny"),
    LintCheck("no-ssh-tests", "low", "SSH rules without sshTests", "add sshTests"),
    LintCheck("unknown-key", "medium", "A key this version does not know", "check how it is spelled: what is not known is not judged"),
)  # fmt: skip
CHECKS: Final[Mapping[str, LintCheck]] = {check.id: check for check in _ALL}
"""Every check by its id."""
