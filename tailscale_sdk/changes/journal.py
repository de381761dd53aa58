"""The journal: how far each request got, one durable row per step, without bodies and without secrets."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import field, frozen

from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.errors import StateError
from tailscale_sdk.redact import clean

State = Literal[
    "planned",
    "snapshotted",
    "sending",
    "applied",
    "unknown",
    "refused",
    "verified",
    "not_verified",
    "closed",
]
# Nothing follows "refused": nothing was changed, because it never left, was not accepted, or proved not done.
TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    "planned": ("snapshotted", "refused"),
    "snapshotted": ("sending", "refused"),
    "sending": ("applied", "unknown", "refused"),
    "applied": ("verified", "not_verified"),
    "unknown": ("verified", "not_verified", "refused"),
    "refused": (),
    "verified": ("closed",),
    "not_verified": ("closed",),
    "closed": (),
}
_TEXT_CHARACTERS = 300
_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_READ = """
    SELECT j.id, j.change_id, j.item, j.plan, j.operation, j.target, j.base, j.digest, j.nonce, j.principal,
        j.profile, j.tailnet, j.state, j.attempts, j.error, j.after, s.state, s.at
    FROM journal j JOIN journal_steps s ON s.entry = j.id
"""
_IN_ORDER = "ORDER BY j.id, s.rowid"
_LATEST = """
    SELECT change_id FROM journal WHERE (?1 IS NULL OR operation = ?1) AND (?2 IS NULL OR tailnet = ?2)
        AND (?3 IS NULL OR profile = ?3) AND (?4 IS NULL OR principal = ?4)
    GROUP BY change_id ORDER BY max(id) DESC LIMIT ?5
"""
_BEGUN = "SELECT 1 FROM journal WHERE change_id = ? AND item = ?"
_BEGIN = """
    INSERT INTO journal (change_id, item, plan, operation, target, base, digest, nonce, principal, profile,
        tailnet, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'planned')
"""
_ADVANCE = """
    UPDATE journal SET state = ?, attempts = coalesce(?, attempts), error = coalesce(?, error),
        after = coalesce(?, after) WHERE id = ?
