"""The one way to write from here: plan, ask, apply; the engine of the SDK does the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from mcp_adapter.arguments import CheckedCall
from mcp_adapter.catalog import name_of
from mcp_adapter.changes import Change, change_of
from mcp_adapter.confirmation import answered, ask, question_of
from mcp_adapter.runtime import Profile, Runtime

CONFIRM_HOW = (
    "Nothing was done. Show the plan to the user; to carry it out, repeat this call with the same arguments and "
    "confirm set to the plan's id. It is valid once, for 15 minutes, and proves only that it was seen before."
)
DENIED = (
    "Nothing was done: this needs a person's confirmation, this client cannot ask one, and the operator started "
    "the server with --confirm-fallback deny."
)
DECLINED = "Nothing was done: it was not confirmed."


class Refused(ValueError):
    """Say why a change is not carried out, and what to do instead."""

    def __init__(self, code: str, message: str, hint: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.code, self.hint, self.more = code, hint, more


@frozen
class Written:
    """Hold what a write came to.

    Attributes:
        plan: what was planned, when nothing was done or it was only asked for.
        confirm: id that carries the plan out, when that is what is needed next.
        report: what became of the one item, when it was carried out.
        facts: what a workflow says beside its plan or its report.
        note: what to do next.
        round_trip: protocol result that asks the client's person.
    """

    plan: Any = None
    confirm: str | None = None
    report: Any = None
    facts: Mapping[str, Any] = field(factory=dict)
    note: str | None = None
    round_trip: Any = None


async def write(
    runtime: Runtime, profile: Profile, call: CheckedCall, *, principal: str, context: Any
) -> Written:
    """Carry out one change, or say what it takes.

    Args:
        runtime: engine and settings.
        profile: tailnet it is for.
        call: checked call of a write or delete action.
        principal: who calls.
        context: FastMCP's context, to ask the person behind the client; None where there is none.

    Raises:
        Refused: a guard or a missing person is against it, or a secret could not be handed over.
        TailscaleError: as the engine does; nothing was sent.
    """
    entry, options = call.entry, call.options
    change = change_of(runtime, profile, call, principal, context)
    await _check_secret(runtime, call)
    plan_id = options.confirm
    if plan_id is None and (reply := answered(context)) is not None:
        plan_id, answer = reply
        if answer == "declined":
            return _declined(runtime, plan_id)
    if plan_id is not None:
        return await _apply(runtime, change, plan_id)
    made = await change.plan()
    plan = made.outcome
    _check_skipped(plan)
    needs_person = entry["effect"] == "delete" or entry.get("confirm") == "always"
    if options.dry_run:
        return Written(
            plan=plan, confirm=plan.id if _offers_token(runtime, entry) else None, facts=made.facts
        )
    if needs_person:
        asked = await ask(context, question_of(plan, name_of(entry)), plan.id)
        if asked.round_trip is not None:
            return Written(round_trip=asked.round_trip)
        if asked.answer == "declined":
            return _declined(runtime, plan.id)
        if asked.answer == "unavailable":
            if runtime.settings.confirm_fallback == "deny":
                raise Refused("confirmation_denied", DENIED)
            return Written(plan=plan, confirm=plan.id, facts=made.facts, note=CONFIRM_HOW)
    return await _apply(runtime, change, plan.id)


def _offers_token(runtime: Runtime, entry: Mapping[str, Any]) -> bool:
    return entry["effect"] == "delete" and runtime.settings.confirm_fallback == "token"


def _declined(runtime: Runtime, plan_id: str) -> Written:
    if runtime.settings.confirm_fallback == "deny":
        return Written(note=DECLINED)
    how = "If the client declined by itself and the user wants it, repeat the call with confirm set to the plan's id."
    return Written(confirm=plan_id, note=f"{DECLINED} {how}")


async def _apply(runtime: Runtime, change: Change, plan_id: str) -> Written:
    try:
        done = await change.apply(plan_id)
    finally:
        runtime.reads.forget()
    return Written(report=done.outcome, facts=done.facts)


def _check_skipped(plan: Any) -> None:
    if plan.due:
        return
    item = plan.items[0]
    raise Refused("refused", f"not done: {item.reason}", target=item.target.id)


async def _check_secret(runtime: Runtime, call: CheckedCall) -> None:
    """Refuse, before anything is made, what would answer a secret that cannot be handed over.

    Raises:
        Refused: callers are elsewhere, and the secret may not be shown.
        StateError: this machine cannot write the file it would be put in.
    """
    once, settings = call.entry.get("once"), runtime.settings
    if call.entry.get("writes_file") and settings.over_http:
        raise Refused(
            "secret_not_deliverable",
            "nothing was created: over HTTP no file is written, so its secret would be lost",
            "rotate it where the server runs: tailscale-sdk keys rotate",
        )
    if not once or call.options.dry_run:
        return
    if settings.over_http and not call.options.reveal:
        raise Refused(
            "secret_not_deliverable",
            "nothing was created: over HTTP no file is written, so its secret would be lost",
            "the operator can start the server with --reveal-secrets; then call with reveal=true",
        )
    if not call.options.reveal:
        await asyncio.to_thread(runtime.state().directory.check_writable, "secrets")
