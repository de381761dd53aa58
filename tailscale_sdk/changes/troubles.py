"""What keeps local state from being kept, in words that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tailscale_sdk.errors import StateError

_ELSEWHERE = "or set TAILSCALE_SDK_STATE to a folder of your own"
_FULL = "the disk is full: free some space"
_DENIED = f"access is denied: give its owner the right to write it, {_ELSEWHERE}"
_READ_ONLY = "the file system is read-only: set TAILSCALE_SDK_STATE to a folder that can be written"
_FAILING = "the disk reports an error: look at the system's log, and keep a copy of the folder"
_BUSY = "another process holds it for too long: look for one that hangs"
_DAMAGED = "the file is damaged: move it away and keep it; a new one is made without it"
_LINKED = "it is a symbolic link, or no folder or file where one must be: remove it"

_BY_ERRNO: Mapping[int | None, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EFBIG: "the file would become larger than is allowed: raise ulimit -f",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _FAILING,
    errno.EMFILE: "this process has too many open files: raise ulimit -n",
    errno.ENFILE: "this system has too many open files: close some programs",
    errno.ELOOP: _LINKED,
    errno.ENOTDIR: _LINKED,
    errno.EISDIR: _LINKED,
    errno.ENXIO: _LINKED,
    errno.EAGAIN: _BUSY,
}
# By the beginning of SQLite's own name of the error, in this order.
_BY_SQLITE: Mapping[str, str] = {
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_IOERR": _FAILING,
    "SQLITE_CANTOPEN": f"it cannot be opened: check its owner and mode and the number of open files, {_ELSEWHERE}",
    "SQLITE_PERM": _DENIED,
    "SQLITE_AUTH": _DENIED,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    # What Python raises itself, for text that is no text any more.
    "OperationalError": _DAMAGED,
    "UnicodeDecodeError": _DAMAGED,
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system or SQLite raises into an error that says what to do.

    Args:
        path: what is being read or written.

    Raises:
        StateError: it cannot be read or written.
    """
    try:
        yield
    except OSError as problem:
        told = _BY_ERRNO.get(problem.errno) or f"{problem.strerror or 'it cannot be used'}: {_ELSEWHERE[3:]}"
        code = errno.errorcode.get(problem.errno or 0)
        raise StateError(f"{path}: {told}", code=code) from problem
    except (sqlite3.Error, UnicodeDecodeError) as problem:
        # SQLite quotes a damaged schema in its message, which Python then cannot read.
        name = getattr(problem, "sqlite_errorname", None) or type(problem).__name__
        told = next((text for start, text in _BY_SQLITE.items() if name.startswith(start)), _FAILING)
        raise StateError(f"{path}: {told} ({name})", code=name) from problem


def foreign(path: Path, owner: int) -> StateError:
    """Return the error of what belongs to somebody else."""
    return StateError(f"{path}: belongs to user {owner}: run as that user, {_ELSEWHERE}", code="EPERM")


def open_to_others(path: Path) -> StateError:
    """Return the error of what others may write."""
    return StateError(f"{path}: may be written by others: run chmod go-w {path}", code="EPERM")


def not_a_plain_file(path: Path) -> StateError:
    """Return the error of a name that stands for something else than one file of ours."""
    return StateError(f"{path}: is no plain file of one name: remove it", code="ELOOP")


def without_modes() -> StateError:
    """Return the error of a system that has no owners and modes."""
    return StateError(
        "local state needs a system with owners and modes, such as Linux or macOS", code="ENOSYS"
    )


def damaged(path: Path, what: str) -> StateError:
    """Return the error of something whose hash is not the one it was stored with."""
    return StateError(f"{path}: {what} is damaged, its hash is another one: do not use it", code="DAMAGED")
