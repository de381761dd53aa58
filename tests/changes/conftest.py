"""A state directory of its own for each test, and a clock that moves only when it is told to."""

from __future__ import annotations

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


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


@pytest.fixture
def database(state: StateDirectory) -> Iterator[Database]:
    with Database(state) as opened:
        yield opened
