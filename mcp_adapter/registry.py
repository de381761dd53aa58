"""From the map to tools: one generic class, ready-made schemas, no tool written by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastmcp.tools.base import Tool, ToolResult
from mcp_types import ResourceLink, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from mcp_adapter.arguments import ArgumentError, CheckedCall, check_call, option_schemas, place_of
from mcp_adapter.auditing import audit_call
from mcp_adapter.calling import call_operation
from mcp_adapter.catalog import is_workflow
from mcp_adapter.device_names import is_device_id, resolve_device
from mcp_adapter.exposure import ToolSpec, hints_of
from mcp_adapter.failures import failure, from_error, out_of_time
from mcp_adapter.output import (
    Shaped,
    TooLarge,
    cut,
    needs_everything,
    safe_answer,
    shape_read,
    shape_write,
)
from mcp_adapter.principal import current_principal
from mcp_adapter.runtime import READ_DEADLINE_SECONDS, WRITE_DEADLINE_SECONDS, Profile, Runtime
from mcp_adapter.safety import Refused, write
from mcp_adapter.schema import input_schema
from mcp_adapter.text import compact
from mcp_adapter.workflows import Provider
from mcp_adapter.written import NotDone, carried_out, planned

CHOICES_SHOWN = 4
"""Optional arguments that the line of an action names."""

COMMON = frozenset({"max_changes", "max_percent"})
"""Arguments that every change of many has, and its lines do not repeat."""

_log = logging.getLogger("mcp_adapter")


def describe(spec: ToolSpec) -> str:
    """Write a tool's description: when to use it, then one line per action with its arguments."""
    if not spec.choosing:
        return spec.about
    return "\n".join([spec.about, *(_line(entry) for entry in spec.entries)])


def _line(entry: Mapping[str, Any]) -> str:
    call = f"{entry['method']}({_arguments(entry)})"
    # What only says the action's name again is left out: each line is paid for in every conversation.
    is_plain = entry["summary"] == entry["method"].replace("_", " ")
    return call if is_plain else f"{call}: {entry['summary']}"


def _arguments(entry: Mapping[str, Any]) -> str:
    """Name the arguments of an action; where there are very many to choose from, the schema alone lists them."""
    told = [p for p in entry["params"] if p["name"] not in COMMON]
    needed = [p["name"] for p in told if p["required"]]
    choices = [p["name"] for p in told if not p["required"]]
    if len(choices) > CHOICES_SHOWN:
        return ", ".join([*needed, "..."])
    return ", ".join(p["name"] if p["required"] else f"{p['name']}?" for p in told)


def annotations_of(spec: ToolSpec) -> ToolAnnotations:
    """Return all four hints; an omitted one would mean "destructive" and "open world"."""
    return ToolAnnotations(
        **hints_of(spec.effect), idempotent_hint=all(entry["idempotent"] for entry in spec.entries)
    )


