"""Small records of work that outlives a process, each found by its kind and id, never handed out damaged."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.troubles import damaged

_PUT = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)"
_FIND = "SELECT id, record, sha256, at FROM records WHERE kind = ? AND tailnet = ?"


@frozen
class StateRecord:
    """Hold one record.

    Attributes:
        id: what it is found by.
        content: JSON values, without secrets.
        at: when it was stored last, in seconds since the epoch.
    """

    id: str
    content: Mapping[str, Any] = field(repr=False)
    at: float


@frozen
class StateRecords:
    """Keep records of one tailnet apart from those of another.

    Attributes:
        database: where they are.
        clock: gives seconds since the epoch.
    """

    database: Database
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)

    def put(self, kind: str, record_id: str, content: Mapping[str, Any], *, tailnet: str) -> None:
        """Store a record durably, in place of the one of the same kind and id.

        Args:
            kind: ``batch``, ``rotation`` …
            record_id: what it is found by.
            content: JSON values; no secret may be among them.
            tailnet: name of the shelf of a tailnet, ``engine.policy_shelf``.

        Raises:
            StateError: it could not be stored.
        """
        text = json.dumps(content, allow_nan=False, sort_keys=True).encode()
        values = (kind, tailnet, record_id, text, hashlib.sha256(text).digest(), self.clock())
        with self.database.write() as connection:
            connection.execute(_PUT, values)

    def get(self, kind: str, record_id: str, *, tailnet: str) -> StateRecord | None:
        """Return a record, None where there is none.

        Raises:
            StateError: it cannot be read, or is damaged.
        """
        rows = self.database.read(f"{_FIND} AND id = ?", (kind, tailnet, record_id))
        return self._opened(rows[0]) if rows else None

    def all(self, kind: str, *, tailnet: str, limit: int | None = None) -> tuple[StateRecord, ...]:
        """Return the records of a kind, the newest first.

        Args:
            kind: of the records.
            tailnet: name of the shelf of a tailnet.
            limit: how many at most; all when left out.

        Raises:
            StateError: they cannot be read, or one is damaged.
        """
        most = -1 if limit is None else limit
        rows = self.database.read(f"{_FIND} ORDER BY at DESC, id LIMIT ?", (kind, tailnet, most))
        return tuple(self._opened(row) for row in rows)

    def remove(self, kind: str, record_id: str, *, tailnet: str) -> None:
        """Drop a record; where there is none, nothing happens.

        Raises:
            StateError: the file cannot be written.
        """
        with self.database.write() as connection:
            connection.execute(
                "DELETE FROM records WHERE kind = ? AND tailnet = ? AND id = ?", (kind, tailnet, record_id)
            )

    def purge(self, kind: str, *, older_than_seconds: float) -> None:
        """Drop the records of a kind that were not touched for long.

        Raises:
            StateError: the file cannot be written.
        """
        with self.database.write() as connection:
            connection.execute(
                "DELETE FROM records WHERE kind = ? AND at < ?", (kind, self.clock() - older_than_seconds)
            )

    def _opened(self, row: tuple[Any, ...]) -> StateRecord:
        record_id, text, check, at = row
        if hashlib.sha256(text).digest() != check:
            raise damaged(self.database.path, f"record {record_id}")
        return StateRecord(record_id, json.loads(text), at)
