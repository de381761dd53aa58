"""Fixtures that ask the client for something, in both eras."""

from __future__ import annotations

from typing import Annotated, Any

import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.prompts.base import InputRequiredPromptResult
from fastmcp.tools.base import InputRequiredToolResult
from mcp.shared.exceptions import MCPError
from pydantic import Field

_NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
_DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
_OPTIONS = ["option1", "option2", "option3"]


def _titled(word: str) -> list[dict[str, str]]:
    ordinals = ("First", "Second", "Third")
    return [{"const": f"value{n}", "title": f"{name} {word}"} for n, name in enumerate(ordinals, 1)]


_ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _titled("Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _titled("Choice")}},
    },
}


def _form(message: str, schema: dict[str, Any]) -> mcp_types.ElicitRequest:
    return mcp_types.ElicitRequest(
        params=mcp_types.ElicitRequestFormParams(message=message, requested_schema=schema)
    )


def _one_field(name: str, kind: str = "string") -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}


def _sample(text: str, tokens: int) -> mcp_types.CreateMessageRequest:
    message = mcp_types.SamplingMessage(role="user", content=mcp_types.TextContent(type="text", text=text))
    return mcp_types.CreateMessageRequest(
        params=mcp_types.CreateMessageRequestParams(messages=[message], max_tokens=tokens)
    )


def _ask(state: str | None = None, **requests: Any) -> InputRequiredToolResult:
    return InputRequiredToolResult(
        mcp_types.InputRequiredResult(input_requests=requests, request_state=state)
    )


def _answers(ctx: Context, *names: str) -> list[Any] | None:
    given = ctx.input_responses or {}
    return [given[name] for name in names] if given.keys() >= set(names) else None


def mount_asking(server: FastMCP[Any]) -> None:
    """Add tools and a prompt that need the client."""
    _mount_handshake(server)
    _mount_single(server)
    _mount_elsewhere(server)
    _mount_stateful(server)
    _mount_capabilities(server)


def _mount_handshake(server: FastMCP[Any]) -> None:
    async def elicit(ctx: Context, message: str, schema: dict[str, Any]) -> str:
        result = await ctx.session.elicit_form(
            message=message, requested_schema=schema, related_request_id=ctx.request_id
        )
        return f"action={result.action}, content={result.content}"

    @server.tool(output_schema=None)
    async def test_elicitation(ctx: Context, message: Annotated[str, Field(description="shown")]) -> str:
        """Ask for a name and an address."""
        fields = {name: {"type": "string", "description": name} for name in ("username", "email")}
        schema = {"type": "object", "properties": fields, "required": list(fields)}
        return f"User response: {await elicit(ctx, message, schema)}"

    @server.tool(output_schema=None)
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Ask with defaults."""
        return f"Elicitation completed: {await elicit(ctx, 'Defaults', _DEFAULTS)}"

    @server.tool(output_schema=None)
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Ask with choices."""
        return f"Elicitation completed: {await elicit(ctx, 'Choices', _ENUMS)}"

    @server.tool(output_schema=None)
    async def test_sampling(ctx: Context, prompt: Annotated[str, Field(description="sent")]) -> str:
        """Ask the client's model."""
        result = await ctx.session.create_message(
            messages=_sample(prompt, 100).params.messages, max_tokens=100, related_request_id=ctx.request_id
        )
        return f"LLM response: {getattr(result.content, 'text', '')}"


def _mount_single(server: FastMCP[Any]) -> None:
    @server.tool(output_schema=None)
    def test_input_required_result_elicitation(ctx: Context) -> Any:
        """Ask for a name."""
        answers = _answers(ctx, "user_name")
        if answers is None:
            return _ask(user_name=_form("What is your name?", _NAME))
        return f"Hello, {(answers[0].content or {}).get('name')}!"

    @server.tool(output_schema=None)
    def test_input_required_result_sampling(ctx: Context) -> Any:
        """Ask the client's model."""
        answers = _answers(ctx, "capital_question")
        if answers is None:
            return _ask(capital_question=_sample("What is the capital of France?", 100))
        return f"The model said {getattr(answers[0].content, 'text', '')}"

    @server.tool(output_schema=None)
    def test_input_required_result_list_roots(ctx: Context) -> Any:
        """Ask for roots."""
        answers = _answers(ctx, "client_roots")
        if answers is None:
            return _ask(client_roots=mcp_types.ListRootsRequest(params=mcp_types.RequestParams()))
        return f"Roots: {', '.join(str(root.uri) for root in answers[0].roots)}"


