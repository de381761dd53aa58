"""Show a plan of many items and what became of it, and carry it out when asked to."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.changes import AsyncChanges, ItemReport, Plan, PlannedItem
from tailscale_sdk.cli.progress import Bar
from tailscale_sdk.cli.tables import table
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.fleet_changes import FleetPlan, FleetReport, Limits, apply_change
from tailscale_sdk.operations.policies.texts import text_difference
from tailscale_sdk.visible import visible

DONE, FAILED = 0, 1
_VALUE_CHARACTERS: Final = 60


def limits_of(options: argparse.Namespace) -> Limits:
    """Return the caps a command was given."""
    return Limits(options.max_changes, options.max_percent)


async def finish(
    client: AsyncTailscale, engine: AsyncChanges, plan: FleetPlan, options: argparse.Namespace
) -> int:
    """Show a plan, and carry it out where ``--apply`` says so.

    Args:
        client: sends.
        engine: the plan was made with.
        plan: to be shown.
        options: of the command: ``apply`` and ``json``.
    """
    if not options.json:
        print_plan(plan)
    if options.apply:
        return await apply_plan(client, engine, plan.plan.id, options)
    if options.json:
        print_json({"plan": plan.plan.id, "expires": _stamp(plan.plan), **_plan_data(plan)})
    else:
        print(f"\napply it within 15 minutes: tailscale-sdk changes apply {plan.plan.id}")
    return DONE


async def apply_plan(
    client: AsyncTailscale, engine: AsyncChanges, plan_id: str, options: argparse.Namespace
) -> int:
    """Carry out a plan and show what became of each item."""
    bar = Bar("changes")
    try:
        report = await apply_change(client, plan_id, changes=engine, progress=bar)
    finally:
        bar.end()
    if options.json:
        print_json(
            {"ok": report.ok, **report.to_dict(), "results": [_item_data(i) for i in report.report.items]}
        )
    else:
        print_report(report)
    return DONE if report.ok else FAILED


def print_plan(plan: FleetPlan) -> None:
    """Print what a plan would do, what it leaves alone and what people will notice."""
    rows = [
        (
            _verb(item),
            _target(item),
            "skipped: " + str(item.reason) if item.status == "skipped" else _change(item),
        )
        for item in plan.plan.items
    ]
    print(table(("call", "target", "change"), rows))
    for item in plan.plan.due:
        for line in _policy_lines(item):
            print(f"  {visible(line, limit=None)}")
    for risk in dict.fromkeys(risk for item in plan.plan.due for risk in item.risk):
        print(f"! {visible(risk, limit=None)}")
    for note in plan.notes:
        print(f"! {visible(note, limit=None)}")
    if any(item.reversible == "no" for item in plan.plan.due):
        print("! some of it cannot be taken back")
    for each in plan.left_alone:
        print(
            f"- left alone: {visible(each.name or each.id)} ({each.id}): {visible(each.reason, limit=None)}"
        )


def print_report(report: FleetReport) -> None:
    """Print what became of a change: what is not ok item by item, the rest as a count."""
    for item in report.report.items:
        if item.outcome != "ok":
            name = visible(item.target.name or item.target.id)
            print(f"{item.outcome}: {name}: {visible(item.reason or '', limit=None)}", file=sys.stderr)
    counts = {name: report.report.count(name) for name in ("ok", "failed", "skipped", "unknown")}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    print(f"{said}: change {report.report.change_id}")
    if not report.ok:
        print(
            f"do the rest: tailscale-sdk changes resume {report.report.change_id}\n"
            f"take it back: tailscale-sdk changes undo {report.report.change_id}",
            file=sys.stderr,
        )


def print_json(value: Any) -> None:
    """Print JSON data."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def _stamp(plan: Plan) -> str:
    return plan.expires.isoformat()


def _plan_data(plan: FleetPlan) -> dict[str, Any]:
    items = [
        {
            "operation": item.call.operation_id,
            "target": {"kind": item.target.kind, "id": item.target.id, "name": item.target.name},
            "before": item.before,
            "after": item.after,
            "reversible": item.reversible,
            "risk": list(item.risk),
            "status": item.status,
            **({"reason": item.reason} if item.reason else {}),
        }
        for item in plan.plan.items
    ]
    return {**plan.to_dict(), "items": items}


def _item_data(item: ItemReport) -> dict[str, Any]:
    return {
        "operation": item.operation_id,
        "target": {"kind": item.target.kind, "id": item.target.id, "name": item.target.name},
        "outcome": item.outcome,
        "verified": item.verified,
        **({"reason": item.reason} if item.reason else {}),
    }


def _verb(item: PlannedItem) -> str:
    operation = OPERATIONS[item.call.operation_id]
    return f"{operation.resource}.{operation.method}"


def _target(item: PlannedItem) -> str:
    name = (item.target.name or "").partition(".")[0] if item.target.kind == "device" else item.target.name
    return f"{name} ({item.target.id})" if name else item.target.id


def _change(item: PlannedItem) -> str:
    before, after = item.before, item.after
    if before is None or after is None:
        return "gone" if OPERATIONS[item.call.operation_id].http_method == "DELETE" else "-"
    if lines := _policy_lines(item):
        first = Counter(line[:1] for line in lines)
        if first["…"]:
            # What is left out of the difference cannot be counted here.
            return "policy: a long change, which begins as below"
        return f"policy: +{first['+']} -{first['-']} lines"
    if item.call.operation_id == "batchUpdateCustomDevicePostureAttributes":
        return _attributes(item.call.arguments["nodes"])
    changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return "; ".join(f"{name}: {_brief(before, name)} -> {_brief(after, name)}" for name in changed) or "-"


def _policy_lines(item: PlannedItem) -> tuple[str, ...]:
    """Return what becomes of the policy, line by line; nothing for what does not touch it."""
    old, new = (side.get("policy") if side else None for side in (item.before, item.after))
    if not isinstance(old, str) or not isinstance(new, str):
        return ()
    _, _, *lines = text_difference(old, new) or ("", "")
    return tuple(lines)


def _attributes(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    kinds = Counter(
        f"{key} = {json.dumps(entry['value'])}" if entry else f"{key} removed"
        for attributes in nodes.values()
        for key, entry in attributes.items()
    )
    return "; ".join(f"{what} on {count} devices" for what, count in kinds.items())


def _brief(state: Mapping[str, Any], name: str) -> str:
    text = json.dumps(state.get(name), ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"


def moment(seconds: float | None) -> str:
    """Return seconds since the epoch as people read them; nothing where there is none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
