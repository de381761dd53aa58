"""One open directory of the state: every file in it by name, no link followed, each write whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tailscale_sdk.changes.disk import AS_DIRECTORY, FILE_MODE, NO_FOLLOW, Disk
from tailscale_sdk.changes.troubles import foreign, not_a_plain_file, open_to_others

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_CHUNK_BYTES = 1024 * 1024
TEMPORARY = ".tmp"


def check_name(name: str) -> None:
    """Refuse what is not the name of one file.

    Raises:
        ValueError: it is empty, a way to elsewhere, or has a character no file name has.
    """
    if name in {"", ".", ".."} or "/" in name or "\0" in name or len(name.encode()) > 255:
        raise ValueError("this is not the name of a file")


def check_owner(path: Path, status: os.stat_result) -> None:
    """Refuse what belongs to somebody else or may be written by others.

    Raises:
        StateError: it may have been put there by somebody else.
    """
    if status.st_uid != os.geteuid():
        raise foreign(path, status.st_uid)
    if status.st_mode & _OTHERS_WRITE:
        raise open_to_others(path)


@frozen
class Folder:
    """Hold an open directory; what is raised here is turned into a StateError by who opened it.

    Attributes:
        disk: makes the calls.
        descriptor: of the directory.
        path: for messages.
    """

    disk: Disk
    descriptor: int
    path: Path

    @contextlib.contextmanager
    def open(self, name: str, flags: int) -> Iterator[int]:
        """Open a file of ours, 0600, and close it again.

        Args:
            name: of the file.
            flags: as of ``os.open``; links are never followed.

        Raises:
            StateError: it is not a plain file, belongs to somebody else, or others may write it.
        """
        check_name(name)
        # Without O_NONBLOCK a pipe put there would make this wait for ever.
        descriptor = self.disk.open(name, flags | NO_FOLLOW | os.O_NONBLOCK, directory=self.descriptor)
        try:
            status, writes = self.disk.status(descriptor), flags & (os.O_WRONLY | os.O_RDWR)
            if not stat.S_ISREG(status.st_mode) or (writes and status.st_nlink > 1):
                raise not_a_plain_file(self.path / name)
            check_owner(self.path / name, status)
            if writes and stat.S_IMODE(status.st_mode) != FILE_MODE:
                self.disk.chmod(descriptor, FILE_MODE)
            yield descriptor
        finally:
            self.disk.close(descriptor)

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None when there is no such file."""
        try:
            with self.open(name, os.O_RDONLY) as descriptor:
                return b"".join(self.pieces(descriptor, 0))
        except FileNotFoundError:
            return None

    def pieces(self, descriptor: int, offset: int) -> Iterator[bytes]:
        """Yield an open file's content from an offset on."""
        while piece := self.disk.read(descriptor, _CHUNK_BYTES, offset):
            yield piece
            offset += len(piece)

    def write(self, name: str, data: bytes) -> None:
        """Store a file so that after any crash there is the old content or the new, and after returning the new."""
        check_name(name)
        temporary = f".{secrets.token_hex(8)}{TEMPORARY}"
        try:
            with self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
                self.write_all(descriptor, data)
                self.disk.fsync(descriptor)
            self.rename(temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                self.disk.unlink(temporary, directory=self.descriptor)
            raise

    def write_all(self, descriptor: int, data: bytes) -> None:
        """Write every byte, however few the system takes at a time."""
        rest = memoryview(data)
        while rest:
            written = self.disk.write(descriptor, rest)
            if not written:
                raise OSError(errno.EIO, "nothing was written")
            rest = rest[written:]

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, durably; one that has it is replaced."""
        self.disk.rename(old, new, directory=self.descriptor)
        self.sync()

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        check_name(name)
        with contextlib.suppress(FileNotFoundError):
            self.disk.unlink(name, directory=self.descriptor)

    def sync(self) -> None:
        """Make names that were given or removed last."""
        self.disk.fsync_dir(self.descriptor)

    def names(self) -> list[str]:
        """Return the names of the files, without what is hidden or half written."""
        return [name for name in self.disk.names(self.descriptor) if not name.startswith(".")]

    def sweep(self) -> None:
        """Remove what interrupted writes left; only while no other process writes here."""
        for name in self.disk.names(self.descriptor):
            if name.startswith(".") and name.endswith(TEMPORARY):
                self.remove(name)

    def is_plain(self, name: str) -> bool:
        """Tell whether a file is there, without opening it.

        Raises:
            StateError: the name is a link, or stands for something else than a file of ours.
        """
        try:
            status = self.disk.look(name, directory=self.descriptor)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(status.st_mode):
            raise not_a_plain_file(self.path / name)
        check_owner(self.path / name, status)
        return True

    def enter(self, name: str, *, create: bool) -> int:
        """Open a directory in this one and return its descriptor.

        Args:
            name: of the directory.
            create: make it, 0700, when it is not there.

        Raises:
            StateError: it belongs to somebody else, or others may write it.
        """
        check_name(name)
        flags = os.O_RDONLY | AS_DIRECTORY | NO_FOLLOW
        try:
            descriptor = self.disk.open(name, flags, directory=self.descriptor)
        except FileNotFoundError:
            if not create:
                raise
            with contextlib.suppress(FileExistsError):
                self.disk.mkdir(name, directory=self.descriptor)
            self.sync()
            descriptor = self.disk.open(name, flags, directory=self.descriptor)
        try:
            check_owner(self.path / name, self.disk.status(descriptor))
        except BaseException:
            self.disk.close(descriptor)
            raise
        return descriptor
