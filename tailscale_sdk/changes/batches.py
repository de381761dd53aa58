"""What a change of many items was to do, kept from before its first request: so that the rest can be done later."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import asdict, frozen

from tailscale_sdk._constants import PREIMAGE_SECONDS
from tailscale_sdk.changes.context import Context
from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.changes.model import ChangeReport, Outcome, PlannedItem, Target
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.changes.records import public_arguments
from tailscale_sdk.changes.state_records import StateRecord
from tailscale_sdk.errors import StateError

KIND: Final = "batch"
_CONTINUED: Final = "continued"
_log = logging.getLogger("tailscale_sdk.changes")


@frozen
class BatchItem:
    """Hold one item of a change.

    Attributes:
        index: place in the plan.
        operation_id: what is sent.
        arguments: of the call, without secrets.
        secret_fields: names of arguments that have to be handed in again.
        target: what it changes.
        skipped: why a guard left it out; None where it was to be sent.
        outcome: how it ended, as far as the change came to its end.
        reason: why it is not ok.
        held_back: it was skipped only because an item before it went wrong.
    """

    index: int
    operation_id: str
    arguments: Mapping[str, Any]
    secret_fields: tuple[str, ...]
    target: Target
    skipped: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    held_back: bool = False


@frozen
class Batch:
    """Hold what a change was to do.

    Attributes:
        change_id: id of the change.
        plan: reference of its plan.
        principal: who applied it.
        tailnet, profile: where, and under which profile.
        reason: why it was made.
        undoes, continues: the change it takes back, or whose rest it does.
        items: in the order of the plan.
        ended: it came to its end, whatever became of its items.
        at: when this was noted, in seconds since the epoch.
    """

    change_id: str
    plan: str
    principal: str
    tailnet: str
    profile: str
    items: tuple[BatchItem, ...]
    reason: str | None = None
    undoes: str | None = None
    continues: str | None = None
    ended: bool = False
    at: float | None = None

    @property
    def is_kept(self) -> bool:
        """Tell whether the journal alone does not tell all there is: of several items, or of what they continue."""
        return len(self.items) > 1 or self.continues is not None


def batch_of(
    change_id: str, plan_id: str, principal: str, body: Mapping[str, Any], items: Sequence[PlannedItem]
) -> Batch:
    """Return what a plan is about to do.

    Args:
        change_id: id of the change.
        plan_id: id of the plan; a reference takes its place.
        principal: who applies it.
        body: the plan as it was stored.
        items: with what guards say now.
    """
    first = items[0].call
    return Batch(
        change_id=change_id,
        plan=plan_reference(plan_id),
        principal=principal,
        tailnet=first.tailnet,
        profile="",
        items=tuple(_item_of(index, item) for index, item in enumerate(items)),
        reason=body.get("reason"),
        undoes=body.get("undoes"),
        continues=body.get("continues"),
    )


def _item_of(index: int, item: PlannedItem) -> BatchItem:
    call = item.call
    arguments = {name: value for name, value in public_arguments(call).items() if name != "policy"}
    skipped = (item.reason or "skipped") if item.status == "skipped" else None
    return BatchItem(index, call.operation_id, arguments, tuple(call.secret_fields), item.target, skipped)


def keep_batch(context: Context, batch: Batch) -> None:
    """Store it before anything is sent.

    Raises:
        StateError: it could not be stored.
    """
    records, shelf = context.state.records, context.shelf
    if batch.is_kept:
        records.put(KIND, batch.change_id, _to_record(context, batch), tailnet=shelf)
    if batch.continues is not None:
        records.put(_CONTINUED, batch.continues, {"by": batch.change_id}, tailnet=shelf)


def keep_outcomes(context: Context, batch: Batch, report: ChangeReport) -> None:
    """Store how each item ended; where that fails, the journal still tells what was sent."""
    if not batch.is_kept:
        return
    record = _to_record(context, batch)
    for item, done in zip(record["items"], report.items, strict=True):
        item.update(outcome=done.outcome, reason=done.reason, held_back=done.held_back)
    record["ended"] = True
    try:
        context.state.records.put(KIND, batch.change_id, record, tailnet=context.shelf)
    except StateError as error:
        _log.warning("how the items of change %s ended was not noted: %s", batch.change_id, error)


def _to_record(context: Context, batch: Batch) -> dict[str, Any]:
    return {**asdict(batch), "profile": context.profile}


def read_batch(context: Context, change_id: str) -> Batch | None:
    """Return what a change was to do; None of one that is not known here, or had one item.

    Raises:
        StateError: it cannot be read, or is damaged.
    """
    found = context.state.records.get(KIND, change_id, tailnet=context.shelf)
    return None if found is None else _from_record(found)


def drop_old_batches(context: Context) -> None:
    """Drop what nobody can resume or undo any more: pre-images are kept as long.

    Raises:
        StateError: the file cannot be written.
    """
    for kind in (KIND, _CONTINUED):
        context.state.records.purge(kind, older_than_seconds=PREIMAGE_SECONDS)


def latest_batches(context: Context, limit: int) -> tuple[Batch, ...]:
    """Return changes of several items that are known here, the newest first.

    Args:
        context: whose state is asked.
        limit: how many at most.

    Raises:
        StateError: they cannot be read, or one is damaged.
    """
    found = context.state.records.all(KIND, tailnet=context.shelf, limit=limit)
    return tuple(_from_record(record) for record in found)


def continued_by(context: Context, change_id: str) -> str | None:
    """Return the change that does the rest of another one; None where none was begun.

    Raises:
        StateError: it cannot be read.
    """
    found = context.state.records.get(_CONTINUED, change_id, tailnet=context.shelf)
    return None if found is None else str(found.content["by"])


def _from_record(record: StateRecord) -> Batch:
    content = record.content
    items = tuple(
        BatchItem(
            **{
                **item,
                "target": Target(**item["target"]),
                "secret_fields": tuple(item["secret_fields"]),
            }
        )
        for item in content["items"]
    )
    return Batch(**{**content, "items": items, "at": record.at})


def outcome_of(item: BatchItem, entry: Entry | None) -> Outcome | None:
    """Return how an item ended, by the journal first; None where it never began.

    Args:
        item: of the change.
        entry: its journal entry, None where it has none.
    """
    if entry is not None:
        return _BY_STATE.get(entry.state, "unknown")
    if item.held_back:
        return None
    return "skipped" if item.skipped is not None else item.outcome


_BY_STATE: Final[Mapping[str, Outcome]] = {
    "closed": "ok",
    "verified": "ok",
    "applied": "ok",
    "refused": "failed",
    "planned": "failed",
    "snapshotted": "failed",
}
