"""The one place that knows httpx: requests are built, sent and read here, failures are told apart."""

from __future__ import annotations

import platform
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import Factory, field, frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk._version import __version__
from tailscale_sdk.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    ResponseTooLargeError,
    TailscaleError,
)
from tailscale_sdk.transport.decode import BodyBroken
from tailscale_sdk.transport.lanes import Lanes
from tailscale_sdk.transport.loopback import is_loopback
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.retry import Failure, Nature

USER_AGENT = f"tailscale-sdk-python/{__version__} python/{platform.python_version()}"
# httpcore and h11 report a connection that ended too early as a protocol error: only the words tell.
_CUT_OFF = re.compile(r"disconnected without|peer closed connection")
_FLOODED = re.compile(r"buffer too long")
# Answers that never have a body.
BODILESS = frozenset({204, 304})
Wire = httpx.BaseTransport
AsyncWire = httpx.AsyncBaseTransport
W = TypeVar("W")
_DEFAULTS = Options()


class AttemptFailed(Exception):
    """Carry why one attempt brought no usable answer; it never leaves the transport."""

    def __init__(self, error: TailscaleError, failure: Failure) -> None:
        super().__init__(str(error))
        self.error, self.failure = error, failure

    @property
    def settles_token_request(self) -> bool:
        """Tell whether asking for a token again would end the same way."""
        return self.failure.nature == "permanent" or not self.failure.repeatable

    def token_error(self) -> TailscaleError:
        """Return the failure of a token request: the operation it was for was never sent."""
        if hasattr(self.error, "ambiguous"):
            self.error.ambiguous = False
        return self.error


class DeadlinePassed(Exception):
    """Say that an answer was still coming when the call's time was over."""


def _common_headers(target: Target) -> tuple[tuple[str, str], ...]:
    own = {name.lower() for name, _ in target.headers}
    agent = () if "user-agent" in own else (("User-Agent", USER_AGENT),)
    return (*agent, ("Accept-Encoding", "gzip"), *target.headers)


@frozen
class Target:
    """Hold where requests go and what every one of them carries.

    Attributes:
        base_url: origin.
        headers: further headers of the caller; a User-Agent among them replaces ours.
    """

    base_url: str
    headers: tuple[tuple[str, str], ...] = ()
    common: tuple[tuple[str, str], ...] = field(init=False, default=Factory(_common_headers, takes_self=True))

    def request(self, request: WireRequest, token: str | None, timeouts: PhaseTimeouts) -> httpx.Request:
        """Build the httpx request of a wire request.

        Raises:
            ValueError: there can be no such address, such as one of a hundred thousand characters.
        """
        url = f"{self.base_url}{defaults.API_PREFIX}{request.path}"
        if request.query:
            url = f"{url}?{urlencode(request.query)}"
        headers = list(self.common)
        if request.accept != "":
            headers.append(("Accept", request.accept or "application/json"))
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        if request.content_type is not None:
            headers.append(("Content-Type", request.content_type))
        headers.extend(request.headers)
        extensions = {"timeout": timeouts}
        try:
            return httpx.Request(
                request.method, url, headers=headers, content=request.content, extensions=extensions
            )
        except httpx.InvalidURL as problem:
            raise ValueError(f"this address cannot be requested: {problem}") from None


def form_request(target: Target, path: str, fields: dict[str, str], timeouts: PhaseTimeouts) -> httpx.Request:
    """Build a request of the token endpoint; nothing of the caller's headers goes there."""
    form = "application/x-www-form-urlencoded"
    request = WireRequest("POST", path, content=urlencode(fields).encode(), content_type=form)
    return Target(target.base_url).request(request, None, timeouts)


def late_token() -> APITimeoutError:
    """Say that the token endpoint was still answering when the call's time was over."""
    text = "token endpoint: the answer was not complete in time"
    return APITimeoutError(text, operation="token endpoint", phase="auth")


class PhaseTimeouts(dict[str, float]):
    """Answer each phase's timeout when the phase begins, cut to what is left of the call by then.

    Args:
        deadline: end of the call on the clock.
        monotonic: the clock.
        options: what the call allows each phase.
        streaming: the body is a log stream, read as long as it speaks.
    """

    def __init__(
        self,
        deadline: float,
        monotonic: Callable[[], float],
        options: Options = _DEFAULTS,
        *,
        streaming: bool = False,
    ) -> None:
        super().__init__(
            connect=options.connect_timeout,
            read=options.idle_timeout if streaming else options.read_timeout,
            write=options.write_timeout,
            pool=defaults.POOL_TIMEOUT_SECONDS,
        )
        self._deadline, self._monotonic = deadline, monotonic

    def get(self, phase: str, default: float | None = None) -> float | None:  # type: ignore[override]
        """Return the seconds a phase may take from now."""
        limit = super().get(phase, default)
        return limit if limit is None else max(min(limit, self._deadline - self._monotonic()), 0.001)


def open_wire(base_url: str) -> Wire:
    """Open the synchronous transport to an origin.

    Raises:
        ConfigurationError: the environment names a proxy or certificates that cannot be used.
    """
    return _opener(httpx.HTTPTransport, base_url)()


