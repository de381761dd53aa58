"""Questions about access to a live tailnet: each reads what it needs and asks the policy engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.policies import history as policy_history
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.policy.access import explain as explain_access
from tailscale_sdk.policy.access import merge_families, read_question
from tailscale_sdk.policy.access import reach as reach_access
from tailscale_sdk.policy.access.ends import find_ends
from tailscale_sdk.policy.access.previewing import cross_check as cross_checked
from tailscale_sdk.policy.access.previewing import rules_for_address, rules_for_user
from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.diff import diff_policies, risks_of
from tailscale_sdk.policy.language import read_policy
from tailscale_sdk.policy.lint import lint as lint_policy
from tailscale_sdk.policy.tailnet import parse_address, read_tailnet
from tailscale_sdk.snapshot import TailnetSnapshot

Progress = Callable[[int, int], None]
Protocol = Literal["tcp", "udp", "icmp", "sctp"]


async def explain(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    source: str,
    destination: str,
    port: str | None = None,
    protocol: Protocol | None = None,
    policy: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """Answer why a source can or cannot reach a destination, with every fact behind it.

    Args:
        client: reads devices, users and the policy.
        now: moment that counts for key expiry, with a time zone.
        progress: told of steps done and steps in all.
        source: a device's name, id or address, a login, a group or a tag.
        destination: likewise, or an address behind a router or on the internet.
        port: a number, ``icmp``, or ``*`` for any; any when left out.
        protocol: TCP where only a port is given.
        policy: text to ask instead of the stored policy.
        snapshots: where reads are shared.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
        HuJSONError, PolicyError: the policy would be refused.
        TailscaleError: devices or policy cannot be read.

    Scope: ``devices:core:read``, ``policy_file:read``; ``users:read`` and ``devices:posture_attributes:read``
    where they matter.
    """
    question = read_question(port, protocol)
    reads = snapshots or SnapshotSource(client)
    compiled = _compiled(await reads.access(policy=policy, attributes_of=()))
    if compiled.policy.postures:
        asked = [
            end.device.id for end in find_ends(compiled, source, role="source") if end.device is not None
        ]
        compiled = _compiled(await reads.access(policy=policy, attributes_of=asked))
    return explain_access(compiled, source, destination, question, now=now)


async def reach(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    source: str | None = None,
    destination: str | None = None,
    port: str | None = None,
    protocol: Protocol | None = None,
    policy: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List what is allowed from a source, to a destination, or between both, rule by rule.

    Args:
        client: reads devices, users and the policy.
        now: not used: what is allowed does not change with time.
        progress: told of steps done and steps in all.
        source: whose reach; everybody's when left out.
        destination: what is reached; everything when left out.
        port: a number, ``icmp``, or ``*`` for any; any when left out.
        protocol: TCP where only a port is given.
        policy: text to ask instead of the stored policy.
        snapshots: where reads are shared.

    Returns:
        ``rows``, each with sources, destinations, ports, rule and line.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
        HuJSONError, PolicyError: the policy would be refused.
        TailscaleError: devices or policy cannot be read.

    Scope: ``devices:core:read``, ``policy_file:read``, ``users:read``.
    """
    question = read_question(port, protocol)
    compiled = _compiled(await (snapshots or SnapshotSource(client)).access(policy=policy))
    rows = merge_families(reach_access(compiled, source=source, destination=destination, question=question))
    return {"rows": [row.to_dict() for row in rows]}


async def diff(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    policy: str,
    base: str | None = None,
    protect: Sequence[str] = (),
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """Show the access that a new policy would give and take, with its risks; nothing is changed.

    Args:
        client: reads devices, users and the policy.
        now: not used.
        progress: told of steps done and steps in all.
        policy: the new text.
        base: text to compare with instead of the stored policy.
        protect: tags whose devices count as critical.
        snapshots: where reads are shared.

    Raises:
        HuJSONError, PolicyError: one of the policies would be refused.
        TailscaleError: devices or policy cannot be read.

    Scope: ``devices:core:read``, ``policy_file:read``, ``users:read``.
    """
    snapshot = await (snapshots or SnapshotSource(client)).access(policy=base)
    old, new = read_policy(snapshot.policy or ""), read_policy(policy)
    found = diff_policies(old, new, read_tailnet(snapshot))
    risks = [risk.to_dict() for risk in risks_of(found, protected=protect)]
    return {**found.to_dict(), "risks": risks}


async def lint(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    severity: Literal["info", "low", "medium", "high", "critical"] | None = None,
    policy: str | None = None,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """List what is wrong with a policy: unused, redundant, over-broad, untested; with lines and fixes.

    Args:
        client: reads devices, users and the policy.
        now: not used.
        progress: told of steps done and steps in all.
        severity: the least that is listed; everything when left out.
        policy: text to judge instead of the stored policy.
        snapshots: where reads are shared.

    Returns:
        ``rows``, the most severe first.

    Raises:
        HuJSONError, PolicyError: the policy would be refused.
        TailscaleError: devices or policy cannot be read.

    Scope: ``devices:core:read``, ``policy_file:read``, ``users:read``.
    """
    compiled = _compiled(await (snapshots or SnapshotSource(client)).access(policy=policy))
    order = ("info", "low", "medium", "high", "critical")
    least = order.index(severity) if severity else 0
    findings = [
        finding
        for finding in lint_policy(compiled.policy, compiled)
        if order.index(finding.severity) >= least
    ]
    return {"rows": [finding.to_dict() for finding in findings]}


async def cross_check(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    about: str,
    snapshots: SnapshotSource | None = None,
) -> dict[str, Any]:
    """Compare the rules our compiler finds for a user or an address with those the API's own preview names.

    Args:
        client: reads devices, users and the policy, and has the policy previewed.
        now: not used.
        progress: not used.
        about: a login name, or an address with a port such as ``100.64.0.1:22``.
        snapshots: where reads are shared.

    Returns:
        ``agrees``, and the lines of rules that only one of both names.

    Raises:
        ConfigurationError: it is neither.
        TailscaleError: something cannot be read.

    Scope: ``devices:core:read``, ``policy_file:read``, ``users:read``.
    """
    snapshot = await (snapshots or SnapshotSource(client)).access()
    compiled = _compiled(snapshot)
    address, colon, port = about.rpartition(":")
    is_address = bool(colon) and port.isdecimal() and parse_address(address) is not None
    if not is_address and "@" not in about:
        raise ConfigurationError(f"{about!r}: give a login name, or an address with a port")
    ours = rules_for_address(compiled, address, int(port)) if is_address else rules_for_user(compiled, about)
    kind: Literal["ipport", "user"] = "ipport" if is_address else "user"
    theirs = await client.policy.preview(snapshot.policy or "", type=kind, preview_for=about)
    return cross_checked(ours, theirs.to_dict()).to_dict()


async def history(
    client: AsyncTailscale,
    *,
    now: datetime,
    progress: Progress,
    changes: AsyncChanges | None = None,
) -> dict[str, Any]:
    """List the kept versions of the policy: when, by whom and why each was replaced.

    Args:
        client: whose tailnet is meant; nothing is sent.
        now: not used.
        progress: not used.
        changes: engine whose versions are meant.

    Returns:
        ``rows``, newest first; ``version`` is what ``plan_rollback`` takes.

    Raises:
        StateError: they cannot be read.
    """
    return {"rows": [entry.to_dict() for entry in policy_history(changes or AsyncChanges(client))]}


def _compiled(snapshot: TailnetSnapshot) -> CompiledPolicy:
    return compile_policy(read_policy(snapshot.policy or ""), read_tailnet(snapshot))
