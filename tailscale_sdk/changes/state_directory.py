"""The directory of local state: made when it is first needed, for its owner's eyes only."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from attrs import field, frozen

from tailscale_sdk._constants import STATE_LOCK_SECONDS
from tailscale_sdk.changes.disk import AS_DIRECTORY, NO_FOLLOW, Disk
from tailscale_sdk.changes.folder import TEMPORARY, Folder, check_owner
from tailscale_sdk.changes.troubles import explained, without_modes

VARIABLE = "TAILSCALE_SDK_STATE"
LOCK = ".lock"
_SECRETS = "secrets"
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,99}")
_HASH_PREFIX_CHARACTERS = 12


@frozen
class SecretFile:
    """Say where a secret was put.

    Attributes:
        path: the file; it holds the value and nothing else.
        id: of what the secret belongs to.
        sha256_prefix: first characters of the value's hash, to recognise it by.
    """

    path: Path
    id: str
    sha256_prefix: str


def file_name(text: str) -> str:
    """Return a name for a file that stands for any text, the text itself where that is harmless."""
    if _PLAIN_NAME.fullmatch(text):
        return text
    # No plain name has a percent sign, so none can pose as this one.
    return "%" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()


@frozen
class StateDirectory:
    """Keep files durably in a directory that only its owner can read.

    Attributes:
        path: the directory; nothing is created before it is needed.
        disk: makes the file calls.
        pause: waits between two tries for a lock, in seconds.
    """

    path: Path = field(converter=_absolute)
    disk: Disk = field(factory=Disk, repr=False, kw_only=True)
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, kw_only=True)

    @classmethod
    def default(cls) -> Self:
        """Return ``$TAILSCALE_SDK_STATE``, else the platform's directory for a user's state."""
        chosen = os.environ.get(VARIABLE)
        if chosen:
            return cls(chosen)
        from platformdirs import user_state_path

        return cls(user_state_path("tailscale-sdk"))

    @contextlib.contextmanager
    def folder(self, *parts: str) -> Iterator[Folder]:
        """Open a directory below this one, making what is missing.

        Args:
            parts: names of the directories on the way.

        Raises:
            StateError: it cannot be made or opened, or is not for its owner only.
        """
        path = self.path.joinpath(*parts)
        with explained(path):
            descriptor = self._enter(parts, create=True)
            try:
                yield Folder(self.disk, descriptor, path)
            finally:
                self.disk.close(descriptor)

    @contextlib.contextmanager
    def existing(self, *parts: str) -> Iterator[Folder | None]:
        """Open a directory below this one; None when it is not there.

        Raises:
            StateError: it cannot be opened, or is not for its owner only.
        """
        path = self.path.joinpath(*parts)
        with explained(path):
            try:
                descriptor = self._enter(parts, create=False)
            except FileNotFoundError:
                yield None
                return
            try:
                yield Folder(self.disk, descriptor, path)
            finally:
                self.disk.close(descriptor)

    @contextlib.contextmanager
    def locked(self, *parts: str) -> Iterator[Folder]:
        """Open a directory below this one, while no other process or thread does so.

        Raises:
            StateError: as of ``folder``, or another process holds it for too long.
        """
        with self.folder(*parts) as folder, folder.open(LOCK, os.O_RDWR | os.O_CREAT) as descriptor:
            self.lock(descriptor, shared=False)
            yield folder

    def lock(self, descriptor: int, *, shared: bool) -> None:
        """Wait for the lock of an open file; it ends when the file is closed.

        Raises:
            BlockingIOError: another process holds it for too long.
        """
        waited = 0.0
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            try:
                self.disk.flock(descriptor, shared=shared)
            except BlockingIOError:
                if waited >= STATE_LOCK_SECONDS:
                    raise
            else:
                return
            self.pause(pause)
            waited += pause

    def check_writable(self, *parts: str) -> None:
        """Write, sync and remove a small file.

        Raises:
            StateError: nothing can be kept here now.
        """
        name = f".{secrets.token_hex(8)}{TEMPORARY}"
        with self.folder(*parts) as folder:
            folder.write(name, b"writable\n")
            folder.remove(name)

    def keep_secret(self, kind: str, identifier: str, value: str) -> SecretFile:
        """Put a secret that a call made into a file of its own, 0600.

        Args:
            kind: what it is, such as ``auth-key``.
            identifier: id of what it belongs to.
            value: the secret.

        Raises:
            StateError: it could not be kept; the value is not part of the text.
        """
        data = value.encode("utf-8", "surrogatepass")
        name = f"{file_name(kind)}-{secrets.token_hex(8)}"
        with self.folder(_SECRETS) as folder:
            folder.write(name, data)
        prefix = hashlib.sha256(data).hexdigest()[:_HASH_PREFIX_CHARACTERS]
        return SecretFile(self.path / _SECRETS / name, identifier, prefix)

    def _enter(self, parts: tuple[str, ...], *, create: bool) -> int:
        """Open the base, and then directory after directory through the descriptor of the one before."""
        current = self._base(create=create)
        path = self.path
        for name in parts:
            try:
                inner = Folder(self.disk, current, path).enter(name, create=create)
            finally:
                self.disk.close(current)
            current, path = inner, path / name
        return current

    def _base(self, *, create: bool) -> int:
        if not NO_FOLLOW:
            raise without_modes()
        flags = os.O_RDONLY | AS_DIRECTORY
        try:
            descriptor = self.disk.open(self.path, flags)
        except FileNotFoundError:
            if not create:
                raise
            self._make(self.path)
            descriptor = self.disk.open(self.path, flags)
        try:
            check_owner(self.path, self.disk.status(descriptor))
        except BaseException:
            self.disk.close(descriptor)
            raise
        return descriptor

    def _make(self, path: Path) -> None:
        """Create a directory, and those above it that are missing."""
        flags = os.O_RDONLY | AS_DIRECTORY
        try:
            above = self.disk.open(path.parent, flags)
        except FileNotFoundError:
            self._make(path.parent)
            above = self.disk.open(path.parent, flags)
        try:
            with contextlib.suppress(FileExistsError):
                self.disk.mkdir(path.name, directory=above)
            self.disk.fsync_dir(above)
        finally:
            self.disk.close(above)