def open_async_wire(base_url: str) -> AsyncWire:
    """Open the asynchronous transport to an origin.

    Raises:
        ConfigurationError: the environment names a proxy or certificates that cannot be used.
    """
    return Lanes(_opener(httpx.AsyncHTTPTransport, base_url), defaults.KEEPALIVE_SECONDS)


def _opener(kind: Callable[..., W], base_url: str) -> Callable[[], W]:
    """Return what opens a transport to an origin; certificates are read once, for all it opens."""
    # The slots of the client bound how many connections there are; a full pool would end in a timeout.
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=None, keepalive_expiry=defaults.KEEPALIVE_SECONDS
    )
    proxy = proxy_for(base_url)
    try:
        # Plain http is for loopback only; there nobody is trusted, which saves reading some hundred certificates.
        plain = base_url.startswith("http:")
        trusted = (
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else httpx.create_ssl_context(trust_env=True)
        )
    except OSError as problem:
        text = f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR name cannot be read ({type(problem).__name__})"
        raise ConfigurationError(text) from None

    def open_one() -> W:
        try:
            # A transport that is handed over reads no proxy variable.
            return kind(limits=limits, retries=0, verify=trusted, proxy=proxy)
        except (ValueError, ImportError, httpx.InvalidURL) as problem:
            text = (
                f"the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used ({type(problem).__name__})"
            )
            raise ConfigurationError(text) from None

    return open_one


def proxy_for(base_url: str) -> str | None:
    """Return the proxy the environment names for an origin; loopback never has one."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None


def lower_headers(response: httpx.Response) -> dict[str, str]:
    """Return response headers with names in lower case; several values of one name are joined by a comma."""
    raw = response.headers.raw
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):
        headers = {}
        for name, value in response.headers.multi_items():
            headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return headers


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            yield current
            pending += [current.__cause__, current.__context__]


def failure_of(error: Exception, host: str, operation: str, *, answered: bool) -> AttemptFailed:
    """Judge what a transport exception says; TLS, DNS and refusal come as one class and are told apart here.

    Args:
        error: what the wire raised.
        host: host and port the request went to.
        operation: operation id.
        answered: the head of an answer had come; without one, a kept connection may have been stale.
    """
    if isinstance(error, httpx.TimeoutException):
        return _timeout(error, host, operation)
    if isinstance(error, httpx.ConnectError):
        return _not_connected(error, host, operation)
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.ProxyError):
        text = f"{operation}: the request could not be sent to {host} ({type(error).__name__})"
        return AttemptFailed(
            APIConnectionError(text, operation=operation, phase="connect"), Failure("permanent")
        )
    text = f"{operation}: the connection to {host} broke off before the answer was complete"
    phase = "write" if isinstance(error, httpx.WriteError) else "read"
    flooded = False
    if isinstance(error, httpx.RemoteProtocolError) and not _CUT_OFF.search(str(error)):
        flooded, phase = _FLOODED.search(str(error)) is not None, "protocol"
        text = f"{operation}: what {host} answered {'has too large a head' if flooded else 'is not HTTP'}"
    broken = APIConnectionError(text, operation=operation, phase=phase, ambiguous=True)
    at_once = phase == "read" and not answered
    failure = Failure("ambiguous", at_once=at_once, once=phase == "protocol", repeatable=not flooded)
    return AttemptFailed(broken, failure)


def too_large(cap: int, operation: str) -> AttemptFailed:
    """Say that an answer is over the cap: it would be so again, and a write it answers was carried out."""
    error = ResponseTooLargeError(cap=cap, operation=operation)
    return AttemptFailed(error, Failure("ambiguous", repeatable=False))


def undecodable(
    problem: BodyBroken, status: int, headers: Mapping[str, str], operation: str
) -> AttemptFailed:
    """Say that the body of a 2xx answer cannot be decompressed."""
    error = DecodeError(
        str(problem),
        operation=operation,
        status=status,
        content_type=headers.get("content-type"),
        ambiguous=True,
    )
    return AttemptFailed(
        error, Failure("ambiguous", status=status, once=problem.damaged, repeatable=problem.damaged)
    )


def _timeout(error: httpx.TimeoutException, host: str, operation: str) -> AttemptFailed:
    sent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
    phase = {httpx.ConnectTimeout: "connect", httpx.PoolTimeout: "pool", httpx.WriteTimeout: "write"}.get(
        type(error), "read"
    )
    text = f"{operation}: {host} did not answer in time ({phase})"
    timeout = APITimeoutError(text, operation=operation, phase=phase, ambiguous=sent)
    return AttemptFailed(timeout, Failure("ambiguous" if sent else "not_sent"))


def _not_connected(error: httpx.ConnectError, host: str, operation: str) -> AttemptFailed:
    nature: Nature = "not_sent"
    phase, what = "connect", "is not reachable: check the network and base_url"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            nature, phase, what = (
                "permanent",
                "tls",
                "could not be trusted: its TLS certificate or protocol is wrong",
            )
            break
        if isinstance(cause, socket.gaierror):
            phase, what = "dns", "has no address: check base_url and the resolver"
            nature = "not_sent" if cause.errno == socket.EAI_AGAIN else "permanent"
    error_seen = APIConnectionError(f"{operation}: {host} {what}", operation=operation, phase=phase)
    return AttemptFailed(error_seen, Failure(nature))
