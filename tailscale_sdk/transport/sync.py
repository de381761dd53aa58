"""The synchronous shell: deadline, token, retry, throttle and bounded reading around one wire."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_never

from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.auth import Credential
from tailscale_sdk.errors import APIConnectionError, APITimeoutError, ClientLoopError, ResponseTooLargeError
from tailscale_sdk.transport.again import Again, wait_of
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, Options
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, BoundedBody
from tailscale_sdk.transport.limits import LimitExceeded, Throttle
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.tokens import ENDPOINT, TokenSource, refuse_token
from tailscale_sdk.transport.wire import AttemptFailed, Target, Wire, failure_of, lower_headers, open_wire, timeouts


class Connection:
    """Hold what every copy of a client shares: the wire, opened when first needed, and the tokens."""

    def __init__(
        self, credential: Credential, target: Target, max_concurrency: int, clock: Clock, wire: Wire | None
    ) -> None:
        self.clock, self.target = clock, target
        self._wire, self._max_concurrency, self._closed = wire, max_concurrency, False
        self.host = urlsplit(target.base_url).netloc
        self.tokens = TokenSource(credential, clock, self._post_form)

    @property
    def wire(self) -> Wire:
        """Return the open wire.

        Raises:
            ClientLoopError: the client was closed.
        """
        if self._closed:
            raise ClientLoopError("this client was closed: make a new one")
        if self._wire is None:
            self._wire = open_wire(self.target.base_url, self._max_concurrency)
        return self._wire

    def close(self) -> None:
        """Close the wire; a second time does nothing."""
        self._closed = True
        if self._wire is not None:
            self._wire.close()

    def exchange(self, request: httpx.Request, deadline: float, cap: int, operation: str) -> Reply:
        """Send one request and read its answer to the end.

        Raises:
            AttemptFailed: there is no complete answer.
        """
        try:
            response = self.wire.handle_request(request)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation) from error
        try:
            return self._read(response, deadline, cap)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation) from error
        except LimitExceeded:
            text = f"{operation}: the answer was not complete in time"
            late = APITimeoutError(text, operation=operation, phase="total", ambiguous=True)
            raise AttemptFailed(late, "ambiguous") from None
        except BodyTooLarge:
            raise AttemptFailed(ResponseTooLargeError(cap=cap, operation=operation), "permanent") from None
        except BodyBroken as problem:
            text = f"{operation}: the answer is broken: {problem}"
            broken = APIConnectionError(text, operation=operation, phase="protocol", ambiguous=True)
            raise AttemptFailed(broken, "ambiguous") from None
        finally:
            response.close()

    def _read(self, response: httpx.Response, deadline: float, cap: int) -> Reply:
        headers = lower_headers(response)
        body = BoundedBody(headers, cap)
        for chunk in response.stream:  # type: ignore[union-attr]  # a synchronous wire gives a synchronous stream
            body.feed(chunk)
            if self.clock.monotonic() >= deadline:
                raise LimitExceeded
        return Reply(response.status_code, headers, body.finish())

    def _post_form(self, path: str, fields: dict[str, str], deadline: float) -> Reply:
        request = WireRequest(
            "POST", path, content=urlencode(fields).encode(), content_type="application/x-www-form-urlencoded"
        )
        built = Target(self.target.base_url).request(request, None, timeouts(deadline - self.clock.monotonic()))
        try:
            return refuse_token(self.exchange(built, deadline, 64 * 1024, ENDPOINT))
        except AttemptFailed as failed:
            raise failed.error from failed.__cause__


class Sender:
    """Carry calls through their attempts.

    Args:
        connection: shared by all copies of a client.
        throttle: shared by all copies that did not set their own limits.
    """

    def __init__(self, connection: Connection, throttle: Throttle) -> None:
        self.connection, self.throttle = connection, throttle
        self._retrying = Retrying(
            retry=retry_if_exception_type(Again),
            wait=wait_of,
            stop=stop_never,
            sleep=connection.clock.sleep,
            reraise=True,
        )

    def send(self, request: WireRequest, context: CallContext, target: Target, options: Options) -> Reply:
        """Send until there is an answer or no further attempt is allowed.

        Raises:
            TailscaleError: what the caller sees.
        """
        try:
            return self._attempt(request, context, target, options)
        except AttemptFailed as failed:
            again = self._decide(failed, context)
        return self._retrying.copy()(self._repeater(again, request, context, target, options))

    def _repeater(
        self, first: Again, request: WireRequest, context: CallContext, target: Target, options: Options
    ) -> Callable[[], Reply]:
        """Fail once with the failure that has happened already, so that tenacity waits before it sends."""
        pending: list[Again] = [first]

        def repeat() -> Reply:
            if pending:
                raise pending.pop()
            try:
                return self._attempt(request, context, target, options)
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

    def _attempt(self, request: WireRequest, context: CallContext, target: Target, options: Options) -> Reply:
        connection, deadline = self.connection, context.deadline
        clock = connection.clock
        context.attempts += 1
        try:
            self.throttle.wait(deadline)
            with self.throttle.slot(deadline):
                token = connection.tokens.get(deadline)
                reply = self._exchange(request, context, target, options, token.reveal())
                if reply.status == 401 and connection.tokens.invalidate(token):
                    context.attempts += 1
                    renewed = connection.tokens.get(deadline).reveal()
                    reply = self._exchange(request, context, target, options, renewed)
        except LimitExceeded:
            raise context.out_of_time("limiter", sent=False) from None
        return context.judge(reply, clock)

    def _exchange(
        self, request: WireRequest, context: CallContext, target: Target, options: Options, token: str
    ) -> Reply:
        remaining = context.deadline - self.connection.clock.monotonic()
        if remaining <= 0:
            raise context.out_of_time("total", sent=False)
        built = target.request(request, token, timeouts(remaining))
        return self.connection.exchange(built, context.deadline, options.max_bytes, context.operation_id)
