"""One call: what is sent, until when, and what its attempts come to. No waiting happens here."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from tailscale_sdk import _constants as defaults
from tailscale_sdk._generated.operations import OPERATIONS, Operation
from tailscale_sdk.errors import (
    APIStatusError,
    APITimeoutError,
    OutcomeUnknownError,
    TailscaleError,
    status_error,
)
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.retry import (
    GIVE_UP,
    Decision,
    Nature,
    RetryClass,
    decide,
    nature_of_status,
    parse_retry_after,
)
from tailscale_sdk.transport.wire import AttemptFailed


@frozen
class Options:
    """Hold what a client or one of its copies allows each call."""

    timeout: float = defaults.TOTAL_TIMEOUT_SECONDS
    max_retries: int = defaults.MAX_RETRIES
    max_bytes: int = defaults.MAX_RESPONSE_BYTES
    on_ambiguous: str = "raise"
    mark_creation: bool = True


@define
class CallContext:
    """Carry one call through its attempts."""

    operation_id: str
    method: str
    path: str
    retry_class: RetryClass
    scopes: tuple[str, ...]
    scopes_mode: str
    options: Options
    started: float
    deadline: float = field(init=False)
    attempts: int = 0
    # What the current attempt waits for: auth, limiter, or total once it may have been sent.
    phase: str = "limiter"
    # A token was renewed and the attempt repeated; it happens once in a call and is no retry.
    replayed: bool = False
    # An earlier attempt may have been carried out, so what comes now may be its echo.
    unclear: bool = False

    def __attrs_post_init__(self) -> None:
        self.deadline = self.started + self.options.timeout

    @classmethod
    def of(cls, operation: Operation, options: Options, clock: Clock) -> CallContext:
        """Start a call of a described operation."""
        return cls(
            operation_id=operation.operation_id,
            method=operation.http_method,
            path=operation.path,
            retry_class=operation.retry_class,
            scopes=operation.scopes,
            scopes_mode=operation.scopes_mode,
            options=options,
            started=clock.monotonic(),
        )

    def judge(self, reply: Reply, clock: Clock, *, renewable: bool = False) -> Reply:
        """Return a reply that means success.

        Args:
            reply: the answer.
            clock: for a Retry-After that is a date.
            renewable: the token was not accepted, and another one can be had.

        Raises:
            AttemptFailed: any other status, with what it says about the request having been carried out.
        """
        if 200 <= reply.status < 300:
            return reply
        if reply.status == 404 and self.method == "DELETE" and self.unclear:
            return reply
        error, nature = self._refusal(reply, clock)
        if reply.status == 401 and renewable and not self.replayed:
            self.replayed = True
            raise AttemptFailed(error, "refused", replay=True)
        waits = error.retry_after if reply.status in {429, 503} else None
        raise AttemptFailed(error, nature, retry_after=waits)

    def _refusal(self, reply: Reply, clock: Clock) -> tuple[APIStatusError, Nature]:
        nature = nature_of_status(reply.status, self.retry_class)
        told: dict[str, Any] = {
            "operation": self.operation_id,
            "method": self.method,
            "path": self.path,
            "required_scopes": self.scopes,
            "scopes_mode": self.scopes_mode,
            "request_id": reply.headers.get("x-request-id") or reply.headers.get("request-id"),
            "ambiguous": self._may_have_acted(nature),
            "body": reply.body,
        }
        if 300 <= reply.status < 400:
            other = host_of(reply.headers.get("location", ""))
            return APIStatusError(status=reply.status, message=f"redirected to {other}", **told), nature
        retry_after = parse_retry_after(reply.headers, clock.now())
        return status_error(reply.status, retry_after=retry_after, **told), nature

    def _may_have_acted(self, nature: Nature) -> bool:
        return self.retry_class != "SAFE" and (nature == "ambiguous" or self.unclear)

    def decide(self, failed: AttemptFailed, clock: Clock) -> Decision:
        """Decide what follows a failed attempt."""
        if not failed.repeatable:
            return GIVE_UP
        decision = decide(
            nature=failed.nature,
            retry_class=self.retry_class,
            attempt=self.attempts - self.replayed,
            max_retries=self.options.max_retries,
            remaining=self.deadline - clock.monotonic(),
            chance=clock.random(),
            retry_after=failed.retry_after,
            at_once=failed.at_once,
            replay=failed.replay,
        )
        self.unclear = self.unclear or failed.nature == "ambiguous"
        return decision

    def final(self, failed: AttemptFailed, clock: Clock) -> TailscaleError:
        """Return what the caller sees when no further attempt is made."""
        error = failed.error
        elapsed = clock.monotonic() - self.started
        known = {
            "attempts": self.attempts,
            "elapsed": elapsed,
            "ambiguous": self._may_have_acted(failed.nature),
        }
        for name, value in known.items():
            if hasattr(error, name):
                setattr(error, name, value)
        if failed.nature == "ambiguous" and self.retry_class in {"CREATE", "EFFECT"}:
            unknown = OutcomeUnknownError(
                operation=self.operation_id, attempts=self.attempts, elapsed=elapsed
            )
            unknown.__cause__ = error
            return unknown
        return error

    def out_of_time(self) -> AttemptFailed:
        """Say that the whole call ran out of time in its current phase."""
        sent = self.phase == "total"
        waited = {"auth": "waiting for an access token", "limiter": "waiting for its turn"}.get(
            self.phase, "sent"
        )
        text = f"{self.operation_id}: not finished within {self.options.timeout:g} s ({waited})"
        error = APITimeoutError(text, operation=self.operation_id, phase=self.phase, ambiguous=sent)
        return AttemptFailed(error, "ambiguous" if sent else "not_sent", repeatable=False)


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
