"""What every call shares: the catalog, what is exposed, and one client per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define, field

from mcp_adapter.catalog import Catalog
from mcp_adapter.safety import Exposure

CALL_DEADLINE_SECONDS = 50.0
"""Of one tool call; clients give up at 60."""

CLIENT_TIMEOUT_SECONDS = 45.0
"""Of one SDK call; the SDK's own error says more than the deadline above."""

ClientFactory = Callable[[], Any]
"""Makes an ``AsyncTailscale``; called at the first tool call, not at start."""


@define
class Runtime:
    """Hold what tools need; the client is made on first use, on the loop it is used on."""

    catalog: Catalog
    exposure: Exposure
    client_factory: ClientFactory
    _clients: dict[int, tuple[asyncio.AbstractEventLoop, Any]] = field(factory=dict, init=False)

    def client(self) -> Any:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        known = self._clients.get(id(loop))
        if known is None or known[0] is not loop:
            known = self._clients[id(loop)] = (loop, self.client_factory())
        return known[1]

    async def aclose(self) -> None:
        """Close the client of the running event loop."""
        loop = asyncio.get_running_loop()
        known = self._clients.pop(id(loop), None)
        if known is not None and known[0] is loop:
            await known[1].aclose()
