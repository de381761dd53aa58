"""The one way to write: plan, look, apply, verify; the same steps for both kinds of client."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tailscale_sdk.calls.prepared import PreparedCall, prepare, sending_steps
from tailscale_sdk.calls.steps import Steps, run, run_async
from tailscale_sdk.changes.accounts import Account, account_of, recent_accounts
from tailscale_sdk.changes.applying import applying_steps
from tailscale_sdk.changes.closing import finishing_steps
from tailscale_sdk.changes.context import Context
from tailscale_sdk.changes.course import Progress
from tailscale_sdk.changes.guards import Caps, OwnCredential, OwnNode, Protected
from tailscale_sdk.changes.local_state import LocalState
from tailscale_sdk.changes.model import ChangeReport, Check, Guard, Plan
from tailscale_sdk.changes.planning import NO_REMARKS, Remarks, planning_steps
from tailscale_sdk.changes.recovery import OpenChange, open_steps, undo_calls
from tailscale_sdk.changes.resuming import rest_steps
from tailscale_sdk.client import AsyncTailscale, Tailscale
from tailscale_sdk.transport.clock import Clock

DEFAULT_PROFILE = "default"


def own_principal() -> str:
    """Return who plans and applies from this process: the operating system's user."""
    return f"os:{os.getuid()}" if hasattr(os, "getuid") else "os:user"


class _Engine:
    """Be what both engines have in common."""

    def __init__(
        self,
        client: Tailscale | AsyncTailscale,
        *,
        state: LocalState | None = None,
        profile: str = DEFAULT_PROFILE,
        guards: Iterable[Guard] = (),
    ) -> None:
        self.client, self.state, self.profile = client, state or LocalState(), profile
        channel: Any = client._channel
        self.clock: Clock = channel.sender.connection.clock
        clock = self.clock
        marks = clock.nonce if channel.options.mark_creation else lambda: None
        self._channel = channel
        self._guards = (OwnCredential(client.own_key_id), *guards)
        self._context = Context(
            tailnet=channel.tailnet,
            profile=profile,
            prepare=lambda operation_id, arguments, mark_with=marks: prepare(
                channel.tailnet, operation_id, arguments, mark_with
            ),
            sending=lambda call: sending_steps(call, channel.options, clock),
            now=clock.now,
            state=self.state,
            key_id=client.own_key_id,
        )

    @property
    def policy_shelf(self) -> str:
        """Return the name under which versions of this tailnet's policy are kept."""
        return self._context.shelf

    @property
    def protected(self) -> frozenset[str]:
        """Return the names of what the operator protects, as the guards of this engine have them."""
        found = (guard.names for guard in self._guards if isinstance(guard, Protected))
        return frozenset().union(*found)

    @property
    def own_addresses(self) -> frozenset[str]:
        """Return the Tailscale addresses of the node this runs on, where a guard of this engine knows them."""
        found = (guard.addresses for guard in self._guards if isinstance(guard, OwnNode))
        return frozenset().union(*found)

    def _planning(
        self,
        calls: Sequence[PreparedCall],
        principal: str | None,
        guards: Iterable[Guard],
        *,
        accept_warnings: bool,
        undoes: str | None = None,
        continues: str | None = None,
        remarks: Remarks = NO_REMARKS,
    ) -> Steps[Plan]:
        return planning_steps(
            self._context,
            calls,
            principal=principal or own_principal(),
            guards=self._all(guards),
            undoes=undoes,
            continues=continues,
            accept_warnings=accept_warnings,
            remarks=remarks,
        )

    def _all(self, guards: Iterable[Guard]) -> tuple[Guard, ...]:
        given = tuple(guards)
        caps = () if any(isinstance(guard, Caps) for guard in given) else (Caps(),)
        return (*self._guards, *caps, *given)

    def _applying(
        self,
        plan_id: str,
        principal: str | None,
        expect: str | None,
        secrets: Mapping[str, Any] | None,
        guards: Iterable[Guard],
        checks: Iterable[Check],
        progress: Progress | None,
        keep_open: bool,
        stop_on_error: bool | None,
    ) -> Steps[ChangeReport]:
        return applying_steps(
            self._context,
            plan_id,
            principal=principal or own_principal(),
            expect=expect,
            given_secrets=secrets,
            guards=(*self._guards, *guards),
            checks=checks,
            progress=progress,
            keep_open=keep_open,
            stop_on_error=stop_on_error,
        )

    def account(self, change_id: str) -> Account:
        """Return what this machine knows of a change, item by item; nothing is read from the service.

        Args:
            change_id: id of the change, from its report or ``state.journal.changes``.

        Raises:
            ChangeRefusedError: it is not known here.
            StateError: it cannot be read.
        """
        return account_of(self._context, change_id)

    def recent(self, limit: int = 20, *, principal: str | None = None) -> tuple[Account, ...]:
        """Return what this machine knows of the last changes, the newest first.

        Args:
            limit: how many.
            principal: only what this one made.

        Raises:
            StateError: it cannot be read.
        """
        return recent_accounts(self._context, limit, principal)

    def _resuming(
        self, change_id: str, principal: str | None, secrets: Mapping[str, Any] | None, digest: str | None
    ) -> Steps[Plan]:
        rest = yield from rest_steps(self._context, change_id, secrets)
        remarks = Remarks(
            reason=f"the rest of change {change_id}",
            risks=rest.left_out,
            digest=digest,
            notes=rest.notes,
        )
        caps = Caps(max_changes=len(rest.calls))
        return (
            yield from self._planning(
                rest.calls, principal, (caps,), accept_warnings=True, continues=change_id, remarks=remarks
            )
        )

    def _undoing(self, change_id: str, principal: str | None, digest: str | None) -> Steps[Plan]:
        calls = yield from undo_calls(self._context, change_id)
        caps = Caps(max_changes=len(calls))
        remarks = Remarks(reason=f"takes back change {change_id}", digest=digest)
        return (
            yield from self._planning(
                calls, principal, (caps,), accept_warnings=True, undoes=change_id, remarks=remarks
            )
        )


