"""A tailnet and an engine for each test, and waits that take no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.testing import no_sleep
from tests.changes.engine.support import SHELLS, World, world


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Let nobody wait."""
    with no_sleep():
        yield


@pytest.fixture
def here(scratch: Path) -> Iterator[World]:
    with world(scratch) as made:
        yield made


@pytest.fixture(params=SHELLS)
def either(request: pytest.FixtureRequest, scratch: Path) -> Iterator[World]:
    with world(scratch, request.param) as made:
        yield made
