"""What the conformance suite expects a server to have, mounted on ours; started like our own command."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import Annotated, Any

import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.prompts.base import Message
from fastmcp.server.event_store import EventStore
from fastmcp.tools.base import Tool, ToolResult
from pydantic import Field

import mcp_adapter.server
from mcp_adapter import cli
from scripts.judges.fixtures_asking import mount_asking
from scripts.judges.serving import BROKEN, SESSIONS

_PAUSE_SECONDS = 0.05
_RETRY_MILLISECONDS = 500
# One red pixel, and half a sample of silence.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = base64.b64encode(
    b"RIFF&\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0\x80>\0\0\x02\0\x10\0data\x02\0\0\0\0\0"
).decode()
RICH_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _text(text: str) -> mcp_types.TextContent:
    return mcp_types.TextContent(type="text", text=text)


def _image() -> mcp_types.ImageContent:
    return mcp_types.ImageContent(type="image", data=PNG, mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> mcp_types.EmbeddedResource:
    content = mcp_types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return mcp_types.EmbeddedResource(type="resource", resource=content)


class _SchemaTool(Tool):
    """Show a schema."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Answer that it was called."""
        return ToolResult(content=[_text("called")])


def mount_content(server: FastMCP[Any]) -> None:
    """Add tools that answer with each kind of content."""

    @server.tool(output_schema=None)
    def test_simple_text() -> str:
        """Answer with text."""
        return "This is a simple text response for testing."

    @server.tool(output_schema=None)
    def test_image_content() -> Any:
        """Answer with a picture."""
        return ToolResult(content=[_image()])

    @server.tool(output_schema=None)
    def test_audio_content() -> Any:
        """Answer with a sound."""
        return ToolResult(content=[mcp_types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")])

    @server.tool(output_schema=None)
    def test_embedded_resource() -> Any:
        """Answer with a resource."""
        return ToolResult(
            content=[_embedded("test://embedded-resource", "This is an embedded resource content.")]
        )

    @server.tool(output_schema=None)
    def test_multiple_content_types() -> Any:
        """Answer with text, a picture and a resource."""
        resource = _embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        )
        return ToolResult(content=[_text("Multiple content types test:"), _image(), resource])

    @server.tool(output_schema=None)
    def test_error_handling() -> str:
        """Fail."""
        raise ToolError("This tool intentionally returns an error for testing")

    server.add_tool(
        _SchemaTool(
            name="json_schema_2020_12_tool", description="Show a rich schema.", parameters=RICH_SCHEMA
        )
    )

    @server.tool(output_schema=None)
    def test_custom_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    ) -> str:
        """Take an argument that a header repeats."""
        return f"region {len(region)}"


def mount_running(server: FastMCP[Any]) -> None:
    """Add tools that tell how far they are."""

    @server.tool(output_schema=None)
    async def test_tool_with_logging(ctx: Context) -> str:
        """Write log messages to the client."""
        for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.session.send_log_message(level="info", data=line, related_request_id=ctx.request_id)
            await asyncio.sleep(_PAUSE_SECONDS)
        return "logged"

    @server.tool(output_schema=None)
    async def test_logging_tool(ctx: Context) -> str:
        """Write a log message where the client asked for them."""
        await ctx.info("only where it was asked for")
        return "done"

    @server.tool(output_schema=None)
    async def test_tool_with_progress(ctx: Context) -> str:
        """Report progress."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await asyncio.sleep(_PAUSE_SECONDS)
        return "finished"

    @server.tool(output_schema=None)
    async def test_reconnection(ctx: Context) -> str:
        """Close the stream before the answer."""
        await asyncio.sleep(_PAUSE_SECONDS)
        await ctx.close_sse_stream()
        await asyncio.sleep(_PAUSE_SECONDS)
        return "Reconnection test completed"


def mount_resources(server: FastMCP[Any]) -> None:
    """Add resources and prompts."""

    @server.resource("test://static-text", mime_type="text/plain", description="Text.")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png", description="A picture.")
    def static_binary() -> bytes:
        return base64.b64decode(PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json", description="Of an id.")
    def template(id: str) -> str:
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'

    @server.prompt
    def test_simple_prompt() -> str:
        """Say something."""
        return "This is a simple prompt for testing."

    @server.prompt
    def test_prompt_with_arguments(
        arg1: Annotated[str, Field(description="first")], arg2: Annotated[str, Field(description="second")]
    ) -> str:
        """Repeat two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt
    def test_prompt_with_embedded_resource(
        resourceUri: Annotated[str, Field(description="what to embed")],  # noqa: N803  # the suite's name
    ) -> list[Message]:
        """Embed a resource."""
        return [
            Message(_embedded(resourceUri, "Embedded resource content for testing.")),
            Message("Please process the embedded resource above."),
        ]

    @server.prompt
    def test_prompt_with_image() -> list[Message]:
        """Show a picture."""
        return [Message(_image()), Message("Please analyze the image above.")]


def mount_broken(server: FastMCP[Any]) -> None:
    """Add tools with faults: a schema that is no object, and one that is a choice at its root."""
    faults: dict[str, dict[str, Any]] = {
        "test_bare_schema": {"type": "object", "properties": {"anything": True}},
        "test_root_choice": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    }
    for name, schema in faults.items():
        server.add_tool(_SchemaTool(name=name, description="Faulty.", parameters=schema))


def _with_streams(server: FastMCP[Any]) -> None:
    streams = {
        "json_response": False,
        "stateless_http": False,
        "event_store": EventStore(),
        "retry_interval": _RETRY_MILLISECONDS,
    }
    plain = server.http_app
    server.http_app = lambda **given: plain(**{**given, **streams})  # type: ignore[method-assign]


def main() -> int:
    """Serve as our own command does, with more mounted."""
    own = mcp_adapter.server.build_server
    flags = {flag for flag in (SESSIONS, BROKEN) if flag in sys.argv}

    def build(*arguments: Any, **options: Any) -> FastMCP[Any]:
        server = own(*arguments, **options)
        for mount in (mount_content, mount_running, mount_resources, mount_asking):
            mount(server)
        if BROKEN in flags:
            mount_broken(server)
        if SESSIONS in flags:
            _with_streams(server)
        return server

    # The command imports the factory when it serves, whatever the transport.
    mcp_adapter.server.build_server = build
    return cli.main([argument for argument in sys.argv[1:] if argument not in flags])


if __name__ == "__main__":
    sys.exit(main())
