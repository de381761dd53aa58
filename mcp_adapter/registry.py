"""From the map to tools: one generic class, ready-made schemas, no tool written by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from fastmcp.tools.base import Tool, ToolResult
from mcp_types import TextContent, ToolAnnotations
from pydantic import PrivateAttr

from mcp_adapter.arguments import ArgumentError, CheckedCall, check_call, option_schemas
from mcp_adapter.calling import call_operation
from mcp_adapter.failures import failure, from_error, unknown_outcome_hint
from mcp_adapter.output import Shaped, TooLarge, needs_everything, shape_read, shape_write
from mcp_adapter.paging import CursorError
from mcp_adapter.runtime import CALL_DEADLINE_SECONDS, Runtime
from mcp_adapter.safety import ToolSpec, perform_write
from mcp_adapter.schema import input_schema
from mcp_adapter.text import compact

_log = logging.getLogger("mcp_adapter")


def describe(spec: ToolSpec) -> str:
    """Write a tool's description: when to use it, then one line per action with its arguments."""
    lines = [spec.about]
    for entry in spec.entries:
        names = ", ".join(p["name"] if p["required"] else f"{p['name']}?" for p in entry["params"])
        lines.append(f"{entry['method']}({names}): {entry['summary']}")
    return "\n".join(lines)


def annotations_of(spec: ToolSpec) -> ToolAnnotations:
    """Return all four hints; an omitted one would mean "destructive" and "open world"."""
    return ToolAnnotations(
        read_only_hint=spec.effect == "read",
        destructive_hint=spec.effect == "delete",
        idempotent_hint=all(entry["idempotent"] for entry in spec.entries),
        open_world_hint=True,
    )


class OpTool(Tool):
    """Serve every action of one domain and effect; each action is exactly one API operation."""

    _spec: ToolSpec = PrivateAttr()
    _runtime: Runtime = PrivateAttr()

    @classmethod
    def build(cls, spec: ToolSpec, runtime: Runtime) -> OpTool:
        """Make the tool of a specification."""
        tool = cls(
            name=spec.name,
            description=describe(spec),
            parameters=input_schema(spec.entries, option_schemas(spec)),
            annotations=annotations_of(spec),
        )
        tool._spec, tool._runtime = spec, runtime
        return tool

    def to_mcp_tool(self, **overrides: Any) -> Any:
        """Describe the tool without a title: the name says the same."""
        return super().to_mcp_tool(**{"title": None, "_meta": None, **overrides})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Carry out one call; whatever goes wrong becomes a result, only a real cancellation passes."""
        try:
            return await self._run_checked(arguments)
        except ArgumentError as problem:
            return failed(failure("invalid_arguments", str(problem)))
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            task = asyncio.current_task()
            if isinstance(problem, asyncio.CancelledError | GeneratorExit) and (
                task is None or task.cancelling()
            ):
                raise
            _log.exception("tool %s failed", self.name)
            return failed(
                failure("internal", "the server failed to carry out this call", "report it to the operator")
            )

    async def _run_checked(self, arguments: dict[str, Any]) -> ToolResult:
        from tailscale_sdk.errors import TailscaleError

        call = check_call(self._spec, arguments)
        catalog = self._runtime.catalog
        try:
            async with asyncio.timeout(CALL_DEADLINE_SECONDS):
                return succeeded(await self._carry_out(call))
        except CursorError as problem:
            return failed(failure("invalid_arguments", f"{self.name}.{call.entry['method']}: {problem}"))
        except TooLarge as problem:
            return failed(failure("too_large", str(problem), operation=call.entry["operation"]))
        except TailscaleError as problem:
            return failed(from_error(catalog, call.entry, problem))
        except ValueError as problem:
            return failed(failure("invalid_arguments", f"{self.name}.{call.entry['method']}: {problem}"))
        except TimeoutError:
            write = call.entry["effect"] != "read"
            hint = unknown_outcome_hint(catalog, call.entry) if write else "try again, or ask for less"
            more = {"outcome": "unknown"} if write else {}
            message = f"no answer within {CALL_DEADLINE_SECONDS:g} seconds"
            return failed(failure("deadline", message, hint, operation=call.entry["operation"], **more))

    async def _carry_out(self, call: CheckedCall) -> Shaped:
        client, catalog = self._runtime.client(), self._runtime.catalog
        if call.entry["effect"] == "read":
            answer = await call_operation(client, call.entry, {**call.arguments, **needs_everything(call)})
            return shape_read(call, answer)
        return shape_write(
            catalog, call.entry, await perform_write(client, catalog, call.entry, call.arguments)
        )


def succeeded(shaped: Shaped) -> ToolResult:
    """Wrap both forms of a result."""
    return ToolResult(
        content=[TextContent(type="text", text=shaped.text)], structured_content=shaped.structured
    )


def failed(content: dict[str, Any]) -> ToolResult:
    """Wrap an error so that it reaches the model as a result."""
    return ToolResult(
        content=[TextContent(type="text", text=compact(content))], structured_content=content, is_error=True
    )


def build_tools(specs: Sequence[ToolSpec], runtime: Runtime) -> list[OpTool]:
    """Make every tool of a start."""
    return [OpTool.build(spec, runtime) for spec in specs]
