"""Whether the process is alive, and whether it can serve; neither asks Tailscale anything."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from mcp_adapter.answers import answer, refuse

ALIVE, READY = "/healthz", "/readyz"
KEPT_SECONDS = 2.0
Checks = Mapping[str, Callable[[], bool]]


@define(eq=False)
class Health:
    """Answer the two health endpoints, and pass everything else on.

    Args:
        app: serves everything else.
        checks: what must hold for the server to be ready, by name; each may wait for a disk.
        monotonic: clock, in seconds.
    """

    app: Any
    checks: Checks
    monotonic: Callable[[], float] = time.monotonic
    _kept: tuple[float, dict[str, bool]] | None = field(default=None, init=False)
    _checking: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        path = scope["path"] if scope["type"] == "http" else None
        if path not in {ALIVE, READY}:
            await self.app(scope, receive, send)
        elif scope["method"] not in {"GET", "HEAD"}:
            await refuse(send, 405, "this is read with GET", headers=((b"allow", b"GET, HEAD"),))
        elif path == ALIVE:
            await _say(send, 200, {"status": "alive"})
        else:
            found = await self._found()
            ready = all(found.values())
            await _say(send, 200 if ready else 503, {"status": "ready" if ready else "not ready", **found})

    async def _found(self) -> dict[str, bool]:
        async with self._checking:
            if self._kept is None or self.monotonic() >= self._kept[0]:
                found = await asyncio.to_thread(_check_all, self.checks)
                self._kept = (self.monotonic() + KEPT_SECONDS, found)
            return self._kept[1]


def _check_all(checks: Checks) -> dict[str, bool]:
    return {name: check() for name, check in checks.items()}


async def _say(send: Any, status: int, content: Mapping[str, Any]) -> None:
    body = json.dumps(content, separators=(",", ":")).encode()
    await answer(send, status, body, headers=((b"cache-control", b"no-store"),))
