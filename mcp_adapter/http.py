"""The server over HTTP: every request passes the address guard, the admission, the token check and its limits."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from mcp.server.request_state import RequestStateSecurity
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from mcp_adapter.admission import Admission
from mcp_adapter.caller_scopes import require_scopes_by_effect
from mcp_adapter.flags import WrongUse
from mcp_adapter.gate import PATH, CallerGate, Challenge
from mcp_adapter.health import Health
from mcp_adapter.http_settings import HttpSettings
from mcp_adapter.limits import Allowance
from mcp_adapter.listening import HttpServer, open_sockets, raise_file_limit, server_config, tls_context
from mcp_adapter.oauth import resource_server
from mcp_adapter.origins import AddressGuard, bare_name
from mcp_adapter.runtime import Settings
from mcp_adapter.server import NAME, build_server
from mcp_adapter.tokens import StaticTokens, own_token
from tailscale_sdk import redact
from tailscale_sdk.errors import StateError

PLAN_PREFIX = "tailscale-mcp:plan:"
OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""A request makes thousands of objects that go by themselves; looking for cycles less often spares a tenth."""

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


@frozen
class Prepared:
    """Hold what can be refused before anything else is done.

    Attributes:
        http: what the operator decided.
        listeners: open sockets, all on one port.
        context: of TLS; None without.
        plans: store that replicas share; None for the state directory.
    """

    http: HttpSettings
    listeners: list[socket.socket]
    context: ssl.SSLContext | None
    plans: Any


@contextmanager
def prepare(http: HttpSettings) -> Iterator[Prepared]:
    """Open what is served on, until the context ends.

    Raises:
        WrongUse: an address cannot be had, or certificate and key cannot be used.
        ConfigurationError: plans cannot be kept where they should.
    """
    context = tls_context(*http.certificate) if http.certificate else None
    with ExitStack() as stack:
        plans = None
        if http.plan_store is not None:
            from tailscale_sdk.changes.redis_store import RedisPlanStore

            plans = stack.enter_context(RedisPlanStore(http.plan_store, prefix=PLAN_PREFIX))
        listeners = open_sockets(http)
        for listener in listeners:
            stack.callback(listener.close)
        yield Prepared(http, listeners, context, plans)


def local_state(settings: Settings, plans: Any) -> Any:
    """Return the local state all calls of this process share, with plans where the replicas share them."""
    from tailscale_sdk.changes import LocalState

    state = settings.make_state() if settings.make_state is not None else LocalState()
    return state if plans is None else LocalState(state.directory, plans=plans)


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
    # Listed before the scopes are bound: without a caller, nothing is listed after that.
    schemas = {tool.name: tool.parameters for tool in await server.list_tools(run_middleware=False)}
    _know_schemas(server, schemas)
    needed = await require_scopes_by_effect(server)
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


async def _serve(settings: Settings, ready: Prepared, announce: Callable[[str], None]) -> None:
    state = local_state(settings, ready.plans)
    http, path = with_token(ready.http, state.directory.path)
    port = int(ready.listeners[0].getsockname()[1])
    try:
        served = await build_application(settings, http, port=port, state=state)
        name = http.host.strip("[]")
        host = f"[{name}]" if ":" in name else name

        def say() -> None:
            if path is not None:
                announce(f"the bearer token for clients is in {path}")
            announce(f"serving {http.scheme}://{host}:{port}{PATH}")

        server = HttpServer(server_config(served.app, http, ready.context), served.admission, say)
        await server.serve(sockets=ready.listeners)
    finally:
        state.close()


def run_http(settings: Settings, ready: Prepared) -> None:
    """Serve over HTTP until a signal comes.

    Args:
        settings: what the operator decided, whatever the transport.
        ready: what is served on.

    Raises:
        WrongUse: no token can be kept.
        ExposureError: a flag names a domain that does not exist.
    """

    def announce(line: str) -> None:
        sys.stderr.write(f"tailscale-mcp: {line}\n")
        sys.stderr.flush()

    raise_file_limit()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    asyncio.run(_serve(settings, ready, announce))