class Changes(_Engine):
    """Plan and apply changes with a synchronous client.

    Args:
        client: what plans read and send with.
        state: what this machine keeps; the platform's state directory when left out.
        profile: name under which plans, journal and audit are kept apart.
        guards: what no plan may do, besides touching the credential itself.
    """

    def plan(
        self,
        calls: Sequence[PreparedCall],
        *,
        principal: str | None = None,
        guards: Iterable[Guard] = (),
        accept_warnings: bool = False,
        remarks: Remarks = NO_REMARKS,
    ) -> Plan:
        """Read the state, show what each call changes, and keep the plan for 15 minutes; nothing is changed.

        Args:
            calls: write and delete calls of ``client.prepare``, in order.
            principal: who makes it; the operating system's user when left out.
            guards: what this plan may not do; ``Caps()`` unless one is given.
            accept_warnings: a policy that the service only warns of may be planned.
            remarks: reason and risks to keep with it.

        Raises:
            ChangeRefusedError: a guard refused the plan.
            PolicyError: the service refuses the policy.
            TailscaleError: the state cannot be read.
        """
        steps = self._planning(calls, principal, guards, accept_warnings=accept_warnings, remarks=remarks)
        return run(self._channel, steps)

    def apply(
        self,
        plan_id: str,
        *,
        principal: str | None = None,
        expect: str | None = None,
        secrets: Mapping[str, Any] | None = None,
        guards: Iterable[Guard] = (),
        checks: Iterable[Check] = (),
        progress: Progress | None = None,
        keep_open: bool = False,
        stop_on_error: bool | None = None,
    ) -> ChangeReport:
        """Apply a plan, once: each item is compared, noted, sent and read back.

        Args:
            plan_id: of ``plan``.
            principal: the one who made it.
            expect: digest of the arguments, where the caller repeats them.
            secrets: secret arguments by name, or by ``<item>.<name>``; plans never keep them.
            guards: as for ``plan``.
            checks: asked before each request and after each verification.
            progress: called with items done and items in all.
            keep_open: what is verified stays open in the journal until ``finish``, because more is to come of it.
            stop_on_error: begin nothing more once an item failed; when left out, where something is taken away.

        Raises:
            PlanRefusedError: there is no such plan for this principal now; nothing was sent.
            StateError: this machine cannot keep what must be kept first; nothing was sent.
        """
        steps = self._applying(
            plan_id, principal, expect, secrets, guards, checks, progress, keep_open, stop_on_error
        )
        return run(self._channel, steps)

    def finish(self, change_id: str) -> None:
        """Close a change that was kept open.

        Args:
            change_id: id of the change, from its report.
        """
        run(self._channel, finishing_steps(self._context, change_id))

    def plan_undo(self, change_id: str, *, principal: str | None = None, digest: str | None = None) -> Plan:
        """Plan what takes a change back; it is refused where somebody changed the same since.

        Args:
            change_id: id of the change, from its report or the journal.
            principal: who makes the plan.
            digest: hash of the caller's arguments.

        Raises:
            ChangeRefusedError: nothing of it can be taken back.
        """
        return run(self._channel, self._undoing(change_id, principal, digest))

    def plan_resume(
        self,
        change_id: str,
        *,
        principal: str | None = None,
        secrets: Mapping[str, Any] | None = None,
        digest: str | None = None,
    ) -> Plan:
        """Plan the rest of a change that was broken off; what is proven done is not in it.

        Args:
            change_id: id of the change, from its report or the journal.
            principal: who makes the plan.
            secrets: secret arguments by name, or by ``<item>.<name>``: changes never keep them.
            digest: hash of the caller's arguments.

        Raises:
            ChangeRefusedError: nothing is left of it, or another change does its rest already.
            ConfigurationError: a secret argument is missing.
        """
        return run(self._channel, self._resuming(change_id, principal, secrets, digest))

    def open_changes(self) -> tuple[OpenChange, ...]:
        """Look at what never came to its end, and settle by reading what can be; nothing is changed."""
        return run(self._channel, open_steps(self._context))


