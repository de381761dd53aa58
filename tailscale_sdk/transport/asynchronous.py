"""The asynchronous shell: deadline, token, retry, throttle and bounded reading around one wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from tailscale_sdk._constants import DEADLINE_GRACE_SECONDS, MAX_ERROR_BODY_BYTES, TOKEN_ATTEMPTS
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.auth import Credential
from tailscale_sdk.errors import ClientLoopError
from tailscale_sdk.transport.again import Again, wait_of
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, Options
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, ErrorBody, body_for
from tailscale_sdk.transport.limits import AsyncThrottle
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.tokens import ENDPOINT, AsyncTokenSource, refuse_token
from tailscale_sdk.transport.wire import (
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


class AsyncConnection:
    """Hold what every copy of a client shares: the wire, opened on its first loop, and the tokens."""

    def __init__(self, credential: Credential, target: Target, clock: Clock, wire: AsyncWire | None) -> None:
        self.clock, self.target = clock, target
        self._wire, self._closed = wire, False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.host = urlsplit(target.base_url).netloc
        self.tokens = AsyncTokenSource(credential, clock, self._post_form)

    def open(self) -> AsyncWire:
        """Return the wire, opened by the first call on the one loop it then belongs to.

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
            self._wire = open_async_wire(self.target.base_url)
        return self._wire

    async def aclose(self) -> None:
        """Close the wire; a second time does nothing."""
        if not self._closed:
            self._closed = True
            if self._wire is not None:
                await self._wire.aclose()

    async def exchange(self, request: httpx.Request, cap: int, operation: str) -> Reply:
        """Send one request and read its answer to the end; the deadline is the caller's.

        Raises:
            AttemptFailed: there is no complete answer.
        """
        try:
            response = await self.open().handle_async_request(request)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=False) from error
        headers = lower_headers(response)
        try:
            return Reply(response.status_code, headers, await self._read(response, headers, cap))
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=True) from error
        except BodyTooLarge:
            raise too_large(cap, operation) from None
        except BodyBroken as problem:
            raise undecodable(problem, response.status_code, headers, operation) from None
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, headers: dict[str, str], cap: int) -> bytes:
        body = body_for(response.status_code, headers, cap)
        try:
            async for chunk in response.stream:  # type: ignore[union-attr]  # an asynchronous wire gives such a stream
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

    async def send(
        self, request: WireRequest, context: CallContext, target: Target, options: Options
    ) -> Reply:
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

    async def _attempt(
        self, request: WireRequest, context: CallContext, target: Target, options: Options
    ) -> Reply:
        connection, deadline, clock = self.connection, context.deadline, self.connection.clock
        connection.open()
        context.attempts += 1
        context.phase = "auth"
        try:
            # The phases' own timeouts end at the deadline and know what was sent; this one catches what drips.
            async with asyncio.timeout(deadline - clock.monotonic() + DEADLINE_GRACE_SECONDS):
                token = await connection.tokens.get(deadline)
                context.phase = "limiter"
                await self.throttle.wait()
                async with self.throttle.slot():
                    if clock.monotonic() >= deadline:
                        raise context.out_of_time()
                    context.phase = "total"
                    built = target.request(request, token.reveal(), PhaseTimeouts(deadline, clock.monotonic))
                    reply = await connection.exchange(built, options.max_bytes, context.operation_id)
        except TimeoutError:
            raise context.out_of_time() from None
        renewable = reply.status == 401 and connection.tokens.invalidate(token)
        return context.judge(reply, clock, renewable=renewable)
