"""Faults that no server can play: the client cannot get to it, or not in time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from attrs import define

from tests.reliability.shared_time import SharedTime
from tests.tls import ANOTHER_NAME, listen, make_certificate

GONE, SLOW = "gone.example.com", "slow.example.com"
# Nobody routes a stream to a broadcast address.
UNREACHABLE = "127.255.255.255"
Detour = dict[str, Any]


@define(eq=False)
class Detouring(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Send the first requests somewhere else, where the fault is real."""

    _inner: Any
    _detour: Detour
    _left: int

    def _aim(self, request: httpx.Request) -> httpx.Request:
        if self._left > 0:
            self._left -= 1
            request.url = request.url.copy_with(**self._detour)
        return request

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = self._inner.handle_request(self._aim(request))
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self._inner.handle_async_request(self._aim(request))
        return response

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


@define(eq=False)
class Failing(Detouring):
    """Fail the first requests after the time their phase may take."""

    _time: SharedTime
    _error: type[httpx.TransportError]
    _phase: str | None

    def _aim(self, request: httpx.Request) -> httpx.Request:
        if self._left > 0:
            self._left -= 1
            self._time.sent += 1
            if self._phase is not None:
                self._time.now += request.extensions["timeout"].get(self._phase)
            raise self._error("scripted", request=request)
        return request


Rigging = Callable[[int], Callable[[Any], Any]]


def detouring(**detour: Any) -> Rigging:
    """Return what lets so many requests take a detour."""
    return lambda times: lambda wire: Detouring(wire, detour, times)


def failing(time: SharedTime, error: type[httpx.TransportError], phase: str | None = None) -> Rigging:
    """Return what fails so many requests."""
    return lambda times: lambda wire: Failing(wire, {}, times, time, error, phase)


@contextmanager
def client_side_faults(time: SharedTime, upstream: str, folder: Path) -> Iterator[dict[str, Rigging]]:
    """Give the faults by name.

    Args:
        time: in which timeouts pass.
        upstream: origin that the TLS listeners would pass requests on to.
        folder: for throw-away certificates.
    """
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        cert = stack.enter_context(listen(upstream, make_certificate(folder)))
        name = stack.enter_context(listen(upstream, make_certificate(folder, ANOTHER_NAME)))
        plain = stack.enter_context(listen(upstream))
        stack.enter_context(mock.patch("socket.getaddrinfo", _resolver()))
        yield {
            "connrefused": detouring(port=deaf.getsockname()[1]),
            "unreach": detouring(host=UNREACHABLE),
            "dnsagain": detouring(host=SLOW),
            "dnsnone": detouring(host=GONE),
            "tls_cert": detouring(scheme="https", port=_port(cert.url)),
            "tls_name": detouring(scheme="https", port=_port(name.url)),
            "tls_plain": detouring(scheme="https", port=_port(plain.url)),
            "conntimeout": failing(time, httpx.ConnectTimeout, "connect"),
            "pooltimeout": failing(time, httpx.PoolTimeout, "pool"),
            "wreset_write": failing(time, httpx.WriteError),
        }
        assert cert.connections == name.connections == 0, "no request may go where the certificate is wrong"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _resolver() -> Callable[..., Any]:
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in {SLOW, SLOW.encode()}:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host in {GONE, GONE.encode()}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)

    return resolve
