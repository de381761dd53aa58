"""Sending one item, and finding out what became of it: by its answer, or by reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from tailscale_sdk.calls.steps import Steps
from tailscale_sdk.changes.evidence import is_done
from tailscale_sdk.changes.model import ItemReport, PlannedItem
from tailscale_sdk.changes.predictions import compared, is_predictable, is_removal
from tailscale_sdk.changes.work import Work, read_item
from tailscale_sdk.errors import NotFoundError, OutcomeUnknownError, TailscaleError
from tailscale_sdk.policy import hujson


def send(work: Work, item: PlannedItem, report: ItemReport) -> Steps[ItemReport]:
    """Send the request, settle what is unclear by reading, and compare what is there with what was predicted."""
    try:
        answer = yield from work.counted(work.context.sending(item.call))
    except TailscaleError as error:
        kind = type(error).__name__
        if not getattr(error, "ambiguous", False):
            yield work.noted(report, "refused", kind)
            return evolve(report, outcome="failed", reason=str(error), error=error)
        yield work.noted(report, "unknown", kind)
        return (yield from _settle(work, item, report, error))
    yield work.noted(report, "applied")
    return (yield from _verify(work, item, evolve(report, answer=answer)))


def _settle(work: Work, item: PlannedItem, report: ItemReport, error: TailscaleError) -> Steps[ItemReport]:
    """Find out by reading what became of a write whose answer was lost."""
    unknown = evolve(report, outcome="unknown", reason=str(error), error=error)
    if not is_predictable(item.call.operation_id) or item.base is None:
        return unknown
    try:
        done, after = yield from _look(work, item)
    except TailscaleError:
        return unknown
    if not done:
        return evolve(unknown, after=after)
    return (yield from _confirm(work, item, evolve(report, after=after)))


def _look(work: Work, item: PlannedItem) -> Steps[tuple[bool | None, dict[str, Any] | None]]:
    """Read the state and tell whether it is what the write was to leave; None where it tells nothing."""
    call = item.call
    found = yield from work.counted(read_item(work, item, afterwards=True))
    now = compared(call.operation_id, found)
    if call.operation_id == "setPolicyFile":
        return _is_stored(item, now), {"etag": (now or {}).get("etag")}
    done = is_done(
        call.operation_id,
        call.arguments,
        before=item.before,
        after=item.after,
        found=found,
        at=work.context.now(),
    )
    return done, found if is_removal(call.operation_id) else now


def _is_stored(item: PlannedItem, now: Mapping[str, Any] | None) -> bool:
    """Tell whether the stored policy is the one that was sent; formatting by the service does not count."""
    stored, sent = (now or {}).get("policy"), (item.call.body or b"").decode()
    return stored == sent or (isinstance(stored, str) and hujson.format(stored) == hujson.format(sent))


def _verify(work: Work, item: PlannedItem, report: ItemReport) -> Steps[ItemReport]:
    if not is_predictable(item.call.operation_id):
        return (yield from _confirm(work, item, report))
    if item.base is None:
        return (yield from _confirm(work, item, report, read_back=False))
    done: bool | None
    try:
        done, after = yield from _look(work, item)
    except NotFoundError:
        done, after = is_removal(item.call.operation_id), None
    except TailscaleError as error:
        reason = f"carried out, but it could not be read back: {error}"
        return evolve(report, outcome="ok", reason=reason)
    if done is not False:
        return (yield from _confirm(work, item, evolve(report, after=after), read_back=bool(done)))
    yield work.noted(report, "not_verified")
    problem = OutcomeUnknownError(operation=item.call.operation_id, recovered="not_verified")
    return evolve(report, outcome="unknown", after=after, reason=str(problem), error=problem)


def _confirm(
    work: Work, item: PlannedItem, report: ItemReport, *, read_back: bool = True
) -> Steps[ItemReport]:
    yield work.noted(report, "verified")
    for check in work.checks:
        verdict = check.after_verify(item)
        if not verdict.ok:
            return evolve(report, outcome="failed", verified=read_back, reason=verdict.reason)
    return evolve(report, outcome="ok", verified=read_back)