"""
_STEP = "INSERT INTO journal_steps VALUES (?, ?, ?)"


@frozen
class Entry:
    """Hold what the journal knows of one request.

    Attributes:
        id: of the entry.
        change_id: the change it belongs to.
        item: its place in the plan.
        plan: ``plan_reference`` of the plan; the id itself is written down nowhere.
        operation: operation id.
        target: what is changed.
        base: ETag or hash of the state it was planned on.
        digest: hash of its arguments.
        nonce: mark of a creation.
        principal, profile, tailnet: who did it, under which profile, where.
        state: how far it got.
        attempts: requests that were sent for it.
        error: class name of the error it ended with.
        after: ETag or hash of the state it left.
        steps: each state it was in, and since when, in seconds since the epoch.
    """

    id: int
    change_id: str
    item: int
    plan: str
    operation: str
    target: str
    base: str | None
    digest: str | None
    nonce: str | None
    principal: str
    profile: str
    tailnet: str
    state: State
    attempts: int
    error: str | None
    after: str | None
    steps: tuple[tuple[State, float], ...]


@frozen
class ChangeSummary:
    """Hold what the journal knows of one change.

    Attributes:
        change_id: id of the change.
        plan: ``plan_reference`` of its plan.
        principal, profile, tailnet: who did it, under which profile, where.
        started, updated: seconds since the epoch.
        states: how many of its entries are in each state.
    """

    change_id: str
    plan: str
    principal: str
    profile: str
    tailnet: str
    started: float
    updated: float
    states: Mapping[State, int]


@frozen
class Journal:
    """Note each step before the next one is taken.

    Attributes:
        database: where the rows are.
        clock: gives seconds since the epoch.
    """

    database: Database
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)

    def begin(
        self,
        change_id: str,
        plan_id: str,
        item: int,
        operation: str,
        target: str,
        *,
        base: str | None,
        digest: str | None,
        nonce: str | None,
        principal: str,
        profile: str,
        tailnet: str,
    ) -> int:
        """Note that a request is going to be made; returns the id of the entry, in state ``planned``.

        Args:
            change_id: id of the change.
            plan_id: id of the plan; only a reference to it is kept.
            item: place in the plan.
            operation: operation id.
            target: what is changed.
            base: ETag or hash of the state it was planned on.
            digest: hash of its arguments.
            nonce: mark of a creation.
            principal: who does it.
            profile: under which profile.
            tailnet: where.

        Raises:
            StateError: it could not be noted, or this item of the change was begun before.
        """
        texts = [operation, target, base, digest, nonce, principal, profile, tailnet]
        values = [change_id, item, plan_reference(plan_id), *(_text(value) for value in texts)]
        with self.database.write() as connection:
            if connection.execute(_BEGUN, (change_id, item)).fetchone():
                raise StateError(f"item {item} of change {change_id} was begun before: make a new plan")
            entry = connection.execute(_BEGIN, values).lastrowid
            assert entry is not None  # noqa: S101  # an inserted row has an id
            connection.execute(_STEP, (entry, "planned", self.clock()))
        return entry

    def advance(
        self,
        entry_id: int,
        state: State,
        *,
        attempts: int | None = None,
        error: BaseException | str | None = None,
        after: str | None = None,
    ) -> None:
        """Note the next state of an entry.

        Args:
            entry_id: of ``begin``.
            state: the state it is in now.
            attempts: requests that were sent so far.
            error: what it ended with, or the name of its class; the text of it is not kept.
            after: ETag or hash of the state it left.

        Raises:
            StateError: it could not be noted, there is no such entry, or its state does not allow this one.
            ValueError: the error's name is not the name of a class.
        """
        facts = (attempts, _class_name(error), _text(after))
        with self.database.write() as connection:
            row = connection.execute("SELECT state FROM journal WHERE id = ?", (entry_id,)).fetchone()
            if row is None:
                raise StateError(f"there is no journal entry {entry_id}: was the state directory changed?")
            if state not in TRANSITIONS.get(row[0], ()):
                raise StateError(
                    f"journal entry {entry_id} is {row[0]} and cannot become {state}: read it again, "
                    "another process may have settled it"
                )
            connection.execute(_ADVANCE, (state, *facts, entry_id))
            connection.execute(_STEP, (entry_id, state, self.clock()))

    def open_entries(self) -> tuple[Entry, ...]:
        """Return every entry that did not come to its end, oldest first.

        Raises:
            StateError: the journal cannot be read.
        """
        return _entries(self.database.read(f"{_READ} WHERE j.state NOT IN ('closed', 'refused') {_IN_ORDER}"))

    def entries(self, change_id: str) -> tuple[Entry, ...]:
        """Return the entries of a change in the order of its plan.

        Raises:
            StateError: the journal cannot be read.
        """
        found = _entries(self.database.read(f"{_READ} WHERE j.change_id = ? {_IN_ORDER}", (change_id,)))
        return tuple(sorted(found, key=lambda entry: entry.item))

    def of_operations(self, operations: Collection[str]) -> tuple[Entry, ...]:
        """Return every entry of some operations, oldest first.

        Args:
            operations: operation ids.

        Raises:
            StateError: the journal cannot be read.
        """
        places = ", ".join("?" for _ in operations)
        return _entries(
            self.database.read(f"{_READ} WHERE j.operation IN ({places}) {_IN_ORDER}", tuple(operations))
        )

    def changes(
        self,
        limit: int = 50,
        *,
        operation: str | None = None,
        tailnet: str | None = None,
        profile: str | None = None,
        principal: str | None = None,
    ) -> tuple[ChangeSummary, ...]:
        """Return the latest changes, newest first.

        Args:
            limit: how many at most.
            operation: only those with a request of this operation.
            tailnet: only those of this tailnet.
            profile: only those under this profile.
            principal: only those this one made.

        Raises:
            StateError: the journal cannot be read.
        """
        latest = (operation, tailnet, profile, principal, limit)
        found = self.database.read(f"{_READ} WHERE j.change_id IN ({_LATEST}) {_IN_ORDER}", latest)
        by_change: dict[str, list[Entry]] = {}
        for entry in _entries(found):
            by_change.setdefault(entry.change_id, []).append(entry)
        newest_first = sorted(by_change.values(), key=lambda entries: entries[-1].id, reverse=True)
        return tuple(_summary(entries) for entries in newest_first)


def _entries(rows: Iterable[tuple[Any, ...]]) -> tuple[Entry, ...]:
    """Put rows of one step each together to entries."""
    grouped = itertools.groupby(rows, key=lambda row: row[:-2])
    return tuple(Entry(*(*known, tuple(row[-2:] for row in steps))) for known, steps in grouped)


def _summary(entries: Sequence[Entry]) -> ChangeSummary:
    first = entries[0]
    times = [at for entry in entries for _, at in entry.steps]
    return ChangeSummary(
        change_id=first.change_id,
        plan=first.plan,
        principal=first.principal,
        profile=first.profile,
        tailnet=first.tailnet,
        started=min(times),
        updated=max(times),
        states=Counter(entry.state for entry in entries),
    )


def _text(value: str | None) -> str | None:
    return None if value is None else clean(value, _TEXT_CHARACTERS)


def _class_name(error: BaseException | str | None) -> str | None:
    if error is None:
        return None
    name = error if isinstance(error, str) else type(error).__name__
    if not _CLASS_NAME.fullmatch(name):
        raise ValueError("only the name of an error's class is kept, never its text")
    return name
