"""The audit trail: one line per event, each holding the hash of the one before, added to and never changed."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen

from tailscale_sdk._constants import AUDIT_FILE_BYTES, AUDIT_VALUE_CHARACTERS
from tailscale_sdk.changes.folder import Folder
from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.changes.state_directory import LOCK, StateDirectory
from tailscale_sdk.changes.troubles import damaged
from tailscale_sdk.redact import clean
from tailscale_sdk.snapshot import without_secrets

# The head of a trail without a line.
NOTHING = "0" * 64
CURRENT = "audit.jsonl"
_FOLDER = "audit"
_CLOSED = re.compile(r"audit-\d{12}\.jsonl")
_OWN = frozenset({"seq", "time", "prev", "hash"})
_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_HASH_BYTES = len(',"hash":""}') + 64
_TAIL_BYTES = 4096
_MOST_ELEMENTS = 100
_DEPTH = 4


@frozen
class AuditVerdict:
    """Say whether the trail is what was written.

    Attributes:
        ok: nothing was edited, moved or taken out.
        lines: how many lines there are.
        first_bad: number of the first line that is not right, counted from 1 over all files.
        head: hash of the last line that is right; compare it with one kept elsewhere to see lines cut off the end.
        reason: what is wrong with the first bad line.
    """

    ok: bool
    lines: int
    first_bad: int | None
    head: str
    reason: str | None = None


@frozen
class _Line:
    """Hold what a line says of the chain."""

    seq: int
    prev: str
    hash: str


_FIRST = _Line(0, "", NOTHING)


@frozen
class AuditTrail:
    """Add lines that are on the disk before the call returns, from any number of processes of this host.

    Attributes:
        state: where the files are, below ``audit/``.
        clock: gives seconds since the epoch.
        max_bytes: a file that has grown to this is closed; the next one goes on with its chain.
    """

    state: StateDirectory
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)
    max_bytes: int = field(default=AUDIT_FILE_BYTES, kw_only=True)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def append(self, event: Mapping[str, Any], *, durable: bool = True) -> str:
        """Add a line and return the new head.

        Args:
            event: JSON values; no bodies. Secrets are taken out, long values cut, and ``plan_id`` becomes ``plan``.
            durable: wait until the line outlives a power cut; a read need not, the next durable line takes it along.

        Raises:
            StateError: it could not be written, or it is not known whether it will stay.
            ValueError: a name is one the trail uses itself, or a number is none.
            TypeError: a value is not JSON.
        """
        content = _presentable(event)
        with self._lock, self.state.locked(_FOLDER) as folder:
            last = self._settled(folder)
            line, head = _line(last, self.clock(), content)
            with folder.open(CURRENT, os.O_WRONLY | os.O_APPEND) as descriptor:
                size = folder.disk.status(descriptor).st_size
                try:
                    folder.write_all(descriptor, line)
                    if durable:
                        folder.disk.fsync(descriptor)
                except BaseException:
                    with contextlib.suppress(OSError):
                        folder.disk.truncate(descriptor, size)
                    raise
        return head

    def check_writable(self) -> None:
        """Find out whether a line could be added now.

        Raises:
            StateError: none could; make no change.
        """
        self.state.check_writable(_FOLDER)
        with self._lock, self.state.locked(_FOLDER) as folder:
            self._settled(folder)

    def head(self) -> str:
        """Return the hash of the last line.

        Raises:
            StateError: the trail cannot be read, or its last line is damaged.
        """
        with self._reading() as folder:
            return _FIRST.hash if folder is None else _last(folder).hash

    def verify(self, *, head: str | None = None) -> AuditVerdict:
        """Read every line and find out whether one was edited, moved or taken out.

        Args:
            head: a head kept elsewhere, which must be in the trail.

        Raises:
            StateError: the trail cannot be read.
        """
        with self._reading() as folder:
            lines = () if folder is None else _lines(folder)
            return _judge(lines, head)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Folder | None]:
        with self.state.existing(_FOLDER) as folder:
            if folder is None or not folder.is_plain(LOCK):
                yield None
                return
            with folder.open(LOCK, os.O_RDONLY) as descriptor:
                self.state.lock(descriptor, shared=True)
                yield folder

    def _settled(self, folder: Folder) -> _Line:
        """Return the last line, once the file is there, ends with a whole line and has room."""
        with folder.open(CURRENT, os.O_RDWR | os.O_CREAT) as descriptor:
            line, whole, torn = _end_of(folder, descriptor)
            if torn:
                folder.disk.truncate(descriptor, whole)
            if not whole:
                # Lines in a file whose name can be lost would be lost with it.
                folder.sync()
        last = _parsed(folder, CURRENT, line) if whole else _last_closed(folder)
        closed = f"audit-{last.seq:012d}.jsonl"
        if whole < max(self.max_bytes, 1) or folder.is_plain(closed):
            return last
        folder.rename(CURRENT, closed)
        return self._settled(folder)


def _presentable(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as it may be written down."""
    if _OWN & set(event):
        raise ValueError(f"the trail itself writes {', '.join(sorted(_OWN & set(event)))}")
    content = dict(event)
    if "plan_id" in content:
        plan_id = content.pop("plan_id")
        content["plan"] = plan_reference(plan_id) if isinstance(plan_id, str) else None
    shown: dict[str, Any] = without_secrets(_shortened(content, _DEPTH))
    return shown