class OpTool(Tool):
    """Serve every action of one domain and effect: each is exactly one API operation, or a workflow of the SDK."""

    _spec: ToolSpec = PrivateAttr()
    _runtime: Runtime = PrivateAttr()

    @classmethod
    def build(cls, spec: ToolSpec, runtime: Runtime, *, auth: Any = None) -> OpTool:
        """Make the tool of a specification.

        Args:
            spec: what it serves.
            runtime: what its calls share.
            auth: check of the caller's scopes over HTTP.
        """
        tool = cls(
            name=spec.name,
            description=describe(spec),
            parameters=input_schema(spec.entries, option_schemas(spec), choosing=spec.choosing),
            annotations=annotations_of(spec),
            auth=auth,
        )
        tool._spec, tool._runtime = spec, runtime
        return tool

    def to_mcp_tool(self, **overrides: Any) -> Any:
        """Describe the tool without a title: the name says the same."""
        return super().to_mcp_tool(**{"title": None, "_meta": None, **overrides})

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Carry out one call; whatever goes wrong becomes a result, only a real cancellation passes."""
        started = time.monotonic()
        call: CheckedCall | None = None
        try:
            call = check_call(self._spec, arguments)
            result = await self._run_checked(call)
        except ArgumentError as problem:
            result = failed(failure("invalid_arguments", str(problem)))
        except KeyboardInterrupt:
            raise
        except BaseException as problem:
            if _is_cancelled(problem):
                raise
            _log.exception("tool %s failed", self.name)
            result = failed(
                failure("internal", "the server failed to carry out this call", "report it to the operator")
            )
        await audit_call(self._runtime, self._spec, call, result, time.monotonic() - started)
        return result

    async def _run_checked(self, call: CheckedCall) -> ToolResult:
        from tailscale_sdk.errors import TailscaleError

        deadline = READ_DEADLINE_SECONDS if call.entry["effect"] == "read" else WRITE_DEADLINE_SECONDS
        try:
            async with asyncio.timeout(deadline):
                return await self._carry_out(call)
        except NotDone as problem:
            content = self._explained(call, problem.error)
            content["error"] |= {"facts": safe_answer(call.entry, problem.facts)}
            return failed(cut(content).structured)
        except TimeoutError:
            return failed(out_of_time(self._runtime.catalog, call.entry, deadline))
        except (TailscaleError, ValueError, TypeError) as problem:
            return failed(self._explained(call, problem))

    def _explained(self, call: CheckedCall, problem: Exception) -> dict[str, Any]:
        """Describe what stands against a call."""
        from tailscale_sdk.errors import TailscaleError

        entry = call.entry
        if isinstance(problem, TailscaleError):
            return from_error(self._runtime.catalog, entry, problem)
        if isinstance(problem, Refused):
            more = {"operation": entry["operation"], **problem.more}
            return failure(problem.code, str(problem), problem.hint, **more)
        if isinstance(problem, TooLarge):
            return failure("too_large", str(problem), operation=entry["operation"])
        return failure("invalid_arguments", f"{place_of(self._spec, entry)}: {problem}")

    async def _carry_out(self, call: CheckedCall) -> ToolResult:
        runtime = self._runtime
        profile = runtime.settings.profile(call.options.tailnet)
        reason = profile.exposure.reason_against(self._spec.domain, call.entry)
        if reason is not None:
            raise Refused("not_allowed", f"not allowed in {profile.name}: {reason}")
        principal = current_principal()
        call = await self._with_device_id(call, profile, principal)
        if call.entry["effect"] == "read":
            answer = await self._read(
                call.entry, profile, principal, {**call.arguments, **needs_everything(call)}
            )
            return succeeded(self._named(shape_read(call, answer), profile))
        written = await write(runtime, profile, call, principal=principal, context=_context())
        if written.round_trip is not None:
            asked: ToolResult = written.round_trip
            return asked
        if written.report is None:
            shaped = shape_write(runtime.catalog, call.entry, planned(runtime, call, written))
            return succeeded(self._named(shaped, profile), is_error=written.plan is None)
        result = await carried_out(runtime, call, written)
        return succeeded(self._named(shape_write(runtime.catalog, call.entry, result), profile))

    async def _read(
        self, entry: Mapping[str, Any], profile: Profile, principal: str, arguments: Mapping[str, Any]
    ) -> Any:
        runtime = self._runtime
        client = runtime.client(profile)
        question = json.dumps(
            [profile.name, principal, entry["operation"], dict(arguments)], sort_keys=True, default=str
        )
        # A policy among the arguments is long, and answers outlive their call.
        key = hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()
        if is_workflow(entry):
            provider = Provider(runtime, profile, principal, _context())
            return await runtime.reads.get(key, lambda: provider.run(entry, arguments))
        return await runtime.reads.get(key, lambda: call_operation(client, entry, arguments))

    async def _with_device_id(self, call: CheckedCall, profile: Profile, principal: str) -> CheckedCall:
        """Take a device by whatever a person calls it."""
        given = call.arguments.get("device_id")
        if not isinstance(given, str) or is_device_id(given):
            return call
        entry = self._runtime.catalog.entries["listTailnetDevices"]
        devices = await self._read(entry, profile, principal, {})
        return CheckedCall(
            call.entry, {**call.arguments, "device_id": resolve_device(given, devices)}, call.options
        )

    def _named(self, shaped: Shaped, profile: Profile) -> Shaped:
        """Name the profile once where there are several."""
        if not self._runtime.settings.profile_names:
            return shaped
        structured = {**shaped.structured, "tailnet": profile.name}
        if "columns" not in shaped.structured:
            return Shaped(structured, compact(structured))
        table, _, trailer = shaped.text.rpartition("\n")
        return Shaped(structured, f"{table}\n{compact({**json.loads(trailer), 'tailnet': profile.name})}")


def _context() -> Any:
    from fastmcp.server.dependencies import get_context

    try:
        return get_context()
    except RuntimeError:
        return None


def _is_cancelled(problem: BaseException) -> bool:
    task = asyncio.current_task()
    return isinstance(problem, asyncio.CancelledError | GeneratorExit) and (
        task is None or bool(task.cancelling())
    )


def succeeded(shaped: Shaped, *, is_error: bool = False) -> ToolResult:
    """Wrap both forms of a result, and link to what was too long for it."""
    content: list[Any] = [TextContent(type="text", text=shaped.text)]
    if uri := shaped.structured.get("resource"):
        content.append(ResourceLink(type="resource_link", uri=uri, name="the whole of it"))
    return ToolResult(content=content, structured_content=shaped.structured, is_error=is_error)


def failed(content: dict[str, Any]) -> ToolResult:
    """Wrap an error so that it reaches the model as a result."""
    return ToolResult(
        content=[TextContent(type="text", text=compact(content))], structured_content=content, is_error=True
    )


def build_tools(specs: Sequence[ToolSpec], runtime: Runtime) -> list[OpTool]:
    """Make every tool of a start."""
    return [OpTool.build(spec, runtime) for spec in specs]
