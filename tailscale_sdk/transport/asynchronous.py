"""The asynchronous shell: deadline, token, retry, throttle and bounded reading around one wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode, urlsplit

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.auth import Credential
from tailscale_sdk.errors import APIConnectionError, ClientLoopError, ResponseTooLargeError
from tailscale_sdk.transport.again import Again, wait_of
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, Options
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, BoundedBody
from tailscale_sdk.transport.limits import AsyncThrottle, LimitExceeded
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.tokens import ENDPOINT, AsyncTokenSource, refuse_token
from tailscale_sdk.transport.wire import (
    AsyncWire,
    AttemptFailed,
    Target,
    failure_of,
    lower_headers,
    open_async_wire,
    timeouts,
)


class AsyncConnection:
    """Hold what every copy of a client shares: the wire, opened on its first loop, and the tokens."""

    def __init__(
        self, credential: Credential, target: Target, max_concurrency: int, clock: Clock, wire: AsyncWire | None
    ) -> None:
        self.clock, self.target = clock, target
        self._wire, self._max_concurrency, self._closed = wire, max_concurrency, False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.host = urlsplit(target.base_url).netloc
        self.tokens = AsyncTokenSource(credential, clock, self._post_form)

    def own_loop(self) -> AsyncWire:
        """Return the wire, on the one loop it belongs to.

        Raises:
            ClientLoopError: the client was closed, or is used from another event loop.
        """
        if self._closed:
            raise ClientLoopError("this client was closed: make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ClientLoopError("this client belongs to another event loop: make one client per loop")
        if self._wire is None:
            self._wire = open_async_wire(self.target.base_url, self._max_concurrency)
        return self._wire

    async def aclose(self) -> None:
        """Close the wire; a second time does nothing."""
        if not self._closed and self._wire is not None:
            self._closed = True
            await self._wire.aclose()
        self._closed = True

    async def exchange(self, request: httpx.Request, deadline: float, cap: int, operation: str) -> Reply:
        """Send one request and read its answer to the end.

        Raises:
            AttemptFailed: there is no complete answer.
            TimeoutError: the deadline came first.
        """
        wire = self.own_loop()
        async with asyncio.timeout(deadline - self.clock.monotonic()):
            try:
                response = await wire.handle_async_request(request)
            except httpx.HTTPError as error:
                raise failure_of(error, self.host, operation) from error
            try:
                return await self._read(response, cap)
            except httpx.HTTPError as error:
                raise failure_of(error, self.host, operation) from error
            except BodyTooLarge:
                raise AttemptFailed(ResponseTooLargeError(cap=cap, operation=operation), "permanent") from None
            except BodyBroken as problem:
                text = f"{operation}: the answer is broken: {problem}"
                broken = APIConnectionError(text, operation=operation, phase="protocol", ambiguous=True)
                raise AttemptFailed(broken, "ambiguous") from None
            finally:
                await response.aclose()

    async def _read(self, response: httpx.Response, cap: int) -> Reply:
        headers = lower_headers(response)
        body = BoundedBody(headers, cap)
        async for chunk in response.stream:  # type: ignore[union-attr]  # an asynchronous wire gives such a stream
            body.feed(chunk)
        return Reply(response.status_code, headers, body.finish())

    async def _post_form(self, path: str, fields: dict[str, str], deadline: float) -> Reply:
        request = WireRequest(
            "POST", path, content=urlencode(fields).encode(), content_type="application/x-www-form-urlencoded"
        )
        built = Target(self.target.base_url).request(request, None, timeouts(deadline - self.clock.monotonic()))
        try:
            return refuse_token(await self.exchange(built, deadline, 64 * 1024, ENDPOINT))
        except AttemptFailed as failed:
            raise failed.error from failed.__cause__
        except TimeoutError:
            raise APIConnectionError("the token endpoint did not answer in time", phase="auth") from None


class AsyncSender:
    """Carry calls through their attempts.

    Args:
        connection: shared by all copies of a client.
        throttle: shared by all copies that did not set their own limits.
    """

    def __init__(self, connection: AsyncConnection, throttle: AsyncThrottle) -> None:
        self.connection, self.throttle = connection, throttle
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(Again),
            wait=wait_of,
            stop=stop_never,
            sleep=connection.clock.async_sleep,
            reraise=True,
        )

    async def send(self, request: WireRequest, context: CallContext, target: Target, options: Options) -> Reply:
        """Send until there is an answer or no further attempt is allowed.

        Raises:
            TailscaleError: what the caller sees.
        """
        try:
            return await self._attempt(request, context, target, options)
        except AttemptFailed as failed:
            again = self._decide(failed, context)
        return await self._retrying.copy()(self._repeater(again, request, context, target, options))

    def _repeater(
        self, first: Again, request: WireRequest, context: CallContext, target: Target, options: Options
    ) -> Callable[[], Awaitable[Reply]]:
        """Fail once with the failure that has happened already, so that tenacity waits before it sends."""
        pending: list[Again] = [first]

        async def repeat() -> Reply:
            if pending:
                raise pending.pop()
            try:
                return await self._attempt(request, context, target, options)
            except AttemptFailed as failed:
                raise self._decide(failed, context) from failed

        return repeat

    def _decide(self, failed: AttemptFailed, context: CallContext) -> Again:
        clock = self.connection.clock
        decision = context.decide(failed, clock)
        if decision.again:
            return Again(failed, decision)
        final = context.final(failed, clock)
        raise final from (final.__cause__ or failed.__cause__)

    async def _attempt(self, request: WireRequest, context: CallContext, target: Target, options: Options) -> Reply:
        connection, deadline = self.connection, context.deadline
        connection.own_loop()
        context.attempts += 1
        try:
            await self.throttle.wait(deadline)
            async with self.throttle.slot(deadline):
                token = await connection.tokens.get(deadline)
                reply = await self._exchange(request, context, target, options, token.reveal())
                if reply.status == 401 and connection.tokens.invalidate(token):
                    context.attempts += 1
                    renewed = (await connection.tokens.get(deadline)).reveal()
                    reply = await self._exchange(request, context, target, options, renewed)
        except LimitExceeded:
            raise context.out_of_time("limiter", sent=False) from None
        return context.judge(reply, connection.clock)

    async def _exchange(
        self, request: WireRequest, context: CallContext, target: Target, options: Options, token: str
    ) -> Reply:
        remaining = context.deadline - self.connection.clock.monotonic()
        if remaining <= 0:
            raise context.out_of_time("total", sent=False)
        built = target.request(request, token, timeouts(remaining))
        try:
            return await self.connection.exchange(built, context.deadline, options.max_bytes, context.operation_id)
        except TimeoutError:
            raise context.out_of_time("total", sent=True) from None
