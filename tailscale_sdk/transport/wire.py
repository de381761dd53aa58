"""The one place that knows httpx: requests are built, sent and read here, failures are told apart."""

from __future__ import annotations

import platform
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk._version import __version__
from tailscale_sdk.errors import APIConnectionError, APITimeoutError, TailscaleError
from tailscale_sdk.transport.retry import Nature

USER_AGENT = f"tailscale-sdk-python/{__version__} python/{platform.python_version()}"
Wire = httpx.BaseTransport
AsyncWire = httpx.AsyncBaseTransport


class AttemptFailed(Exception):
    """Carry why one attempt brought no usable answer; it never leaves the transport."""

    def __init__(
        self, error: TailscaleError, nature: Nature, *, retry_after: float | None = None, at_once: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.nature: Nature = nature
        self.retry_after = retry_after
        self.at_once = at_once


@frozen
class Target:
    """Hold where requests go and what every one of them carries."""

    base_url: str
    headers: tuple[tuple[str, str], ...] = ()

    def request(self, request: WireRequest, token: str | None, timeouts: Mapping[str, float]) -> httpx.Request:
        """Build the httpx request of a wire request."""
        url = f"{self.base_url}{defaults.API_PREFIX}{request.path}"
        if request.query:
            url = f"{url}?{urlencode(request.query)}"
        headers = [("User-Agent", USER_AGENT), ("Accept-Encoding", "gzip")]
        if request.accept != "":
            headers.append(("Accept", request.accept or "application/json"))
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        if request.content_type is not None:
            headers.append(("Content-Type", request.content_type))
        headers.extend(request.headers)
        headers.extend(self.headers)
        return httpx.Request(
            request.method, url, headers=headers, content=request.content, extensions={"timeout": timeouts}
        )


def timeouts(remaining: float) -> dict[str, float]:
    """Cut each phase's own timeout to what is left of the call."""
    remaining = max(remaining, 0.001)
    return {
        "connect": min(defaults.CONNECT_TIMEOUT_SECONDS, remaining),
        "read": min(defaults.READ_TIMEOUT_SECONDS, remaining),
        "write": min(defaults.WRITE_TIMEOUT_SECONDS, remaining),
        "pool": min(defaults.POOL_TIMEOUT_SECONDS, remaining),
    }


def open_wire(base_url: str, max_concurrency: int) -> Wire:
    """Open the synchronous transport to an origin."""
    return httpx.HTTPTransport(**_options(base_url, max_concurrency))


def open_async_wire(base_url: str, max_concurrency: int) -> AsyncWire:
    """Open the asynchronous transport to an origin."""
    return httpx.AsyncHTTPTransport(**_options(base_url, max_concurrency))


def _options(base_url: str, max_concurrency: int) -> dict[str, Any]:
    limits = httpx.Limits(
        max_connections=max_concurrency + 2,
        max_keepalive_connections=max_concurrency + 2,
        keepalive_expiry=defaults.KEEPALIVE_SECONDS,
    )
    return {"limits": limits, "retries": 0, "trust_env": False, "proxy": proxy_for(base_url)}


def proxy_for(base_url: str) -> str | None:
    """Return the proxy the environment names for an origin; loopback never has one."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"} or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def lower_headers(response: httpx.Response) -> dict[str, str]:
    """Return response headers with names in lower case; the last of several values counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            yield current
            pending += [current.__cause__, current.__context__]


def failure_of(error: Exception, host: str, operation: str) -> AttemptFailed:
    """Judge what a transport exception says; TLS, DNS and refusal come as one class and are told apart here."""
    if isinstance(error, httpx.TimeoutException):
        return _timeout(error, host, operation)
    if isinstance(error, httpx.ConnectError):
        return _not_connected(error, host, operation)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError | httpx.ProxyError):
        text = f"{operation}: the request could not be sent to {host} ({type(error).__name__})"
        return AttemptFailed(APIConnectionError(text, operation=operation, phase="connect"), "permanent")
    phase = "write" if isinstance(error, httpx.WriteError) else "read"
    phase = "protocol" if isinstance(error, httpx.RemoteProtocolError) else phase
    text = f"{operation}: the connection to {host} broke off before the answer was complete"
    closed = isinstance(error, httpx.RemoteProtocolError) and "without sending a response" in str(error)
    phase = "read" if closed else phase
    broken = APIConnectionError(text, operation=operation, phase=phase, ambiguous=True)
    return AttemptFailed(broken, "ambiguous", at_once=closed)


def _timeout(error: httpx.TimeoutException, host: str, operation: str) -> AttemptFailed:
    sent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
    phase = {httpx.ConnectTimeout: "connect", httpx.PoolTimeout: "pool", httpx.WriteTimeout: "write"}.get(
        type(error), "read"
    )
    text = f"{operation}: {host} did not answer in time ({phase})"
    timeout = APITimeoutError(text, operation=operation, phase=phase, ambiguous=sent)
    return AttemptFailed(timeout, "ambiguous" if sent else "not_sent")


def _not_connected(error: httpx.ConnectError, host: str, operation: str) -> AttemptFailed:
    nature: Nature = "not_sent"
    phase, what = "connect", "is not reachable: check the network and base_url"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            nature, phase, what = "permanent", "tls", "could not be trusted: its TLS certificate or protocol is wrong"
            break
        if isinstance(cause, socket.gaierror):
            phase, what = "dns", "has no address: check base_url and the resolver"
            nature = "not_sent" if cause.errno == socket.EAI_AGAIN else "permanent"
    return AttemptFailed(APIConnectionError(f"{operation}: {host} {what}", operation=operation, phase=phase), nature)
