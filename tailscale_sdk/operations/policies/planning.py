"""Plan a change of the policy: edit, judge, refuse what locks out, and keep a plan that can be applied once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from tailscale_sdk.calls.policy_file import PolicyDocument, bare_etag
from tailscale_sdk.changes import AsyncChanges, Plan, Remarks
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import (
    ChangeRefusedError,
    ConfigurationError,
    PermissionDeniedError,
    PolicyError,
    PreconditionFailedError,
    StateError,
)
from tailscale_sdk.operations.policies.conflicts import Conflict, PolicyConflictError, find_conflict
from tailscale_sdk.operations.policies.credentials import read_credentials
from tailscale_sdk.operations.policies.history import PREVIOUS, find_version, last_applied
from tailscale_sdk.operations.policies.judgement import Judgement, judge
from tailscale_sdk.operations.policies.stakes import Lockout, Stakes
from tailscale_sdk.operations.policies.texts import hash_of, text_difference
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.policy.edits import Edit, edited
from tailscale_sdk.policy.tailnet import Tailnet, read_tailnet

OUTSIDE_EDIT = "outside-edit"


@frozen
class PolicyPlan:
    """Hold a change of the policy that can be applied once.

    Attributes:
        plan: the engine's; its id is what ``apply_change`` takes.
        judgement: access gained and lost, risks, lock-outs that were overridden, the textual difference.
        base: version tag of the stored policy that it replaces.
        sha256: hash of the bytes that will be sent.
        reason: why, in the words of who makes it.
    """

    plan: Plan
    judgement: Judgement
    base: str
    sha256: str
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what it means as JSON data."""
        return {
            "base": self.base,
            "sha256": self.sha256,
            **({"reason": self.reason} if self.reason else {}),
            **self.judgement.to_dict(),
        }


def _names(given: Iterable[str]) -> frozenset[str]:
    return frozenset(given)


@frozen
class Safeguards:
    """Hold what a caller accepts, and what must not be lost.

    Attributes:
        override: lock-outs that are accepted, each by its name.
        accept_warnings: a policy that the service only warns of may be planned.
        protect: tags whose devices count as critical, beside those the engine's operator protects.
        stakes: addresses of the caller, and of the server where the engine does not know its own node; the
            credentials are read.
    """

    override: frozenset[str] = field(default=frozenset(), converter=_names)
    accept_warnings: bool = False
    protect: frozenset[str] = field(default=frozenset(), converter=_names)
    stakes: Stakes = field(factory=Stakes)


