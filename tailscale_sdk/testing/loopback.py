"""Starlette on uvicorn, in a thread, on loopback only."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from tailscale_sdk.testing.control import CONTROL_PREFIX, answer_control
from tailscale_sdk.testing.dispatch import Dispatcher, Request, Response

HOST = "127.0.0.1"
BODY_CAP_BYTES = 32 * 1024 * 1024
START_SECONDS = 20.0
STOP_SECONDS = 10.0


def build_application(dispatcher: Dispatcher) -> Starlette:
    """Return the ASGI application: every path goes to the API, those below ``/_control`` beside it."""

    async def broken(request: HttpRequest, error: Exception) -> HttpResponse:
        return JSONResponse({"message": "internal server error"}, status_code=500)

    return Starlette(routes=[_Everything(dispatcher)], exception_handlers={Exception: broken})


class _Everything(BaseRoute):
    """Take every request: paths are told apart undecoded, since a segment may hold anything, even a line end."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(HttpRequest(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, http: HttpRequest) -> HttpResponse:
        length = http.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_CAP_BYTES:
            return JSONResponse({"message": "the body is too large"}, status_code=413)
        request = await _read(http)
        if request.raw_path.startswith(CONTROL_PREFIX):
            return _to_http(answer_control(self._dispatcher, request))
        return _to_http(self._dispatcher.answer(request))


async def _read(request: HttpRequest) -> Request:
    return Request(
        method=request.method,
        raw_path=request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1"),
        query=request.scope.get("query_string", b"").decode("latin-1"),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
    )


def _to_http(response: Response) -> HttpResponse:
    after = response.answer.after
    made = HttpResponse(
        response.body,
        status_code=response.status,
        background=BackgroundTask(after) if after is not None else None,
    )
    for name, value in response.headers:
        made.headers[name] = value
    return made


class _Server(uvicorn.Server):
    """Tell when the port is being served, and stop at once when asked to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    async def main_loop(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close at once when nothing is being answered; otherwise wait as uvicorn does."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)

    def stop(self) -> None:
        """End the loop from another thread."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)


class LoopbackServer:
    """Serve one dispatcher on 127.0.0.1 until it is closed."""

    def __init__(self, dispatcher: Dispatcher, port: int = 0) -> None:
        self._socket = bind(port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            build_application(dispatcher),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="fake-tailnet", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Begin to serve and return when requests are answered.

        Raises:
            RuntimeError: when the server does not come up.
        """
        self._thread.start()
        if not self._server.ready.wait(START_SECONDS):
            raise RuntimeError("the embedded tailnet did not start: see the log of uvicorn")

    def close(self) -> None:
        """Stop serving and wait for the thread; a second call does nothing."""
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._socket.close()


def bind(port: int) -> socket.socket:
    """Return a socket bound to loopback.

    Raises:
        OSError: when the port is taken.
        OverflowError: when it is no port.
    """
    # With the protocol named, asyncio sends small answers at once; else each waits 40 ms for an ACK.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except (OSError, OverflowError):
        bound.close()
        raise
    return bound
