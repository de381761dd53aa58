"""One call: what is sent, until when, and what its attempts come to. No waiting happens here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx
from attrs import define, evolve, field

from tailscale_sdk._generated.operations import OPERATIONS, Operation
from tailscale_sdk._generated.types import UnexpectedShape, WireRequest
from tailscale_sdk.errors import (
    APIStatusError,
    APITimeoutError,
    DecodeError,
    OutcomeUnknownError,
    RateLimitError,
    TailscaleError,
)
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.decode import NotJSON
from tailscale_sdk.transport.error_answers import status_error
from tailscale_sdk.transport.hooks import RequestEvent, ResponseEvent, RetryEvent, tell
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.pacing import Pacing
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.retry import (
    GIVE_UP,
    Decision,
    Failure,
    Nature,
    decide,
    nature_of_status,
    parse_retry_after,
)
from tailscale_sdk.transport.wire import AttemptFailed, PhaseTimeouts, Target

T = TypeVar("T")
# What to do about an effect whose answer was lost, where it is not to read the state.
_ADVICE = {
    "rotateWebhookSecret": "Rotate again: a secret whose answer was lost cannot be read any more",
    "resendDeviceInvite": "Ask the invited person before sending it again",
    "resendUserInvite": "Ask the invited person before sending it again",
    "resendContactVerificationEmail": "Look into the mailbox before sending it again",
    "testWebhook": "Look whether the test arrived before sending it again",
}


def raw_reply(reply: Reply) -> Reply:
    """Return a reply as it is, for callers that decode by themselves."""
    return reply


@define
class CallContext(Generic[T]):
    """Carry one call through its attempts.

    Args:
        operation: what is called.
        request: what is sent, the same bytes in every attempt.
        target: where to.
        options: what the call allows.
        read: turns a reply into the call's value.
        started: monotonic seconds.
        nonce: mark of a creation, named when its outcome stays unknown.
    """

    operation: Operation
    request: WireRequest
    target: Target
    options: Options
    read: Callable[[Reply], T]
    started: float
    nonce: str | None = None
    streaming: bool = False
    deadline: float = field(init=False)
    attempts: int = 0
    # What the call waits for: auth, gate, limiter, total once an attempt may have been sent, or the next attempt.
    phase: str = "limiter"
    # A token was renewed and the attempt repeated; it happens once in a call and is no retry.
    replayed: bool = False
    # An earlier attempt may have been carried out, so what comes now may be its echo.
    unclear: bool = False
    # Likewise after a 503, which what stands before the service may say of a request that got through.
    turned_away: bool = False
    # A damaged answer was asked for again; it is not a second time.
    once_spent: bool = False
    last_cost: int = 0
    sent_at: float = 0.0
    # Of the answer the current attempt got.
    status: int | None = None

    def __attrs_post_init__(self) -> None:
        endless = self.streaming and not self.options.timeout_chosen
        self.deadline = float("inf") if endless else self.started + self.options.timeout

    def build(self, token: str, clock: Clock) -> httpx.Request:
        """Build the request of the next attempt."""
        timeouts = PhaseTimeouts(self.deadline, clock.monotonic, self.options, streaming=self.streaming)
        return self.target.request(self.request, token, timeouts)

    def judge(self, reply: Reply, clock: Clock, *, renewable: bool = False) -> Reply:
        """Return a reply that means success.

        Args:
            reply: the answer.
            clock: for a Retry-After that is a date.
            renewable: the token was not accepted, and another one can be had.

        Raises:
            AttemptFailed: any other status, with what it says about the request having been carried out.
        """
        self.status = reply.status
        if 200 <= reply.status < 300:
            return reply
        if reply.status == 404 and self.operation.http_method == "DELETE" and self._may_echo:
            return evolve(reply, body=b"", already_absent=True)
        error, failure = self._refusal(reply, clock)
        if reply.status == 401 and renewable and not self.replayed:
            self.replayed = True
            failure = Failure("refused", status=401, replay=True)
        raise AttemptFailed(error, failure)

    def _refusal(self, reply: Reply, clock: Clock) -> tuple[APIStatusError, Failure]:
        operation = self.operation
        nature = nature_of_status(reply.status, operation.retry_class)
        told: dict[str, Any] = {
            "operation": operation.operation_id,
            "method": operation.http_method,
            "path": operation.path,
            "required_scopes": operation.scopes,
            "scopes_mode": operation.scopes_mode,
            "request_id": reply.headers.get("x-request-id") or reply.headers.get("request-id"),
            "ambiguous": self._may_have_acted(nature),
            "body": reply.body,
        }
        if 300 <= reply.status < 400:
            other = host_of(reply.headers.get("location", ""))
            error = APIStatusError(status=reply.status, message=f"redirected to {other}", **told)
            return error, Failure(nature, status=reply.status)
        retry_after = parse_retry_after(reply.headers, clock.now())
        waits = retry_after if reply.status in {429, 503} else None
        error = status_error(reply.status, retry_after=retry_after, **told)
        return error, Failure(nature, status=reply.status, retry_after=waits)

    def decode(self, reply: Reply) -> T:
        """Read the value of a successful reply.

        Raises:
            AttemptFailed: the body is not what the operation answers; the request may have been carried out.
        """
        try:
            return self.read(reply)
        except UnexpectedShape as problem:
            text = f"expected {problem.expected}, found {problem.found}"
            raise self._undecodable(reply, text, problem.json_path, cut=False) from problem
        except NotJSON as problem:
            raise self._undecodable(reply, str(problem), "$", cut=problem.cut) from problem
        except ValueError as problem:
            raise self._undecodable(reply, "this cannot be read", "$", cut=False) from problem

    def _undecodable(self, reply: Reply, message: str, json_path: str, *, cut: bool) -> AttemptFailed:
        error = DecodeError(
            message,
            operation=self.operation.operation_id,
            status=reply.status,
            content_type=reply.headers.get("content-type"),
            bytes_read=len(reply.body),
            json_path=json_path,
        )
        return AttemptFailed(error, Failure("ambiguous", status=reply.status, once=cut, repeatable=cut))

    @property
    def _may_echo(self) -> bool:
        """Tell whether a refusal may be the echo of an earlier attempt."""
        return self.unclear or self.turned_away

    def _may_have_acted(self, nature: Nature) -> bool:
        if self.operation.retry_class == "SAFE":
            return False
        return nature == "ambiguous" or (self._may_echo if nature == "permanent" else self.unclear)

    def next_step(self, failed: AttemptFailed, clock: Clock, pacing: Pacing) -> Decision:
        """Decide what follows a failed attempt, pay for it, and let the other calls know of a 429."""
        failure, options, now = failed.failure, self.options, clock.monotonic()
        decision = decide(
            failure,
            retry_class=self.operation.retry_class,
            attempt=self.attempts - self.replayed,
            max_retries=options.max_retries,
            remaining=self.deadline - now,
            chance=clock.random(),
            tokens=pacing.budget.tokens,
            max_retry_after=options.max_retry_after,
            retry_429_writes=options.retry_429_writes,
            once_spent=self.once_spent,
        )
        self.unclear = self.unclear or failure.nature == "ambiguous"
        self.turned_away = self.turned_away or failure.status == 503
        self.once_spent = self.once_spent or failure.once
        if failure.status == 429:
            asked = decision.wait if failure.retry_after is None else failure.retry_after
            alone = self.operation.operation_id if self.operation.retry_class == "EFFECT" else None
            pacing.gate.shut(now + min(asked, options.max_retry_after), alone)
        if decision.cost and not pacing.budget.spend(decision.cost):
            return GIVE_UP
        if decision.again:
            self.phase, self.last_cost = "retry", decision.cost
            self.tell_retry(failed, decision.wait)
        return decision

    def succeeded(self, pacing: Pacing) -> None:
        """Give back to the retry budget what a success earns."""
        pacing.budget.earn(self.last_cost or 1)

    def final(self, failed: AttemptFailed, clock: Clock) -> TailscaleError:
        """Return what the caller sees when no further attempt is made."""
        error = failed.error
        elapsed = clock.monotonic() - self.started
        ambiguous = failed.failure.nature == "ambiguous"
        known = {
            "attempts": self.attempts,
            "elapsed": elapsed,
            "ambiguous": self._may_have_acted(failed.failure.nature),
        }
        for name, value in known.items():
            if hasattr(error, name):
                setattr(error, name, value)
        if ambiguous and self.operation.retry_class in {"CREATE", "EFFECT"}:
            unknown = OutcomeUnknownError(
                operation=self.operation.operation_id,
                nonce=self.nonce,
                advice=_ADVICE.get(self.operation.operation_id),
                attempts=self.attempts,
                elapsed=elapsed,
            )
            unknown.__cause__ = error
            return unknown
        return error

    def interrupted(self, stop: BaseException) -> None:
        """Tell in a note that a write may have been carried out although its caller stopped waiting."""
        if self.operation.effect == "read" or not (self.phase == "total" or self.unclear):
            return
        mark = f"; look for {self.nonce!r}" if self.nonce else ""
        stop.add_note(f"{self.operation.operation_id} was under way and may have been carried out{mark}")

    def out_of_time(self) -> AttemptFailed:
        """Say that the whole call ran out of time in its current phase."""
        sent = self.phase == "total"
        # The gate is one of the places where a call waits for its turn; callers know of one only.
        phase, waited = {
            "auth": ("auth", "waiting for an access token"),
            "total": ("total", "sent"),
        }.get(self.phase, ("limiter", "waiting for its turn"))
        name = self.operation.operation_id
        text = f"{name}: not finished within {self.options.timeout:g} s ({waited})"
        error = APITimeoutError(text, operation=name, phase=phase, ambiguous=sent)
        return AttemptFailed(error, Failure("ambiguous" if sent else "not_sent", repeatable=False))

    def held_back(self, wait: float) -> AttemptFailed:
        """Say, without having sent anything, that the service asked to be left alone for longer than there is."""
        operation = self.operation
        error = RateLimitError(
            status=429,
            message="not sent: the service asked all calls to wait",
            operation=operation.operation_id,
            method=operation.http_method,
            path=operation.path,
            retry_after=wait,
        )
        return AttemptFailed(error, Failure("refused", repeatable=False))

    def _event(self) -> dict[str, Any]:
        operation = self.operation
        return {
            "operation": operation.operation_id,
            "method": operation.http_method,
            "path": operation.path,
            "retry_class": operation.retry_class,
            "attempt": self.attempts,
        }

    def sending(self, clock: Clock) -> None:
        """Count the attempt that is about to be sent, and call the hook that wants to know of it."""
        self.attempts += 1
        self.phase, self.sent_at, self.status = "total", clock.monotonic(), None
        hooks = self.options.hooks
        if hooks is not None and hooks.on_request is not None:
            tell(hooks.on_request, RequestEvent(**self._event()))

    def ended(self, clock: Clock, status: int | None, error: BaseException | None) -> None:
        """Call the hook that wants to know how an attempt ended; one that was never sent is none."""
        hooks = self.options.hooks
        if hooks is None or hooks.on_response is None or self.phase != "total":
            return
        duration = clock.monotonic() - self.sent_at
        tell(hooks.on_response, ResponseEvent(**self._event(), status=status, duration=duration, error=error))

    def tell_retry(self, failed: AttemptFailed, wait: float) -> None:
        """Call the hook that wants to know of every retry."""
        hooks = self.options.hooks
        if hooks is not None and hooks.on_retry is not None:
            event = RetryEvent(**self._event(), status=failed.failure.status, wait=wait, error=failed.error)
            tell(hooks.on_retry, event)


def host_of(location: str) -> str:
    """Return the host of a redirect and nothing else of it: the rest may hold a secret."""
    try:
        return urlsplit(location).hostname or "another path"
    except ValueError:
        return "an unreadable address"


def operation_of(operation_id: str) -> Operation:
    """Return a described operation."""
    return OPERATIONS[operation_id]


def find_operation(method: str, path: str) -> Operation | None:
    """Find the operation that a method and a path below /api/v2 belong to."""
    segments = path.partition("?")[0].split("/")
    matching = [
        operation
        for operation in OPERATIONS.values()
        if operation.http_method == method and _fits(operation.path.split("/"), segments)
    ]
    return max(matching, key=lambda operation: -operation.path.count("{"), default=None)


def _fits(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        expected.startswith("{") or expected == given
        for expected, given in zip(template, segments, strict=True)
    )
