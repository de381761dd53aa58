"""What this machine knows of a change, item by item, without asking anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from tailscale_sdk.changes.batches import Batch, BatchItem, latest_batches, outcome_of, read_batch
from tailscale_sdk.changes.context import Context
from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.changes.model import Outcome, Target
from tailscale_sdk.errors import ChangeRefusedError


@frozen
class ItemAccount:
    """Say what is known of one item of a change.

    Attributes:
        index: place in the plan.
        operation_id: what was sent.
        target: what it changes; of a change of one item its key alone is known.
        outcome: ok, failed, skipped or unknown; None where it never began.
        state: how far the journal saw it.
        reason: why it is not ok.
    """

    index: int
    operation_id: str
    target: Target
    outcome: Outcome | None
    state: str | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "operation": self.operation_id,
            "target": {"kind": self.target.kind, "id": self.target.id, "name": self.target.name},
            "outcome": self.outcome or "not_begun",
            "state": self.state,
            "reason": self.reason,
        }


@frozen
class Account:
    """Say what is known of a change, item by item.

    Attributes:
        change_id: id of the change.
        principal: who applied it.
        reason: why, as far as it was said.
        undoes, continues: the change it takes back, or whose rest it does.
        ended: it came to its end.
        items: in order.
        started: when its first request was noted, in seconds since the epoch; when it was to begin where none was.
    """

    change_id: str
    principal: str
    reason: str | None
    undoes: str | None
    continues: str | None
    ended: bool
    items: tuple[ItemAccount, ...]
    started: float | None = None

    def to_dict(self, *, items: bool = True) -> dict[str, Any]:
        """Return it as JSON data.

        Args:
            items: with what is known of each item.
        """
        started = None if self.started is None else datetime.fromtimestamp(self.started, UTC)
        return {
            "change": self.change_id,
            "started": None if started is None else started.isoformat(timespec="seconds"),
            "principal": self.principal,
            "reason": self.reason,
            "undoes": self.undoes,
            "continues": self.continues,
            "ended": self.ended,
            "left": self.left,
            "counts": dict(Counter(item.outcome or "not_begun" for item in self.items)),
            **({"items": [item.to_dict() for item in self.items]} if items else {}),
        }

    @property
    def left(self) -> int:
        """Return how many items never began, failed or are unknown."""
        return sum(item.outcome in {None, "failed", "unknown"} for item in self.items)


def account_of(context: Context, change_id: str) -> Account:
    """Return what this machine knows of a change; nothing is read from the service.

    Args:
        context: whose state is asked.
        change_id: id of the change.

    Raises:
        ChangeRefusedError: it is not known here.
        StateError: it cannot be read.
    """
    batch = read_batch(context, change_id)
    entries = context.state.journal.entries(change_id)
    if batch is not None:
        return _account_of_batch(batch, {entry.item: entry for entry in entries})
    if not entries:
        raise unknown_change(change_id)
    return _account_of_entries(entries)


def unknown_change(change_id: str) -> ChangeRefusedError:
    """Return the error of a change that is not known here, or is none of the caller's business."""
    return ChangeRefusedError(f"no change is known here as {change_id}: see tailscale-sdk changes list")


def recent_accounts(context: Context, limit: int, principal: str | None = None) -> tuple[Account, ...]:
    """Return what this machine knows of the last changes of this tailnet and profile, the newest first.

    Args:
        context: whose state is asked.
        limit: how many.
        principal: only what this one made.

    Raises:
        StateError: it cannot be read.
    """
    batches = {
        batch.change_id: batch
        for batch in latest_batches(context, limit)
        if batch.profile == context.profile and principal in {None, batch.principal}
    }
    found = []
    for summary in context.state.journal.changes(
        limit, tailnet=context.tailnet, profile=context.profile, principal=principal
    ):
        found.append(account_of(context, summary.change_id))
        batches.pop(summary.change_id, None)
    # Of these nothing was begun: they ended between the plan and its first request.
    unbegun = [_account_of_batch(batch, {}) for batch in batches.values() if not _has_entries(context, batch)]
    return tuple(sorted((*unbegun, *found), key=lambda account: account.started or 0.0, reverse=True)[:limit])


def _has_entries(context: Context, batch: Batch) -> bool:
    return bool(context.state.journal.entries(batch.change_id))


def _account_of_batch(batch: Batch, entries: Mapping[int, Entry]) -> Account:
    items = []
    for item in batch.items:
        entry = entries.get(item.index)
        outcome = outcome_of(item, entry)
        reason = item.reason or item.skipped or (entry.error if entry is not None else None)
        state = None if entry is None else entry.state
        items.append(ItemAccount(item.index, item.operation_id, item.target, outcome, state, reason))
    return Account(
        batch.change_id,
        batch.principal,
        batch.reason,
        batch.undoes,
        batch.continues,
        batch.ended,
        tuple(items),
        _started(entries.values()) or batch.at,
    )


def _account_of_entries(entries: Sequence[Entry]) -> Account:
    first = entries[0]
    items = tuple(_account_of_entry(entry) for entry in entries)
    return Account(first.change_id, first.principal, None, None, None, True, items, _started(entries))


def _started(entries: Iterable[Entry]) -> float | None:
    return min((at for entry in entries for _, at in entry.steps), default=None)


def _account_of_entry(entry: Entry) -> ItemAccount:
    kind, _, target_id = entry.target.partition(":")
    item = BatchItem(entry.item, entry.operation, {}, (), Target(kind, target_id))
    return ItemAccount(
        entry.item, entry.operation, item.target, outcome_of(item, entry), entry.state, entry.error
    )
