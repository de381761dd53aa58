"""What can go wrong, as classes to branch on.

TailscaleError
├── ConfigurationError            a setting is missing, contradictory or out of range
│   └── ClientLoopError           a client is used from a loop or process it does not belong to
├── APIConnectionError            no complete answer: connect, dns, tls, write, read, protocol
│   ├── APITimeoutError           a phase or the whole call took too long
│   └── IncompleteStreamError     a log stream ended early, after records were handed out
├── APIStatusError                the service answered with an error status
│   ├── BadRequestError 400       ├── ConflictError 409
│   ├── AuthenticationError 401   ├── PreconditionFailedError 412
│   ├── PermissionDeniedError 403 ├── RateLimitError 429
│   ├── NotFoundError 404         └── ServerError 5xx
├── DecodeError                   the answer is not what the operation returns
├── ResponseTooLargeError         the answer is larger than the cap
├── OutcomeUnknownError           it is not known whether a write was done
├── PolicyError                   a policy is refused before or by the service
├── ChangeRefusedError            a guard refuses a planned change; nothing was sent
├── HuJSONError                   text is not HuJSON
├── PlanRefusedError              a plan is unknown, used, expired, damaged or somebody else's
├── StateError                    the local state cannot be read or written
└── WebhookError                  a delivery is not signed, not fresh or not readable

The text of every error is safe to print: no header, body or secret, one line, no control character.
Branch on the class and its attributes, never on the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tailscale_sdk import _constants as limits
from tailscale_sdk.redact import clean, redact_body, redact_value


def _with_entries(message: str, data: Sequence[Mapping[str, Any]] | None) -> str:
    """Put the entries of a policy error behind its message."""
    told = [message] if message else []
    for entry in data or ():
        lists = [entry.get(key) for key in ("errors", "warnings")]
        faults = [str(fault) for faults in lists if isinstance(faults, list) for fault in faults]
        told += [f"{entry.get('user') or 'policy'}: {', '.join(faults)}"] if faults else []
    return "; ".join(told)


class TailscaleError(Exception):
    """Be the root of every error this SDK raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message, limits.TEXT_CAP_CHARACTERS))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy without calling a constructor that wants keywords."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[TailscaleError], args: tuple[Any, ...], state: dict[str, Any]) -> TailscaleError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(TailscaleError):
    """Say that a setting is missing, contradictory or out of range, and what to set instead."""


class ClientLoopError(ConfigurationError):
    """Say that a client was used from another event loop or process, or after it was closed."""


