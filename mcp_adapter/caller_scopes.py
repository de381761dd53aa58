"""What a caller's token allows over HTTP: one scope for each effect a tool can have."""

from __future__ import annotations

from typing import Any

READ, WRITE, DELETE = "ts:read", "ts:write", "ts:delete"
SCOPES = (READ, WRITE, DELETE)


def scope_of_tool(tool: Any) -> str:
    """Return the scope a tool needs, by the hints it declares."""
    hints = tool.annotations
    if hints is not None and hints.read_only_hint:
        return READ
    return WRITE if hints is not None and hints.destructive_hint is False else DELETE


async def require_scopes_by_effect(server: Any) -> dict[str, str]:
    """Bind every component of a server to a scope; whoever lacks it does not see it.

    Args:
        server: with all its tools, resources and prompts.

    Returns:
        The scope of each tool, by name.
    """
    from fastmcp.server.auth import require_scopes

    needed = {}
    for tool in await server.list_tools(run_middleware=False):
        needed[tool.name] = scope_of_tool(tool)
        tool.auth = require_scopes(needed[tool.name])
    for listed in (server.list_resources, server.list_resource_templates, server.list_prompts):
        for component in await listed(run_middleware=False):
            component.auth = require_scopes(READ)
    return needed
