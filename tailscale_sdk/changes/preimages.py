"""What was replaced, and what puts it back: kept before the request that replaces it leaves."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from tailscale_sdk._constants import PREIMAGE_SECONDS, PREIMAGES_KEPT
from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.troubles import damaged
from tailscale_sdk.errors import StateError
from tailscale_sdk.redact import clean
from tailscale_sdk.snapshot import without_secrets

_TEXT_CHARACTERS = 300
_READ = "SELECT id, change_id, item, operation, target, at, content, inverse, sha256 FROM preimages"
# The newest of an operation on a target stays, and so does what an open request may have to be undone with.
_PURGE = """
    DELETE FROM preimages WHERE id IN (
        SELECT p.id FROM (
            SELECT id, change_id, item, at,
                row_number() OVER (PARTITION BY target, operation ORDER BY id DESC) AS place
            FROM preimages
        ) p
        WHERE p.place > 1 AND (p.place > ? OR p.at <= ?) AND NOT EXISTS (
            SELECT 1 FROM journal j
            WHERE j.change_id = p.change_id AND j.item = p.item AND j.state NOT IN ('closed', 'refused')
        )
    )
"""


@frozen
class Preimage:
    """Hold what one request replaced.

    Attributes:
        id: of the pre-image.
        change_id: the change it belongs to.
        item: place in the plan.
        operation: operation id.
        target: what is changed.
        taken: seconds since the epoch.
        content: the state before, without secrets.
        inverse: what undoes the request; None where nothing does.
    """

    id: int
    change_id: str
    item: int
    operation: str
    target: str
    taken: float
    content: Any = field(repr=False)
    inverse: Any = field(repr=False)


@frozen
class PreimageStore:
    """Keep pre-images durably, and never hand out a damaged one.

    Attributes:
        database: where they are.
        clock: gives seconds since the epoch.
        kept: most pre-images of one operation on one target.
        max_age_seconds: how long they are kept.
    """

    database: Database
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)
    kept: int = field(default=PREIMAGES_KEPT, kw_only=True)
    max_age_seconds: float = field(default=PREIMAGE_SECONDS, kw_only=True)

    def put(
        self,
        change_id: str,
        item: int,
        operation: str,
        target: str,
        content: Any,
        inverse: Any | None = None,
    ) -> int:
        """Store what a request is about to replace; returns the id.

        Args:
            change_id: id of the change.
            item: place in the plan.
            operation: operation id.
            target: what is changed.
            content: JSON of the state before; secrets in it are left out.
            inverse: JSON of what undoes the request.

        Raises:
            StateError: it could not be stored: do not send the request.
            TypeError, ValueError: the content is not JSON.
        """
        facts = (change_id, item, operation, clean(target, _TEXT_CHARACTERS))
        stored = (_encode(content), _encode(inverse))
        with self.database.write() as connection:
            added = connection.execute(
                "INSERT INTO preimages (change_id, item, operation, target, at, content, inverse, sha256) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*facts, self.clock(), *stored, _hash(facts, *stored)),
            ).lastrowid
        assert added is not None  # noqa: S101  # an inserted row has an id
        return added

    def get(self, preimage_id: int) -> Preimage:
        """Return a pre-image.

        Raises:
            StateError: there is none, it is damaged, or it cannot be read.
        """
        rows = self.database.read(f"{_READ} WHERE id = ?", (preimage_id,))
        if not rows:
            raise StateError(f"there is no pre-image {preimage_id}: it may be older than is kept")
        return self._checked(rows[0])

    def for_change(self, change_id: str) -> tuple[Preimage, ...]:
        """Return the pre-images of a change in the order of its plan.

        Raises:
            StateError: one of them is damaged, or they cannot be read.
        """
        rows = self.database.read(f"{_READ} WHERE change_id = ? ORDER BY item, id", (change_id,))
        return tuple(self._checked(row) for row in rows)

    def set_inverse(self, preimage_id: int, inverse: Any | None) -> None:
        """Say what undoes a request, once its answer tells.

        Args:
            preimage_id: of ``put``.
            inverse: JSON of what undoes the request.

        Raises:
            StateError: there is no such pre-image, it is damaged, or it could not be stored.
        """
        stored = _encode(inverse)
        with self.database.write() as connection:
            row = connection.execute(f"{_READ} WHERE id = ?", (preimage_id,)).fetchone()
            if row is None:
                raise StateError(f"there is no pre-image {preimage_id}: it may be older than is kept")
            self._checked(row)
            connection.execute(
                "UPDATE preimages SET inverse = ?, sha256 = ? WHERE id = ?",
                (stored, _hash(row[1:5], row[6], stored), preimage_id),
            )

    def purge(self) -> int:
        """Remove what is older or more than is kept, and return how many.

        The newest of an operation on a target stays, and so does that of a request that did not come to its end.

        Raises:
            StateError: they could not be removed.
        """
        with self.database.write() as connection:
            limits = (self.kept, self.clock() - self.max_age_seconds)
            return connection.execute(_PURGE, limits).rowcount

    def _checked(self, row: tuple[Any, ...]) -> Preimage:
        number, content, inverse, check = row[0], *row[6:]
        if not (isinstance(content, bytes) and isinstance(inverse, bytes)):
            raise damaged(self.database.path, f"pre-image {number}")
        if _hash(row[1:5], content, inverse) != check:
            raise damaged(self.database.path, f"pre-image {number}")
        return Preimage(*(*row[:6], json.loads(content), json.loads(inverse)))


def _encode(value: Any) -> bytes:
    return json.dumps(without_secrets(value), allow_nan=False).encode()


def _hash(facts: tuple[Any, ...], content: bytes, inverse: bytes) -> bytes:
    return hashlib.sha256(b"\0".join((json.dumps(facts).encode(), content, inverse))).digest()
