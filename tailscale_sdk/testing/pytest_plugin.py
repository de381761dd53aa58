"""Pytest fixtures: ``from tailscale_sdk.testing.pytest_plugin import fake_tailnet, no_sleep`` in a conftest.py.

``pytest_plugins = ["tailscale_sdk.testing.pytest_plugin"]`` works too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tailscale_sdk.testing import waiting
from tailscale_sdk.testing.server import FakeTailnet


@pytest.fixture
def fake_tailnet() -> Iterator[FakeTailnet]:
    """Serve a fresh tailnet of 25 devices for one test."""
    with FakeTailnet() as tailnet:
        yield tailnet


@pytest.fixture
def no_sleep() -> Iterator[None]:
    """Let clients of the SDK retry without waiting for the length of one test."""
    with waiting.no_sleep():
        yield