class APIConnectionError(TailscaleError):
    """Say that no complete answer came; if ``ambiguous``, read the state before repeating a write.

    Attributes:
        operation: operation id.
        phase: connect, dns, tls, write, read, protocol or auth; for a timeout also pool, limiter or total.
        ambiguous: True when the service may have acted all the same.
        attempts: requests that were sent or tried.
        elapsed: seconds from the start of the call.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        phase: str = "connect",
        ambiguous: bool = False,
        attempts: int = 1,
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.phase = phase
        self.ambiguous = ambiguous
        self.attempts = attempts
        self.elapsed = elapsed


class APITimeoutError(APIConnectionError):
    """Say which phase ran out of time; raise ``timeout=`` if the service is merely slow."""


class IncompleteStreamError(APIConnectionError):
    """Say that a log stream ended early; the failure is ``__cause__``, and nothing was asked for again.

    Pass it as ``resume_from`` to go on: records come from the last one's time on, without those that came.

    Attributes:
        last_record_time: time of the last record handed out, or None when none had one.
        count: records handed out by this stream.
        seam: marks of the last records, by which repeated ones are known.
    """

    def __init__(
        self,
        *,
        operation: str,
        phase: str = "read",
        last_record_time: datetime | None = None,
        count: int = 0,
        seam: Sequence[bytes] = (),
        attempts: int = 1,
        elapsed: float = 0.0,
    ) -> None:
        last = f", the last of {last_record_time.isoformat()}" if last_record_time is not None else ""
        super().__init__(
            f"{operation}: the stream ended early ({phase}); records so far: {count}{last}. "
            "Pass this error as resume_from= to go on from there",
            operation=operation,
            phase=phase,
            attempts=attempts,
            elapsed=elapsed,
        )
        self.last_record_time = last_record_time
        self.count = count
        self.seam = tuple(seam)


_JOINED = {"all": " and ", "field": ", or for other fields "}
_ROLE = "and a user role that may do it"


class APIStatusError(TailscaleError):
    """Carry an error answer of the service.

    Attributes:
        status: HTTP status.
        message: the service's own message, redacted, or an excerpt of the body.
        data: entries of a policy error, each with ``user``, ``errors``, ``warnings``; else None.
        operation: operation id.
        method: HTTP method.
        path: path template below ``/api/v2``, without a query.
        required_scopes: OAuth scopes of the operation.
        scopes_mode: how they combine: all, any, by_type, field or none.
        retry_after: seconds the service asks to wait, or None.
        request_id: id of the request, if the service sent one.
        attempts: requests that were sent.
        elapsed: seconds from the start of the call.
        ambiguous: True when the service may have acted all the same.
        body: the answer's body, redacted, at most 64 KiB; not part of the text or repr.
    """

    def __init__(
        self,
        *,
        status: int,
        message: str = "",
        data: Sequence[Mapping[str, Any]] | None = None,
        operation: str | None = None,
        method: str | None = None,
        path: str | None = None,
        required_scopes: Sequence[str] = (),
        scopes_mode: str = "any",
        retry_after: float | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        elapsed: float = 0.0,
        ambiguous: bool = False,
        body: bytes = b"",
    ) -> None:
        self.status = status
        self.message = clean(message, limits.MESSAGE_CAP_CHARACTERS)
        self.data = None if data is None else [redact_value(dict(entry)) for entry in data]
        self.operation = operation
        self.method = method
        self.path = path
        self.required_scopes = tuple(required_scopes)
        self.scopes_mode = scopes_mode
        self.retry_after = retry_after
        self.request_id = request_id
        self.attempts = attempts
        self.elapsed = elapsed
        self.ambiguous = ambiguous
        self.body = redact_body(body[: limits.MAX_ERROR_BODY_BYTES])
        super().__init__(self._text())

    def _text(self) -> str:
        where = self.operation or " ".join(part for part in (self.method, self.path) if part) or "request"
        told = clean(_with_entries(self.message, self.data), limits.MESSAGE_CAP_CHARACTERS)
        text = f"{where}: {self.status} {told or 'without a message'}"
        hint = self._hint()
        return f"{text}. {hint}" if hint else text

    def _hint(self) -> str:
        if 300 <= self.status < 400:
            return "Redirects are never followed: check base_url"
        return ""


class BadRequestError(APIStatusError):
    """Say that the service refused the arguments (400); ``message`` tells which, ``data`` what of a policy."""


class AuthenticationError(APIStatusError):
    """Say that the credential is not accepted: 401, or any refusal of the token endpoint."""

    def _hint(self) -> str:
        if 300 <= self.status < 400:
            return super()._hint()
        if self.status == 403:
            return "The OAuth client cannot grant this: ask only for scopes and tags it has"
        if self.status == 401:
            return "The credential is wrong, revoked or expired: make a new one under Settings, Keys"
        return "Check the client id, and the secret or identity token beside it"


class PermissionDeniedError(APIStatusError):
    """Say that the credential may not do this (403); ``required_scopes`` names what it takes."""

    def _hint(self) -> str:
        if not self.required_scopes:
            return "The credential or its user lacks the right to do this"
        plural = "s" if len(self.required_scopes) > 1 else ""
        return f"This takes the scope{plural} {_JOINED.get(self.scopes_mode, ' or ').join(self.required_scopes)}, {_ROLE}"


class NotFoundError(APIStatusError):
    """Say that there is no such thing, or that it is not visible to this credential (404)."""

    def _hint(self) -> str:
        if (
            self.operation is not None
            and self.operation.startswith("list")
            and self.path
            and "/services" in self.path
        ):
            return "Older services are under /tailnet/{tailnet}/vip-services: client.request reaches them"
        return "Check the id; for devices use the nodeId of devices.list"


class ConflictError(APIStatusError):
    """Say that it exists already, or that it is in use (409): read what is there first."""


class PreconditionFailedError(APIStatusError):
    """Say that it changed since it was read (412): read it again and redo the edit."""

    def _hint(self) -> str:
        return "It changed since it was read: read it again and redo the edit"


class RateLimitError(APIStatusError):
    """Say that there were too many requests (429); ``retry_after`` is the wait in seconds, if known."""

    def _hint(self) -> str:
        return f"Try again in {self.retry_after:g} s" if self.retry_after is not None else "Try again later"


class ServerError(APIStatusError):
    """Say that the service failed (5xx); if ``ambiguous``, read the state before repeating a write."""

    def _hint(self) -> str:
        if self.ambiguous:
            return "It is not known whether this was done: read the state before repeating it"
        return ""


class DecodeError(TailscaleError):
    """Say that an answer is not what the operation returns; no value is part of the text.

    Attributes:
        operation, status, content_type: where it happened.
        bytes_read: length of the body.
        json_path: place of the fault, ``$`` for the whole body.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        status: int | None = None,
        content_type: str | None = None,
        bytes_read: int = 0,
        json_path: str = "$",
        attempts: int = 1,
        elapsed: float = 0.0,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(
            f"{operation or 'request'}: {message} at {json_path} ({status}, {content_type or 'no content type'}, "
            f"{bytes_read} bytes)"
        )
        self.operation = operation
        self.status = status
        self.content_type = content_type
        self.bytes_read = bytes_read
        self.json_path = json_path
        self.attempts = attempts
        self.elapsed = elapsed
        self.ambiguous = ambiguous


