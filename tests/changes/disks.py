"""Disks that break: cut off from power at any call, out of space, failing with any error the system has."""

from __future__ import annotations

import errno
import itertools
import os
import random
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tailscale_sdk.changes.disk import Disk

CALLS = (
    "open",
    "close",
    "read",
    "write",
    "truncate",
    "fsync",
    "fsync_dir",
    "rename",
    "unlink",
    "mkdir",
    "chmod",
    "flock",
    "status",
    "look",
    "names",
)
_numbers = itertools.count(1000)


class PowerCut(BaseException):
    """Stands for the moment after which nothing happens any more."""


class Node:
    """A file or directory: as programs see it, and as it is on the disk itself."""

    def __init__(self, *, directory: bool) -> None:
        self.directory = directory
        self.content, self.stored = bytearray(), b""
        self.entries: dict[str, Node] = {}
        # Every state of the entries since they were last synced: a file system keeps their order.
        self.states: list[dict[str, Node]] = [{}]
        self.mode = 0o700 if directory else 0o600
        self.number = next(_numbers)

    def note(self) -> None:
        """Remember the entries as they are now."""
        self.states.append(dict(self.entries))


class MemoryDisk(Disk):
    """A disk in memory that remembers what reached it for good; each call can be made to fail.

    Args:
        before: called with the number and name of each call; what it raises is what happens.
        space: bytes that can still be written.
        most: bytes that one write takes.
    """

    def __init__(
        self,
        before: Callable[[int, str], None] = lambda number, name: None,
        *,
        space: int = 1 << 40,
        most: int = 1 << 40,
    ) -> None:
        self.before, self.space, self.most = before, space, most
        self.calls: list[str] = []
        self.root = Node(directory=True)
        self._open: dict[int, tuple[Node, int]] = {}

        for name in CALLS:
            setattr(self, name, partial(self._counted, name, getattr(self, name)))

    def _counted(self, name: str, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        self.calls.append(name)
        try:
            self.before(len(self.calls), name)
        except PowerCut:
            if name == "write":
                self._take(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            raise
        return call(*arguments, **keywords)

    def open(self, name: str | Path, flags: int, *, directory: int | None = None) -> int:
        parent, last = self._place(name, directory)
        node = self.root if last is None else parent.entries.get(last)
        if node is None:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(name))
            node = parent.entries[str(last)] = Node(directory=False)
            parent.note()
        elif flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "file exists", str(name))
        if flags & os.O_DIRECTORY and not node.directory:
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(name))
        descriptor = next(_numbers)
        self._open[descriptor] = (node, flags)
        return descriptor

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        return bytes(self._node(descriptor).content[offset : offset + size])

    def write(self, descriptor: int, data: memoryview) -> int:
        fits = min(len(data), self.most, self.space)
        if not fits:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.space -= fits
        self._take(descriptor, bytes(data[:fits]))
        return fits

    def truncate(self, descriptor: int, size: int) -> None:
        del self._node(descriptor).content[size:]

    def fsync(self, descriptor: int) -> None:
        node = self._node(descriptor)
        node.stored = bytes(node.content)

    def fsync_dir(self, descriptor: int) -> None:
        node = self._node(descriptor)
        node.states = [dict(node.entries)]

    def rename(self, old: str, new: str, *, directory: int) -> None:
        node = self._node(directory)
        node.entries[new] = node.entries.pop(old)
        node.note()

    def unlink(self, name: str, *, directory: int) -> None:
        node = self._node(directory)
        if node.entries.pop(name, None) is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        node.note()

    def mkdir(self, name: str, *, directory: int) -> None:
        node = self._node(directory)
        if name in node.entries:
            raise FileExistsError(errno.EEXIST, "file exists", name)
        node.entries[name] = Node(directory=True)
        node.note()

    def chmod(self, descriptor: int, mode: int) -> None:
        self._node(descriptor).mode = mode

    def flock(self, descriptor: int, *, shared: bool) -> None:
        self._node(descriptor)

    def status(self, descriptor: int) -> Any:
        return _status(self._node(descriptor))

    def look(self, name: str, *, directory: int) -> Any:
        node = self._node(directory).entries.get(name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return _status(node)

    def names(self, descriptor: int) -> list[str]:
        return sorted(self._node(descriptor).entries)

    def files(self) -> dict[str, bytes]:
        """Return every file by its path."""
        return dict(_walk(self.root, ""))

    @property
    def open_descriptors(self) -> int:
        """Return how many descriptors were not closed."""
        return len(self._open)

    def after_power_cut(self, how: str) -> MemoryDisk:
        """Return the disk as it may be found afterwards.

        Args:
            how: ``lost``, all that was not synced is gone; ``killed``, only the program died; ``names``, names
                are there without the content; ``half``, half of what was not synced; or a number that deals it out.
        """
        disk = MemoryDisk()
        disk.root = _survivor(self.root, how, random.Random(how), {})
        return disk

    def _take(self, descriptor: int, data: bytes) -> None:
        self._node(descriptor).content.extend(data)

    def _node(self, descriptor: int) -> Node:
        return self._open[descriptor][0]

    def _place(self, name: str | Path, directory: int | None) -> tuple[Node, str | None]:
        if directory is not None:
            return self._node(directory), str(name)
        *above, last = Path(name).parts
        node = self.root
        if not above:
            return node, None
        for part in above[1:]:
            if part not in node.entries:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(name))
            node = node.entries[part]
        return node, last


