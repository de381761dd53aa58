"""The asynchronous shell: deadline, token, retry, throttle and bounded reading around one wire."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from attrs import define
from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from tailscale_sdk._constants import DEADLINE_GRACE_SECONDS, MAX_ERROR_BODY_BYTES, TOKEN_ATTEMPTS
from tailscale_sdk.auth import Credential, Secret, key_id_of
from tailscale_sdk.errors import ClientLoopError, TailscaleError
from tailscale_sdk.transport.again import STOPS, Again, wait_of
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, ErrorBody, body_for
from tailscale_sdk.transport.limits import AsyncThrottle
from tailscale_sdk.transport.pacing import Pacing
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.retry import Failure
from tailscale_sdk.transport.tokens import ENDPOINT, AsyncTokenSource, refuse_token
from tailscale_sdk.transport.wire import (
    BODILESS,
    AsyncWire,
    AttemptFailed,
    PhaseTimeouts,
    Target,
    failure_of,
    form_request,
    lower_headers,
    open_async_wire,
    too_large,
    undecodable,
)

T = TypeVar("T")


@define
class AsyncOpenStream:
    """Hold an answer whose body is still coming; whoever holds it closes it."""

    status: int
    headers: dict[str, str]
    _response: httpx.Response
    _host: str
    _operation: str
    _held: AsyncExitStack

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the body as it comes, still compressed; the deadline is the caller's.

        Raises:
            AttemptFailed: the answer broke off.
        """
        try:
            async for chunk in self._response.stream:  # type: ignore[union-attr]  # an asynchronous wire gives such a stream
                yield chunk
        except httpx.HTTPError as error:
            raise failure_of(error, self._host, self._operation, answered=True) from error

    async def aclose(self) -> None:
        """Close the connection and give the slot back; a second time does nothing."""
        await self._held.aclose()


class AsyncConnection:
    """Hold what every copy of a client shares: the wire, opened on its first loop, and the tokens."""

    def __init__(self, credential: Credential, target: Target, clock: Clock, wire: AsyncWire | None) -> None:
        self.clock, self.target = clock, target
        self._wire, self._closed = wire, False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()
        self.host = urlsplit(target.base_url).netloc
        self.credential, self.key_id = credential, key_id_of(credential)
        self.tokens = AsyncTokenSource(credential, clock, self._post_form)

    def open(self) -> AsyncWire:
        """Return the wire, opened by the first call on the one loop it then belongs to.

        Raises:
            ClientLoopError: the client was closed, or is used from another event loop or process.
        """
        if self._closed:
            raise ClientLoopError("this client was closed: make a new one")
        if self._process != os.getpid():
            raise ClientLoopError("this client was made before a fork: make one in each process")
        self._loop = self._loop or asyncio.get_running_loop()
        self._check_loop()
        if self._wire is None:
            self._wire = open_async_wire(self.target.base_url)
        return self._wire

    def _check_loop(self) -> None:
        if self._loop not in {None, asyncio.get_running_loop()}:
            raise ClientLoopError("this client belongs to another event loop: make one client per loop")

    async def aclose(self) -> None:
        """Close the wire; a second time does nothing.

        Raises:
            ClientLoopError: it belongs to another event loop, which alone can close it.
        """
        if not self._closed:
            self._check_loop()
            self._closed = True
            if self._wire is not None:
                await self._wire.aclose()

    async def exchange(self, request: httpx.Request, cap: int, operation: str) -> Reply:
        """Send one request and read its answer to the end; the deadline is the caller's.

        Raises:
            AttemptFailed: there is no complete answer.
        """
        response = await self._begin(request, operation)
        try:
            return await self._read(response, cap, operation)
        finally:
            await response.aclose()

    async def open_stream(
        self, request: httpx.Request, operation: str, held: AsyncExitStack
    ) -> AsyncOpenStream | Reply:
        """Send one request; a 2xx answer comes as an open stream, any other is read to its end.

        Args:
            held: what the stream keeps until it is closed.

        Raises:
            AttemptFailed: there is no complete answer.
        """
        response = await self._begin(request, operation)
        held.push_async_callback(response.aclose)
        if not 200 <= response.status_code < 300:
            return await self._read(response, MAX_ERROR_BODY_BYTES, operation)
        headers = lower_headers(response)
        return AsyncOpenStream(response.status_code, headers, response, self.host, operation, held)

    async def _begin(self, request: httpx.Request, operation: str) -> httpx.Response:
        try:
            return await self.open().handle_async_request(request)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=False) from error

    async def _read(self, response: httpx.Response, cap: int, operation: str) -> Reply:
        headers = lower_headers(response)
        if response.status_code in BODILESS:
            # Closed unread, the connection is not used again: a body all the same would be taken for the next answer.
            return Reply(response.status_code, headers, b"")
        try:
            body = await self._collect(response, headers, cap)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=True) from error
        except BodyTooLarge:
            raise too_large(cap, operation) from None
        except BodyBroken as problem:
            raise undecodable(problem, response.status_code, headers, operation) from None
        return Reply(response.status_code, headers, body)

    async def _collect(self, response: httpx.Response, headers: dict[str, str], cap: int) -> bytes:
        body = body_for(response.status_code, headers, cap)
        try:
            async for chunk in response.stream:  # type: ignore[union-attr]  # as above
                if not body.feed(chunk):
                    break
        except httpx.HTTPError:
            if not isinstance(body, ErrorBody):
                raise
        return body.finish()

    async def _post_form(self, path: str, fields: dict[str, str], deadline: float) -> Reply:
        """Ask the token endpoint, twice if the first try brought nothing."""
        tries_left = TOKEN_ATTEMPTS
        while True:
            tries_left -= 1
            request = form_request(self.target, path, fields, PhaseTimeouts(deadline, self.clock.monotonic))
            try:
                reply = await self.exchange(request, MAX_ERROR_BODY_BYTES, ENDPOINT)
            except AttemptFailed as failed:
                if failed.settles_token_request or not tries_left:
                    raise failed.token_error() from failed.__cause__
                continue
            if reply.status < 500 or not tries_left:
                return refuse_token(reply)


