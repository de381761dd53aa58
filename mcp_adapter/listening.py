"""The sockets and the HTTP server on them: slow clients are cut off, and stopping waits for what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mcp_adapter.admission import Admission
from mcp_adapter.flags import WrongUse
from mcp_adapter.http_settings import HttpSettings

REQUEST_SECONDS = 20.0
"""In which a request must have come completely, from its first byte or the beginning of the connection."""

MAX_CONNECTIONS = 2000
MAX_HEAD_BYTES = 64 * 1024
DRAIN_SECONDS = 9.0
"""Of the ten in which a stop is over."""

KEEP_ALIVE_SECONDS = 5
BACKLOG = 1024
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_RECEIVING = (h11.IDLE, h11.SEND_BODY)


class Connection(H11Protocol):
    """Serve one connection, whose client may be neither slow nor one too many."""

    request_seconds = REQUEST_SECONDS
    most = MAX_CONNECTIONS
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to serve, or turn away where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_FULL)
            transport.close()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came, and see whether a request is complete."""
        super().data_received(data)
        if self.conn.their_state in _RECEIVING:
            self._watch()
        else:
            self._unwatch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._slow is None and not self.transport.is_closing():
            self._slow = self.loop.call_later(self.request_seconds, self._too_slow)

    def _unwatch(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _too_slow(self) -> None:
        self._slow = None
        self.transport.abort()


class HttpServer(uvicorn.Server):
    """Serve until a signal comes; then let nobody in, wait for what is under way, and end with success."""

    def __init__(self, config: uvicorn.Config, admission: Admission, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._admission, self._announce = admission, announce
        self._hurried = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open for business, and say so."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        self._announce()

    async def main_loop(self) -> None:
        """Serve until told to stop, and a little longer."""
        await super().main_loop()
        await self._admission.drain(DRAIN_SECONDS, self._hurried)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop at the first signal, and wait for nothing at the second."""
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurried.set)
        self._admission.stop()
        self.should_exit = True


def raise_file_limit() -> None:
    """Let the process hold as many connections as it serves, where the system allows it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_CONNECTIONS * 2
        if soft != resource.RLIM_INFINITY and soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def open_sockets(settings: HttpSettings) -> list[socket.socket]:
    """Bind every address of the host, all to one port.

    Raises:
        WrongUse: one cannot be had.
    """
    opened: list[socket.socket] = []
    port = settings.port
    try:
        for family, address in settings.sockets:
            # The protocol is named: asyncio sends small packets at once only where it sees that it is TCP.
            listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            opened.append(listener)
            _prepare(listener, family)
            listener.bind((address, port))
            listener.listen(BACKLOG)
            port = int(listener.getsockname()[1])
    except OSError as problem:
        for listener in opened:
            listener.close()
        reason = problem.strerror or "it cannot be opened"
        raise WrongUse(f"--host {settings.host} --port {port}: {reason}") from None
    return opened


def _prepare(listener: socket.socket, family: socket.AddressFamily) -> None:
    if os.name == "posix":
        # Elsewhere the option lets another process take the port over.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.setblocking(False)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server that speaks TLS 1.2 or newer.

    Raises:
        WrongUse: certificate and key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError):
        raise WrongUse("--tls-cert and --tls-key are not a certificate and its key") from None
    return context


def server_config(app: Any, settings: HttpSettings, context: ssl.SSLContext | None) -> uvicorn.Config:
    """Return how the HTTP server works: no log of requests, no header believed that anybody can write."""
    trusted: Sequence[str] = settings.proxies or ()
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=settings.proxies is not None,
        forwarded_allow_ips=list(trusted),
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ssl_context_factory=None if context is None else lambda config, default: context,
    )
