"""Applying a plan: compare, keep what is replaced, note, send, read back; whatever happens, say what is known."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, evolve

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Ask, Local, Steps
from tailscale_sdk.changes.journal import Journal, State
from tailscale_sdk.changes.model import ChangeReport, Check, Guard, Inverse, ItemReport, PlannedItem
from tailscale_sdk.changes.planning import Context, apply_guards, read_state
from tailscale_sdk.changes.predictions import compared, is_gone, is_predictable, is_removal, watched
from tailscale_sdk.changes.records import from_item_record, handed_in, public_arguments, seal
from tailscale_sdk.changes.states import hash_of, moved, same
from tailscale_sdk.errors import (
    NotFoundError,
    OutcomeUnknownError,
    PlanRefusedError,
    StateError,
    TailscaleError,
)
from tailscale_sdk.policy import hujson
from tailscale_sdk.transport.again import STOPS

Progress = Callable[[int, int], None]
_log = logging.getLogger("tailscale_sdk.changes")


@define
class _Work:
    """Hold one plan while it is applied."""

    context: Context
    plan_id: str
    change_id: str
    principal: str
    checks: tuple[Check, ...]
    requests: int = 0

    @property
    def journal(self) -> Journal:
        """Return the journal."""
        return self.context.state.journal

    def noted(self, report: ItemReport, state: State, error: str | None = None) -> Local:
        """Return the step that notes how far an item came."""
        entry = report.journal
        if entry is None:
            raise ValueError("an item that was never begun has no journal entry")
        return Local(lambda: self.journal.advance(entry, state, error=error))

    def counted(self, steps: Steps[Any]) -> Steps[Any]:
        """Carry out steps and count the requests among them."""
        answer: Any = None
        problem: BaseException | None = None
        while True:
            try:
                step = steps.throw(problem) if problem is not None else steps.send(answer)
            except StopIteration as done:
                return done.value
            self.requests += isinstance(step, Ask)
            answer, problem = None, None
            try:
                answer = yield step
            except (TailscaleError, *STOPS) as error:
                problem = error


def applying_steps(
    context: Context,
    plan_id: str,
    *,
    principal: str,
    expect: str | None,
    given_secrets: Mapping[str, Any] | None,
    guards: Iterable[Guard],
    checks: Iterable[Check],
    progress: Progress | None,
) -> Steps[ChangeReport]:
    """Return the steps that apply a plan once.

    Args:
        context: what it is applied with.
        plan_id: id of the plan.
        principal: who applies it, the one who made it.
        expect: digest of the arguments, where the caller repeats them.
        given_secrets: secret arguments, handed in again.
        guards: asked again, with the state of now.
        checks: asked around each request.
        progress: called with items done and items in all.

    Raises:
        PlanRefusedError: there is no such plan for this principal now; nothing was sent.
        StateError: this machine cannot keep what must be kept; nothing was sent.
    """
    peeked = yield Local(
        lambda: context.state.plans.peek(plan_id, principal=principal, profile=context.profile)
    )
    items = [
        _rebuild(context, plan_id, index, record, given_secrets)
        for index, record in enumerate(peeked.body["items"])
    ]
    guarded = apply_guards(tuple(items), guards)
    yield Local(context.state.audit.check_writable)
    yield Local(
        lambda: context.state.plans.take(plan_id, principal=principal, profile=context.profile, expect=expect)
    )
    work = _Work(context, plan_id, secrets.token_hex(16), principal, tuple(checks))
    stop_on_error = any(OPERATIONS[item.call.operation_id].effect == "delete" for item in guarded)
    reports: list[ItemReport] = []
    broken: str | None = None
    for index, item in enumerate(guarded):
        if broken is not None and item.status == "planned":
            item = evolve(item, status="skipped", reason=broken)
        try:
            report = yield from _apply_item(work, index, item)
        except StateError as error:
            if all(done.journal is None for done in reports):
                raise
            # What came before was sent: the caller has to learn of it.
            reason = f"not sent: {error}"
            report = ItemReport(
                index, item.call.operation_id, item.target, "failed", reason=reason, error=error
            )
            broken = broken or f"not begun: after item {index} this machine could keep nothing more"
        reports.append(report)
        if report.outcome in {"failed", "unknown"} and stop_on_error and broken is None:
            broken = f"not begun: item {index} ended as {report.outcome}"
        if progress is not None:
            progress(index + 1, len(guarded))
    yield Local(lambda: _tidy(context))
    return ChangeReport(work.change_id, tuple(reports))


def _tidy(context: Context) -> None:
    """Drop what is older than is kept, but nothing an open change may need."""
    state = context.state
    in_use = {entry.base for entry in state.journal.open_entries() if entry.base}
    try:
        state.preimages.purge()
        state.versions.purge(context.shelf, in_use=in_use)
    except StateError as error:
        # The change is done; old versions lying about are no reason to call it a failure.
        _log.warning("old pre-images were not dropped: %s", error)


def _rebuild(
    context: Context, plan_id: str, index: int, record: Mapping[str, Any], given: Mapping[str, Any] | None
) -> PlannedItem:
    """Build the call of a stored item again; the bytes must be those that were planned."""
    arguments = handed_in(plan_id, index, record, given)
    call: PreparedCall = context.prepare(
        record["operation"], {**arguments, "tailnet": record["tailnet"]}, lambda: record["nonce"]
    )
    if seal(plan_id, call.body or b"") != record["body"]:
        raise PlanRefusedError()
    return from_item_record(record, call)


def _apply_item(work: _Work, index: int, item: PlannedItem) -> Steps[ItemReport]:
    operation_id = item.call.operation_id
    report = ItemReport(index, operation_id, item.target, "skipped", before=item.before, reason=item.reason)
    if item.status == "skipped":
        return report
    work.requests = 0
    try:
        reason = yield from _moved(work, item)
    except TailscaleError as error:
        return evolve(
            report, outcome="failed", reason=f"not sent: {error}", error=error, requests=work.requests
        )
    for check in work.checks:
        verdict = check.before_send(item)
        reason = reason or (None if verdict.ok else f"not sent: {verdict.reason}")
    if reason is not None:
        return evolve(report, outcome="failed", reason=reason, requests=work.requests)
    entry = yield Local(lambda: _begin(work, index, item))
    try:
        yield Local(lambda: _keep(work, index, item, entry))
    except (StateError, *STOPS) as stop:
        # Never sent. Where not even that can be noted, a later look finds out.
        with contextlib.suppress(StateError):
            work.journal.advance(entry, "refused", error=stop)
        raise
    report = evolve(report, journal=entry)
    try:
        report = yield from _send(work, item, report)
    except StateError as error:
        reason = f"sent, but this machine could not note what became of it: {error}"
        report = evolve(report, outcome="unknown", reason=reason, error=error)
    except STOPS as stop:
        _note_stop(work, item, report, stop)
        raise
    closed: ItemReport = yield Local(lambda: _close(work, item, report))
    return evolve(closed, requests=work.requests)


def _note_stop(work: _Work, item: PlannedItem, report: ItemReport, stop: BaseException) -> None:
    """Note, without waiting for anything, that the caller is gone; what was noted before stays true."""
    try:
        entries = work.journal.entries(work.change_id)
        if any(entry.id == report.journal and entry.state == "sending" for entry in entries):
            # What is noted in a thread at this moment may be faster; it knows more than this.
            with contextlib.suppress(StateError):
                work.noted(report, "unknown", type(stop).__name__).work()
        _audit(work, item, evolve(report, outcome="unknown"))
    except StateError as error:
        stop.add_note(f"this machine could not note that the call was stopped: {error}")


def _moved(work: _Work, item: PlannedItem) -> Steps[str | None]:
    """Compare the state with the one that was planned on; return what moved, in words."""
    if item.base is None or item.call.operation_id == "setPolicyFile":
        # The policy's own If-Match does this where it counts, at the service.
        return None
    found = yield from work.counted(_read(work, item))
    now = compared(item.call.operation_id, found)
    if hash_of(now) == item.base:
        return None
    names = ", ".join(moved(item.before, now)) or "it"
    return f"not sent: {names} changed since the plan was made; plan again"


def _read(work: _Work, item: PlannedItem, *, afterwards: bool = False) -> Steps[dict[str, Any] | None]:
    call = item.call
    return read_state(work.context, call.operation_id, call.arguments, call.tailnet, afterwards=afterwards)


def _begin(work: _Work, index: int, item: PlannedItem) -> int:
    return work.journal.begin(
        change_id=work.change_id,
        plan_id=work.plan_id,
        item=index,
        operation=item.call.operation_id,
        target=item.target.key,
        base=item.base,
        digest=item.call.digest(),
        nonce=item.call.nonce,
        principal=work.principal,
        profile=work.context.profile,
        tailnet=work.context.tailnet,
    )


def _keep(work: _Work, index: int, item: PlannedItem, entry: int) -> None:
    """Keep what is about to be replaced, durably, before the first byte leaves."""
    state = work.context.state
    before = dict(item.before or {})
    text = before.pop("policy", None) if item.call.operation_id == "setPolicyFile" else None
    version = None
    if isinstance(text, str):
        version = state.versions.keep(
            text,
            etag=item.base,
            tailnet=work.context.shelf,
            actor=work.principal,
            reason=f"before change {work.change_id}",
        ).name
    arguments = {name: value for name, value in public_arguments(item.call).items() if name != "policy"}
    after = None if item.after is None else {k: v for k, v in item.after.items() if k != "policy"}
    state.preimages.put(
        change_id=work.change_id,
        item=index,
        operation=item.call.operation_id,
        target=item.target.key,
        content={
            "before": before,
            "after": after,
            "arguments": arguments,
            "version": version,
            "sent_sha256": item.call.body_sha256 if version else None,
        },
        inverse=None if item.inverse is None else inverse_record(item.inverse),
    )
    work.journal.advance(entry, "snapshotted")
    work.journal.advance(entry, "sending")


def _send(work: _Work, item: PlannedItem, report: ItemReport) -> Steps[ItemReport]:
    """Send the request, settle what is unclear by reading, and compare what is there with what was predicted."""
    try:
        answer = yield from work.counted(work.context.sending(item.call))
    except TailscaleError as error:
        kind = type(error).__name__
        if not getattr(error, "ambiguous", False):
            yield work.noted(report, "refused", kind)
            return evolve(report, outcome="failed", reason=str(error), error=error)
        yield work.noted(report, "unknown", kind)
        return (yield from _settle(work, item, report, error))
    yield work.noted(report, "applied")
    return (yield from _verify(work, item, evolve(report, answer=answer)))


def _settle(work: _Work, item: PlannedItem, report: ItemReport, error: TailscaleError) -> Steps[ItemReport]:
    """Find out by reading what became of a write whose answer was lost."""
    unknown = evolve(report, outcome="unknown", reason=str(error), error=error)
    if not is_predictable(item.call.operation_id) or item.base is None:
        return unknown
    try:
        done, after = yield from _look(work, item)
    except TailscaleError:
        return unknown
    if not done:
        return evolve(unknown, after=after)
    return (yield from _confirm(work, item, evolve(report, after=after)))


def _look(work: _Work, item: PlannedItem) -> Steps[tuple[bool, dict[str, Any] | None]]:
    """Read the state and tell whether it is what the write was to leave."""
    found = yield from work.counted(_read(work, item, afterwards=True))
    if is_removal(item.call.operation_id):
        return is_gone(item.call.operation_id, found), found
    now = compared(item.call.operation_id, found)
    if item.call.operation_id == "setPolicyFile":
        return _is_stored(item, now), {"etag": (now or {}).get("etag")}
    if item.after is None or now is None:
        return item.after is None, now
    return same(item.after, watched(item.call.operation_id, item.after, now)), now


def _is_stored(item: PlannedItem, now: Mapping[str, Any] | None) -> bool:
    """Tell whether the stored policy is the one that was sent; formatting by the service does not count."""
    stored, sent = (now or {}).get("policy"), (item.call.body or b"").decode()
    return stored == sent or (isinstance(stored, str) and hujson.format(stored) == hujson.format(sent))


def _verify(work: _Work, item: PlannedItem, report: ItemReport) -> Steps[ItemReport]:
    if not is_predictable(item.call.operation_id):
        return (yield from _confirm(work, item, report))
    if item.base is None:
        return (yield from _confirm(work, item, report, read_back=False))
    try:
        done, after = yield from _look(work, item)
    except NotFoundError:
        done, after = is_removal(item.call.operation_id), None
    except TailscaleError as error:
        reason = f"carried out, but it could not be read back: {error}"
        return evolve(report, outcome="ok", reason=reason)
    if done:
        return (yield from _confirm(work, item, evolve(report, after=after)))
    yield work.noted(report, "not_verified")
    problem = OutcomeUnknownError(operation=item.call.operation_id, recovered="not_verified")
    return evolve(report, outcome="unknown", after=after, reason=str(problem), error=problem)


def _confirm(
    work: _Work, item: PlannedItem, report: ItemReport, *, read_back: bool = True
) -> Steps[ItemReport]:
    yield work.noted(report, "verified")
    for check in work.checks:
        verdict = check.after_verify(item)
        if not verdict.ok:
            return evolve(report, outcome="failed", verified=read_back, reason=verdict.reason)
    return evolve(report, outcome="ok", verified=read_back)


def _close(work: _Work, item: PlannedItem, report: ItemReport) -> ItemReport:
    """Note how it ended, what undoes it now, and one line of audit; the change itself is done by then."""
    try:
        if item.inverse is not None:
            _complete_inverse(work, item.inverse, report)
        _audit(work, item, report)
        if report.outcome == "ok":
            work.noted(report, "closed").work()
    except StateError as error:
        return evolve(
            report, reason=f"{report.reason or 'done'}; but this machine could not note it: {error}"
        )
    return report


def _complete_inverse(work: _Work, inverse: Inverse, report: ItemReport) -> None:
    """Fill in what only the answer tells: the id of what was made, or the version a policy write left."""
    more: dict[str, Any] = {}
    if inverse.from_answer is not None:
        answer = report.answer
        # The ones that make several things are planned with an inverse where they make one.
        first = answer[0] if isinstance(answer, list) and answer else answer
        made = getattr(first, "id", None) or getattr(first, "endpoint_id", None)
        more = {inverse.from_answer: made} if made else {}
    elif inverse.operation_id == "setPolicyFile":
        left = (report.after or {}).get("etag") or getattr(report.answer, "etag", None)
        more = {"if_match": left} if left else {}
    if not more:
        return
    images = work.context.state.preimages
    image = next(image for image in images.for_change(work.change_id) if image.item == report.index)
    completed = Inverse(inverse.operation_id, {**inverse.arguments, **more})
    images.set_inverse(image.id, inverse_record(completed))


def inverse_record(inverse: Inverse) -> dict[str, Any]:
    """Return an inverse as it is kept; a policy's text lies in its version file, not here."""
    arguments = {name: value for name, value in inverse.arguments.items() if name != "policy"}
    return {
        "operation_id": inverse.operation_id,
        "arguments": arguments,
        "from_answer": inverse.from_answer,
    }


def _audit(work: _Work, item: PlannedItem, report: ItemReport) -> None:
    work.context.state.audit.append(
        {
            "event": "change",
            "principal": work.principal,
            "profile": work.context.profile,
            "tailnet": work.context.tailnet,
            "change": work.change_id,
            "operation": item.call.operation_id,
            "effect": OPERATIONS[item.call.operation_id].effect,
            "target": item.target.key,
            "before": hash_of(item.before) if item.before is not None else None,
            "after": hash_of(report.after) if report.after is not None else None,
            "outcome": report.outcome,
            "verified": report.verified,
            "requests": work.requests,
        }
    )
