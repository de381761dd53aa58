"""Call a function of the SDK's operations layer with what the caller gave and what this server provides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from attrs import frozen

from mcp_adapter.progress import Progress
from mcp_adapter.runtime import Profile, Runtime

PACKAGE = "tailscale_sdk"


@frozen
class Provider:
    """Provide a workflow's function with what no caller can give.

    Attributes:
        runtime: clients, engines and shared reads.
        profile: tailnet it works on.
        principal: who calls.
        context: FastMCP's context, for progress; None where there is none.
    """

    runtime: Runtime
    profile: Profile
    principal: str
    context: Any = None

    async def run(self, function: Mapping[str, Any], arguments: Mapping[str, Any], **more: Any) -> Any:
        """Run a function to its end.

        Args:
            function: its ``call`` below the SDK, and what it is ``given``.
            arguments: of the caller.
            more: what else this step provides: ``digest`` and ``plan_id`` of a change.

        Raises:
            TailscaleError, ValueError: as the function does.
        """
        progress = Progress.towards(self.context)
        made = {"now": lambda: datetime.now(UTC), "progress": lambda: progress, **self._shared()}
        given = {name: more[name] if name in more else made[name]() for name in function["given"]}
        try:
            return await function_of(function["call"])(
                self.runtime.client(self.profile), **given, **arguments
            )
        finally:
            await progress.settle()

    def _shared(self) -> dict[str, Any]:
        return {
            "snapshots": lambda: self.runtime.snapshots(self.profile, self.principal),
            "changes": lambda: self.runtime.changes(self.profile),
            "principal": lambda: self.principal,
        }


def function_of(call: str) -> Any:
    """Return the function a call names, a dotted path below the SDK; its module is imported now, not at start."""
    module, _, name = call.rpartition(".")
    return getattr(import_module(f"{PACKAGE}.{module}"), name)
