"""The policy transaction as a caller with plain values uses it: an intent by name, a patch, or a whole text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import policies
from tailscale_sdk.operations.policies import PolicyPlan, PolicyReport, Safeguards
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.policy import edits as kinds
from tailscale_sdk.policy.edits import Edit, PatchText

Intent = Literal[
    "add_member",
    "remove_member",
    "create_group",
    "remove_group",
    "set_host",
    "remove_host",
    "add_tag_owner",
    "remove_tag_owner",
    "add_route_approver",
    "remove_route_approver",
    "add_grant",
    "remove_grant",
    "add_acl",
    "remove_acl",
    "add_test",
    "add_ssh_test",
]

_PAIRS: Final[Mapping[str, Callable[[str, str], Edit]]] = {
    "add_member": kinds.AddMember,
    "remove_member": kinds.RemoveMember,
    "create_group": lambda name, value: kinds.CreateGroup(name, [each.strip() for each in value.split(",")]),
    "set_host": kinds.SetHost,
    "add_tag_owner": kinds.AddTagOwner,
    "remove_tag_owner": kinds.RemoveTagOwner,
    "add_route_approver": kinds.AddRouteApprover,
    "remove_route_approver": kinds.RemoveRouteApprover,
}
_NAMES: Final[Mapping[str, Callable[[str], Edit]]] = {
    "create_group": kinds.CreateGroup,
    "remove_group": kinds.RemoveGroup,
    "remove_host": kinds.RemoveHost,
}
_RULES: Final[Mapping[str, Callable[[Mapping[str, Any]], Edit]]] = {
    "add_grant": kinds.AddGrant,
    "remove_grant": kinds.RemoveGrant,
    "add_acl": kinds.AddACL,
    "remove_acl": kinds.RemoveACL,
    "add_test": kinds.AddTest,
    "add_ssh_test": kinds.AddSSHTest,
}


def edit_of(
    intent: Intent, name: str | None = None, value: str | None = None, rule: Mapping[str, Any] | None = None
) -> Edit:
    """Return the edit an intent means.

    Args:
        intent: what is to be done.
        name: the group, host, tag or route it is done to.
        value: the member, address, owner or approver; several members are separated by commas.
        rule: the grant, acl or test, as it stands in a policy.

    Raises:
        ConfigurationError: the intent needs another argument, or one of them cannot be what it is for.
    """
    try:
        if intent in _RULES and rule is not None:
            return _RULES[intent](rule)
        if intent in _PAIRS and name is not None and value is not None:
            return _PAIRS[intent](name, value)
        if intent in _NAMES and name is not None and value is None:
            return _NAMES[intent](name)
    except (ValueError, TypeError) as problem:
        raise ConfigurationError(f"{intent}: {problem}") from None
    needed = (
        "rule"
        if intent in _RULES
        else "name"
        if intent in {"remove_group", "remove_host"}
        else "name and value"
    )
    raise ConfigurationError(f"{intent} needs {needed}")


async def plan_change(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
    intent: Intent | None = None,
    name: str | None = None,
    value: str | None = None,
    rule: Mapping[str, Any] | None = None,
    patch: Sequence[Mapping[str, Any]] | None = None,
    text: str | None = None,
    reason: str | None = None,
    accept_warnings: bool = False,
    override: Sequence[str] = (),
) -> PolicyPlan:
    """Plan a change of the policy by intent, by RFC 6902 patch, or by a whole new text.

    Args:
        client: as for ``policies.plan_change``; so are now, progress, changes, principal, digest and snapshots.
        intent: what to do; with name and value, or with rule.
        patch: operations on the stored text.
        text: a whole new text.
        reason: why.
        accept_warnings: a policy that the service only warns of may be planned.
        override: lock-outs that are accepted, each by its name.

    Raises:
        ConfigurationError: none or several of intent, patch and text are given, or an argument is missing.
        TailscaleError: as ``policies.plan_change`` does.

    Scope: ``policy_file``, ``devices:core:read``.
    """
    if sum(each is not None for each in (intent, patch, text)) != 1:
        raise ConfigurationError("give one of intent, patch and text")
    edits: list[Edit] = []
    if intent is not None:
        edits = [edit_of(intent, name, value, rule)]
    elif patch is not None:
        edits = [PatchText(patch)]
    return await policies.plan_change(
        client,
        now=now,
        progress=progress,
        edits=edits,
        text=text,
        reason=reason,
        safeguards=Safeguards(override=override, accept_warnings=accept_warnings),
        changes=changes,
        principal=principal,
        digest=digest,
        snapshots=snapshots,
    )


async def plan_text(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
    policy: str,
    if_match: str,
) -> PolicyPlan:
    """Plan to replace the whole policy, where the stored one is still the one that was read.

    Args:
        client: as for ``policies.plan_change``; so are now, progress, changes, principal, digest and snapshots.
        policy: the new text.
        if_match: ETag of the policy it is based on; ``ts-default`` for the untouched one.

    Raises:
        PreconditionFailedError: the stored policy is another one by now.
        TailscaleError: as ``policies.plan_change`` does.

    Scope: ``policy_file``; ``devices:core:read`` where the difference of access is to be shown.
    """
    return await policies.plan_change(
        client,
        now=now,
        progress=progress,
        text=policy,
        if_match=if_match,
        changes=changes,
        principal=principal,
        digest=digest,
        snapshots=snapshots,
        # Whoever names the version they read knows of every edit in it.
        safeguards=Safeguards(override=[policies.OUTSIDE_EDIT]),
    )


async def plan_rollback(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    snapshots: SnapshotSource | None = None,
    version: str | None = None,
    reason: str | None = None,
    override: Sequence[str] = (),
) -> PolicyPlan:
    """Plan to put a kept version of the policy back.

    Args:
        client: as for ``policies.plan_rollback``; so are now, progress, changes, principal, digest and snapshots.
        version: beginning of its name, hash or ETag; the one before the present one when left out.
        reason: why.
        override: lock-outs that are accepted, each by its name.

    Raises:
        TailscaleError: as ``policies.plan_rollback`` does.

    Scope: ``policy_file``, ``devices:core:read``.
    """
    return await policies.plan_rollback(
        client,
        now=now,
        progress=progress,
        version=version or "previous",
        reason=reason,
        safeguards=Safeguards(override=override),
        changes=changes,
        principal=principal,
        digest=digest,
        snapshots=snapshots,
    )


async def apply_change(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
    principal: str | None = None,
    digest: str | None = None,
    plan_id: str,
) -> PolicyReport:
    """Apply a planned policy, once.

    Args:
        client: as for ``policies.apply_change``; so are all others.
        plan_id: of a policy plan.

    Raises:
        TailscaleError: as ``policies.apply_change`` does.

    Scope: ``policy_file``.
    """
    return await policies.apply_change(
        client,
        now=now,
        progress=progress,
        plan_id=plan_id,
        changes=changes,
        principal=principal,
        digest=digest,
    )
