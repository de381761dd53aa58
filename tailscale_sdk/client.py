"""The two clients: the same resources, methods and options, one synchronous and one asynchronous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack

from attrs import evolve, frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk import option_values as checks
from tailscale_sdk.auth import Access, Credential, Secret, access_of, credential_from
from tailscale_sdk.calls.free_request import check_headers, free_request
from tailscale_sdk.config import from_environment
from tailscale_sdk.option_values import FurtherOptions
from tailscale_sdk.redact import guard_loggers
from tailscale_sdk.resources._namespace import AsyncNamespace, AsyncRawNamespace, Namespace, RawNamespace
from tailscale_sdk.transport.asynchronous import AsyncConnection, AsyncSender
from tailscale_sdk.transport.budget import RetryBudget
from tailscale_sdk.transport.channel import AsyncChannel, Channel
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import raw_reply
from tailscale_sdk.transport.gate import Gate
from tailscale_sdk.transport.hooks import Hooks
from tailscale_sdk.transport.limits import AsyncThrottle, RateLimit, Throttle
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.pacing import Pacing
from tailscale_sdk.transport.reply import RawResponse, Reply
from tailscale_sdk.transport.sync import Connection, Sender
from tailscale_sdk.transport.wire import AsyncWire, Target, Wire

if TYPE_CHECKING:
    from tailscale_sdk.calls.prepared import PreparedCall

KEEP: Any = object()
"""Stands for an option that a copy takes over."""


@frozen
class _Shell:
    """Hold the classes that make a client synchronous or asynchronous."""

    connection: Any
    sender: Any
    channel: Any
    throttle: Any


def _throttle(rate_limit: RateLimit, max_concurrency: int, clock: Clock) -> Throttle:
    return Throttle(rate_limit, max_concurrency, clock)


def _async_throttle(rate_limit: RateLimit, max_concurrency: int, clock: Clock) -> AsyncThrottle:
    return AsyncThrottle(rate_limit, max_concurrency)


def _free_response(answer: tuple[Reply, int]) -> RawResponse[None]:
    reply, attempts = answer
    return RawResponse(reply.status, reply.headers, reply.body, None, attempts, reply.already_absent)


class _Client:
    """Be what both clients have in common: how they are made, copied and shown."""

    _shell: ClassVar[_Shell]
    _channel: Any

    def __init__(
        self,
        *,
        api_key: str | Secret | None = None,
        auth: Credential | str | None = None,
        tailnet: str = defaults.DEFAULT_TAILNET,
        base_url: str = defaults.DEFAULT_BASE_URL,
        timeout: float = KEEP,
        max_retries: int = defaults.MAX_RETRIES,
        rate_limit: RateLimit = defaults.RATE_LIMIT,
        max_concurrency: int = defaults.MAX_CONCURRENCY,
        on_ambiguous: Literal["raise", "recreate"] = "raise",
        mark_creation: bool = True,
        headers: Mapping[str, str] | None = None,
        hooks: Hooks | None = None,
        _wire: Any = None,
        _clock: Clock | None = None,
        **further: Unpack[FurtherOptions],
    ) -> None:
        guard_loggers()
        clock = _clock or Clock()
        given = {
            "max_retries": max_retries,
            "on_ambiguous": on_ambiguous,
            "mark_creation": mark_creation,
            "hooks": hooks,
            **({} if timeout is KEEP else {"timeout": timeout}),
        }
        budget = checks.build_retry_budget(further.pop("retry_budget", defaults.RETRY_BUDGET))
        options = checks.evolve_options(Options(), **given, **further)
        target = Target(checks.build_base_url(base_url), check_headers(headers))
        width, rate = checks.build_max_concurrency(max_concurrency), checks.build_rate_limit(rate_limit)
        connection = self._shell.connection(credential_from(api_key, auth), target, clock, _wire)
        pacing = Pacing(RetryBudget(budget), Gate())
        self._channel = self._shell.channel(
            sender=self._shell.sender(connection, self._shell.throttle(rate, width, clock), pacing),
            target=target,
            tailnet=checks.build_tailnet(tailnet),
            options=options,
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
        found = from_environment(profile=profile, **arguments)
        rest = {
            name: value
            for name, value in arguments.items()
            if name not in {"api_key", "auth", "tailnet", "base_url"}
        }
        return cls(auth=found.credential, tailnet=found.tailnet, base_url=found.base_url, **rest)

    @property
    def tailnet(self) -> str:
        """Return the tailnet of calls that name no other."""
        tailnet: str = self._channel.tailnet
        return tailnet

    def with_options(
        self,
        *,
        timeout: float = KEEP,
        max_retries: int = KEEP,
        rate_limit: RateLimit = KEEP,
        max_concurrency: int = KEEP,
        on_ambiguous: Literal["raise", "recreate"] = KEEP,
        mark_creation: bool = KEEP,
        headers: Mapping[str, str] | None = KEEP,
        hooks: Hooks | None = KEEP,
        **further: Unpack[FurtherOptions],
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
            hooks: told of the copy's requests, responses and retries.
            further: as for the constructor.

        Raises:
            ConfigurationError: a value is out of range.
        """
        channel = self._channel
        given = {
            "timeout": timeout,
            "max_retries": max_retries,
            "on_ambiguous": on_ambiguous,
            "mark_creation": mark_creation,
            "hooks": hooks,
        }
        changed = {name: value for name, value in given.items() if value is not KEEP}
        retry_budget = further.pop("retry_budget", KEEP)
        copy = type(self).__new__(type(self))
        copy._channel = evolve(
            channel,
            sender=self._other_sender(rate_limit, max_concurrency, retry_budget),
            target=channel.target
            if headers is KEEP
            else evolve(channel.target, headers=check_headers(headers)),
            options=checks.evolve_options(channel.options, **changed, **further),
        )
        return copy

    def prepare(self, operation_id: str, **arguments: Any) -> PreparedCall:
        """Build a call without sending anything, to be looked at, kept, and sent by ``send``.

        Args:
            operation_id: key of ``tailscale_sdk.OPERATIONS``.
            arguments: keywords of the SDK's method, path values included.

        Raises:
            ValueError: there is no such operation, or a value cannot be sent.
            TypeError: an argument is missing or unknown; the text lists what is accepted.
        """
        from tailscale_sdk.calls.prepared import prepare

        channel = self._channel
        mark_with = channel.sender.connection.clock.nonce if channel.options.mark_creation else lambda: None
        return prepare(channel.tailnet, operation_id, arguments, mark_with)

    @property
    def own_key_id(self) -> str | None:
        """Return the id of the credential itself, where it tells: a key or OAuth client that must not be deleted."""
        found: str | None = self._channel.sender.connection.key_id
        return found

    def _sending_steps(self, call: PreparedCall) -> Any:
        from tailscale_sdk.calls.prepared import sending_steps

        channel = self._channel
        return sending_steps(call, channel.options, channel.sender.connection.clock)

    def _other_sender(self, rate_limit: RateLimit, max_concurrency: int, retry_budget: int | None) -> Any:
        """Return the sender itself where nothing of it changes: copies then share its limits."""
        sender = self._channel.sender
        throttle, pacing = sender.throttle, sender.pacing
        if rate_limit is not KEEP or max_concurrency is not KEEP:
            rate = throttle.rate_limit if rate_limit is KEEP else checks.build_rate_limit(rate_limit)
            width = throttle.max_concurrency if max_concurrency is KEEP else max_concurrency
            throttle = self._shell.throttle(
                rate, checks.build_max_concurrency(width), sender.connection.clock
            )
        if retry_budget is not KEEP:
            pacing = evolve(pacing, budget=RetryBudget(checks.build_retry_budget(retry_budget)))
        if throttle is sender.throttle and pacing is sender.pacing:
            return sender
        return self._shell.sender(sender.connection, throttle, pacing)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} tailnet={self._channel.tailnet!r} at {self._channel.target.base_url}>"


