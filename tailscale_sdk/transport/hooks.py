"""Being told of every request, response and retry, without a word of what was in them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError

E = TypeVar("E")
_log = logging.getLogger("tailscale_sdk.hooks")


@frozen
class RequestEvent:
    """Tell of an attempt that is about to be sent.

    Attributes:
        operation: operation id; of a request that is not described, its method and path template.
        method: HTTP method.
        path: path template below ``/api/v2``; ids and query are no part of it.
        retry_class: SAFE, IDEM, COND, CREATE or EFFECT.
        attempt: number of the attempt within the call, from 1.
    """

    operation: str
    method: str
    path: str
    retry_class: str
    attempt: int


@frozen
class ResponseEvent(RequestEvent):
    """Tell how an attempt ended; each one that was sent ends once.

    Attributes:
        status: HTTP status, None when there was no complete answer.
        duration: seconds the attempt took, waiting for its turn not included; of a log stream until its beginning
            was read.
        error: what was wrong, safe to print; a cancellation where the caller left; None for success.
    """

    status: int | None
    duration: float
    error: BaseException | None


@frozen
class RetryEvent(RequestEvent):
    """Tell that an attempt failed and another one follows.

    Attributes:
        status: HTTP status, None when there was no complete answer.
        wait: seconds until the next attempt.
        error: why, safe to print.
    """

    status: int | None
    wait: float
    error: Exception


@frozen(kw_only=True)
class Hooks:
    """Name functions to be called around each attempt; they run on the caller's thread or loop and must be quick.

    An exception in one is logged under ``tailscale_sdk.hooks`` and changes nothing of the call: a write that was
    carried out must not look like a failure.

    Args:
        on_request: before an attempt is sent.
        on_response: when an attempt has ended, with an answer or without one.
        on_retry: when another attempt follows.

    Raises:
        ConfigurationError: one of them cannot be called, or is a coroutine function, which nobody would await.
    """

    on_request: Callable[[RequestEvent], object] | None = None
    on_response: Callable[[ResponseEvent], object] | None = None
    on_retry: Callable[[RetryEvent], object] | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("on_request", "on_response", "on_retry"):
            hook = getattr(self, name)
            if hook is not None and (not callable(hook) or inspect.iscoroutinefunction(hook)):
                raise ConfigurationError(f"{name} must be an ordinary function of one event, or None")


def combine(*hooks: Hooks) -> Hooks:
    """Return hooks that call those of several sources, in their order; one that fails does not stop the next."""
    return Hooks(
        on_request=_each(one.on_request for one in hooks),
        on_response=_each(one.on_response for one in hooks),
        on_retry=_each(one.on_retry for one in hooks),
    )


def _each(hooks: Iterable[Callable[[E], object] | None]) -> Callable[[E], object] | None:
    present = [hook for hook in hooks if hook is not None]
    if len(present) < 2:
        return present[0] if present else None

    def call_all(event: E) -> None:
        for hook in present:
            tell(hook, event)

    return call_all


def tell(hook: Callable[[E], object] | None, event: E) -> None:
    """Call a hook; whatever it raises stays here."""
    if hook is None:
        return
    try:
        hook(event)
    except Exception:  # noqa: BLE001  # a hook is foreign code; the call it watches must not fail of it
        _log.exception("a hook failed; the call goes on")


def logging_hooks(logger: logging.Logger | None = None, *, level: int = logging.DEBUG) -> Hooks:
    """Return hooks that write one line per attempt and per retry.

    Args:
        logger: where to; ``tailscale_sdk.calls`` when left out, which redacts.
        level: of the lines; a retry is one step louder.
    """
    from tailscale_sdk.redact import RedactingFilter

    target = logger or logging.getLogger("tailscale_sdk.calls")
    if not any(isinstance(item, RedactingFilter) for item in target.filters):
        target.addFilter(RedactingFilter())

    def respond(event: ResponseEvent) -> None:
        wrong = None if event.error is None else type(event.error).__name__
        outcome = " ".join(str(part) for part in (event.status, wrong) if part is not None)
        target.log(
            level,
            "%s attempt %d: %s in %.3f s",
            event.operation,
            event.attempt,
            outcome,
            event.duration,
        )

    def retry(event: RetryEvent) -> None:
        target.log(
            level + 10,
            "%s attempt %d: %s; again in %.2f s",
            event.operation,
            event.attempt,
            event.error,
            event.wait,
        )

    return Hooks(on_response=respond, on_retry=retry)
