"""Doing the rest of a change that was broken off: what is proven done is left alone, what is unclear is read first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.batches import BatchItem, continued_by, outcome_of, read_batch
from tailscale_sdk.changes.context import Context
from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.changes.planning import NO_NOTE, Note
from tailscale_sdk.changes.recovery import settle
from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError

_REPEATABLE = frozenset({"IDEM", "COND", "SAFE"})


@frozen
class Rest:
    """Hold what is left of a change.

    Attributes:
        calls: to be planned again, in the order of the change.
        notes: of each call; what may not be repeated is skipped with the reason.
        left_out: what is not among the calls, one sentence each.
    """

    calls: tuple[PreparedCall, ...]
    notes: tuple[Note, ...]
    left_out: tuple[str, ...] = ()


def rest_steps(context: Context, change_id: str, secrets: Mapping[str, Any] | None = None) -> Steps[Rest]:
    """Return the steps that find out what is left of a change; they send nothing but reads.

    Args:
        context: what it is planned with.
        change_id: id of the change.
        secrets: secret arguments by name, or by ``<item>.<name>``, handed in again.

    Raises:
        ChangeRefusedError: nothing is left of it, it is not known here, or another change does its rest already.
        ConfigurationError: a secret argument is missing.
    """
    batch = yield Local(lambda: read_batch(context, change_id))
    if batch is None:
        raise ChangeRefusedError(
            f"no change of several items is known here as {change_id}: see tailscale-sdk changes list"
        )
    followed = yield Local(lambda: continued_by(context, change_id))
    if followed is not None:
        raise ChangeRefusedError(f"the rest of change {change_id} was begun as {followed}: resume that one")
    entries = yield Local(lambda: context.state.journal.entries(change_id))
    by_item = {entry.item: entry for entry in entries}
    calls: list[PreparedCall] = []
    notes: list[Note] = []
    left_out: list[str] = []
    for item in batch.items:
        note = yield from _what_is_left(context, item, by_item.get(item.index))
        if note is not None:
            if item.operation_id == "setPolicyFile":
                # Its text is kept nowhere.
                left_out.append("the policy is not in it: plan that again with its text")
                continue
            arguments = {**item.arguments, **_secrets_of(item, secrets), "tailnet": batch.tailnet}
            calls.append(context.prepare(item.operation_id, arguments))
            notes.append(note)
    if all(note.skip is not None for note in notes):
        unclear = [*left_out, *(note.skip for note in notes if note.skip is not None)]
        raise ChangeRefusedError(_nothing_left(change_id, unclear))
    return Rest(tuple(calls), tuple(notes), tuple(left_out))


def _what_is_left(context: Context, item: BatchItem, entry: Entry | None) -> Steps[Note | None]:
    """Return how an item is planned again; None where it is done, or was left out by a guard."""
    if entry is None:
        return None if outcome_of(item, None) == "skipped" else NO_NOTE
    if entry.state in {"closed", "verified", "applied"}:
        return None
    if entry.state in {"refused", "planned", "snapshotted"}:
        return NO_NOTE
    found = yield from settle(context, entry)
    if found.found == "applied":
        return None
    if found.found == "not_applied" or OPERATIONS[item.operation_id].retry_class in _REPEATABLE:
        return NO_NOTE
    return Note(skip=f"it may have been carried out, and must not be repeated: {found.reason}")


def _secrets_of(item: BatchItem, given: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {}
    for name in item.secret_fields:
        value = (given or {}).get(f"{item.index}.{name}", (given or {}).get(name))
        if value is None:
            raise ConfigurationError(f"hand in the secret argument {name} again: changes never keep secrets")
        found[name] = value
    return found


def _nothing_left(change_id: str, reasons: list[str]) -> str:
    unclear = "; ".join(dict.fromkeys(reasons))
    return f"nothing of change {change_id} is left to do" + (
        f" that may be repeated: {unclear}" if unclear else ""
    )