def _shortened(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value, AUDIT_VALUE_CHARACTERS)
    if not isinstance(value, dict | list | tuple):
        return value
    if not depth:
        return "…"
    more = [f"… {len(value) - _MOST_ELEMENTS} more"] if len(value) > _MOST_ELEMENTS else []
    if isinstance(value, dict):
        kept = itertools.islice(value.items(), _MOST_ELEMENTS)
        shown = {clean(str(name), AUDIT_VALUE_CHARACTERS): _shortened(item, depth - 1) for name, item in kept}
        return {**shown, **dict.fromkeys(more, True)}
    return [*(_shortened(item, depth - 1) for item in value[:_MOST_ELEMENTS]), *more]


def _line(last: _Line, now: float, content: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the next line and its hash, which is that of the line without it."""
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
    chained = {"seq": last.seq + 1, "time": stamp, "prev": last.hash, **content}
    body = json.dumps(chained, separators=(",", ":"), allow_nan=False).encode()
    head = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{head}"}}\n'.encode(), head


def _read_line(line: bytes) -> _Line | None:
    """Return what a line says of the chain; None when it is not as it was written."""
    own = _HASH.fullmatch(line[-_HASH_BYTES:])
    body = line[:-_HASH_BYTES] + b"}"
    if own is None or hashlib.sha256(body).hexdigest().encode() != own[1]:
        return None
    try:
        chained = json.loads(body)
        return _Line(chained["seq"], chained["prev"], own[1].decode())
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _parsed(folder: Folder, name: str, line: bytes) -> _Line:
    """Return the line the next one follows.

    Raises:
        StateError: it was changed, so that nothing can follow it.
    """
    found = _read_line(line)
    if found is None:
        raise damaged(folder.path / name, "its last line")
    return found


def _end_of(folder: Folder, descriptor: int) -> tuple[bytes, int, int]:
    """Return an open file's last whole line, the size up to its end, and how many bytes of a torn line follow."""
    size = folder.disk.status(descriptor).st_size
    window = _TAIL_BYTES
    while True:
        start = max(size - window, 0)
        lines, newline, torn = b"".join(folder.pieces(descriptor, start)).rpartition(b"\n")
        _, another, line = lines.rpartition(b"\n")
        if another or not start:
            return line, size - len(torn) if newline else 0, len(torn)
        window *= 4


def _closed(folder: Folder) -> list[str]:
    """Return the names of the closed files, oldest first."""
    return [name for name in folder.names() if _CLOSED.fullmatch(name)]


def _last_closed(folder: Folder) -> _Line:
    names = _closed(folder)
    if not names:
        return _FIRST
    with folder.open(names[-1], os.O_RDONLY) as descriptor:
        return _parsed(folder, names[-1], _end_of(folder, descriptor)[0])


def _last(folder: Folder) -> _Line:
    with contextlib.suppress(FileNotFoundError), folder.open(CURRENT, os.O_RDONLY) as descriptor:
        line, whole, _ = _end_of(folder, descriptor)
        if whole:
            return _parsed(folder, CURRENT, line)
    return _last_closed(folder)


def _lines(folder: Folder) -> Iterator[bytes]:
    """Yield every line of every file without its end; a torn one at the very end never was a line."""
    for name in (*_closed(folder), CURRENT):
        rest = b""
        with contextlib.suppress(FileNotFoundError), folder.open(name, os.O_RDONLY) as descriptor:
            for piece in folder.pieces(descriptor, 0):
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines
        if rest and name != CURRENT:
            yield rest


def _judge(lines: Iterable[bytes], head: str | None) -> AuditVerdict:
    last, number, seen = _FIRST, 0, head in {None, NOTHING}
    bad: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        if bad is not None:
            continue
        found = _read_line(line)
        if found is None:
            bad = (number, "it was edited, or put there by something else")
        elif (found.seq, found.prev) != (last.seq + 1, last.hash):
            bad = (number, "it does not follow the line before: lines were moved or taken out")
        else:
            last, seen = found, seen or found.hash == head
    if bad is None and not seen:
        bad = (number + 1, "the head that was kept elsewhere is missing: lines were cut off the end")
    where, reason = bad or (None, None)
    return AuditVerdict(bad is None, number, where, last.hash, reason)
