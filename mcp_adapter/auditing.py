"""One line of audit per tool call: who, what, on which ids, how it ended; never a free text or a secret."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from mcp_adapter.arguments import CheckedCall
from mcp_adapter.exposure import ToolSpec
from mcp_adapter.principal import current_principal
from mcp_adapter.runtime import Runtime

_log = logging.getLogger("mcp_adapter")


async def audit_call(
    runtime: Runtime, spec: ToolSpec, call: CheckedCall | None, result: Any, seconds: float
) -> None:
    """Append one line; a read is answered even where that fails, a write was not begun then.

    Args:
        runtime: has the trail.
        spec: the tool.
        call: the checked call; None when its arguments were refused.
        result: what it is answered with.
        seconds: how long it took.
    """
    from tailscale_sdk.errors import TailscaleError

    try:
        line, durable = _line(spec, call, result, seconds), spec.effect != "read"
        await asyncio.to_thread(runtime.state().audit.append, line, durable=durable)
    except TailscaleError as problem:
        _log.warning("this call is not in the audit trail: %s", problem)


def _line(spec: ToolSpec, call: CheckedCall | None, result: Any, seconds: float) -> dict[str, Any]:
    content = result.structured_content or {}
    error: dict[str, Any] = content.get("error") or {}
    line: dict[str, Any] = {
        "event": "tool_call",
        "principal": current_principal(),
        "tool": spec.name,
        "effect": spec.effect,
        "outcome": error.get("outcome")
        or error.get("code")
        or ("done" if not result.is_error else "not_done"),
        "milliseconds": round(seconds * 1000),
    }
    if call is not None:
        ids = {p["name"] for p in call.entry["params"] if p["in"] in {"path", "target"}}
        line |= {
            "profile": call.options.tailnet,
            "action": call.entry["method"],
            "operation": call.entry["operation"],
            "targets": [str(value)[:128] for name, value in call.arguments.items() if name in ids],
            "change": content.get("change"),
        }
    return {name: value for name, value in line.items() if value not in (None, [])}
