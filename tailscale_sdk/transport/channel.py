"""What resources call through: it knows the tailnet, the options, and how an answer is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast, overload

from attrs import evolve, frozen

from tailscale_sdk import redact
from tailscale_sdk._generated.operations import Operation
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.transport.asynchronous import AsyncOpenStream, AsyncSender
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, operation_of, raw_reply
from tailscale_sdk.transport.decode import check_nothing, load_json
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.reply import RawResponse, Reply
from tailscale_sdk.transport.sync import OpenStream, Sender
from tailscale_sdk.transport.wire import Target

T = TypeVar("T")
Parse = Callable[[Any], T]
ParseReply = Callable[[Reply], T]


def reader(parse: Parse[Any] | None, parse_reply: ParseReply[Any] | None) -> ParseReply[Any]:
    """Return what reads a reply: the caller's own reader, a reader of JSON, or one that expects nothing."""
    if parse_reply is not None:
        return parse_reply
    if parse is None:
        return lambda reply: None if reply.status == 204 else check_nothing(reply.body)
    return lambda reply: parse(load_json(reply.body))


def _with_reply(read: ParseReply[Any]) -> ParseReply[tuple[Reply, Any]]:
    return lambda reply: (reply, read(reply))


def _wrap(reply: Reply, value: Any, attempts: int) -> RawResponse[Any]:
    return RawResponse(reply.status, reply.headers, reply.body, value, attempts, reply.already_absent)


@frozen(kw_only=True)
class _ChannelState:
    """Hold what both kinds of channel know beside their sender.

    Attributes:
        tailnet: tailnet of every call that does not name another.
        raw: answer whole responses.
    """

    target: Target
    tailnet: str
    options: Options
    raw: bool = False

    def settled(self, value: T) -> T:
        """Return a value that a later read may have settled, in the form this channel answers in."""
        bare = self.raw and not isinstance(value, RawResponse)
        return cast("T", RawResponse(200, {}, b"", value)) if bare else value

    def _call_of(
        self, operation: Operation, request: WireRequest, read: ParseReply[T], clock: Clock, nonce: str | None
    ) -> CallContext[T]:
        for secret in request.secrets:
            # A service that finds fault with a secret may repeat it in its message.
            redact.register_if_long(secret, passing=True)
        return CallContext(
            operation, request, self.target, self.options, read, clock.monotonic(), nonce=nonce
        )

    def _stream_of(self, operation_id: str, request: WireRequest, clock: Clock) -> CallContext[Reply]:
        return CallContext(
            operation_of(operation_id),
            request,
            self.target,
            self.options,
            raw_reply,
            clock.monotonic(),
            streaming=True,
        )


@frozen(kw_only=True)
class Channel(_ChannelState):
    """Carry synchronous calls of one client or of one of its copies."""

    sender: Sender

    def as_raw(self) -> Channel:
        """Return the same channel, answering whole responses."""
        return evolve(self, raw=True)

    @overload
    def call(
        self, operation_id: str | Operation, request: WireRequest, *, nonce: str | None = None
    ) -> None: ...
    @overload
    def call(
        self,
        operation_id: str | Operation,
        request: WireRequest,
        parse: Parse[T],
        *,
        nonce: str | None = None,
    ) -> T: ...
    @overload
    def call(
        self,
        operation_id: str | Operation,
        request: WireRequest,
        *,
        parse_reply: ParseReply[T],
        nonce: str | None = None,
    ) -> T: ...

    def call(
        self,
        operation_id: str | Operation,
        request: WireRequest,
        parse: Parse[T] | None = None,
        *,
        parse_reply: ParseReply[T] | None = None,
        nonce: str | None = None,
    ) -> T | None:
        """Send one described operation and decode its answer.

        Raises:
            TailscaleError: the operation failed; the class says how.
        """
        operation = operation_of(operation_id) if isinstance(operation_id, str) else operation_id
        read = reader(parse, parse_reply)
        if not self.raw:
            return cast("T", self.send(operation, request, read, nonce)[0])
        (reply, value), attempts = self.send(operation, request, _with_reply(read), nonce)
        return cast("T", _wrap(reply, value, attempts))

    def send(
        self, operation: Operation, request: WireRequest, read: ParseReply[T], nonce: str | None = None
    ) -> tuple[T, int]:
        """Send one operation and return what was read, and in how many attempts."""
        call = self._call_of(operation, request, read, self.sender.connection.clock, nonce)
        return self.sender.send(call), call.attempts

    def open_stream(
        self,
        operation_id: str,
        request: WireRequest,
        begin: Callable[[CallContext[Reply], OpenStream], T],
    ) -> T:
        """Send one operation whose answer is read while it comes.

        Args:
            begin: reads the beginning; what it raises as AttemptFailed is judged as any failed attempt.

        Raises:
            TailscaleError: the operation failed before its answer had begun well.
        """
        call = self._stream_of(operation_id, request, self.sender.connection.clock)
        return self.sender.open_stream(call, lambda stream: begin(call, stream))


@frozen(kw_only=True)
class AsyncChannel(_ChannelState):
    """Carry asynchronous calls of one client or of one of its copies."""

    sender: AsyncSender

    def as_raw(self) -> AsyncChannel:
        """Return the same channel, answering whole responses."""
        return evolve(self, raw=True)

    @overload
    async def call(
        self, operation_id: str | Operation, request: WireRequest, *, nonce: str | None = None
    ) -> None: ...
    @overload
    async def call(
        self,
        operation_id: str | Operation,
        request: WireRequest,
        parse: Parse[T],
        *,
        nonce: str | None = None,
    ) -> T: ...
    @overload
    async def call(
        self,
        operation_id: str | Operation,
        request: WireRequest,
        *,
        parse_reply: ParseReply[T],
        nonce: str | None = None,
    ) -> T: ...

    async def call(
        self,
        operation_id: str | Operation,
        request: WireRequest,
        parse: Parse[T] | None = None,
        *,
        parse_reply: ParseReply[T] | None = None,
        nonce: str | None = None,
    ) -> T | None:
        """Send one described operation and decode its answer.

        Raises:
            TailscaleError: the operation failed; the class says how.
        """
        operation = operation_of(operation_id) if isinstance(operation_id, str) else operation_id
        read = reader(parse, parse_reply)
        if not self.raw:
            return cast("T", (await self.send(operation, request, read, nonce))[0])
        (reply, value), attempts = await self.send(operation, request, _with_reply(read), nonce)
        return cast("T", _wrap(reply, value, attempts))

    async def send(
        self, operation: Operation, request: WireRequest, read: ParseReply[T], nonce: str | None = None
    ) -> tuple[T, int]:
        """Send one operation and return what was read, and in how many attempts."""
        call = self._call_of(operation, request, read, self.sender.connection.clock, nonce)
        return await self.sender.send(call), call.attempts

    async def open_stream(
        self,
        operation_id: str,
        request: WireRequest,
        begin: Callable[[CallContext[Reply], AsyncOpenStream], Awaitable[T]],
    ) -> T:
        """Send one operation whose answer is read while it comes.

        Args:
            begin: reads the beginning; what it raises as AttemptFailed is judged as any failed attempt.

        Raises:
            TailscaleError: the operation failed before its answer had begun well.
        """
        call = self._stream_of(operation_id, request, self.sender.connection.clock)
        return await self.sender.open_stream(call, lambda stream: begin(call, stream))
