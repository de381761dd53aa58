"""The one seam through which this package touches files; tests put another disk in its place."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
# Systems without these flags have no modes to check either; the state directory says so.
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
AS_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)


class Disk:
    """Make the file calls of this package, each through the descriptor of the directory it happens in."""

    def open(self, name: str | Path, flags: int, *, directory: int | None = None) -> int:
        """Open a file or directory and return its descriptor; what is created is 0600."""
        return os.open(name, flags | os.O_CLOEXEC, FILE_MODE, dir_fd=directory)

    def close(self, descriptor: int) -> None:
        """Close a descriptor; what counts was synced before, so nothing is lost with an error here."""
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read at most ``size`` bytes from an offset."""
        return os.pread(descriptor, size, offset)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write what fits and return how many bytes that were."""
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        """Bring a file's content to the disk itself."""
        if sys.platform == "darwin":
            import fcntl

            # fsync leaves it in the drive's cache there.
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)

    def fsync_dir(self, descriptor: int) -> None:
        """Bring a directory's entries to the disk itself."""
        os.fsync(descriptor)

    def rename(self, old: str, new: str, *, directory: int) -> None:
        """Give a file another name; one that has it is replaced."""
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)

    def unlink(self, name: str, *, directory: int) -> None:
        """Remove a file."""
        os.unlink(name, dir_fd=directory)

    def mkdir(self, name: str, *, directory: int) -> None:
        """Create a directory, 0700."""
        os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)

    def chmod(self, descriptor: int, mode: int) -> None:
        """Set the mode of an open file."""
        os.fchmod(descriptor, mode)

    def flock(self, descriptor: int, *, shared: bool) -> None:
        """Lock a file against other processes; BlockingIOError when one of them has it."""
        import fcntl

        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def status(self, descriptor: int) -> os.stat_result:
        """Return what the system knows of an open file."""
        return os.fstat(descriptor)

    def look(self, name: str, *, directory: int) -> os.stat_result:
        """Return what the system knows of a name, without following a link."""
        return os.stat(name, dir_fd=directory, follow_symlinks=False)

    def names(self, descriptor: int) -> list[str]:
        """Return the names in a directory, in order."""
        return sorted(os.listdir(descriptor))
