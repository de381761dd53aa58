"""``tailscale-sdk changes``: what was changed from here, what is left of it, and the way back."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from tailscale_sdk.changes import Account, AsyncChanges, ItemAccount, OpenChange
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.plans import DONE, FAILED, apply_plan, finish, moment, print_json
from tailscale_sdk.cli.tables import table
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.fleet_changes import FleetPlan
from tailscale_sdk.visible import visible


def list_command(options: argparse.Namespace) -> int:
    """List the last changes of this tailnet, the newest first; exit 1 where something is left of one."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        accounts = engine.recent(options.limit)
        if options.json:
            print_json([account.to_dict(items=False) for account in accounts])
        elif accounts:
            print(table(("change", "started", "by", "items", "reason"), [_row(each) for each in accounts]))
        else:
            print("nothing was changed from here")
        return DONE

    return run_with_engine(options, work)


def show_command(options: argparse.Namespace) -> int:
    """Show what became of each item of a change; exit 1 where something is left of it."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        account = engine.account(options.change)
        if options.json:
            print_json(account.to_dict())
        else:
            _print_account(account)
        return FAILED if account.left else DONE

    return run_with_engine(options, work)


def open_command(options: argparse.Namespace) -> int:
    """Look at what never came to its end, and settle by reading what can be; exit 1 where something stays unknown."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        found = await engine.open_changes()
        if options.json:
            print_json([_open_data(each) for each in found])
        elif found:
            rows = [
                (o.entry.change_id, o.entry.operation, o.entry.target, o.found, o.reason or "") for o in found
            ]
            print(table(("change", "operation", "target", "found", "reason"), rows))
        else:
            print("nothing is open")
        return FAILED if any(each.found == "unknown" for each in found) else DONE

    return run_with_engine(options, work)


def resume_command(options: argparse.Namespace) -> int:
    """Show the rest of a change that was broken off; with ``--apply`` do it."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        plan = FleetPlan(await engine.plan_resume(options.change))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)


def undo_command(options: argparse.Namespace) -> int:
    """Show what takes a change back; with ``--apply`` do it."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        plan = FleetPlan(await engine.plan_undo(options.change), notes=_not_undone(engine, options.change))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)


def apply_command(options: argparse.Namespace) -> int:
    """Carry out a plan that another command printed, once."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        return await apply_plan(client, engine, options.plan, options)

    return run_with_engine(options, work)


def _not_undone(engine: AsyncChanges, change_id: str) -> tuple[str, ...]:
    later = next((each.change_id for each in engine.recent(100) if each.continues == change_id), None)
    return () if later is None else (f"its rest was done as {later}, which has an undo of its own",)


def _row(account: Account) -> tuple[str, ...]:
    counts = Counter(item.outcome or "not begun" for item in account.items)
    said = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return (account.change_id, moment(account.started), account.principal, said, account.reason or "")


def _print_account(account: Account) -> None:
    print(f"change {account.change_id}, {moment(account.started)}, by {visible(account.principal)}")
    if account.reason:
        print(f"reason: {visible(account.reason, limit=None)}")
    for word, other in (("takes back", account.undoes), ("does the rest of", account.continues)):
        if other is not None:
            print(f"{word} {other}")
    rows = [
        (item.operation_id, _name(item), item.outcome or "not begun", item.reason or "")
        for item in account.items
    ]
    print(table(("operation", "target", "outcome", "reason"), rows))
    if account.left:
        print(f"{account.left} left: tailscale-sdk changes resume {account.change_id}")


def _name(item: ItemAccount) -> str:
    return f"{item.target.name} ({item.target.id})" if item.target.name else item.target.id


def _open_data(found: OpenChange) -> dict[str, Any]:
    entry = found.entry
    return {
        "change": entry.change_id,
        "item": entry.item,
        "operation": entry.operation,
        "target": entry.target,
        "state": entry.state,
        "found": found.found,
        "reason": found.reason,
    }