def _mount_elsewhere(server: FastMCP[Any]) -> None:
    @server.prompt
    def test_input_required_result_prompt(ctx: Context) -> Any:
        """Ask before it says anything."""
        answers = _answers(ctx, "user_context")
        if answers is None:
            request = _form("What context should the prompt use?", _one_field("context"))
            return InputRequiredPromptResult(
                mcp_types.InputRequiredResult(input_requests={"user_context": request})
            )
        return f"Use this context: {(answers[0].content or {}).get('context')}"

    @server.tool(output_schema=None)
    def test_streaming_elicitation(ctx: Context) -> Any:
        """Ask inside a stream."""
        if _answers(ctx, "go_on") is None:
            return _ask(go_on=_form("Go on?", _one_field("ok", "boolean")))
        return "went on"


def _mount_stateful(server: FastMCP[Any]) -> None:
    @server.tool(output_schema=None)
    def test_input_required_result_request_state(ctx: Context) -> Any:
        """Ask, and know its own state again."""
        if _answers(ctx, "confirm") is None or ctx.request_state != "asked":
            return _ask("asked", confirm=_form("Please confirm", _one_field("ok", "boolean")))
        return "state-ok"

    @server.tool(output_schema=None)
    def test_input_required_result_tampered_state(ctx: Context) -> Any:
        """Ask with a state that nobody else can write."""
        if _answers(ctx, "confirm") is None or ctx.request_state != "sealed":
            return _ask("sealed", confirm=_form("Please confirm", _one_field("ok", "boolean")))
        return "untouched"

    @server.tool(output_schema=None)
    def test_input_required_result_multiple_inputs(ctx: Context) -> Any:
        """Ask three things at once."""
        if _answers(ctx, "user_name", "greeting", "client_roots") is None:
            return _ask(
                "three",
                user_name=_form("What is your name?", _NAME),
                greeting=_sample("Generate a greeting", 50),
                client_roots=mcp_types.ListRootsRequest(params=mcp_types.RequestParams()),
            )
        return "three answers"

    @server.tool(output_schema=None)
    def test_input_required_result_multi_round(ctx: Context) -> Any:
        """Ask twice."""
        if ctx.request_state == "round 2" and _answers(ctx, "step2") is not None:
            return "two answers"
        if ctx.request_state == "round 1" and _answers(ctx, "step1") is not None:
            return _ask("round 2", step2=_form("Step 2: What is your favorite color?", _one_field("color")))
        return _ask("round 1", step1=_form("Step 1: What is your name?", _NAME))


def _mount_capabilities(server: FastMCP[Any]) -> None:
    @server.tool(output_schema=None)
    def test_input_required_result_capabilities(ctx: Context) -> Any:
        """Ask only what the client can answer."""
        capabilities = ctx.session.client_capabilities
        wanted: dict[str, Any] = {}
        if getattr(capabilities, "sampling", None) is not None:
            wanted["greeting"] = _sample("Generate a greeting", 50)
        if getattr(capabilities, "elicitation", None) is not None:
            wanted["user_name"] = _form("What is your name?", _NAME)
        return _ask(**wanted) if wanted and not ctx.input_responses else "asked nothing"

    @server.tool(output_schema=None)
    def test_missing_capability(ctx: Context) -> str:
        """Refuse a client without a model."""
        if getattr(ctx.session.client_capabilities, "sampling", None) is None:
            raise MCPError(
                code=mcp_types.MISSING_REQUIRED_CLIENT_CAPABILITY,
                message="sampling is needed",
                data={"requiredCapabilities": {"sampling": {}}},
            )
        return "it can"
