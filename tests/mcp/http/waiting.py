"""A client of Tailscale whose one read waits until a test lets it go on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from attrs import define, field

from mcp_adapter.exposure import Exposure
from mcp_adapter.runtime import Settings, single


@define(eq=False)
class Waiting:
    """Hold every read of the contacts until it is released.

    Attributes:
        arrived: set when a read has begun.
        begun: how many have.
    """

    arrived: threading.Event = field(factory=threading.Event)
    begun: int = 0
    _loop: Any = None
    _go: Any = None

    @property
    def contacts(self) -> Waiting:
        return self

    async def get(self) -> dict[str, Any]:
        """Wait, then answer."""
        self._loop, self._go = asyncio.get_running_loop(), self._go or asyncio.Event()
        self.begun += 1
        self.arrived.set()
        await self._go.wait()
        return {"account": {"email": "alice@example.com"}}

    def release(self) -> None:
        """Let every read answer."""
        self._loop.call_soon_threadsafe(self._go.set)

    async def aclose(self) -> None:
        """Have nothing to close."""

    def settings(self, **more: Any) -> Settings:
        """Return settings of a server that reads contacts only."""
        return single(Exposure(toolsets=frozenset({"contacts"})), lambda: self, **more)
