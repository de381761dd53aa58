"""The two clients: the same resources, methods and options, one synchronous and one asynchronous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from tailscale_sdk import _constants as defaults
from tailscale_sdk import config
from tailscale_sdk._generated.operations import Operation
from tailscale_sdk._generated.types import WireRequest, encode_json, header_pairs, query_pairs
from tailscale_sdk.auth import Credential, Secret, credential_from
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.redact import guard_loggers
from tailscale_sdk.resources._namespace import AsyncNamespace, AsyncRawNamespace, Namespace, RawNamespace
from tailscale_sdk.transport.asynchronous import AsyncConnection, AsyncSender
from tailscale_sdk.transport.channel import AsyncChannel, Channel
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import Options, find_operation
from tailscale_sdk.transport.limits import AsyncThrottle, Throttle
from tailscale_sdk.transport.reply import RawResponse
from tailscale_sdk.transport.sync import Connection, Sender
from tailscale_sdk.transport.wire import AsyncWire, Target, Wire

RateLimit = tuple[int, float] | None
_KEEP: Any = object()
_FIXED_HEADERS = {"authorization", "host", "content-length", "content-type", "accept-encoding", "cookie"}


def _check_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    pairs = header_pairs(*(headers or {}).items())
    for name, _ in pairs:
        if name.lower() in _FIXED_HEADERS:
            raise ConfigurationError(f"headers must not hold {name}: the client sets it")
    return pairs


def _evolve_options(
    options: Options, timeout: float, max_retries: int, on_ambiguous: str, mark_creation: bool
) -> Options:
    if on_ambiguous is not _KEEP and on_ambiguous not in {"raise", "recreate"}:
        raise ConfigurationError(f"on_ambiguous is {on_ambiguous!r}; it must be 'raise' or 'recreate'")
    changes: dict[str, Any] = {}
    if timeout is not _KEEP:
        changes["timeout"] = config.build_timeout(timeout)
    if max_retries is not _KEEP:
        changes["max_retries"] = config.build_max_retries(max_retries)
    if on_ambiguous is not _KEEP:
        changes["on_ambiguous"] = on_ambiguous
    if mark_creation is not _KEEP:
        changes["mark_creation"] = bool(mark_creation)
    from attrs import evolve

    return evolve(options, **changes)


def _free_request(
    tailnet: str,
    method: str,
    path: str,
    params: Mapping[str, Any] | None,
    json: Any,
    content: bytes | str | None,
    headers: Mapping[str, str] | None,
) -> tuple[Operation, WireRequest]:
    """Build a request of the escape hatch and find the class its repetition is judged by."""
    method = method.upper()
    if method not in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}:
        raise ValueError(f"method is {method!r}; it must be GET, HEAD, POST, PUT, PATCH or DELETE")
    path = path.replace("{tailnet}", quote(tailnet, safe=""))
    segments = path.split("/")
    if (
        not path.startswith("/")
        or "{" in path
        or any(part in {".", ".."} for part in segments)
        or "?" in path
    ):
        raise ValueError(
            "path is a path below /api/v2 with every placeholder filled in, such as /tailnet/-/devices; "
            "query values go into params"
        )
    if json is not None and content is not None:
        raise ValueError("pass json or content, not both")
    body = (
        encode_json(json) if json is not None else content.encode() if isinstance(content, str) else content
    )
    given = {name.lower(): value for name, value in (headers or {}).items()}
    content_type = given.pop("content-type", None) or ("application/json" if json is not None else None)
    request = WireRequest(
        method,
        path,
        query=query_pairs(*(params or {}).items()),
        content=body,
        content_type=content_type,
        accept=given.pop("accept", None),
        headers=_check_headers(given),
    )
    known = find_operation(method, path)
    read = method in {"GET", "HEAD"}
    return known or Operation(
        operation_id=f"{method} {path}",
        http_method=method,
        path=path,
        resource="",
        method="request",
        effect="read" if read else "write",
        retry_class="SAFE" if read else "CREATE",
        scopes=(),
        scopes_mode="none",
        returns="object",
    ), request


class Tailscale(Namespace):
    """Call the Tailscale API synchronously; usable from several threads and as a context manager.

    Args:
        api_key: API access token, ``tskey-api-…``; or pass ``auth``.
        auth: ``ApiKey``, ``OAuthClient`` or ``WorkloadIdentity``.
        tailnet: tailnet id or name; ``-`` is the credential's own.
        base_url: origin of the API; https, or http on loopback.
        timeout: deadline of a whole call in seconds, every wait included.
        max_retries: further attempts after a failure that may be repeated.
        rate_limit: (requests, seconds): so many at once, refilled over so many seconds; None for no limit.
        max_concurrency: requests under way at once.

    Raises:
        ConfigurationError: an argument is missing, contradictory or out of range.
    """

    _channel: Channel

    def __init__(
        self,
        *,
        api_key: str | Secret | None = None,
        auth: Credential | str | None = None,
        tailnet: str = defaults.DEFAULT_TAILNET,
        base_url: str = defaults.DEFAULT_BASE_URL,
        timeout: float = defaults.TOTAL_TIMEOUT_SECONDS,
        max_retries: int = defaults.MAX_RETRIES,
        rate_limit: RateLimit = defaults.RATE_LIMIT,
        max_concurrency: int = defaults.MAX_CONCURRENCY,
        _wire: Wire | None = None,
        _clock: Clock | None = None,
    ) -> None:
        guard_loggers()
        clock = _clock or Clock()
        target = Target(config.build_base_url(base_url))
        width = config.build_max_concurrency(max_concurrency)
        connection = Connection(credential_from(api_key, auth), target, clock, _wire)
        self._channel = Channel(
            sender=Sender(connection, Throttle(config.build_rate_limit(rate_limit), width, clock)),
            target=target,
            tailnet=config.build_tailnet(tailnet),
            options=Options(config.build_timeout(timeout), config.build_max_retries(max_retries)),
        )

    @classmethod
    def from_env(cls, profile: str | None = None, **arguments: Any) -> Self:
        """Make a client from the environment or a named profile.

        Args:
            profile: profile of ``tailscale-sdk/config.toml``; ``TAILSCALE_PROFILE`` when left out.
            arguments: as for the constructor; they win.

        Raises:
            ConfigurationError: a setting is missing or contradictory; the text names the variables.
        """
        found = config.from_environment(profile=profile, **arguments)
        rest = {
            name: value
            for name, value in arguments.items()
            if name not in {"api_key", "auth", "tailnet", "base_url"}
        }
        return cls(auth=found.credential, tailnet=found.tailnet, base_url=found.base_url, **rest)

    @property
    def tailnet(self) -> str:
        """Return the tailnet of calls that name no other."""
        return self._channel.tailnet

    @cached_property
    def with_raw_response(self) -> RawNamespace:
        """Return the same resources, answering whole responses."""
        raw = RawNamespace()
        raw._channel = self._channel.as_raw()
        return raw

    def with_options(
        self,
        *,
        timeout: float = _KEEP,
        max_retries: int = _KEEP,
        rate_limit: RateLimit = _KEEP,
        max_concurrency: int = _KEEP,
        on_ambiguous: Literal["raise", "recreate"] = _KEEP,
        mark_creation: bool = _KEEP,
        headers: Mapping[str, str] | None = _KEEP,
    ) -> Self:
        """Return a cheap copy with other options; connections and tokens are shared.

        Args:
            timeout: deadline of a whole call in seconds.
            max_retries: further attempts after a failure that may be repeated.
            rate_limit: (requests, seconds) of the copy alone, or None for no limit.
            max_concurrency: requests of the copy under way at once.
            on_ambiguous: after an unclear creation: raise, or create once more.
            mark_creation: whether a created key's description carries a mark to find it by.
            headers: sent with every request of the copy.

        Raises:
            ConfigurationError: a value is out of range.
        """
        from attrs import evolve

        channel, sender = self._channel, self._channel.sender
        if rate_limit is not _KEEP or max_concurrency is not _KEEP:
            rate = defaults.RATE_LIMIT if rate_limit is _KEEP else config.build_rate_limit(rate_limit)
            width = defaults.MAX_CONCURRENCY if max_concurrency is _KEEP else max_concurrency
            throttle = Throttle(rate, config.build_max_concurrency(width), sender.connection.clock)
            sender = Sender(sender.connection, throttle)
        target = (
            channel.target if headers is _KEEP else evolve(channel.target, headers=_check_headers(headers))
        )
        options = _evolve_options(channel.options, timeout, max_retries, on_ambiguous, mark_creation)
        copy = type(self).__new__(type(self))
        copy._channel = evolve(channel, sender=sender, target=target, options=options)
        return copy

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | bool | Sequence[str]] | None = None,
        json: Any = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawResponse[None]:
        """Send any request below ``/api/v2`` with the same credential, retries and errors.

        Args:
            method: HTTP method.
            path: path below ``/api/v2``; ``{tailnet}`` stands for the client's tailnet.
            params: query values.
            json: body to send as JSON.
            content: body to send as it is.
            headers: further headers.

        Raises:
            TailscaleError: the request failed; the class says how.
        """
        channel = self._channel
        operation, request = _free_request(channel.tailnet, method, path, params, json, content, headers)
        reply = channel.send(operation, request)
        return RawResponse(reply.status, reply.headers, reply.body, None, reply.attempts)

    def close(self) -> None:
        """Close the connections; copies made by ``with_options`` are closed with them."""
        self._channel.sender.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} tailnet={self._channel.tailnet!r} at {self._channel.target.base_url}>"


class AsyncTailscale(AsyncNamespace):
    """Call the Tailscale API asynchronously; belongs to the event loop it is first used on.

    Arguments and errors are those of ``Tailscale``.
    """

    _channel: AsyncChannel

    def __init__(
        self,
        *,
        api_key: str | Secret | None = None,
        auth: Credential | str | None = None,
        tailnet: str = defaults.DEFAULT_TAILNET,
        base_url: str = defaults.DEFAULT_BASE_URL,
        timeout: float = defaults.TOTAL_TIMEOUT_SECONDS,
        max_retries: int = defaults.MAX_RETRIES,
        rate_limit: RateLimit = defaults.RATE_LIMIT,
        max_concurrency: int = defaults.MAX_CONCURRENCY,
        _wire: AsyncWire | None = None,
        _clock: Clock | None = None,
    ) -> None:
        guard_loggers()
        clock = _clock or Clock()
        target = Target(config.build_base_url(base_url))
        width = config.build_max_concurrency(max_concurrency)
        connection = AsyncConnection(credential_from(api_key, auth), target, clock, _wire)
        self._channel = AsyncChannel(
            sender=AsyncSender(connection, AsyncThrottle(config.build_rate_limit(rate_limit), width)),
            target=target,
            tailnet=config.build_tailnet(tailnet),
            options=Options(config.build_timeout(timeout), config.build_max_retries(max_retries)),
        )

    @classmethod
    def from_env(cls, profile: str | None = None, **arguments: Any) -> Self:
        """Make a client from the environment or a named profile, as ``Tailscale.from_env`` does."""
        found = config.from_environment(profile=profile, **arguments)
        rest = {
            name: value
            for name, value in arguments.items()
            if name not in {"api_key", "auth", "tailnet", "base_url"}
        }
        return cls(auth=found.credential, tailnet=found.tailnet, base_url=found.base_url, **rest)

    @property
    def tailnet(self) -> str:
        """Return the tailnet of calls that name no other."""
        return self._channel.tailnet

    @cached_property
    def with_raw_response(self) -> AsyncRawNamespace:
        """Return the same resources, answering whole responses."""
        raw = AsyncRawNamespace()
        raw._channel = self._channel.as_raw()
        return raw

    def with_options(
        self,
        *,
        timeout: float = _KEEP,
        max_retries: int = _KEEP,
        rate_limit: RateLimit = _KEEP,
        max_concurrency: int = _KEEP,
        on_ambiguous: Literal["raise", "recreate"] = _KEEP,
        mark_creation: bool = _KEEP,
        headers: Mapping[str, str] | None = _KEEP,
    ) -> Self:
        """Return a cheap copy with other options, as ``Tailscale.with_options`` does."""
        from attrs import evolve

        channel, sender = self._channel, self._channel.sender
        if rate_limit is not _KEEP or max_concurrency is not _KEEP:
            rate = defaults.RATE_LIMIT if rate_limit is _KEEP else config.build_rate_limit(rate_limit)
            width = defaults.MAX_CONCURRENCY if max_concurrency is _KEEP else max_concurrency
            throttle = AsyncThrottle(rate, config.build_max_concurrency(width))
            sender = AsyncSender(sender.connection, throttle)
        target = (
            channel.target if headers is _KEEP else evolve(channel.target, headers=_check_headers(headers))
        )
        options = _evolve_options(channel.options, timeout, max_retries, on_ambiguous, mark_creation)
        copy = type(self).__new__(type(self))
        copy._channel = evolve(channel, sender=sender, target=target, options=options)
        return copy

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | bool | Sequence[str]] | None = None,
        json: Any = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawResponse[None]:
        """Send any request below ``/api/v2``, as ``Tailscale.request`` does."""
        channel = self._channel
        operation, request = _free_request(channel.tailnet, method, path, params, json, content, headers)
        reply = await channel.send(operation, request)
        return RawResponse(reply.status, reply.headers, reply.body, None, reply.attempts)

    async def aclose(self) -> None:
        """Close the connections; copies made by ``with_options`` are closed with them."""
        await self._channel.sender.connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} tailnet={self._channel.tailnet!r} at {self._channel.target.base_url}>"