class ResponseTooLargeError(TailscaleError):
    """Say that an answer, or a record of one, is larger than ``cap`` in bytes; it is not asked for again."""

    def __init__(
        self,
        *,
        cap: int,
        operation: str | None = None,
        part: str = "the answer",
        attempts: int = 1,
        elapsed: float = 0.0,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(
            f"{operation or 'request'}: {part} is larger than {cap} bytes, or compressed beyond reason"
        )
        self.cap = cap
        self.operation = operation
        self.attempts = attempts
        self.elapsed = elapsed
        self.ambiguous = ambiguous


_RECOVERED = {
    "revoked": "what was made was found and revoked, its secret was lost: it is safe to create again",
    "not_found": "nothing was found by two looks; a request still on its way may make it later",
    "none": "it could not be found out",
    "not_verified": "what is stored is not what was sent",
}
_ADVICE = {
    "none": "Read the state before repeating it: a repeated creation makes a second one",
    "not_verified": "Read what is stored before going on",
}


class OutcomeUnknownError(TailscaleError):
    """Say that it is not known whether a write was done; the failure is ``__cause__``.

    Attributes:
        operation: operation id.
        recovered: what was found out afterwards: ``revoked``, it was made, and is gone again; ``not_found``, nothing
            of it is there; ``none``, nothing is known; ``not_verified``, what is stored is not what was sent.
        nonce: mark in the description of a created key, to look for, or None.
        candidates: ids of things that may be what was created.
        possible_orphan: mark of an earlier attempt of the same creation that was never found and may still make one.
        ambiguous: always True.
    """

    def __init__(
        self,
        *,
        operation: str,
        recovered: str = "none",
        nonce: str | None = None,
        candidates: Sequence[str] = (),
        possible_orphan: str | None = None,
        advice: str | None = None,
        attempts: int = 1,
        elapsed: float = 0.0,
    ) -> None:
        parts = [
            f"{operation}: it is not known whether this was done",
            _RECOVERED.get(recovered, recovered),
            *([f"look for {nonce!r}"] if nonce and recovered != "revoked" else []),
            *([f"it may be {', '.join(candidates)}"] if candidates and recovered != "revoked" else []),
            *([f"an earlier attempt may still make {possible_orphan!r}"] if possible_orphan else []),
        ]
        told = advice or _ADVICE.get(recovered)
        super().__init__("; ".join(parts) + (f". {told}" if told else ""))
        self.operation = operation
        self.recovered = recovered
        self.nonce = nonce
        self.candidates = tuple(candidates)
        self.possible_orphan = possible_orphan
        self.attempts = attempts
        self.elapsed = elapsed
        self.ambiguous = True


class PolicyError(TailscaleError):
    """Say why a policy is not sent or not accepted.

    ``data`` holds the service's entries, if any; pointer, line and column say where, where that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        data: Sequence[Mapping[str, Any]] | None = None,
        pointer: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        entries = None if data is None else [redact_value(dict(entry)) for entry in data]
        super().__init__(_with_entries(message, entries))
        self.data = entries
        self.pointer = pointer
        self.line = line
        self.column = column


class ChangeRefusedError(TailscaleError):
    """Say why a change is not planned or not applied: a cap, a protected target, or nothing to take back."""


class NothingToChangeError(ChangeRefusedError):
    """Say that everything is already as a change would make it; nothing was planned."""


class HuJSONError(TailscaleError):
    """Say where text is not HuJSON; line and column count from 1, offset from 0."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1, offset: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.offset = offset


class PlanRefusedError(TailscaleError):
    """Say that a plan cannot be used; why is not told apart, so that nothing is learnt by trying ids."""

    UNUSABLE = "this plan cannot be used: it is unknown, used, expired, damaged or not yours. Make a new plan"
    OTHER_ARGUMENTS = "the arguments are not those of the plan: repeat them unchanged, or make a new plan"

    def __init__(self, message: str = UNUSABLE) -> None:
        super().__init__(message)


class StateError(TailscaleError):
    """Say why the local state cannot be read or written, and what to do; ``code`` is the system's, or None."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class WebhookError(TailscaleError):
    """Say why a delivery is refused; ``reason`` is not_signed, mismatch, expired or malformed."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
