"""What must stay true of access, asserted in CI: no new access, no access from here to there, none from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tailscale_sdk.policy.access import cite, funnel_devices, reach
from tailscale_sdk.policy.access.ends import find_ends
from tailscale_sdk.policy.access.question import Question
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.diff import AccessDiff, Row
from tailscale_sdk.policy.findings import Finding
from tailscale_sdk.policy.language import Place

NO_NEW_ACCESS: Final = "check-no-new-access"
NOT_GRANTED: Final = "check-access-not-granted"
NO_PUBLIC_ACCESS: Final = "check-no-public-access"
_PUBLIC: Final = frozenset({"*", "autogroup:danger-all", "autogroup:shared"})
_TOP: Final = Place("", 1, 1)


def check_no_new_access(
    diff: AccessDiff, *, allowed: Iterable[str] = (), unknown_fails: bool = True
) -> list[Finding]:
    """Return a finding for each gain of access that is not allowed.

    Args:
        diff: of the old and the new policy.
        allowed: gains that are meant, as ``SOURCE->DESTINATION`` in the names of the difference.
        unknown_fails: what rests on a missing fact is a failure too.
    """
    wanted = {text.replace(" ", "") for text in allowed}
    return [
        _gain(diff, row, number)
        for number, row in enumerate(diff.gained)
        if _key(row) not in wanted and (row.certain or unknown_fails)
    ]


def _key(row: Row) -> str:
    return f"{row.sources.text}->{row.destinations.text}".replace(" ", "")


def _gain(diff: AccessDiff, row: Row, number: int) -> Finding:
    cited = {cite(rule): rule.place for rule in diff.new.rules}
    cited |= {cite(entry): entry.place for entry in diff.new.policy.ssh}
    place = next((cited[rule] for rule in row.rules if rule in cited), _TOP)
    return Finding(
        check=NO_NEW_ACCESS,
        severity="high",
        message=row.text,
        place=place,
        resource=_key(row),
        status="fail" if row.certain else "unknown",
        help=f"where it is meant, allow it: --allow '{_key(row)}'",
        title="The new policy gives access that the old one does not",
        kind="access",
        aspect=f"{row.kind} {row.what}",
    )


def check_access_not_granted(
    compiled: CompiledPolicy, source: str, destination: str, question: Question, *, unknown_fails: bool = True
) -> list[Finding]:
    """Return a finding for each rule by which a source can reach what it must not; present states do not count.

    Args:
        compiled: the policy in its tailnet.
        source: a device, user, group, tag or address.
        destination: likewise.
        question: which traffic.
        unknown_fails: what rests on a missing fact is a failure too.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
    """
    rows = reach(compiled, source=source, destination=destination, question=question)
    places = {cite(rule): rule.place for rule in compiled.rules}
    found: dict[str, Finding] = {}
    for row in rows:
        if row.ports and (row.certain or unknown_fails):
            finding = Finding(
                check=NOT_GRANTED,
                severity="high",
                message=f"{source} can reach {destination}: {row.rule} gives {row.ports}",
                place=places.get(row.rule, _TOP),
                resource=f"{source}->{destination}",
                status="fail" if row.certain else "unknown",
                help="narrow the rule, or take it away",
                title="Access that must not be granted is",
                kind="access",
                aspect=row.rule,
            )
            if found.get(row.rule, finding).status != "fail":
                found[row.rule] = finding
            found.setdefault(row.rule, finding)
    return list(found.values())


def check_no_public_access(
    compiled: CompiledPolicy, target: str, *, unknown_fails: bool = True
) -> list[Finding]:
    """Return a finding for each way in from outside: any source, shared people, funnel.

    Args:
        compiled: the policy in its tailnet.
        target: a device, tag, user or group.
        unknown_fails: what rests on a missing fact is a failure too.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
    """
    ends = find_ends(compiled, target, role="target")
    devices = 0
    for end in ends:
        devices |= 1 << compiled.number(end.device) if end.device is not None else 0
    return [*_open_rules(compiled, target, devices, unknown_fails), *_funnels(compiled, target, devices)]


def _open_rules(
    compiled: CompiledPolicy, target: str, devices: int, unknown_fails: bool
) -> Iterator[Finding]:
    for rule in compiled.rules:
        public = sorted({selector.name for selector in rule.sources} & _PUBLIC)
        reached = compiled.rule_destinations(rule)
        certain = bool(reached.yes & devices)
        if public and reached.possible & devices and (certain or unknown_fails):
            yield Finding(
                check=NO_PUBLIC_ACCESS,
                severity="critical",
                message=f"{cite(rule)} lets {', '.join(public)} reach {target}",
                place=rule.place,
                resource=target,
                status="fail" if certain else "unknown",
                help="name the users, groups or tags that need it",
                title="The target can be reached from outside",
                kind="access",
                aspect=rule.pointer or "allow-all",
            )


def _funnels(compiled: CompiledPolicy, target: str, devices: int) -> Iterator[Finding]:
    for device in funnel_devices(compiled):
        if devices >> compiled.number(device) & 1:
            entry = next(each for each in compiled.policy.node_attributes if "funnel" in each.attributes)
            yield Finding(
                check=NO_PUBLIC_ACCESS,
                severity="critical",
                message=f"{device.label} may turn funnel on and be reached from the internet",
                place=entry.place,
                resource=target,
                help="take the attribute funnel away from it",
                title="The target can be reached from outside",
                kind="device",
                name=device.label,
                aspect=f"funnel {device.id}",
            )
