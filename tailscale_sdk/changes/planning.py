"""Making a plan: read the state, work out what changes, let the guards look, keep the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.policy_file import bare_etag
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.inverses import invert
from tailscale_sdk.changes.local_state import LocalState
from tailscale_sdk.changes.model import Guard, Plan, PlannedItem
from tailscale_sdk.changes.plan_store import PlanRecord, new_plan_id
from tailscale_sdk.changes.predictions import BY_PART, Arguments, compared, predict, rule_of
from tailscale_sdk.changes.readings import Reading, as_state, readings_of
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
class Remarks:
    """Hold what a caller adds to a plan.

    Attributes:
        reason: why it is made.
        risks: what to think of before doing it, beside what the engine knows.
        digest: hash of the arguments the calls were worked out from, in place of that of the calls.
    """

    reason: str | None = None
    risks: tuple[str, ...] = ()
    digest: str | None = None


NO_REMARKS = Remarks()


@frozen
class Context:
    """Hold what plans are made and applied with.

    Attributes:
        tailnet: of the client.
        profile: name of the profile, ``default`` without one.
        prepare: builds a call from operation id and arguments; a third argument gives the mark of a creation.
        sending: returns the steps that send a prepared call.
        now: wall clock with a zone.
        state: what this machine keeps.
        key_id: id of the credential, where it tells.
    """

    tailnet: str
    profile: str
    prepare: Callable[..., PreparedCall]
    sending: Callable[[PreparedCall], Steps[Any]]
    now: Callable[[], datetime]
    state: LocalState
    key_id: str | None = None

    @property
    def shelf(self) -> str:
        """Return the name under which policy versions are kept; the credential's own tailnet has none."""
        own = f"{self.profile}@{self.key_id}" if self.key_id else self.profile
        return own if self.tailnet == "-" else self.tailnet


def reading_steps(context: Context, reading: Reading, tailnet: str) -> Steps[dict[str, Any]]:
    """Carry out one read and return its answer as an object."""
    call = context.prepare(reading.operation_id, {**reading.arguments, "tailnet": tailnet})
    answer = yield from context.sending(call)
    return as_state(reading, answer)


def read_state(
    context: Context, operation_id: str, arguments: Arguments, tailnet: str, *, afterwards: bool = False
) -> Steps[dict[str, Any] | None]:
    """Read the object a write changes; None where nothing is there, an empty object where no read shows it.

    Args:
        context: what it is read with.
        operation_id: the write.
        arguments: its arguments.
        tailnet: tailnet it is for.
        afterwards: the write has been carried out.

    Raises:
        TailscaleError: it cannot be read for another reason than rights.
    """
    state: dict[str, Any] = {}
    for reading in readings_of(operation_id, arguments, afterwards=afterwards):
        try:
            found = yield from reading_steps(context, reading, tailnet)
        except NotFoundError:
            if reading.part is None:
                return None
            found = {}
        if reading.part is None:
            return found
        state[reading.part] = found
    return state


def plan_item(context: Context, call: PreparedCall, *, accept_warnings: bool = False) -> Steps[PlannedItem]:
    """Read what one call changes and work out what it leaves and what undoes it.

    Raises:
        TailscaleError: the state cannot be read, there is nothing to change, or the service refuses the policy.
    """
    operation_id = call.operation_id
    readings = readings_of(operation_id, call.arguments)
    risk = list(risks_of(operation_id))
    whole: dict[str, Any] | None = {}
    try:
        whole = yield from read_state(context, operation_id, call.arguments, call.tailnet)
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
        base=_base(call, before) if readings else None,
        reversible=reversible(operation_id, inverse),
        inverse=inverse,
        risk=tuple(risk),
    )


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


def _base(call: PreparedCall, before: Mapping[str, Any] | None) -> str:
    """Return what must still hold when the call is sent."""
    return str((before or {}).get("etag")) if call.operation_id == "setPolicyFile" else hash_of(before)


def planning_steps(
    context: Context,
    calls: Sequence[PreparedCall],
    *,
    principal: str,
    guards: Iterable[Guard],
    undoes: str | None = None,
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
    items: list[PlannedItem] = []
    for call in calls:
        try:
            item = yield from plan_item(context, call, accept_warnings=accept_warnings)
            items.append(evolve(item, risk=(*item.risk, *remarks.risks)))
        except TailscaleError as error:
            if len(calls) == 1:
                raise
            items.append(_skipped(context, call, str(error)))
    guarded = apply_guards(tuple(items), guards)
    created: datetime = context.now()
    plan = Plan(
        id=new_plan_id(),
        kind="undo" if undoes else "change",
        tailnet=context.tailnet,
        profile=context.profile,
        principal=principal,
        created=created,
        expires=created + PLAN_LIFETIME,
        digest=remarks.digest
        or digest_of_calls([(call.operation_id, call.tailnet, public_arguments(call)) for call in calls]),
        items=guarded,
        undoes=undoes,
        reason=remarks.reason,
    )
    yield Local(lambda: context.state.plans.put(_record(plan)))
    return plan


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
