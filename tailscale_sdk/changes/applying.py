"""Applying a plan, item by item: compare, keep what is replaced, note, send; whatever happens, say what is known."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import evolve

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.closing import close, note_stop
from tailscale_sdk.changes.model import ChangeReport, Check, Guard, ItemReport, PlannedItem
from tailscale_sdk.changes.outcome import send
from tailscale_sdk.changes.planning import Context, apply_guards
from tailscale_sdk.changes.predictions import compared
from tailscale_sdk.changes.records import from_item_record, handed_in, inverse_record, public_arguments, seal
from tailscale_sdk.changes.states import hash_of, layout_hash, moved
from tailscale_sdk.changes.work import Work, read_item
from tailscale_sdk.errors import PlanRefusedError, StateError, TailscaleError
from tailscale_sdk.transport.again import STOPS

Progress = Callable[[int, int], None]
_log = logging.getLogger("tailscale_sdk.changes")


def applying_steps(
    context: Context,
    plan_id: str,
    *,
    principal: str,
    expect: str | None,
    given_secrets: Mapping[str, Any] | None,
    guards: Iterable[Guard],
    checks: Iterable[Check],
    progress: Progress | None,
    keep_open: bool = False,
) -> Steps[ChangeReport]:
    """Return the steps that apply a plan once.

    Args:
        context: what it is applied with.
        plan_id: id of the plan.
        principal: who applies it, the one who made it.
        expect: digest of the arguments, where the caller repeats them.
        given_secrets: secret arguments, handed in again.
        guards: asked again, with the state of now.
        checks: asked around each request.
        progress: called with items done and items in all.
        keep_open: what is verified stays open in the journal, until it is finished.

    Raises:
        PlanRefusedError: there is no such plan for this principal now; nothing was sent.
        StateError: this machine cannot keep what must be kept; nothing was sent.
    """
    peeked = yield Local(
        lambda: context.state.plans.peek(plan_id, principal=principal, profile=context.profile)
    )
    items = [
        _rebuild(context, plan_id, index, record, given_secrets)
        for index, record in enumerate(peeked.body["items"])
    ]
    guarded = apply_guards(tuple(items), guards)
    yield Local(context.state.audit.check_writable)
    yield Local(
        lambda: context.state.plans.take(plan_id, principal=principal, profile=context.profile, expect=expect)
    )
    change_id, reason = secrets.token_hex(16), peeked.body.get("reason")
    work = Work(context, plan_id, change_id, principal, tuple(checks), reason, keep_open)
    stop_on_error = any(OPERATIONS[item.call.operation_id].effect == "delete" for item in guarded)
    reports: list[ItemReport] = []
    broken: str | None = None
    for index, item in enumerate(guarded):
        if broken is not None and item.status == "planned":
            item = evolve(item, status="skipped", reason=broken)
        try:
            report = yield from _apply_item(work, index, item)
        except StateError as error:
            if all(done.journal is None for done in reports):
                raise
            # What came before was sent: the caller has to learn of it.
            report = ItemReport(
                index, item.call.operation_id, item.target, "failed", reason=f"not sent: {error}", error=error
            )
            broken = broken or f"not begun: after item {index} this machine could keep nothing more"
        reports.append(report)
        if report.outcome in {"failed", "unknown"} and stop_on_error and broken is None:
            broken = f"not begun: item {index} ended as {report.outcome}"
        if progress is not None:
            progress(index + 1, len(guarded))
    yield Local(lambda: _tidy(context))
    return ChangeReport(work.change_id, tuple(reports))


def _tidy(context: Context) -> None:
    """Drop what is older than is kept, but nothing an open change may need."""
    state = context.state
    in_use = {entry.base for entry in state.journal.open_entries() if entry.base}
    try:
        state.preimages.purge()
        state.versions.purge(context.shelf, in_use=in_use)
    except StateError as error:
        # The change is done; old versions lying about are no reason to call it a failure.
        _log.warning("old pre-images were not dropped: %s", error)


def _rebuild(
    context: Context, plan_id: str, index: int, record: Mapping[str, Any], given: Mapping[str, Any] | None
) -> PlannedItem:
    """Build the call of a stored item again; the bytes must be those that were planned."""
    arguments = handed_in(plan_id, index, record, given)
    call: PreparedCall = context.prepare(
        record["operation"], {**arguments, "tailnet": record["tailnet"]}, lambda: record["nonce"]
    )
    if seal(plan_id, call.body or b"") != record["body"]:
        raise PlanRefusedError()
    return from_item_record(record, call)


def _apply_item(work: Work, index: int, item: PlannedItem) -> Steps[ItemReport]:
    operation_id = item.call.operation_id
    report = ItemReport(index, operation_id, item.target, "skipped", before=item.before, reason=item.reason)
    if item.status == "skipped":
        return report
    work.requests = 0
    try:
        reason = yield from _moved(work, item)
    except TailscaleError as error:
        return evolve(
            report, outcome="failed", reason=f"not sent: {error}", error=error, requests=work.requests
        )
    for check in work.checks:
        verdict = check.before_send(item)
        reason = reason or (None if verdict.ok else f"not sent: {verdict.reason}")
    if reason is not None:
        return evolve(report, outcome="failed", reason=reason, requests=work.requests)
    entry = yield Local(lambda: _begin(work, index, item))
    try:
        yield Local(lambda: _keep(work, index, item, entry))
    except (StateError, *STOPS) as stop:
        # Never sent. Where not even that can be noted, a later look finds out.
        with contextlib.suppress(StateError):
            work.journal.advance(entry, "refused", error=stop)
        raise
    report = evolve(report, journal=entry)
    try:
        report = yield from send(work, item, report)
    except StateError as error:
        reason = f"sent, but this machine could not note what became of it: {error}"
        report = evolve(report, outcome="unknown", reason=reason, error=error)
    except STOPS as stop:
        note_stop(work, item, report, stop)
        raise
    closed: ItemReport = yield Local(lambda: close(work, item, report))
    return evolve(closed, requests=work.requests)


def _moved(work: Work, item: PlannedItem) -> Steps[str | None]:
    """Compare the state with the one that was planned on; return what moved, in words."""
    if item.base is None or item.call.operation_id == "setPolicyFile":
        # The policy's own If-Match does this where it counts, at the service.
        return None
    found = yield from work.counted(read_item(work, item))
    now = compared(item.call.operation_id, found)
    if hash_of(now) == item.base:
        return None
    names = ", ".join(moved(item.before, now)) or "it"
    return f"not sent: {names} changed since the plan was made; plan again"


def _begin(work: Work, index: int, item: PlannedItem) -> int:
    return work.journal.begin(
        change_id=work.change_id,
        plan_id=work.plan_id,
        item=index,
        operation=item.call.operation_id,
        target=item.target.key,
        base=item.base,
        digest=item.call.digest(),
        nonce=item.call.nonce,
        principal=work.principal,
        profile=work.context.profile,
        tailnet=work.context.tailnet,
    )


def _keep(work: Work, index: int, item: PlannedItem, entry: int) -> None:
    """Keep what is about to be replaced, durably, before the first byte leaves."""
    state = work.context.state
    before = dict(item.before or {})
    text = before.pop("policy", None) if item.call.operation_id == "setPolicyFile" else None
    version = None
    if isinstance(text, str):
        version = state.versions.keep(
            text,
            etag=item.base,
            tailnet=work.context.shelf,
            actor=work.principal,
            reason=work.reason or f"before change {work.change_id}",
        ).name
    arguments = {name: value for name, value in public_arguments(item.call).items() if name != "policy"}
    after = None if item.after is None else {k: v for k, v in item.after.items() if k != "policy"}
    state.preimages.put(
        change_id=work.change_id,
        item=index,
        operation=item.call.operation_id,
        target=item.target.key,
        content={
            "before": before,
            "after": after,
            "arguments": arguments,
            "version": version,
            "sent_sha256": item.call.body_sha256 if version else None,
            "sent_layout": layout_hash(item.call.body or b"") if version else None,
        },
        inverse=None if item.inverse is None else inverse_record(item.inverse),
    )
    work.journal.advance(entry, "snapshotted")
    work.journal.advance(entry, "sending")
