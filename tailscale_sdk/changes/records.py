"""Plans as they are stored: without any secret, and rebuilt to the same bytes or not at all."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import asdict

from tailscale_sdk.calls.prepared import MASK, PreparedCall, digest_of
from tailscale_sdk.changes.model import Inverse, Plan, PlannedItem, Target
from tailscale_sdk.errors import ConfigurationError, PlanRefusedError
from tailscale_sdk.snapshot import without_secrets


def public_arguments(call: PreparedCall) -> dict[str, Any]:
    """Return a call's arguments with its secrets masked."""
    return {name: MASK if name in call.secret_fields else value for name, value in call.arguments.items()}


def digest_of_calls(calls: list[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Return the hash a plan is found by when its arguments are repeated.

    Args:
        calls: operation id, tailnet and arguments with secrets masked, of each call.
    """
    parts = [digest_of(operation_id, tailnet, arguments) for operation_id, tailnet, arguments in calls]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def digest_of_call(call: PreparedCall) -> str:
    """Return the digest under which a plan of this one call is kept: whoever repeats the arguments gets the same."""
    return digest_of_calls([(call.operation_id, call.tailnet, public_arguments(call))])


def seal(plan_id: str, value: Any) -> str:
    """Return an HMAC under the plan's id, which is stored nowhere: without the id it says nothing of the value."""
    text = value if isinstance(value, bytes) else str(value).encode()
    return hmac.new(plan_id.encode(), text, hashlib.sha256).hexdigest()


def to_record(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON values to be stored."""
    return {
        "kind": plan.kind,
        "undoes": plan.undoes,
        "continues": plan.continues,
        "caps": plan.caps,
        "reason": plan.reason,
        "created": plan.created.isoformat(),
        "items": [_item_record(plan.id, item) for item in plan.items],
    }


def _item_record(plan_id: str, item: PlannedItem) -> dict[str, Any]:
    call = item.call
    return {
        "operation": call.operation_id,
        "tailnet": call.tailnet,
        "arguments": public_arguments(call),
        "secrets": {name: seal(plan_id, call.arguments[name]) for name in call.secret_fields},
        "body": seal(plan_id, call.body or b""),
        "nonce": call.nonce,
        "target": asdict(item.target),
        "before": without_secrets(item.before),
        "after": without_secrets(item.after),
        "base": item.base,
        "reversible": item.reversible,
        "inverse": None if item.inverse is None else asdict(item.inverse),
        "risk": list(item.risk),
        "status": item.status,
        "reason": item.reason,
        "unchanged": item.unchanged,
    }


def handed_in(
    plan_id: str, index: int, record: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return an item's arguments with the secrets that were handed in again.

    Args:
        plan_id: id of the plan.
        index: place of the item in it.
        record: the stored item.
        secrets: by argument name, or by ``<index>.<name>`` where items differ.

    Raises:
        ConfigurationError: a secret is missing; the text names it.
        PlanRefusedError: it is not the one the plan was made with.
    """
    arguments = dict(record["arguments"])
    given = secrets or {}
    for name, sealed in record["secrets"].items():
        value = given.get(f"{index}.{name}", given.get(name))
        if value is None:
            raise ConfigurationError(f"hand in the secret argument {name} again: plans never keep secrets")
        if not hmac.compare_digest(seal(plan_id, value), sealed):
            raise PlanRefusedError()
        arguments[name] = value
    return arguments


def from_item_record(record: Mapping[str, Any], call: PreparedCall) -> PlannedItem:
    """Return a stored item around its rebuilt call."""
    inverse = record["inverse"]
    return PlannedItem(
        call=call,
        target=Target(**record["target"]),
        before=record["before"],
        after=record["after"],
        base=record["base"],
        reversible=record["reversible"],
        inverse=None if inverse is None else Inverse(**inverse),
        risk=tuple(record["risk"]),
        status=record["status"],
        reason=record["reason"],
        unchanged=record.get("unchanged"),
    )


def parse_time(text: str) -> datetime:
    """Read a stored time."""
    return datetime.fromisoformat(text)


def inverse_record(inverse: Inverse) -> dict[str, Any]:
    """Return an inverse as it is kept; a policy's text lies in its version file, not here."""
    arguments = {name: value for name, value in inverse.arguments.items() if name != "policy"}
    return {
        "operation_id": inverse.operation_id,
        "arguments": arguments,
        "from_answer": inverse.from_answer,
    }
