"""One caller over a tailnet of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.changes.conftest import scratch_folder
from tests.operations.transactions import Caller, calling


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def caller(scratch: Path) -> Iterator[Caller]:
    with calling(scratch) as made:
        yield made