class AsyncChanges(_Engine):
    """Plan and apply changes with an asynchronous client; arguments and errors are those of ``Changes``."""

    async def plan(
        self,
        calls: Sequence[PreparedCall],
        *,
        principal: str | None = None,
        guards: Iterable[Guard] = (),
        accept_warnings: bool = False,
        remarks: Remarks = NO_REMARKS,
    ) -> Plan:
        """Make a plan, as ``Changes.plan`` does."""
        steps = self._planning(calls, principal, guards, accept_warnings=accept_warnings, remarks=remarks)
        return await run_async(self._channel, steps)

    async def apply(
        self,
        plan_id: str,
        *,
        principal: str | None = None,
        expect: str | None = None,
        secrets: Mapping[str, Any] | None = None,
        guards: Iterable[Guard] = (),
        checks: Iterable[Check] = (),
        progress: Progress | None = None,
        keep_open: bool = False,
        stop_on_error: bool | None = None,
    ) -> ChangeReport:
        """Apply a plan, as ``Changes.apply`` does."""
        steps = self._applying(
            plan_id, principal, expect, secrets, guards, checks, progress, keep_open, stop_on_error
        )
        return await run_async(self._channel, steps)

    async def finish(self, change_id: str) -> None:
        """Close a change that was kept open, as ``Changes.finish`` does."""
        await run_async(self._channel, finishing_steps(self._context, change_id))

    async def plan_undo(
        self, change_id: str, *, principal: str | None = None, digest: str | None = None
    ) -> Plan:
        """Plan what takes a change back, as ``Changes.plan_undo`` does."""
        return await run_async(self._channel, self._undoing(change_id, principal, digest))

    async def plan_resume(
        self,
        change_id: str,
        *,
        principal: str | None = None,
        secrets: Mapping[str, Any] | None = None,
        digest: str | None = None,
    ) -> Plan:
        """Plan the rest of a change, as ``Changes.plan_resume`` does."""
        return await run_async(self._channel, self._resuming(change_id, principal, secrets, digest))

    async def open_changes(self) -> tuple[OpenChange, ...]:
        """Look at what never came to its end, as ``Changes.open_changes`` does."""
        return await run_async(self._channel, open_steps(self._context))
