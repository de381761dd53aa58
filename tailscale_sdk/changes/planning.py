"""Making a plan: read the state, work out what changes, let the guards look, keep the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import asdict, evolve, frozen

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.policy_file import bare_etag
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.context import Context, read_state, reading_steps
from tailscale_sdk.changes.guards import Caps
from tailscale_sdk.changes.inverses import invert
from tailscale_sdk.changes.model import Guard, Plan, PlannedItem
from tailscale_sdk.changes.plan_store import PlanRecord, new_plan_id
from tailscale_sdk.changes.predictions import BY_PART, compared, predict, rule_of
from tailscale_sdk.changes.readings import Reading, readings_of
from tailscale_sdk.changes.records import digest_of_calls, public_arguments, to_record
from tailscale_sdk.changes.states import hash_of
from tailscale_sdk.changes.targets import reversible, risks_of, target_of
from tailscale_sdk.errors import (
    NotFoundError,
    PermissionDeniedError,
    PolicyError,
    PreconditionFailedError,
    TailscaleError,
)

PLAN_LIFETIME = timedelta(minutes=15)


@frozen
class Note:
    """Hold what a caller knows of one call.

    Attributes:
        known: the object it changes as it was read, which saves a read.
        risks: what to think of before doing it, beside what the engine knows.
        unchanged: fields of the object that must be as they are when it is sent; otherwise it is skipped.
        skip: why it is not to be sent; it stays in the plan to be seen.
    """

    known: Mapping[str, Any] | None = None
    risks: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skip: str | None = None


NO_NOTE = Note()


@frozen
class Remarks:
    """Hold what a caller adds to a plan.

    Attributes:
        reason: why it is made.
        risks: what to think of before doing it, beside what the engine knows.
        digest: hash of the arguments the calls were worked out from, in place of that of the calls.
        notes: what is known of each call, in their order; none where nothing is.
    """

    reason: str | None = None
    risks: tuple[str, ...] = ()
    digest: str | None = None
    notes: Sequence[Note] = ()


NO_REMARKS = Remarks()


def plan_item(
    context: Context,
    call: PreparedCall,
    *,
    accept_warnings: bool = False,
    note: Note = NO_NOTE,
    foreseen: Mapping[str, Any] | None = None,
) -> Steps[PlannedItem]:
    """Read what one call changes and work out what it leaves and what undoes it.

    Args:
        context: what it is planned with.
        call: a write or delete call.
        accept_warnings: a policy that the service only warns of may be planned.
        note: what is known of it.
        foreseen: what earlier calls of the same plan leave of the object.

    Raises:
        TailscaleError: the state cannot be read, there is nothing to change, or the service refuses the policy.
    """
    operation_id = call.operation_id
    readings = readings_of(operation_id, call.arguments)
    risk = [*risks_of(operation_id), *note.risks]
    whole: dict[str, Any] | None = {}
    try:
        whole = yield from _known_state(context, call, note)
        if whole is not None and foreseen:
            whole = {**whole, **foreseen}
    except PermissionDeniedError:
        readings = ()
        risk.append("its present state may not be read with this credential: nothing to compare or restore")
    if whole is None and OPERATIONS[operation_id].http_method != "PUT":
        raise _absent(call)
    if operation_id == "setPolicyFile":
        call = yield from _check_policy(context, call, whole or {}, accept_warnings=accept_warnings)
    known = whole if readings else None
    before = compared(operation_id, known)
    devices = yield from _devices(context, call, known, risk)
    inverse = invert(operation_id, call.arguments, known if operation_id == "deleteService" else before)
    return PlannedItem(
        call=call,
        target=target_of(operation_id, call.tailnet, call.arguments, known, devices),
        before=before,
        after=predict(operation_id, call.arguments, before) if readings else None,
        base=_base(call, before, note) if readings else None,
        reversible=reversible(operation_id, inverse),
        inverse=inverse,
        risk=tuple(dict.fromkeys(risk)),
        unchanged={name: whole.get(name) for name in note.unchanged} if whole and note.unchanged else None,
    )


def _known_state(context: Context, call: PreparedCall, note: Note) -> Steps[dict[str, Any] | None]:
    """Take what is known in place of a read, where it is compared field by field."""
    fields = rule_of(call.operation_id).fields
    if note.known is not None and "*" not in fields and (fields or note.unchanged):
        return dict(note.known)
    return (yield from read_state(context, call.operation_id, call.arguments, call.tailnet))


def _check_policy(
    context: Context, call: PreparedCall, stored: Mapping[str, Any], *, accept_warnings: bool
) -> Steps[PreparedCall]:
    """Let the service judge the exact bytes, and bind the write to the version that was just read.

    Raises:
        PolicyError: the policy fails, or came without a version tag.
        PreconditionFailedError: the caller's edit is based on another version than the stored one.
    """
    etag = stored.get("etag")
    if not etag:
        raise PolicyError("the service sent no ETag with the policy: a write could not be guarded")
    asked = call.arguments.get("if_match")
    if asked is not None and asked != "ts-default" and bare_etag(asked) != etag:
        raise PreconditionFailedError(
            status=412, message="the stored policy is another one by now", operation="setPolicyFile"
        )
    policy = (call.body or b"").decode()
    verdict = yield from context.sending(
        context.prepare("validateAndTestPolicyFile", {"policy": policy, "tailnet": call.tailnet})
    )
    if not verdict.ok and not (accept_warnings and _only_warns(verdict)):
        raise PolicyError(verdict.message or "the policy was not accepted", data=verdict.data)
    arguments = {"policy": policy, "if_match": asked or etag, "tailnet": call.tailnet}
    return context.prepare("setPolicyFile", arguments)


def _only_warns(verdict: Any) -> bool:
    return "warning" in verdict.message and not any(entry.get("errors") for entry in verdict.data)


def _devices(
    context: Context, call: PreparedCall, known: Mapping[str, Any] | None, risk: list[str]
) -> Steps[tuple[dict[str, Any], ...]]:
    """Read the devices a call is about where its state does not show whose they are, so that guards can tell."""
    arguments = call.arguments
    nodes = arguments.get("nodes") if call.operation_id in BY_PART else [arguments.get("device_id")]
    if rule_of(call.operation_id).read == "getDevice":
        return ()
    found: list[dict[str, Any]] = []
    for node in [node for node in nodes or () if node]:
        try:
            found.append(
                (yield from reading_steps(context, Reading("getDevice", {"device_id": node}), call.tailnet))
            )
        except NotFoundError:
            continue
        except PermissionDeniedError:
            risk.append(
                "the device may not be read with this credential: nothing tells whether it is protected"
            )
            break
    return tuple(found)


def _absent(call: PreparedCall) -> TailscaleError:
    operation = OPERATIONS[call.operation_id]
    return NotFoundError(
        status=404,
        message="there is nothing to change",
        operation=rule_of(call.operation_id).read,
        method=operation.http_method,
        path=operation.path,
    )


def _base(call: PreparedCall, before: Mapping[str, Any] | None, note: Note) -> str:
    """Return what must still hold when the call is sent."""
    if not rule_of(call.operation_id).fields and note.unchanged:
        # Of an object that is taken away, the named fields are what counts: lists show others than single reads.
        return hash_of({})
    return str((before or {}).get("etag")) if call.operation_id == "setPolicyFile" else hash_of(before)


def planning_steps(
    context: Context,
    calls: Sequence[PreparedCall],
    *,
    principal: str,
    guards: Iterable[Guard],
    undoes: str | None = None,
    continues: str | None = None,
    accept_warnings: bool = False,
    remarks: Remarks = NO_REMARKS,
) -> Steps[Plan]:
    """Return the steps that make and keep a plan; they send nothing but reads.

    Args:
        context: what it is made with.
        calls: write and delete calls, in order.
        principal: who makes it.
        guards: what it may not do.
        undoes: id of the change it takes back.
        continues: id of the change whose rest it does.
        accept_warnings: a policy that the service only warns of may be planned.
        remarks: what the caller adds to it.

    Raises:
        ValueError: there is no call, or one that changes nothing.
        ChangeRefusedError: a guard refused the plan as a whole.
        TailscaleError: the state of a single call cannot be read; of several, such items are skipped.
    """
    if not calls:
        raise ValueError("a plan needs at least one call")
    for call in calls:
        rule_of(call.operation_id)
    items = yield from _items(context, calls, remarks, accept_warnings=accept_warnings)
    asked = tuple(guards)
    guarded = apply_guards(tuple(items), asked)
    created: datetime = context.now()
    plan = Plan(
        id=new_plan_id(),
        kind="undo" if undoes else "resume" if continues else "change",
        tailnet=context.tailnet,
        profile=context.profile,
        principal=principal,
        created=created,
        expires=created + PLAN_LIFETIME,
        digest=remarks.digest
        or digest_of_calls([(call.operation_id, call.tailnet, public_arguments(call)) for call in calls]),
        items=guarded,
        undoes=undoes,
        continues=continues,
        reason=remarks.reason,
        caps=next((asdict(guard) for guard in asked if isinstance(guard, Caps)), None),
    )
    yield Local(lambda: context.state.plans.put(_record(plan)))
    return plan


def _items(
    context: Context, calls: Sequence[PreparedCall], remarks: Remarks, *, accept_warnings: bool
) -> Steps[list[PlannedItem]]:
    items: list[PlannedItem] = []
    foreseen: dict[str, dict[str, Any]] = {}
    for index, call in enumerate(calls):
        note = remarks.notes[index] if remarks.notes else NO_NOTE
        if note.skip is not None:
            items.append(_skipped(context, call, note.skip))
            continue
        of_target = foreseen.setdefault(_object_of(call), {})
        try:
            item = yield from plan_item(
                context, call, accept_warnings=accept_warnings, note=note, foreseen=of_target
            )
        except TailscaleError as error:
            if len(calls) == 1:
                raise
            items.append(_skipped(context, call, str(error)))
            continue
        of_target.update(item.after or {})
        items.append(evolve(item, risk=tuple(dict.fromkeys((*item.risk, *remarks.risks)))))
    return items


def _object_of(call: PreparedCall) -> str:
    """Return which object a call changes, as far as its reads tell; calls with the same one follow each other."""
    readings = readings_of(call.operation_id, call.arguments)
    return repr(
        [(reading.operation_id, sorted(reading.arguments.items())) for reading in readings] or id(call)
    )


def _skipped(context: Context, call: PreparedCall, reason: str) -> PlannedItem:
    target = target_of(call.operation_id, call.tailnet, call.arguments, None)
    return PlannedItem(call, target, None, None, None, "no", None, (), "skipped", reason)


def apply_guards(items: tuple[PlannedItem, ...], guards: Iterable[Guard]) -> tuple[PlannedItem, ...]:
    """Mark as skipped what a guard refuses.

    Raises:
        ChangeRefusedError: a guard refused the plan as a whole.
    """
    for guard in guards:
        refusals = guard.refusals(items)
        items = tuple(
            evolve(item, status="skipped", reason=refusals[index])
            if index in refusals and item.status == "planned"
            else item
            for index, item in enumerate(items)
        )
    return items


def _record(plan: Plan) -> PlanRecord:
    return PlanRecord(
        id=plan.id,
        body=to_record(plan),
        principal=plan.principal,
        profile=plan.profile,
        tailnet=plan.tailnet,
        digest=plan.digest,
        created=plan.created.timestamp(),
        expires=plan.expires.timestamp(),
    )
