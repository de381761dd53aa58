"""What the tests over HTTP share: one tailnet and one server for a module, and clients that are closed."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import Running, http_settings, serving, tailnet_settings


@pytest.fixture(scope="module")
def shared_tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=12, seed=11) as running:
        yield running


@pytest.fixture(scope="module")
def shared(shared_tailnet: FakeTailnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a server whose defaults were not touched."""
    folder = tmp_path_factory.mktemp("http-state")
    with serving(tailnet_settings(shared_tailnet), http_settings(), folder) as running:
        yield running


@pytest.fixture
def web() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client
