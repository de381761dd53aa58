"""Files for secrets: whole or as they were, for their owner alone, in a folder nobody else can write."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from tailscale_sdk.errors import TailscaleError


class SinkError(TailscaleError):
    """A secret could not be handed over; the text says where to, never what."""


def own_path(path: str | Path) -> Path:
    """Return a path with the home folder in place of ``~``."""
    return Path(path).expanduser()


def check_file(target: Path) -> None:
    """Look whether a file could be put there.

    Raises:
        SinkError: the folder is missing or may be changed by others, or something else has the name.
    """
    folder = target.parent
    try:
        found = folder.stat()
    except OSError as problem:
        raise SinkError(f"{folder}: cannot be looked at ({problem.strerror})") from None
    if not stat.S_ISDIR(found.st_mode):
        raise SinkError(f"{folder}: is no folder")
    _check_name(target)
    if os.name == "posix":
        _check_owner(folder, found)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SinkError(f"{folder}: cannot be written")


def _check_name(target: Path) -> None:
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as problem:
        raise SinkError(f"{target}: cannot be looked at ({problem.strerror})") from None
    if stat.S_ISLNK(mode):
        raise SinkError(f"{target}: is a symbolic link, which is not followed")
    if not stat.S_ISREG(mode):
        raise SinkError(f"{target}: is no file")


def _check_owner(folder: Path, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        raise SinkError(f"{folder}: belongs to somebody else, who could put another file there")
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if others_write and not found.st_mode & stat.S_ISVTX:
        raise SinkError(f"{folder}: others may write it; run chmod go-w {folder}")


def read_file(target: Path) -> bytes:
    """Return what a file holds, nothing where there is none; a symbolic link is not followed.

    Raises:
        SinkError: it cannot be read.
    """
    try:
        descriptor = os.open(
            target, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        )
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as problem:
        raise SinkError(f"{target}: cannot be read ({problem.strerror})") from None


def replace_file(target: Path, data: bytes) -> None:
    """Put a file in place of another, readable by its owner alone, durable before this returns.

    Raises:
        SinkError: it could not be; the old one is as it was.
    """
    check_file(target)
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync(target.parent)
    except OSError as problem:
        raise SinkError(f"{target}: cannot be written ({problem.strerror})") from None


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
