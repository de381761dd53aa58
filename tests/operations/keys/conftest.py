"""One caller who rotates keys, over a tailnet of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.keys.rotating import Rotating, rotating


@pytest.fixture
def caller(scratch: Path) -> Iterator[Rotating]:
    with rotating(scratch) as made:
        yield made
