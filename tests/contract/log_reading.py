"""Read log streams to their end with either client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailscale_sdk import AsyncTailscale, Tailscale
from tailscale_sdk.transport.clock import Clock
from tests.contract.log_server import body_of, flow

KEY = "tskey-api-demo"
WINDOW: dict[str, Any] = {"start": "2026-07-01T10:00:00Z", "end": "2026-07-02T10:00:00Z"}
MONTH: dict[str, Any] = {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
QUIET: dict[str, Any] = {"start": "2026-06-18T12:00:00Z", "end": "2026-06-21T12:00:00Z"}
# Let go within this time, measured at the server's end of the socket.
AT_ONCE_SECONDS = 0.1
FLOWS = [flow(number) for number in range(40)]
BODY = body_of(FLOWS)
both = pytest.mark.parametrize("kind", ["sync", "async"])


def collect(
    kind: str,
    url: str,
    method: str = "iter_network_logs",
    *,
    key: str = KEY,
    arguments: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[dict[str, Any]], Exception | None]:
    """Read a stream to its end; return the records and what ended it, None when it was complete."""
    settings = {"api_key": key, "base_url": url, "_clock": Clock(random=lambda: 0.0), **options}
    arguments = arguments or WINDOW
    records: list[dict[str, Any]] = []

    def synchronous() -> None:
        with Tailscale(**settings) as client:
            records.extend(record.to_dict() for record in getattr(client.logging, method)(**arguments))

    async def asynchronous() -> None:
        async with AsyncTailscale(**settings) as client:
            async for record in getattr(client.logging, method)(**arguments):
                records.append(record.to_dict())  # noqa: PERF401 - what came before an error counts

    error = _error_of(synchronous if kind == "sync" else lambda: asyncio.run(asynchronous()))
    return records, error


def _error_of(work: Any) -> Exception | None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error
    return None


def place_of(number: int, body: bytes = BODY) -> int:
    """Return an offset in the middle of a record."""
    return body.index(f"nDEMO{number}CNTRL".encode())