class Tailscale(_Client, Namespace):
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
        on_ambiguous: after an unclear creation: ``raise``, or ``recreate`` once what was made is gone.
        mark_creation: put a mark into a created key's description, so that an unclear creation can be found.
        headers: sent with every request.
        hooks: functions told of every request, response and retry.
        connect_timeout, read_timeout, write_timeout: seconds of one phase of an attempt.
        idle_timeout: seconds of silence a log stream may have.
        max_retry_after: longest Retry-After in seconds that is sat out; a longer one is raised at once.
        retry_429_writes: repeat creations and effects too after a 429.
        retry_budget: tokens of the purse that retries are paid from; None for no limit.
        max_response_bytes: largest decompressed answer.
        max_record_bytes: largest record of a log stream.
        bulk: leave half of the slots, and the next turn, to other calls; for long batches.

    Raises:
        ConfigurationError: an argument is missing, contradictory or out of range.
    """

    _shell = _Shell(Connection, Sender, Channel, _throttle)
    _channel: Channel

    @cached_property
    def with_raw_response(self) -> RawNamespace:
        """Return the same resources, answering whole responses."""
        raw = RawNamespace()
        raw._channel = self._channel.as_raw()
        return raw

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
        operation, request = free_request(channel.tailnet, method, path, params, json, content, headers)
        return _free_response(channel.send(operation, request, raw_reply))

    def access(self) -> Access:
        """Return what the credential is and may do, asking the token endpoint where there is one.

        Raises:
            TailscaleError: the token endpoint refused or could not be reached.
        """
        connection, clock = self._channel.sender.connection, self._channel.sender.connection.clock
        connection.open()
        connection.tokens.get(clock.monotonic() + self._channel.options.timeout)
        return access_of(connection.credential, connection.tokens.state, clock.monotonic())

    def send(self, call: PreparedCall) -> Any:
        """Send a prepared call and return what the method of its operation returns.

        Args:
            call: of ``prepare``; a policy write and a creation are settled as their methods do it.

        Raises:
            TailscaleError: the call failed; the class says how.
        """
        from tailscale_sdk.calls.steps import run

        return self._channel.settled(run(self._channel, self._sending_steps(call)))

    def close(self) -> None:
        """Close the connections; copies made by ``with_options`` are closed with them."""
        self._channel.sender.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTailscale(_Client, AsyncNamespace):
    """Call the Tailscale API asynchronously; belongs to the event loop it is first used on.

    Arguments and errors are those of ``Tailscale``.
    """

    _shell = _Shell(AsyncConnection, AsyncSender, AsyncChannel, _async_throttle)
    _channel: AsyncChannel

    @cached_property
    def with_raw_response(self) -> AsyncRawNamespace:
        """Return the same resources, answering whole responses."""
        raw = AsyncRawNamespace()
        raw._channel = self._channel.as_raw()
        return raw

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
        operation, request = free_request(channel.tailnet, method, path, params, json, content, headers)
        return _free_response(await channel.send(operation, request, raw_reply))

    async def access(self) -> Access:
        """Return what the credential is and may do, as ``Tailscale.access`` does."""
        connection, clock = self._channel.sender.connection, self._channel.sender.connection.clock
        connection.open()
        await connection.tokens.get(clock.monotonic() + self._channel.options.timeout)
        return access_of(connection.credential, connection.tokens.state, clock.monotonic())

    async def send(self, call: PreparedCall) -> Any:
        """Send a prepared call, as ``Tailscale.send`` does."""
        from tailscale_sdk.calls.steps import run_async

        return self._channel.settled(await run_async(self._channel, self._sending_steps(call)))

    async def aclose(self) -> None:
        """Close the connections; copies made by ``with_options`` are closed with them."""
        await self._channel.sender.connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


__all__ = ["AsyncTailscale", "AsyncWire", "Tailscale", "Wire"]
