"""The end of one item: what undoes it now, one line of audit, and what a caller who left must find."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from attrs import evolve

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.context import Context
from tailscale_sdk.changes.model import Inverse, ItemReport, PlannedItem
from tailscale_sdk.changes.records import inverse_record
from tailscale_sdk.changes.states import hash_of
from tailscale_sdk.changes.work import Work
from tailscale_sdk.errors import StateError

_log = logging.getLogger("tailscale_sdk.changes")


def close(work: Work, item: PlannedItem, report: ItemReport) -> ItemReport:
    """Note how it ended, what undoes it now, and one line of audit; the change itself is done by then."""
    try:
        if item.inverse is not None:
            _complete_inverse(work, item.inverse, report)
        _audit(work, item, report)
        if report.outcome == "ok" and not work.keep_open:
            work.noted(report, "closed").work()
    except StateError as error:
        return evolve(
            report, reason=f"{report.reason or 'done'}; but this machine could not note it: {error}"
        )
    return report


def _complete_inverse(work: Work, inverse: Inverse, report: ItemReport) -> None:
    """Fill in what only the answer tells: the id of what was made, or the version a policy write left."""
    more: dict[str, Any] = {}
    if inverse.from_answer is not None:
        answer = report.answer
        # The ones that make several things are planned with an inverse where they make one.
        first = answer[0] if isinstance(answer, list) and answer else answer
        made = getattr(first, "id", None) or getattr(first, "endpoint_id", None)
        more = {inverse.from_answer: made} if made else {}
    elif inverse.operation_id == "setPolicyFile":
        left = (report.after or {}).get("etag") or getattr(report.answer, "etag", None)
        more = {"if_match": left} if left else {}
    if not more:
        return
    images = work.context.state.preimages
    image = next(image for image in images.for_change(work.change_id) if image.item == report.index)
    completed = Inverse(inverse.operation_id, {**inverse.arguments, **more})
    images.set_inverse(image.id, inverse_record(completed))


def _audit(work: Work, item: PlannedItem, report: ItemReport) -> None:
    work.context.state.audit.append(
        {
            "event": "change",
            "principal": work.principal,
            "profile": work.context.profile,
            "tailnet": work.context.tailnet,
            "change": work.change_id,
            "operation": item.call.operation_id,
            "effect": OPERATIONS[item.call.operation_id].effect,
            "target": item.target.key,
            "before": hash_of(item.before) if item.before is not None else None,
            "after": hash_of(report.after) if report.after is not None else None,
            "outcome": report.outcome,
            "verified": report.verified,
            "requests": work.requests,
            **({"reason": work.reason} if work.reason else {}),
        }
    )


def finishing_steps(context: Context, change_id: str) -> Steps[None]:
    """Return the steps that close what was verified and kept open; where another look closed it, nothing is left."""

    def work() -> None:
        try:
            for entry in context.state.journal.entries(change_id):
                if entry.state == "verified":
                    context.state.journal.advance(entry.id, "closed")
        except StateError as error:
            # The change is done and told of; the next look at what is open closes it.
            _log.warning("change %s was not closed in the journal: %s", change_id, error)

    yield Local(work)


def note_stop(work: Work, item: PlannedItem, report: ItemReport, stop: BaseException) -> None:
    """Note, without waiting for anything, that the caller is gone; what was noted before stays true."""
    try:
        entries = work.journal.entries(work.change_id)
        if any(entry.id == report.journal and entry.state == "sending" for entry in entries):
            # What is noted in a thread at this moment may be faster; it knows more than this.
            with contextlib.suppress(StateError):
                work.noted(report, "unknown", type(stop).__name__).work()
        _audit(work, item, evolve(report, outcome="unknown"))
    except StateError as error:
        stop.add_note(f"this machine could not note that the call was stopped: {error}")
