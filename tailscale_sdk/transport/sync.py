"""The synchronous shell: deadline, token, retry, throttle and bounded reading around one wire."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_never

from tailscale_sdk._constants import MAX_ERROR_BODY_BYTES, TOKEN_ATTEMPTS
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.auth import Credential
from tailscale_sdk.errors import ClientLoopError
from tailscale_sdk.transport.again import Again, wait_of
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, Options
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, ErrorBody, body_for
from tailscale_sdk.transport.limits import LimitExceeded, Throttle
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.tokens import ENDPOINT, TokenSource, refuse_token
from tailscale_sdk.transport.wire import (
    AttemptFailed,
    DeadlinePassed,
    PhaseTimeouts,
    Target,
    Wire,
    failure_of,
    form_request,
    late_token,
    lower_headers,
    open_wire,
    too_large,
    undecodable,
)


class Connection:
    """Hold what every copy of a client shares: the wire, opened when first needed, and the tokens."""

    def __init__(self, credential: Credential, target: Target, clock: Clock, wire: Wire | None) -> None:
        self.clock, self.target = clock, target
        self._wire, self._closed, self._lock = wire, False, threading.Lock()
        self.host = urlsplit(target.base_url).netloc
        self.tokens = TokenSource(credential, clock, self._post_form)

    def open(self) -> Wire:
        """Return the wire, opened by the first call.

        Raises:
            ClientLoopError: the client was closed.
        """
        if self._closed:
            raise ClientLoopError("this client was closed: make a new one")
        if self._wire is None:
            with self._lock:
                self._wire = self._wire or open_wire(self.target.base_url)
        return self._wire

    def close(self) -> None:
        """Close the wire; a second time does nothing."""
        if not self._closed:
            self._closed = True
            if self._wire is not None:
                self._wire.close()

    def exchange(self, request: httpx.Request, deadline: float, cap: int, operation: str) -> Reply:
        """Send one request and read its answer to the end.

        Raises:
            AttemptFailed: there is no complete answer.
            DeadlinePassed: the answer was still coming at the deadline.
        """
        try:
            response = self.open().handle_request(request)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=False) from error
        headers = lower_headers(response)
        try:
            return Reply(response.status_code, headers, self._read(response, headers, deadline, cap))
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=True) from error
        except BodyTooLarge:
            raise too_large(cap, operation) from None
        except BodyBroken as problem:
            raise undecodable(problem, response.status_code, headers, operation) from None
        finally:
            response.close()

    def _read(self, response: httpx.Response, headers: dict[str, str], deadline: float, cap: int) -> bytes:
        body = body_for(response.status_code, headers, cap)
        late = False
        try:
            for chunk in response.stream:  # type: ignore[union-attr]  # a synchronous wire gives a synchronous stream
                if late:
                    raise DeadlinePassed
                if not body.feed(chunk):
                    break
                late = self.clock.monotonic() >= deadline
        except httpx.HTTPError:
            if not isinstance(body, ErrorBody):
                raise
        return body.finish()

    def _post_form(self, path: str, fields: dict[str, str], deadline: float) -> Reply:
        """Ask the token endpoint, twice if the first try brought nothing."""
        tries_left = TOKEN_ATTEMPTS
        while True:
            tries_left -= 1
            request = form_request(self.target, path, fields, PhaseTimeouts(deadline, self.clock.monotonic))
            try:
                reply = self.exchange(request, deadline, MAX_ERROR_BODY_BYTES, ENDPOINT)
            except DeadlinePassed:
                raise late_token() from None
            except AttemptFailed as failed:
                if failed.settles_token_request or not tries_left:
                    raise failed.token_error() from failed.__cause__
                continue
            if reply.status < 500 or not tries_left:
                return refuse_token(reply)


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
        connection, deadline, clock = self.connection, context.deadline, self.connection.clock
        connection.open()
        context.attempts += 1
        context.phase = "auth"
        token = connection.tokens.get(deadline)
        context.phase = "limiter"
        try:
            self.throttle.wait(deadline)
            with self.throttle.slot(deadline):
                context.phase = "total"
                built = target.request(request, token.reveal(), PhaseTimeouts(deadline, clock.monotonic))
                reply = connection.exchange(built, deadline, options.max_bytes, context.operation_id)
        except (LimitExceeded, DeadlinePassed):
            raise context.out_of_time() from None
        renewable = reply.status == 401 and connection.tokens.invalidate(token)
        return context.judge(reply, clock, renewable=renewable)
