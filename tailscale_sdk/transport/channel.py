"""What resources call through: it knows the tailnet, the options, and how an answer is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from attrs import evolve, frozen

from tailscale_sdk._constants import RECONCILE_SECONDS
from tailscale_sdk._generated.operations import Operation
from tailscale_sdk._generated.types import UnexpectedShape, WireRequest
from tailscale_sdk.errors import DecodeError, OutcomeUnknownError
from tailscale_sdk.transport.asynchronous import AsyncSender
from tailscale_sdk.transport.context import CallContext, Options, operation_of
from tailscale_sdk.transport.decode import load_json
from tailscale_sdk.transport.reply import RawResponse, Reply
from tailscale_sdk.transport.sync import Sender
from tailscale_sdk.transport.wire import Target

T = TypeVar("T")
Parse = Callable[[Any], T]
ParseReply = Callable[[Reply], T]


def read_answer(
    operation: Operation, reply: Reply, parse: Parse[Any] | None, parse_reply: ParseReply[Any] | None
) -> Any:
    """Decode an answer.

    Raises:
        DecodeError: it is not what the operation returns.
        OutcomeUnknownError: the same, of an operation that may not be repeated.
    """
    try:
        if parse_reply is not None:
            return parse_reply(reply)
        return parse(load_json(reply.body)) if parse is not None else None
    except UnexpectedShape as problem:
        error = _decode_error(
            operation, reply, f"expected {problem.expected}, found {problem.found}", problem.json_path
        )
    except ValueError:
        error = _decode_error(operation, reply, "this is not JSON", "$")
    if operation.retry_class in {"CREATE", "EFFECT"}:
        raise OutcomeUnknownError(operation=operation.operation_id, attempts=reply.attempts) from error
    raise error


def _decode_error(operation: Operation, reply: Reply, message: str, json_path: str) -> DecodeError:
    return DecodeError(
        message,
        operation=operation.operation_id,
        status=reply.status,
        content_type=reply.headers.get("content-type"),
        bytes_read=len(reply.body),
        json_path=json_path,
        attempts=reply.attempts,
        ambiguous=operation.effect != "read",
    )


def _wrap(reply: Reply, value: Any) -> RawResponse[Any]:
    return RawResponse(reply.status, reply.headers, reply.body, value, reply.attempts)


@frozen
class Channel:
    """Carry synchronous calls of one client or of one of its copies.

    Attributes:
        tailnet: tailnet of every call that does not name another.
        raw: answer whole responses.
    """

    sender: Sender
    target: Target
    tailnet: str
    options: Options
    raw: bool = False

    def as_raw(self) -> Channel:
        """Return the same channel, answering whole responses."""
        return evolve(self, raw=True)

    def for_reconciliation(self) -> Channel:
        """Return a channel with a deadline of its own, to find out what became of an unclear write."""
        return evolve(self, raw=False, options=evolve(self.options, timeout=RECONCILE_SECONDS))

    def settled(self, value: T) -> T:
        """Return a value that a read has settled, in the form this channel answers in."""
        return cast("T", RawResponse(200, {}, b"", value)) if self.raw else value

    @overload
    def call(self, operation_id: str, request: WireRequest) -> None: ...
    @overload
    def call(self, operation_id: str, request: WireRequest, parse: Parse[T]) -> T: ...
    @overload
    def call(self, operation_id: str, request: WireRequest, *, parse_reply: ParseReply[T]) -> T: ...

    def call(
        self,
        operation_id: str,
        request: WireRequest,
        parse: Parse[T] | None = None,
        *,
        parse_reply: ParseReply[T] | None = None,
    ) -> T | None:
        """Send one described operation and decode its answer.

        Raises:
            TailscaleError: the operation failed; the class says how.
        """
        operation = operation_of(operation_id)
        reply = self.send(operation, request)
        value = read_answer(operation, reply, parse, parse_reply)
        return cast("T", _wrap(reply, value)) if self.raw else value

    def send(self, operation: Operation, request: WireRequest) -> Reply:
        """Send one operation and return its reply unread."""
        context = CallContext.of(operation, self.options, self.sender.connection.clock)
        reply = self.sender.send(request, context, self.target, self.options)
        return reply if context.attempts == 1 else evolve(reply, attempts=context.attempts)


@frozen
class AsyncChannel:
    """Carry asynchronous calls of one client or of one of its copies.

    Attributes:
        tailnet: tailnet of every call that does not name another.
        raw: answer whole responses.
    """

    sender: AsyncSender
    target: Target
    tailnet: str
    options: Options
    raw: bool = False

    def as_raw(self) -> AsyncChannel:
        """Return the same channel, answering whole responses."""
        return evolve(self, raw=True)

    def for_reconciliation(self) -> AsyncChannel:
        """Return a channel with a deadline of its own, to find out what became of an unclear write."""
        return evolve(self, raw=False, options=evolve(self.options, timeout=RECONCILE_SECONDS))

    def settled(self, value: T) -> T:
        """Return a value that a read has settled, in the form this channel answers in."""
        return cast("T", RawResponse(200, {}, b"", value)) if self.raw else value

    @overload
    async def call(self, operation_id: str, request: WireRequest) -> None: ...
    @overload
    async def call(self, operation_id: str, request: WireRequest, parse: Parse[T]) -> T: ...
    @overload
    async def call(self, operation_id: str, request: WireRequest, *, parse_reply: ParseReply[T]) -> T: ...

    async def call(
        self,
        operation_id: str,
        request: WireRequest,
        parse: Parse[T] | None = None,
        *,
        parse_reply: ParseReply[T] | None = None,
    ) -> T | None:
        """Send one described operation and decode its answer.

        Raises:
            TailscaleError: the operation failed; the class says how.
        """
        operation = operation_of(operation_id)
        reply = await self.send(operation, request)
        value = read_answer(operation, reply, parse, parse_reply)
        return cast("T", _wrap(reply, value)) if self.raw else value

    async def send(self, operation: Operation, request: WireRequest) -> Reply:
        """Send one operation and return its reply unread."""
        context = CallContext.of(operation, self.options, self.sender.connection.clock)
        reply = await self.sender.send(request, context, self.target, self.options)
        return reply if context.attempts == 1 else evolve(reply, attempts=context.attempts)
