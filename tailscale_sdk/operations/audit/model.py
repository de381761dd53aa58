"""What a check is: data with one function, which looks at a tailnet and has one word per resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from attrs import Factory, field, frozen

from tailscale_sdk.operations.audit.attestations import Attestation
from tailscale_sdk.operations.audit.judged_policy import JudgedPolicy, judge_policy
from tailscale_sdk.operations.audit.options import AuditOptions
from tailscale_sdk.operations.fleet import Device, Fleet, Step
from tailscale_sdk.operations.keys.inventory import KeyRow, key_inventory
from tailscale_sdk.operations.values import mapping_of, text_of
from tailscale_sdk.policy.findings import Severity, Status
from tailscale_sdk.policy.language import Place

Json = Mapping[str, Any]
TAILNET: Final = "tailnet"


@frozen
class Subject:
    """Hold what a check speaks of.

    Attributes:
        kind: device, key, user, setting …
        id: stable id; the one that does not change with a name.
        name: what people call it.
    """

    kind: str
    id: str
    name: str = ""


@frozen
class Outcome:
    """Hold what a check says of one resource.

    Attributes:
        subject: the resource.
        status: what came out.
        message: what is the case, one sentence.
        severity: how bad it is where that differs from the check's own.
        aspect: what tells two outcomes of one check on one resource apart.
        evidence: facts behind it, each with its source.
        fix: calls that would remove it; those with risks are made only where somebody chose this very finding.
        patch: RFC 6902 operations on the policy that would remove it.
        tests_for: tags that tests of the policy would remove it for, by what they say of them: ``accept``, ``deny``,
            ``ssh``; None where tests are no remedy. They are written when the fix is planned.
        place: where it stands in the policy.
    """

    subject: Subject
    status: Status
    message: str = ""
    severity: Severity | None = None
    aspect: str = ""
    evidence: tuple[Json, ...] = ()
    fix: tuple[Step, ...] = ()
    patch: tuple[Json, ...] = ()
    tests_for: Mapping[str, Sequence[str]] | None = None
    place: Place | None = None

    def fix_data(self) -> tuple[Json, ...]:
        """Return the fix as JSON data: calls with their arguments, and what becomes of the policy."""
        calls = (
            {
                "operation": step.operation_id,
                "arguments": dict(step.arguments),
                **({"risks": list(step.risks)} if step.risks else {}),
            }
            for step in self.fix
        )
        edit = {
            **({"patch": list(self.patch)} if self.patch else {}),
            **(
                {"tests_for": {kind: list(tags) for kind, tags in self.tests_for.items()}}
                if self.tests_for
                else {}
            ),
        }
        return (*calls, *([{"operation": "setPolicyFile", **edit}] if edit else ()))


@frozen
class Audited:
    """Hold what checks look at.

    Attributes:
        fleet: devices, and the snapshot they are from.
        options: thresholds and lists of this tailnet.
        now: moment of asking, with a zone.
        attestations: what people vouch for.
        today: day on which waivers and attestations have to hold; the tailnet may have been read long before.
    """

    fleet: Fleet
    options: AuditOptions
    now: datetime
    attestations: tuple[Attestation, ...] = ()
    today: date = field(default=Factory(lambda made: made.now.date(), takes_self=True))

    _plain: dict[tuple[str, Status], Outcome] = field(factory=dict, init=False, eq=False, repr=False)

    def plain(self, device: Device, status: Status) -> Outcome:
        """Return a word on a device that needs no message; of most devices every check says the same one."""
        key = device.id, status
        if key not in self._plain:
            self._plain[key] = Outcome(of_device(device), status)
        return self._plain[key]

    @property
    def devices(self) -> Sequence[Device]:
        """Return every device."""
        return self.fleet.devices

    @cached_property
    def keys(self) -> Sequence[KeyRow]:
        """Return every credential, with its risks."""
        return key_inventory(self.fleet, now=self.now) or ()

    @cached_property
    def users(self) -> Mapping[str, Json]:
        """Return users by id."""
        return {text_of(user, "id"): user for user in self.fleet.snapshot.users}

    @cached_property
    def settings(self) -> Json:
        """Return the tailnet's settings."""
        return mapping_of(self.fleet.snapshot.content, "settings")

    @cached_property
    def policy(self) -> JudgedPolicy | str:
        """Return the policy, compiled, or why it cannot be judged."""
        return judge_policy(self.fleet)

    def part(self, name: str) -> Json:
        """Return a part of the snapshot that is an object, an empty one where it was not read."""
        return mapping_of(self.fleet.snapshot.content, name)

    def rows(self, name: str) -> Sequence[Json]:
        """Return a part of the snapshot that is a list, an empty one where it was not read."""
        return self.fleet.snapshot.content.get(name) or ()

    def why_missing(self, name: str) -> str | None:
        """Return why a part was not read, None where it was.

        Args:
            name: of the part: users, keys, settings …
        """
        if self.fleet.snapshot.content.get(name) is not None:
            return None
        return self.fleet.coverage.get(name, "not in the snapshot")


@frozen
class Check:
    """Describe one check.

    Attributes:
        id: stable name, such as ``KEY-02``.
        severity: how bad a finding is, unless an outcome says otherwise.
        title: what it is about.
        remediation: what to do about it.
        inputs: parts of the snapshot without which nothing can be said, besides the devices.
        controls: SOC 2 criteria it gives evidence for.
        evaluate: says something of each resource.
        version: grows when its judgement changes.
    """

    id: str
    severity: Severity
    title: str
    remediation: str
    inputs: tuple[str, ...]
    controls: tuple[str, ...]
    evaluate: Callable[[Audited], Iterable[Outcome]] = field(repr=False)
    version: int = 1

    @property
    def family(self) -> str:
        """Return what stands before the number: ``KEY``."""
        return self.id.partition("-")[0]


def of_device(device: Device) -> Subject:
    """Return a device as the subject of an outcome."""
    return Subject("device", device.id, device.label)


def fact(source: str, **values: Any) -> Json:
    """Return one fact behind a finding.

    Args:
        source: operation or part it is from.
        **values: what it says.
    """
    return {"source": source, **values}


def call(operation: str, *risks: str, **arguments: Any) -> Step:
    """Return one call that a fix makes.

    Args:
        operation: operation id.
        *risks: what people will notice, one sentence each.
        **arguments: keywords of the SDK's method.
    """
    return Step(operation, arguments, risks=risks)