async def plan_change(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    edits: Sequence[Edit] = (),
    text: str | None = None,
    if_match: str | None = None,
    reason: str | None = None,
    safeguards: Safeguards | None = None,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> PolicyPlan:
    """Plan a change of the policy; only reads are sent, and the service judges the very bytes.

    Args:
        client: reads policy, devices and users, and has the policy validated.
        now: moment of planning, with a zone.
        progress: told of steps done and steps in all.
        edits: what to change in the stored text; every other byte stays.
        text: a whole new text in place of edits.
        if_match: ETag the text is based on, where the caller knows it; ``ts-default`` for the untouched policy.
        reason: why, kept with the version that is replaced and in the audit trail.
        safeguards: what is accepted, and what must not be lost.
        changes: engine to plan with; one over the platform's state directory when left out.
        principal: who plans; the operating system's user when left out.
        digest: hash of the caller's arguments that the plan is bound to.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: both edits and a text are given.
        ChangeRefusedError: nothing would change, or somebody would be locked out; the text says what to name.
        HuJSONError, PolicyError: the control plane would refuse the new policy, or warns of it.
        PolicyConflictError: somebody changed the policy while it was planned, or since it was read.
        TailscaleError: the tailnet cannot be read.

    Scope: ``policy_file``, ``devices:core:read``; ``users:read`` and the reading of keys where they are granted.
    """
    if edits and text is not None:
        raise ConfigurationError("give edits or a whole text, not both")
    guarded = safeguards or Safeguards()
    engine = changes or AsyncChanges(client)
    stored = await client.policy.get()
    if not stored.etag:
        raise PolicyError("the service sent no ETag with the policy: a write could not be guarded")
    new = edited(stored.text, edits) if text is None else text
    if if_match not in {None, "ts-default"} and bare_etag(str(if_match)) != bare_etag(stored.etag):
        raise PolicyConflictError(_known_conflict(engine, bare_etag(str(if_match)), new, stored))
    if new == stored.text:
        raise ChangeRefusedError("the policy says this already: nothing would change")
    progress(1, 4)
    guarded = _with_what_is_known(engine, guarded)
    judgement = await _judge(client, stored, new, guarded, snapshots or SnapshotSource(client))
    outside = _outside_edit(engine, stored) if text is not None else ()
    judgement = judgement.with_lockouts(outside)
    judgement.refuse_lockouts(guarded.override)
    progress(3, 4)
    try:
        plan = await engine.plan(
            [client.prepare("setPolicyFile", policy=new, if_match=if_match or stored.etag)],
            principal=principal,
            accept_warnings=guarded.accept_warnings,
            remarks=Remarks(reason, judgement.sentences, digest),
        )
    except PreconditionFailedError as error:
        conflict = await find_conflict(client, base=stored.etag, mine=hash_of(new), base_text=stored.text)
        raise PolicyConflictError(conflict) from error
    progress(4, 4)
    return PolicyPlan(plan, judgement, stored.etag, hash_of(new), reason)


async def plan_rollback(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    version: str = PREVIOUS,
    reason: str | None = None,
    safeguards: Safeguards | None = None,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> PolicyPlan:
    """Plan to put a kept version of the policy back; it is a change like any other, with the same checks.

    Args:
        client: as for ``plan_change``.
        now: moment of planning, with a zone.
        progress: told of steps done and steps in all.
        version: ``previous``; the beginning of a version's name, hash or ETag, as ``history`` lists them; or a
            moment with a zone, for the version that was in force then.
        reason: why; it says which version is put back when left out.
        safeguards: as for ``plan_change``; what the service only warns of is accepted.
        changes: engine whose kept versions are meant.
        principal: who plans.
        digest: hash of the caller's arguments.
        snapshots: where reads are shared.

    Raises:
        StateError: no such version is kept, or it cannot be read.
        TailscaleError: as ``plan_change`` does.

    Scope: as ``plan_change``.
    """
    engine = changes or AsyncChanges(client)
    kept = find_version(engine, version)
    guarded = safeguards or Safeguards()
    # Going back to what was there is no edit from outside, and what the service only warns of was in force before.
    guarded = evolve(guarded, override=guarded.override | {OUTSIDE_EDIT}, accept_warnings=True)
    return await plan_change(
        client,
        now=now,
        progress=progress,
        text=kept.text,
        reason=reason or f"back to the version {kept.version.name}",
        safeguards=guarded,
        changes=engine,
        principal=principal,
        digest=digest,
        snapshots=snapshots,
    )


def _with_what_is_known(engine: AsyncChanges, guarded: Safeguards) -> Safeguards:
    """Add what the operator protects and the node this runs on, as the engine's own guards know them."""
    tags = {name for name in engine.protected if name.startswith("tag:")}
    given = guarded.stakes
    stakes = evolve(
        given, server=given.server or engine.own_addresses, critical=given.critical | engine.protected
    )
    return evolve(guarded, protect=guarded.protect | tags, stakes=stakes)


def _known_conflict(engine: AsyncChanges, base: str, new: str, stored: PolicyDocument) -> Conflict:
    """Compare with the policy the caller has read, if its version is kept; else with what they want to write."""
    try:
        before, names = find_version(engine, base).text, ("base", "theirs")
    except StateError:
        before, names = new, ("mine", "theirs")
    lines = text_difference(before, stored.text, names=names)
    return Conflict(base, hash_of(new), stored.etag, lines)


async def _judge(
    client: AsyncTailscale, stored: PolicyDocument, new: str, guarded: Safeguards, reads: SnapshotSource
) -> Judgement:
    tailnet: Tailnet | None
    try:
        tailnet = read_tailnet(await reads.access(policy=stored.text))
    except PermissionDeniedError:
        # Whoever may write the policy but not read the devices writes it without seeing what it means.
        tailnet = None
    given = guarded.stakes
    stakes = Stakes(
        caller=given.caller,
        server=given.server,
        critical=given.critical | guarded.protect,
        credentials=given.credentials or await read_credentials(client, stored.text, new),
    )
    return judge(stored.text, new, tailnet, stakes=stakes, protect=sorted(guarded.protect))


def _outside_edit(engine: AsyncChanges, stored: PolicyDocument) -> Iterable[Lockout]:
    """Tell of an edit that a whole new text, made without knowing of it, would take back."""
    applied = last_applied(engine, stored.text)
    if applied is not None and not applied.wrote(stored.text):
        return (
            Lockout(
                OUTSIDE_EDIT,
                "the stored policy is not the one that was applied from here last: somebody edited it elsewhere",
            ),
        )
    return ()
