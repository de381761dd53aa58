"""One answer of a log stream while it is read: its records, and what a fault of it means. No waiting here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from attrs import frozen

from tailscale_sdk._generated.types import UnexpectedShape, WireRequest
from tailscale_sdk.calls.log_seam import LogKind, Seam
from tailscale_sdk.errors import (
    APITimeoutError,
    DecodeError,
    IncompleteStreamError,
    ResponseTooLargeError,
    TailscaleError,
)
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, NotJSON
from tailscale_sdk.transport.log_records import FAULTS, Record, RecordReader
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.retry import Failure
from tailscale_sdk.transport.wire import AttemptFailed, DeadlinePassed, undecodable

# What a stream that has begun may end early with; TimeoutError is how an event loop says DeadlinePassed.
BREAKS = (AttemptFailed, DeadlinePassed, TimeoutError, *FAULTS)


@frozen
class StreamPlan:
    """Hold what a log stream is to read.

    Attributes:
        kind: which log.
        request: the window, and what of it.
        resumed: the error of the stream it continues, or None.
    """

    kind: LogKind
    request: WireRequest
    resumed: IncompleteStreamError | None


class StreamAttempt:
    """Read one answer.

    Args:
        plan: what is read.
        call: the call it belongs to.
        status: of the answer.
        headers: of the answer, names in lower case.
        clock: for what is left of the call.

    Raises:
        AttemptFailed: the answer cannot be read at all.
    """

    def __init__(
        self,
        plan: StreamPlan,
        call: CallContext[Reply],
        status: int,
        headers: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self.call, self.clock = call, clock
        self._operation, self._status, self._headers = call.operation.operation_id, status, headers
        self._seam = Seam(plan.kind, plan.resumed)
        self._ready: Iterator[Record] = iter(())
        try:
            self.reader = RecordReader(headers, call.options.max_record_bytes)
        except BodyBroken as problem:
            raise undecodable(problem, status, headers, self._operation) from None

    def take(self) -> Record | None:
        """Return the next record of what was fed; None when that is used up."""
        for record in self._ready:
            if self._seam.passes(record):
                return record
        return None

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk once the one before is used up."""
        self._ready = chain.from_iterable(self.reader.feed(chunk))

    def failure(self, problem: Exception) -> AttemptFailed:
        """Judge what an attempt ended early with."""
        if isinstance(problem, AttemptFailed):
            late = isinstance(problem.error, APITimeoutError) and self.clock.monotonic() >= self.call.deadline
            return self.call.out_of_time() if late else problem
        if isinstance(problem, BodyTooLarge):
            cap, operation = self.call.options.max_record_bytes, self._operation
            error = ResponseTooLargeError(cap=cap, operation=operation, part="a record")
            return AttemptFailed(error, Failure("ambiguous", repeatable=False))
        if isinstance(problem, BodyBroken):
            return undecodable(problem, self._status, self._headers, self._operation)
        if isinstance(problem, NotJSON | UnexpectedShape):
            return self._undecodable(problem)
        return self.call.out_of_time()

    def _undecodable(self, problem: NotJSON | UnexpectedShape) -> AttemptFailed:
        shape = problem if isinstance(problem, UnexpectedShape) else None
        cut = isinstance(problem, NotJSON) and problem.cut
        error = DecodeError(
            str(problem) if shape is None else f"expected {shape.expected}, found {shape.found}",
            operation=self._operation,
            status=self._status,
            content_type=self._headers.get("content-type"),
            bytes_read=self.reader.bytes_read,
            json_path="$" if shape is None else shape.json_path,
        )
        return AttemptFailed(error, Failure("ambiguous", status=self._status, once=cut, repeatable=cut))

    def broken(self, problem: Exception) -> TailscaleError:
        """Return what the caller sees once records were handed out: how to go on, if that has a point."""
        failed = self.failure(problem)
        error = self.call.final(failed, self.clock)
        error.__cause__ = error.__cause__ or failed.__cause__
        if isinstance(error, DecodeError | ResponseTooLargeError) and not failed.failure.repeatable:
            return error
        phase, elapsed = getattr(error, "phase", "read"), getattr(error, "elapsed", 0.0)
        incomplete = self._seam.broken(phase, self.call.attempts, elapsed)
        incomplete.__cause__ = error
        return incomplete
