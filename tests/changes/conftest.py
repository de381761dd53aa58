"""A state directory of its own for each test, and a clock that moves only when it is told to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.state_directory import StateDirectory


class Clock:
    """Gives the time it was set to."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Return a folder in memory where the system has one: a killed process loses nothing there either."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def state(scratch: Path) -> StateDirectory:
    return StateDirectory(scratch / "state")


@pytest.fixture
def database(state: StateDirectory) -> Iterator[Database]:
    with Database(state) as opened:
        yield opened
