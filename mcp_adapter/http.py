"""The server over HTTP: every request passes the address guard, the admission, the token check and its limits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from mcp.server.request_state import RequestStateSecurity
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from mcp_adapter.admission import Admission
from mcp_adapter.caller_scopes import require_scopes_by_effect
from mcp_adapter.flags import WrongUse
from mcp_adapter.gate import CallerGate, Challenge
from mcp_adapter.health import Health
from mcp_adapter.http_settings import HttpSettings
from mcp_adapter.limits import Allowance
from mcp_adapter.listening import HttpServer, open_sockets, server_config, tls_context
from mcp_adapter.oauth import resource_server
from mcp_adapter.origins import AddressGuard, bare_name
from mcp_adapter.runtime import Settings
from mcp_adapter.server import NAME, build_server
from mcp_adapter.tokens import StaticTokens, own_token
from tailscale_sdk import redact
from tailscale_sdk.errors import StateError

PATH = "/mcp"
PLAN_PREFIX = "tailscale-mcp:plan:"
_METADATA = "/.well-known/oauth-protected-resource"
# What a page of an allowed origin may send and read.
_CORS_REQUEST = (
    *("authorization", "content-type", "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name"),
    *("last-event-id", "traceparent"),
)
_CORS_ANSWER = ("www-authenticate", "retry-after", "mcp-protocol-version")


@frozen
class Application:
    """Hold what serves the requests.

    Attributes:
        app: ASGI application, with everything before the protocol.
        inner: the application of FastMCP in it.
        admission: who is in it.
    """

    app: Any
    inner: Any
    admission: Admission


def local_state(settings: Settings, http: HttpSettings) -> Any:
    """Return the local state all calls of this process share, with plans where the replicas share them.

    Raises:
        ConfigurationError: plans cannot be kept there.
    """
    from tailscale_sdk.changes import LocalState

    state = settings.make_state() if settings.make_state is not None else LocalState()
    if http.plan_store is None:
        return state
    from tailscale_sdk.changes.redis_store import RedisPlanStore

    return LocalState(state.directory, plans=RedisPlanStore(http.plan_store, prefix=PLAN_PREFIX))


async def build_application(
    settings: Settings, http: HttpSettings, *, port: int, state: Any, key_client: Any = None
) -> Application:
    """Build what is served on a port.

    Args:
        settings: what the operator decided, whatever the transport.
        http: what the operator decided for HTTP; with tokens, or with OAuth.
        port: that is listened on.
        state: local state all calls share.
        key_client: fetches the keys of an issuer; a fresh one for each fetch when left out.

    Raises:
        ExposureError: a flag names a domain that does not exist.
    """
    origin = http.origin(port)
    if http.oauth is not None:
        provider: Any = resource_server(http.oauth, origin, http_client=key_client)
        reachable = lambda: bool(provider.token_verifier.reachable)  # noqa: E731
    else:
        provider = StaticTokens(http.tokens or ())
        reachable = lambda: bool(http.tokens)  # noqa: E731
    options: dict[str, Any] = {"auth": provider}
    if http.state_keys:
        for key in http.state_keys:
            redact.register(key)
        options["request_state_security"] = RequestStateSecurity(keys=http.state_keys, audience=NAME)
    server = build_server(evolve(settings, over_http=True, make_state=lambda: state), **options)
    needed = await require_scopes_by_effect(server)
    _know_schemas(
        server, {tool.name: tool.parameters for tool in await server.list_tools(run_middleware=False)}
    )
    metadata = f"{origin}{_METADATA}{PATH}" if http.oauth is not None else None
    gate = Middleware(
        CallerGate, Allowance.of(http.rate, http.concurrency), needed=needed, challenge=Challenge(metadata)
    )
    addresses = http.addresses(port)
    inner = server.http_app(
        path=PATH,
        middleware=[gate],
        json_response=True,
        stateless_http=True,
        host_origin_protection=True,
        allowed_hosts=sorted({bare_name(host) for host in addresses.hosts}),
        allowed_origins=sorted(addresses.origins),
    )
    # A page with a traceback would show what the server works with.
    inner.debug = False
    admission = Admission(inner)
    served: Any = admission
    if http.origins:
        served = CORSMiddleware(
            served,
            allow_origins=[origin.strip().lower() for origin in http.origins],
            allow_methods=["POST"],
            allow_headers=_CORS_REQUEST,
            expose_headers=_CORS_ANSWER,
        )
    checks = {
        "catalog": lambda: bool(needed),
        "state": lambda: _is_writable(state.directory),
        "tokens": reachable,
        "admission": lambda: not admission.stopping,
    }
    return Application(AddressGuard(Health(served, checks), addresses), inner, admission)


def _know_schemas(server: Any, schemas: dict[str, Any]) -> None:
    """Spare every modern call the listing of all tools that the library makes to find one schema."""
    inner = server._mcp_server
    if hasattr(inner, "get_tool_input_schema"):
        inner.get_tool_input_schema = schemas.get


def _is_writable(directory: Any) -> bool:
    try:
        directory.check_writable()
    except StateError:
        return False
    return True


def with_token(http: HttpSettings, directory: Path) -> tuple[HttpSettings, Path | None]:
    """Return settings that can tell callers apart, and where the token is that was made for it.

    Args:
        http: perhaps without any token.
        directory: state directory.

    Raises:
        WrongUse: no token can be kept there.
    """
    if http.tokens is not None or http.oauth is not None:
        return http, None
    try:
        token, path = own_token(directory)
    except StateError as problem:
        raise WrongUse(f"--token-file is needed: {problem}") from None
    return evolve(http, tokens=(token,)), path


async def _serve(settings: Settings, http: HttpSettings, announce: Callable[[str], None]) -> None:
    state = local_state(settings, http)
    http, path = with_token(http, state.directory.path)
    context = tls_context(*http.certificate) if http.certificate else None
    listeners = open_sockets(http)
    port = int(listeners[0].getsockname()[1])
    try:
        served = await build_application(settings, http, port=port, state=state)
        name = http.host.strip("[]")
        host = f"[{name}]" if ":" in name else name

        def say() -> None:
            if path is not None:
                announce(f"the bearer token for clients is in {path}")
            announce(f"serving {http.scheme}://{host}:{port}{PATH}")

        server = HttpServer(server_config(served.app, http, context), served.admission, say)
        await server.serve(sockets=listeners)
    finally:
        for listener in listeners:
            listener.close()
        state.close()


def run_http(settings: Settings, http: HttpSettings) -> None:
    """Serve over HTTP until a signal comes.

    Args:
        settings: what the operator decided, whatever the transport.
        http: what the operator decided for HTTP.

    Raises:
        WrongUse: it cannot be served like that.
    """

    def announce(line: str) -> None:
        sys.stderr.write(f"tailscale-mcp: {line}\n")
        sys.stderr.flush()

    asyncio.run(_serve(settings, http, announce))