def _status(node: Node) -> Any:
    kind = stat.S_IFDIR if node.directory else stat.S_IFREG
    return SimpleNamespace(
        st_mode=kind | node.mode,
        st_uid=os.geteuid(),
        st_nlink=1,
        st_size=len(node.content),
        st_dev=1,
        st_ino=node.number,
    )


def _walk(node: Node, path: str) -> Iterator[tuple[str, bytes]]:
    for name, inner in sorted(node.entries.items()):
        if inner.directory:
            yield from _walk(inner, f"{path}/{name}")
        else:
            yield f"{path}/{name}", bytes(inner.content)


def _survivor(node: Node, how: str, chance: random.Random, seen: dict[int, Node]) -> Node:
    if node.number in seen:
        return seen[node.number]
    copy = seen[node.number] = Node(directory=node.directory)
    copy.mode = node.mode
    copy.stored = _content(node, how, chance)
    copy.content = bytearray(copy.stored)
    for name, inner in _entries(node, how, chance).items():
        copy.entries[name] = _survivor(inner, how, chance, seen)
    copy.states = [dict(copy.entries)]
    return copy


def _content(node: Node, how: str, chance: random.Random) -> bytes:
    live = bytes(node.content)
    if how == "killed":
        return live
    if how in {"lost", "names"} or not live.startswith(node.stored):
        return node.stored
    share = 0.5 if how == "half" else chance.choice([0, 0.5, 1])
    return live[: len(node.stored) + int((len(live) - len(node.stored)) * share)]


def _entries(node: Node, how: str, chance: random.Random) -> dict[str, Node]:
    if how in {"killed", "names", "half"}:
        return node.entries
    return node.states[0] if how == "lost" else chance.choice(node.states)


SURVIVALS = ("lost", "killed", "names", "half", "1", "2", "3", "4")


def cut_at(number: int) -> Callable[[int, str], None]:
    """Return what cuts the power at a call, and leaves it cut."""

    def before(call: int, name: str) -> None:
        if call >= number:
            raise PowerCut(f"{number}: {name}")

    return before


def fail_at(number: int, code: int) -> Callable[[int, str], None]:
    """Return what makes one call fail with an error of the system."""

    def before(call: int, name: str) -> None:
        if call == number and name != "close":
            raise OSError(code, os.strerror(code))

    return before


class ChangedDisk(Disk):
    """The real disk, with one call replaced."""

    def __init__(self, name: str, replacement: Callable[..., Any]) -> None:
        setattr(self, name, replacement)
