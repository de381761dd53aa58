"""Checks of the tailnet's settings: each is on or off, and null is neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Check, Outcome, Subject, call, fact
from tailscale_sdk.operations.fleet import Step
from tailscale_sdk.operations.settings_drift import SETTING_ARGUMENTS
from tailscale_sdk.operations.values import flag_of, number_of, text_of
from tailscale_sdk.policy.findings import Severity

_SOURCE: Final = "getTailnetSettings"
_INPUTS: Final = ("settings",)


def _set(name: str, value: object) -> Step:
    return call("updateTailnetSettings", **{SETTING_ARGUMENTS[name]: value})


def _untold(subject: Subject) -> Outcome:
    return Outcome(subject, "unknown", f"the API does not say what {subject.id} is")


def _switched_on(name: str, off: str) -> Callable[[Audited], Iterator[Outcome]]:
    def evaluate(audited: Audited) -> Iterator[Outcome]:
        subject = Subject("setting", name)
        value = flag_of(audited.settings, name)
        if value is None:
            yield _untold(subject)
        elif value:
            yield Outcome(subject, "pass")
        else:
            fix = (_set(name, True),)
            yield Outcome(subject, "fail", off, evidence=(fact(_SOURCE, **{name: False}),), fix=fix)

    return evaluate


def _key_duration(audited: Audited) -> Iterator[Outcome]:
    name = "devicesKeyDurationDays"
    subject, most = Subject("setting", name), audited.options.device_key_days
    days = number_of(audited.settings, name)
    if days is None:
        yield _untold(subject)
    elif days <= most:
        yield Outcome(subject, "pass")
    else:
        severity: Severity = "high" if days > 2 * most else "medium"
        yield Outcome(
            subject,
            "fail",
            f"a device stays signed in for {days} days: {most:g} are allowed",
            severity=severity,
            evidence=(fact(_SOURCE, **{name: days}),),
            fix=(_set(name, int(most)),),
        )


def _joining_others(audited: Audited) -> Iterator[Outcome]:
    name = "usersRoleAllowedToJoinExternalTailnets"
    subject, role = Subject("setting", name), text_of(audited.settings, name)
    if role in {"none", "admin"}:
        yield Outcome(subject, "pass")
    elif role == "member":
        yield Outcome(
            subject,
            "fail",
            "every member may join other tailnets",
            evidence=(fact(_SOURCE, **{name: role}),),
            fix=(_set(name, "admin"),),
        )
    else:
        yield _untold(subject)


def _switch(
    check: str, severity: Severity, title: str, name: str, off: str, *controls: str, remediation: str
) -> Check:
    return Check(check, severity, title, remediation, _INPUTS, controls, _switched_on(name, off))


CHECKS: Final = (
    _switch(
        "SET-01",
        "high",
        "Devices join without approval",
        "devicesApprovalOn",
        "a device of any user is in the tailnet at once",
        "CC7.1",
        remediation="turn device approval on",
    ),
    _switch(
        "SET-02",
        "medium",
        "Users join without approval",
        "usersApprovalOn",
        "whoever can sign in is a user at once",
        "CC7.1",
        remediation="turn user approval on",
    ),
    Check(
        "SET-03",
        "medium",
        "Device keys last too long",
        "lower the key duration: 90 days or less",
        _INPUTS,
        ("CC7.1",),
        _key_duration,
    ),
    _switch(
        "SET-04",
        "medium",
        "Clients do not update by themselves",
        "devicesAutoUpdatesOn",
        "new devices do not update by themselves",
        "CC7.1",
        remediation="turn auto-update on",
    ),
    _switch(
        "SET-05",
        "medium",
        "Network flows are not logged",
        "networkFlowLoggingOn",
        "nothing tells later who talked to whom",
        "CC7.1",
        remediation="turn network flow logging on, where the plan has it",
    ),
    Check(
        "SET-06",
        "medium",
        "Members may join other tailnets",
        "allow it to admins, or to nobody",
        _INPUTS,
        ("CC7.1",),
        _joining_others,
    ),
    _switch(
        "SET-07",
        "low",
        "Serial numbers are not collected",
        "postureIdentityCollectionOn",
        "devices cannot be told apart by their hardware",
        "CC7.1",
        remediation="turn posture identity collection on",
    ),
)
"""In the order of their ids."""
