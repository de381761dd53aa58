"""What the tests of workflows share: a server with a sample workflow beside the operations of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from codegen.document import load_document
from codegen.workflows import compile_workflows
from mcp_adapter import workflows
from mcp_adapter.catalog import Catalog, read_catalog
from mcp_adapter.exposure import EVERY, Exposure
from mcp_adapter.runtime import single
from mcp_adapter.server import build_server
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.conftest import Connect, sdk_client

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
EVERYTHING = Exposure(write=EVERY, delete=EVERY)


@cache
def sample_catalog() -> Catalog:
    """Return the catalog of the API with the sample's tools in place of the product's workflows."""
    catalog = read_catalog()
    document = load_document(ROOT / "openapi" / "tailscale.yaml")
    tools, problems = compile_workflows(HERE / "maps", HERE / "package", document, catalog.domains)
    assert problems == []
    return Catalog(catalog.domains, catalog.entries, tuple(tools))


@pytest.fixture
def sample_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up the functions of workflows in the sample."""
    monkeypatch.setattr(workflows, "PACKAGE", f"{__package__}.package")


@pytest.fixture
def connect_sample(tailnet: FakeTailnet, sample_package: None) -> Connect:
    """Return a way to connect to a fresh server with the sample."""

    @asynccontextmanager
    async def connection(
        exposure: Exposure = EVERYTHING,
        mode: str = "auto",
        settings: dict[str, Any] | None = None,
        client_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Client[Any]]:
        chosen = single(exposure, lambda: sdk_client(tailnet, **options), **(settings or {}))
        server = build_server(chosen, catalog=sample_catalog())
        async with Client(server, mode=mode, **(client_options or {})) as client:  # type: ignore[arg-type]
            yield client

    return connection
