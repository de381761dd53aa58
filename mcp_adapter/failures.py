"""Turn errors into results a model can act on: a code, what happened, and what to do next."""

from __future__ import annotations

from typing import Any

from mcp_adapter.catalog import Catalog, Entry, domain_of, is_workflow
from tailscale_sdk.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ChangeRefusedError,
    ConfigurationError,
    ConflictError,
    DecodeError,
    HuJSONError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    PlanRefusedError,
    PolicyError,
    PreconditionFailedError,
    RateLimitError,
    ResponseTooLargeError,
    ServerError,
    StateError,
    TailscaleError,
)
from tailscale_sdk.redact import redact
from tailscale_sdk.visible import visible, visible_value

MESSAGE_LIMIT = 1000  # characters of the service's own words

_CODES: tuple[tuple[type[TailscaleError], str], ...] = (
    (BadRequestError, "bad_request"),
    (AuthenticationError, "authentication"),
    (PermissionDeniedError, "permission_denied"),
    (NotFoundError, "not_found"),
    (ConflictError, "conflict"),
    (PreconditionFailedError, "precondition_failed"),
    (RateLimitError, "rate_limited"),
    (ServerError, "server_error"),
    (APIStatusError, "status"),
    (APITimeoutError, "timeout"),
    (APIConnectionError, "connection"),
    (DecodeError, "unreadable_answer"),
    (ResponseTooLargeError, "too_large"),
    (OutcomeUnknownError, "outcome_unknown"),
    (PlanRefusedError, "plan_refused"),
    (ChangeRefusedError, "refused"),
    (StateError, "state"),
    (PolicyError, "policy"),
    (HuJSONError, "policy"),
    (ConfigurationError, "configuration"),
    (TailscaleError, "error"),
)


def failure(code: str, message: str, hint: str | None = None, **more: Any) -> dict[str, Any]:
    """Build the one form every failed call answers with."""
    content = {"code": code, "message": visible(redact(message), limit=MESSAGE_LIMIT), "hint": hint, **more}
    return {"error": {name: value for name, value in content.items() if value not in (None, "", ())}}


def from_error(catalog: Catalog, entry: Entry, error: TailscaleError) -> dict[str, Any]:
    """Describe an error of the SDK.

    Args:
        catalog: to name the read that settles an unclear outcome.
        entry: catalog entry of the call.
        error: what was raised.
    """
    unclear = entry["effect"] != "read" and bool(getattr(error, "ambiguous", False))
    status = getattr(error, "status", None) if isinstance(error, APIStatusError) else None
    message = error.message if isinstance(error, APIStatusError) and error.message else str(error)
    details = visible_value([dict(part) for part in getattr(error, "data", None) or ()])
    return failure(
        next(code for kind, code in _CODES if isinstance(error, kind)),
        message,
        unknown_outcome_hint(catalog, entry) if unclear else _hint(entry, error),
        status=status,
        retry_after=getattr(error, "retry_after", None),
        operation=entry["operation"],
        request_id=getattr(error, "request_id", None),
        details=details or None,
        pointer=visible_value(getattr(error, "pointer", None)),
        line=getattr(error, "line", None),
        outcome="unknown" if unclear else None,
    )


def out_of_time(catalog: Catalog, entry: Entry, seconds: float) -> dict[str, Any]:
    """Describe a call that took too long."""
    reading = entry["effect"] == "read"
    hint = "try again, or ask for less" if reading else unknown_outcome_hint(catalog, entry)
    more = {} if reading else {"outcome": "unknown"}
    message = f"no answer within {seconds:g} seconds"
    return failure("deadline", message, hint, operation=entry["operation"], **more)


def unknown_outcome_hint(catalog: Catalog, entry: Entry) -> str:
    """Name the call that settles whether a write was done."""
    read = catalog.entries.get(entry.get("change", {}).get("read", ""))
    check = f"{read['tool']} {read['method']}" if read else f"{domain_of(entry)}_read"
    return f"it is not known whether this was done: check with {check} before repeating"


_FIXED_HINTS: tuple[tuple[type[TailscaleError], str], ...] = (
    (
        AuthenticationError,
        "the credential of this server is wrong, revoked or expired: the operator must give it a new one",
    ),
    (PlanRefusedError, "nothing was done: call again without confirm for a new plan"),
    (StateError, "nothing was sent: the operator must make the state directory writable"),
    (PreconditionFailedError, "the policy changed since it was read: read it again and redo the edit"),
    (RateLimitError, "wait, then repeat the call"),
)


def _hint(entry: Entry, error: TailscaleError) -> str | None:
    fixed = next((hint for kind, hint in _FIXED_HINTS if isinstance(error, kind)), None)
    if fixed is not None:
        return fixed
    if isinstance(error, PermissionDeniedError | NotFoundError):
        return _hint_of_refusal(entry, error)
    if isinstance(error, APITimeoutError | APIConnectionError | ServerError):
        return "nothing was changed; try again later" if entry["effect"] != "read" else "try again later"
    return None


def _hint_of_refusal(entry: Entry, error: TailscaleError) -> str | None:
    if entry["operation"] == "listNetworkFlowLogs":
        return "flow logging is off or not in the plan"
    if isinstance(error, PermissionDeniedError):
        joint = " and " if entry["scopes_mode"] == "all" else " or "
        scopes = joint.join(entry["scopes"])
        lacking = f"this credential lacks scope {scopes}, or its user the role. The operator must use one that has it"
        return lacking if scopes else None
    if is_workflow(entry):
        return None
    if any(parameter["name"] == "device_id" for parameter in entry["params"]):
        return "use the node id, from devices_read list"
    return f"check the id with {domain_of(entry)}_read"
