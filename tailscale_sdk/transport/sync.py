"""The synchronous shell: deadline, token, retry, throttle and bounded reading around one wire."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from attrs import define
from tenacity import Retrying, retry_if_exception_type, stop_never

from tailscale_sdk._constants import MAX_ERROR_BODY_BYTES, TOKEN_ATTEMPTS
from tailscale_sdk.auth import Credential, Secret, key_id_of
from tailscale_sdk.errors import ClientLoopError, TailscaleError
from tailscale_sdk.transport.again import STOPS, Again, wait_of
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, ErrorBody, body_for
from tailscale_sdk.transport.limits import LimitExceeded, Throttle
from tailscale_sdk.transport.pacing import Pacing
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.retry import Failure
from tailscale_sdk.transport.tokens import ENDPOINT, TokenSource, refuse_token
from tailscale_sdk.transport.wire import (
    BODILESS,
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

T = TypeVar("T")


@define
class OpenStream:
    """Hold an answer whose body is still coming; whoever holds it closes it."""

    status: int
    headers: dict[str, str]
    _response: httpx.Response
    _host: str
    _operation: str
    _deadline: float
    _clock: Clock
    _held: ExitStack

    def chunks(self) -> Generator[bytes, None, None]:
        """Give the body as it comes, still compressed.

        Raises:
            AttemptFailed: the answer broke off.
            DeadlinePassed: it was still coming at the deadline.
        """
        try:
            for chunk in self._response.stream:  # type: ignore[union-attr]  # a synchronous wire gives a synchronous stream
                yield chunk
                if self._clock.monotonic() >= self._deadline:
                    raise DeadlinePassed
        except httpx.HTTPError as error:
            raise failure_of(error, self._host, self._operation, answered=True) from error

    def close(self) -> None:
        """Close the connection and give the slot back; a second time does nothing."""
        self._held.close()


class Connection:
    """Hold what every copy of a client shares: the wire, opened when first needed, and the tokens."""

    def __init__(self, credential: Credential, target: Target, clock: Clock, wire: Wire | None) -> None:
        self.clock, self.target = clock, target
        self._wire, self._closed, self._lock = wire, False, threading.Lock()
        self._process = os.getpid()
        self.host = urlsplit(target.base_url).netloc
        self.credential, self.key_id = credential, key_id_of(credential)
        self.tokens = TokenSource(credential, clock, self._post_form)

    def open(self) -> Wire:
        """Return the wire, opened by the first call.

        Raises:
            ClientLoopError: the client was closed, or made by another process.
        """
        if self._closed:
            raise ClientLoopError("this client was closed: make a new one")
        if self._process != os.getpid():
            raise ClientLoopError("this client was made before a fork: make one in each process")
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
        response = self._begin(request, operation)
        try:
            return self._read(response, deadline, cap, operation)
        finally:
            response.close()

    def open_stream(
        self, request: httpx.Request, deadline: float, operation: str, held: ExitStack
    ) -> OpenStream | Reply:
        """Send one request; a 2xx answer comes as an open stream, any other is read to its end.

        Args:
            held: what the stream keeps until it is closed.

        Raises:
            AttemptFailed: there is no complete answer.
        """
        response = self._begin(request, operation)
        held.callback(response.close)
        if not 200 <= response.status_code < 300:
            return self._read(response, deadline, MAX_ERROR_BODY_BYTES, operation)
        headers = lower_headers(response)
        return OpenStream(
            response.status_code, headers, response, self.host, operation, deadline, self.clock, held
        )

    def _begin(self, request: httpx.Request, operation: str) -> httpx.Response:
        try:
            return self.open().handle_request(request)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=False) from error

    def _read(self, response: httpx.Response, deadline: float, cap: int, operation: str) -> Reply:
        headers = lower_headers(response)
        if response.status_code in BODILESS:
            # Closed unread, the connection is not used again: a body all the same would be taken for the next answer.
            return Reply(response.status_code, headers, b"")
        try:
            body = self._collect(response, headers, deadline, cap)
        except httpx.HTTPError as error:
            raise failure_of(error, self.host, operation, answered=True) from error
        except BodyTooLarge:
            raise too_large(cap, operation) from None
        except BodyBroken as problem:
            raise undecodable(problem, response.status_code, headers, operation) from None
        return Reply(response.status_code, headers, body)

    def _collect(self, response: httpx.Response, headers: dict[str, str], deadline: float, cap: int) -> bytes:
        body = body_for(response.status_code, headers, cap)
        late = False
        try:
            for number, chunk in enumerate(response.stream):  # type: ignore[arg-type]  # as above
                if late:
                    raise DeadlinePassed
                if not body.feed(chunk):
                    break
                now = self.clock.monotonic()
                # One piece is as timely as its read was; of more, the last one is waited for no longer.
                if number and now > deadline and not body.is_whole:
                    raise DeadlinePassed
                late = now >= deadline
        except httpx.HTTPError as error:
            if isinstance(error, httpx.ReadTimeout) and self.clock.monotonic() > deadline:
                # The timeout of a read is set when the body begins: dripping, it outlasts the call.
                raise DeadlinePassed from None
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
        pacing: retry budget and gate, shared likewise.
    """

    def __init__(self, connection: Connection, throttle: Throttle, pacing: Pacing) -> None:
        self.connection, self.throttle, self.pacing = connection, throttle, pacing
        self._retrying = Retrying(
            retry=retry_if_exception_type(Again),
            wait=wait_of,
            stop=stop_never,
            sleep=connection.clock.sleep,
            reraise=True,
        )

    def send(self, call: CallContext[T]) -> T:
        """Send until there is an answer or no further attempt is allowed.

        Raises:
            TailscaleError: what the caller sees.
        """
        return self._carry(call, lambda: self._attempt(call))

    def open_stream(self, call: CallContext[Any], begin: Callable[[OpenStream], T]) -> T:
        """Send until an answer has begun well; a failure before that is repeated as any other.

        Args:
            begin: reads the beginning, and says with AttemptFailed what is wrong with it.

        Raises:
            TailscaleError: what the caller sees.
        """
        return self._carry(call, lambda: self._attempt_stream(call, begin))

    def _carry(self, call: CallContext[Any], attempt: Callable[[], T]) -> T:
        try:
            try:
                value = self._observed(call, attempt)
            except AttemptFailed as failed:
                again = self._decide(failed, call)
                value = self._retrying.copy()(self._repeater(again, call, attempt))
        except STOPS as stop:
            call.interrupted(stop)
            raise
        call.succeeded(self.pacing)
        return value

    def _repeater(self, first: Again, call: CallContext[Any], attempt: Callable[[], T]) -> Callable[[], T]:
        """Fail once with the failure that has happened already, so that tenacity waits before it sends."""
        pending: list[Again] = [first]

        def repeat() -> T:
            if pending:
                raise pending.pop()
            try:
                return self._observed(call, attempt)
            except AttemptFailed as failed:
                raise self._decide(failed, call) from failed

        return repeat

    def _observed(self, call: CallContext[Any], attempt: Callable[[], T]) -> T:
        clock = self.connection.clock
        try:
            value = attempt()
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

    def _token(self, call: CallContext[Any]) -> Secret:
        call.phase = "auth"
        try:
            return self.connection.tokens.get(call.deadline)
        except TailscaleError as error:
            # The call itself was not sent this time; an earlier attempt may have been carried out.
            raise AttemptFailed(error, Failure("not_sent", repeatable=False)) from error.__cause__

    def _pass_gate(self, call: CallContext[Any]) -> None:
        clock, gate = self.connection.clock, self.pacing.gate
        call.phase = "gate"
        while wait := gate.wait(call.operation.operation_id, now := clock.monotonic()):
            if now + wait >= call.deadline:
                raise call.held_back(wait)
            clock.sleep(wait)

    def _attempt(self, call: CallContext[T]) -> T:
        connection, deadline, clock = self.connection, call.deadline, self.connection.clock
        connection.open()
        token = self._token(call)
        self._pass_gate(call)
        call.phase = "limiter"
        try:
            with self.throttle.admitted(deadline, bulk=call.options.bulk):
                call.sending(clock)
                built = call.build(token.reveal(), clock)
                operation_id = call.operation.operation_id
                reply = connection.exchange(built, deadline, call.options.max_response_bytes, operation_id)
        except (LimitExceeded, DeadlinePassed):
            raise call.out_of_time() from None
        renewable = reply.status == 401 and connection.tokens.invalidate(token)
        return call.decode(call.judge(reply, clock, renewable=renewable))

    def _attempt_stream(self, call: CallContext[Any], begin: Callable[[OpenStream], T]) -> T:
        connection, deadline, clock = self.connection, call.deadline, self.connection.clock
        connection.open()
        token = self._token(call)
        self._pass_gate(call)
        call.phase = "limiter"
        with ExitStack() as attempt:
            try:
                held = attempt.enter_context(ExitStack())
                held.enter_context(self.throttle.admitted(deadline, bulk=call.options.bulk))
                call.sending(clock)
                built = call.build(token.reveal(), clock)
                answer = connection.open_stream(built, deadline, call.operation.operation_id, held)
                if isinstance(answer, OpenStream):
                    call.status = answer.status
                    value = begin(answer)
                    attempt.pop_all()
                    return value
            except (LimitExceeded, DeadlinePassed):
                raise call.out_of_time() from None
        renewable = answer.status == 401 and connection.tokens.invalidate(token)
        call.judge(answer, clock, renewable=renewable)
        raise AssertionError("a 2xx answer comes as a stream")
