"""What a write came to, as the fields of its result: done, planned, or why not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_adapter.arguments import CheckedCall
from mcp_adapter.calling import plain
from mcp_adapter.projection import pick
from mcp_adapter.runtime import Runtime
from mcp_adapter.safety import Refused, Written
from tailscale_sdk.errors import OutcomeUnknownError, TailscaleError

ITEMS_SHOWN = 20
"""Items of a plan that are shown whole; of more there is a count."""

RESULTS_SHOWN = 200
"""Items of a change that are answered one by one; beyond them, what is not ok goes first."""


class NotDone(Exception):
    """Say why a change was not carried out as planned, with what a workflow knows beside it."""

    def __init__(self, error: Exception, facts: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.error, self.facts = error, facts


def planned(runtime: Runtime, call: CheckedCall, written: Written) -> dict[str, Any]:
    """Describe a plan that was not carried out."""
    result: dict[str, Any] = {"ok": False, "executed": False}
    if written.plan is not None:
        columns = _columns(runtime, call)
        items = written.plan.items
        result["plan"] = [_item(item, columns) for item in items[:ITEMS_SHOWN]]
        if len(items) > ITEMS_SHOWN:
            result["more"] = len(items) - ITEMS_SHOWN
    if written.confirm is not None:
        result["confirm"] = written.confirm
    if written.note is not None:
        result["note"] = written.note
    return {**written.facts, **result}


def _columns(runtime: Runtime, call: CheckedCall) -> Sequence[str]:
    """Return what is shown of a whole object: the columns of the read that shows it, where it has some."""
    read = runtime.catalog.entries.get(call.entry.get("change", {}).get("read", ""), {})
    found: Sequence[str] = read.get("columns", ())
    return found


def _item(item: Any, columns: Sequence[str]) -> dict[str, Any]:
    target = {
        "kind": item.target.kind,
        "id": item.target.id,
        "address": item.target.address,
        "name": item.target.name,
    }
    before, after = _differing(item.before, item.after, columns)
    shown = {
        "operation": item.call.operation_id,
        "request": item.call.shown(),
        "target": {name: value for name, value in target.items() if value is not None},
        "before": before,
        "after": after,
        "reversible": item.reversible,
        "risk": list(item.risk),
    }
    return {name: value for name, value in shown.items() if value not in (None, [])}


def _differing(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, columns: Sequence[str]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Keep of two states what differs; a policy is shown as the lines that do."""
    if before is None or after is None:
        return (pick(before, columns or tuple(before)) if before and "policy" not in before else None), None
    if isinstance(before.get("policy"), str) and isinstance(after.get("policy"), str):
        from mcp_adapter.confirmation import policy_difference

        lines = policy_difference(before["policy"], after["policy"])
        return (
            {"policy": [line for line in lines if line[0] == "-"]},
            {"policy": [line for line in lines if line[0] == "+"]},
        )
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


async def carried_out(runtime: Runtime, call: CheckedCall, written: Written) -> dict[str, Any]:
    """Describe a change that was applied.

    Raises:
        TailscaleError: it failed, or its outcome is not known.
        Refused: it was not sent, because a check or the state was against it.
        NotDone: it was one of these, and the workflow has something to say about it.
    """
    report = written.report
    if len(report.items) > 1:
        return {**written.facts, **_many(report)}
    item = report.items[0]
    if item.outcome in {"failed", "unknown"}:
        problem = _problem(item)
        raise NotDone(problem, written.facts) if written.facts else problem
    entry = call.entry
    result: dict[str, Any] = {
        **written.facts,
        "ok": True,
        "verified": item.verified,
        "change": report.change_id,
    }
    if item.reason:
        result["note"] = item.reason
    if item.before is not None:
        named = {p["api"] for p in entry["params"] if p["name"] in call.arguments}
        fields = entry.get("change", {"fields": ()})["fields"] or _columns(runtime, call)
        result |= difference(item.before, item.after, fields, named)
    elif (answer := plain(entry, item.answer)) is not None:
        result["items" if isinstance(answer, list) else "item"] = answer
    if entry.get("once"):
        result |= await _hand_over(runtime, call, plain(entry, item.answer))
    return result


def _many(report: Any) -> dict[str, Any]:
    """Answer a change of many items: each in its place, whatever became of the others."""
    items = report.items
    if len(items) > RESULTS_SHOWN:
        items = [item for item in items if item.outcome != "ok"][:RESULTS_SHOWN]
    shown = [
        {
            "index": item.index,
            "id": item.target.id,
            "name": item.target.name,
            "outcome": item.outcome,
            **({} if item.verified or item.outcome != "ok" else {"verified": False}),
            **({"reason": item.reason} if item.reason else {}),
        }
        for item in items
    ]
    more = {"more": len(report.items) - len(shown)} if len(shown) < len(report.items) else {}
    return {"ok": report.ok, "executed": True, "change": report.change_id, "results": shown, **more}


def _problem(item: Any) -> Exception:
    if item.outcome == "unknown" and not isinstance(item.error, TailscaleError):
        return OutcomeUnknownError(operation=item.operation_id)
    if isinstance(item.error, TailscaleError):
        return item.error
    return Refused("changed", item.reason or "it was not done", "read the state and plan again")


async def _hand_over(runtime: Runtime, call: CheckedCall, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Put a secret that was made where its owner finds it, or show it where both sides asked for that."""
    field = call.entry["once"]
    value, identifier = answer.get(field), str(answer.get("id") or answer.get("endpointId") or "")
    if not isinstance(value, str):
        return {}
    if call.options.reveal and runtime.settings.reveal_secrets:
        return {"revealed": {field: value}, "secret_out": [field]}
    directory = runtime.state().directory
    try:
        kept = await asyncio.to_thread(directory.keep_secret, field, identifier, value)
    except TailscaleError as error:
        raise Refused(
            "secret_lost",
            f"{call.entry['operation']}: {identifier} was created, but its secret could not be kept: {error}",
            f"remove {identifier} and create it again once this machine can write its state",
            outcome="done",
        ) from error
    return {"secret_ref": {"path": str(kept.path), "id": kept.id, "sha256_prefix": kept.sha256_prefix}}


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any] | None, fields: Sequence[str], named: set[str]
) -> dict[str, Any]:
    """Keep the fields that were named or moved; all of them when neither is the case."""
    if "policy" in before:
        return {"before": {"etag": before.get("etag")}, "after": dict(after or {})}
    watched = sorted({*before, *(after or {})}) if "*" in fields or not fields else list(fields)
    kept = [
        name
        for name in watched
        if name in named or (after is not None and before.get(name) != after.get(name))
    ]
    shown = kept or watched
    result: dict[str, Any] = {"before": {name: before.get(name) for name in shown}}
    if after is not None:
        result["after"] = {name: after.get(name) for name in shown}
    return result
