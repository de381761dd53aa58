"""Applying a plan, item by item: compare, keep what is replaced, note, send; whatever happens, say what is known."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps, Together
from tailscale_sdk.changes.batches import batch_of, drop_old_batches, keep_batch, keep_outcomes
from tailscale_sdk.changes.closing import close, note_stop
from tailscale_sdk.changes.context import Context
from tailscale_sdk.changes.course import Course, Progress
from tailscale_sdk.changes.guards import Caps
from tailscale_sdk.changes.model import ChangeReport, Check, Guard, ItemReport, Outcome, PlannedItem
from tailscale_sdk.changes.outcome import send
from tailscale_sdk.changes.planning import apply_guards
from tailscale_sdk.changes.predictions import compared, rule_of
from tailscale_sdk.changes.records import from_item_record, handed_in, inverse_record, public_arguments, seal
from tailscale_sdk.changes.states import hash_of, layout_hash, moved
from tailscale_sdk.changes.work import Work, read_item
from tailscale_sdk.errors import PlanRefusedError, StateError, TailscaleError
from tailscale_sdk.transport.again import STOPS

AT_ONCE: Final = 5
"""Items of a batch that are under way at once: half of the usual slots, so that nobody waits behind a batch."""

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
    stop_on_error: bool | None = None,
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
        stop_on_error: begin nothing more once an item failed; when left out, where something is taken away.

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
    guarded = apply_guards(tuple(items), _with_caps(guards, peeked.body.get("caps")))
    yield Local(context.state.audit.check_writable)
    yield Local(
        lambda: context.state.plans.take(plan_id, principal=principal, profile=context.profile, expect=expect)
    )
    change_id, reason = secrets.token_hex(16), peeked.body.get("reason")
    work = Work(context, plan_id, change_id, principal, tuple(checks), reason, keep_open)
    batch = batch_of(change_id, plan_id, principal, peeked.body, guarded)
    yield Local(lambda: keep_batch(context, batch))
    cautious = any(OPERATIONS[item.call.operation_id].effect == "delete" for item in guarded)
    course = Course(guarded, cautious if stop_on_error is None else stop_on_error, progress)
    chains = [_apply_in_turn(work, course, places) for places in course.turns()]
    yield Together(chains, 1 if course.stop_on_error else AT_ONCE)
    if course.state_error is not None and all(report.journal is None for report in course.reports):
        raise course.state_error
    report = ChangeReport(change_id, tuple(course.reports))
    yield Local(lambda: keep_outcomes(context, batch, report))
    yield Local(lambda: _tidy(context))
    return report


def _with_caps(guards: Iterable[Guard], planned: Mapping[str, Any] | None) -> tuple[Guard, ...]:
    """Ask the caps the plan was made with again, unless others are given."""
    given = tuple(guards)
    caps = () if any(isinstance(guard, Caps) for guard in given) else (Caps(**planned or {}),)
    return (*given, *caps)


def _apply_in_turn(work: Work, course: Course, places: Sequence[int]) -> Steps[None]:
    """Apply items that follow each other; what goes wrong with one is in its report."""
    for place in places:
        item = course.admitted(place)
        try:
            report = yield from _apply_item(evolve(work, requests=0), place, item)
        except StateError as error:
            report = ItemReport(
                place, item.call.operation_id, item.target, "failed", reason=f"not sent: {error}", error=error
            )
            course.lose_state(place, error)
        course.note(report)


def _tidy(context: Context) -> None:
    """Drop what is older than is kept, but nothing an open change may need."""
    state = context.state
    in_use = {entry.base for entry in state.journal.open_entries() if entry.base}
    try:
        state.preimages.purge()
        drop_old_batches(context)
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
    try:
        ended = yield from _moved(work, item)
    except TailscaleError as error:
        return evolve(
            report, outcome="failed", reason=f"not sent: {error}", error=error, requests=work.requests
        )
    for check in work.checks:
        verdict = check.before_send(item)
        ended = ended or (None if verdict.ok else ("failed", f"not sent: {verdict.reason}"))
    if ended is not None:
        return evolve(report, outcome=ended[0], reason=ended[1], requests=work.requests)
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
        lost = f"sent, but this machine could not note what became of it: {error}"
        report = evolve(report, outcome="unknown", reason=lost, error=error)
    except STOPS as stop:
        note_stop(work, item, report, stop)
        raise
    closed: ItemReport = yield Local(lambda: close(work, item, report))
    return evolve(closed, requests=work.requests)


def _moved(work: Work, item: PlannedItem) -> Steps[tuple[Outcome, str] | None]:
    """Compare the state with the one that was planned on; return how the item ends where it moved, and why."""
    if item.base is None or item.call.operation_id == "setPolicyFile":
        # The policy's own If-Match does this where it counts, at the service.
        return None
    found = yield from work.counted(read_item(work, item))
    if found is not None and item.unchanged:
        names = moved(item.unchanged, {name: found.get(name) for name in item.unchanged})
        if names:
            return "skipped", f"not sent: {', '.join(names)} changed since it was chosen"
    now = compared(item.call.operation_id, found)
    if item.unchanged and not rule_of(item.call.operation_id).fields:
        now = None if found is None else {}
    if hash_of(now) == item.base:
        return None
    names = moved(item.before, now) or ["it"]
    return "failed", f"not sent: {', '.join(names)} changed since the plan was made; plan again"


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