class AsyncSender:
    """Carry calls through their attempts.

    Args:
        connection: shared by all copies of a client.
        throttle: shared by all copies that did not set their own limits.
        pacing: retry budget and gate, shared likewise.
    """

    def __init__(self, connection: AsyncConnection, throttle: AsyncThrottle, pacing: Pacing) -> None:
        self.connection, self.throttle, self.pacing = connection, throttle, pacing
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(Again),
            wait=wait_of,
            stop=stop_never,
            sleep=connection.clock.async_sleep,
            reraise=True,
        )

    async def send(self, call: CallContext[T]) -> T:
        """Send until there is an answer or no further attempt is allowed.

        Raises:
            TailscaleError: what the caller sees.
        """
        return await self._carry(call, lambda: self._attempt(call))

    async def open_stream(
        self, call: CallContext[Any], begin: Callable[[AsyncOpenStream], Awaitable[T]]
    ) -> T:
        """Send until an answer has begun well; a failure before that is repeated as any other.

        Args:
            begin: reads the beginning, and says with AttemptFailed what is wrong with it.

        Raises:
            TailscaleError: what the caller sees.
        """
        return await self._carry(call, lambda: self._attempt_stream(call, begin))

    async def _carry(self, call: CallContext[Any], attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            try:
                value = await self._observed(call, attempt)
            except AttemptFailed as failed:
                again = self._decide(failed, call)
                value = await self._retrying.copy()(self._repeater(again, call, attempt))
        except STOPS as stop:
            call.interrupted(stop)
            raise
        call.succeeded(self.pacing)
        return value

    def _repeater(
        self, first: Again, call: CallContext[Any], attempt: Callable[[], Awaitable[T]]
    ) -> Callable[[], Awaitable[T]]:
        """Fail once with the failure that has happened already, so that tenacity waits before it sends."""
        pending: list[Again] = [first]

        async def repeat() -> T:
            if pending:
                raise pending.pop()
            try:
                return await self._observed(call, attempt)
            except AttemptFailed as failed:
                raise self._decide(failed, call) from failed

        return repeat

    async def _observed(self, call: CallContext[Any], attempt: Callable[[], Awaitable[T]]) -> T:
        clock = self.connection.clock
        try:
            value = await attempt()
        except AttemptFailed as failed:
            call.ended(clock, failed.failure.status, failed.error)
            raise
        except BaseException as stop:
            call.ended(clock, None, stop)
            raise
        call.ended(clock, call.status, None)
        return value

    def _decide(self, failed: AttemptFailed, call: CallContext[Any]) -> Again:
        clock = self.connection.clock
        decision = call.next_step(failed, clock, self.pacing)
        if decision.again:
            return Again(failed, decision)
        final = call.final(failed, clock)
        raise final from (final.__cause__ or failed.__cause__)

    async def _token(self, call: CallContext[Any]) -> Secret:
        call.phase = "auth"
        try:
            return await self.connection.tokens.get(call.deadline)
        except TailscaleError as error:
            # The call itself was not sent this time; an earlier attempt may have been carried out.
            raise AttemptFailed(error, Failure("not_sent", repeatable=False)) from error.__cause__

    async def _pass_gate(self, call: CallContext[Any]) -> None:
        clock, gate = self.connection.clock, self.pacing.gate
        call.phase = "gate"
        while wait := gate.wait(call.operation.operation_id, now := clock.monotonic()):
            if now + wait >= call.deadline:
                raise call.held_back(wait)
            await clock.async_sleep(wait)

    def _time_left(self, call: CallContext[Any]) -> asyncio.Timeout:
        """Cut off what drips; the phases' own timeouts end at the deadline and know what was sent."""
        if call.deadline == float("inf"):
            return asyncio.timeout(None)
        return asyncio.timeout(call.deadline - self.connection.clock.monotonic() + DEADLINE_GRACE_SECONDS)

    async def _attempt(self, call: CallContext[T]) -> T:
        connection, clock = self.connection, self.connection.clock
        connection.open()
        try:
            async with self._time_left(call):
                token = await self._token(call)
                await self._pass_gate(call)
                call.phase = "limiter"
                async with self.throttle.admitted(bulk=call.options.bulk):
                    if clock.monotonic() >= call.deadline:
                        raise call.out_of_time()
                    call.sending(clock)
                    built = call.build(token.reveal(), clock)
                    operation_id = call.operation.operation_id
                    reply = await connection.exchange(built, call.options.max_response_bytes, operation_id)
        except TimeoutError:
            raise call.out_of_time() from None
        renewable = reply.status == 401 and connection.tokens.invalidate(token)
        return call.decode(call.judge(reply, clock, renewable=renewable))

    async def _attempt_stream(
        self, call: CallContext[Any], begin: Callable[[AsyncOpenStream], Awaitable[T]]
    ) -> T:
        connection, clock = self.connection, self.connection.clock
        connection.open()
        async with AsyncExitStack() as attempt:
            try:
                async with self._time_left(call):
                    token = await self._token(call)
                    await self._pass_gate(call)
                    call.phase = "limiter"
                    held = await attempt.enter_async_context(AsyncExitStack())
                    await held.enter_async_context(self.throttle.admitted(bulk=call.options.bulk))
                    if clock.monotonic() >= call.deadline:
                        raise call.out_of_time()
                    call.sending(clock)
                    built = call.build(token.reveal(), clock)
                    answer = await connection.open_stream(built, call.operation.operation_id, held)
                    if isinstance(answer, AsyncOpenStream):
                        call.status = answer.status
                        value = await begin(answer)
                        attempt.pop_all()
                        return value
            except TimeoutError:
                raise call.out_of_time() from None
        renewable = answer.status == 401 and connection.tokens.invalidate(token)
        call.judge(answer, clock, renewable=renewable)
        raise AssertionError("a 2xx answer comes as a stream")
