"""One SQLite file for plans, journal and pre-images: what was committed is on the disk, whoever dies next."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import define, field

from tailscale_sdk._constants import STATE_LOCK_SECONDS
from tailscale_sdk.changes.folder import Folder
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.changes.troubles import explained
from tailscale_sdk.errors import StateError

NAME = "state.db"
_SIDE_FILES = (f"{NAME}-wal", f"{NAME}-shm")
# One entry per version of the file; a file of an older version gets those that it lacks.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE plans (
            key TEXT PRIMARY KEY, record BLOB NOT NULL, sha256 BLOB NOT NULL, expires REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE journal (
            id INTEGER PRIMARY KEY AUTOINCREMENT, change_id TEXT NOT NULL, item INTEGER NOT NULL,
            plan TEXT NOT NULL, operation TEXT NOT NULL, target TEXT NOT NULL, base TEXT, digest TEXT,
            nonce TEXT, principal TEXT NOT NULL, profile TEXT NOT NULL, tailnet TEXT NOT NULL,
            state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, error TEXT, after TEXT,
            UNIQUE (change_id, item)
        )""",
        "CREATE INDEX journal_open ON journal (id) WHERE state NOT IN ('closed', 'refused')",
        """CREATE TABLE journal_steps (
            entry INTEGER NOT NULL REFERENCES journal (id), state TEXT NOT NULL, at REAL NOT NULL
        )""",
        "CREATE INDEX journal_steps_of ON journal_steps (entry)",
        """CREATE TABLE preimages (
            id INTEGER PRIMARY KEY AUTOINCREMENT, change_id TEXT NOT NULL, item INTEGER NOT NULL,
            operation TEXT NOT NULL, target TEXT NOT NULL, at REAL NOT NULL,
            content BLOB NOT NULL, inverse BLOB NOT NULL, sha256 BLOB NOT NULL
        )""",
        "CREATE INDEX preimages_of_change ON preimages (change_id, item)",
        "CREATE INDEX preimages_of_target ON preimages (target, operation, id)",
    ),
    (
        """CREATE TABLE records (
            kind TEXT NOT NULL, tailnet TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL,
            sha256 BLOB NOT NULL, at REAL NOT NULL, PRIMARY KEY (kind, tailnet, id)
        ) WITHOUT ROWID""",
    ),
)
VERSION = len(_MIGRATIONS)
# A second opening of the file in this process would drop SQLite's locks when it is closed.
_creating = threading.Lock()


def _close(connection: sqlite3.Connection, process: int) -> None:
    # A forked child must not close, and by that settle, what its parent goes on with.
    if os.getpid() == process:
        connection.close()


@define(eq=False)
class Database:
    """Run statements, each group of writes durable before it returns; safe to use from several threads.

    Attributes:
        state: where the file is.
        busy_seconds: how long to wait for another process that writes.
    """

    state: StateDirectory
    busy_seconds: float = field(default=STATE_LOCK_SECONDS, kw_only=True)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _connection: sqlite3.Connection | None = field(default=None, init=False, repr=False)
    _identity: tuple[int, int, int] | None = field(default=None, init=False, repr=False)
    _finalizer: Any = field(default=None, init=False, repr=False)

    @property
    def path(self) -> Path:
        """Return where the file is, or will be."""
        return self.state.path / NAME

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none when nothing was ever stored.

        Args:
            statement: SQL that changes nothing.
            values: its parameters.

        Raises:
            StateError: the file cannot be read, is damaged, or was made by a newer version.
        """
        with self._lock, explained(self.path):
            connection = self._connected(create=False)
            return [] if connection is None else connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that holds every other writer off; durable when the block is left.

        Raises:
            StateError: nothing of it was stored.
        """
        with self._lock, explained(self.path):
            connection = self._connected(create=True)
            assert connection is not None  # noqa: S101  # made when it is missing
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Closing it rolls back too.
            self._drop()

    def _drop(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._connection = self._finalizer = self._identity = None

    def _connected(self, *, create: bool) -> sqlite3.Connection | None:
        """Return the connection to the file that has the name now; None when there is none to read."""
        with self.state.existing() as folder:
            identity = None if folder is None else _identity_of(folder)
        if self._connection is not None and identity == self._identity:
            return self._connection
        # Taken away or replaced under its name, or this is another process: what would be written is lost.
        self._drop()
        if identity is None and not create:
            return None
        with _creating, self.state.locked() as folder:
            if not folder.is_plain(NAME):
                with folder.open(NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL):
                    pass
                folder.sync()
            for name in _SIDE_FILES:
                folder.is_plain(name)
            self._connection = connection = self._open()
            self._finalizer = weakref.finalize(self, _close, connection, os.getpid())
            self._identity = _identity_of(folder)
            try:
                self._prepare(connection)
            except BaseException:
                self._drop()
                raise
        return connection

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=self.busy_seconds, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set what makes a commit durable, and bring the file to this version."""
        for setting in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {setting}")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > VERSION:
            raise StateError(
                f"{self.path}: was made by a newer version: upgrade tailscale-sdk", code="NEWER_VERSION"
            )
        if found == VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        for statements in _MIGRATIONS[found:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")


def _identity_of(folder: Folder) -> tuple[int, int, int] | None:
    """Return which file has the name now, and which process asks."""
    if not folder.is_plain(NAME):
        return None
    status = folder.disk.look(NAME, directory=folder.descriptor)
    return status.st_dev, status.st_ino, os.getpid()
