"""``tailscale-sdk tags``: the inventory, and rules that give devices their tags."""

from __future__ import annotations

import argparse
from datetime import datetime

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.fleet_inputs import load, look, now, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, finish, limits_of
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import tags
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.fleet_changes import plan_change
from tailscale_sdk.visible import visible


def list_command(options: argparse.Namespace) -> int:
    """List tags with devices, owners and what is wrong; exit 1 where something is."""

    def work(fleet: Fleet, moment: datetime) -> int:
        naming = tags.NamingRules(options.pattern) if options.pattern else None
        found = tags.tag_inventory(fleet, naming)

        def text() -> None:
            rows = [use.to_dict() for use in found.tags]
            print_rows(rows, ("tag", "devices", "defined", "owners", "users", "mentioned"), "no tags")
            print(f"{len(found.untagged)} devices have none")
            for sentence in found.problems:
                print(f"! {visible(sentence, limit=None)}")

        show(options, found.to_dict(), text)
        return FAILED if found.problems else DONE

    return look(options, ("policy", "users", "keys"), work)


def run_command(options: argparse.Namespace) -> int:
    """Show what rules make of the devices, with the access that gives and takes; with ``--apply`` do it."""
    rules = tags.read_rules_file(options.file)
    wants_attributes = any("attr" in repr(rule.query) for rule in rules)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet = await load(client, ("policy", "users"), with_attributes=wants_attributes)
        found = tags.propose_tags(fleet, rules, now=now(), allow_untagged=options.allow_untagged)
        if not found.proposal.steps:
            show(options, {"items": 0}, lambda: print("every device has the tags its rules give it"))
            return DONE
        plan = await plan_change(
            client, found.proposal, changes=engine, limits=limits_of(options), facts=found.to_dict()
        )
        if not options.json:
            for line in (
                found.access.lines() if found.access is not None else (f"access: {found.access_unknown}",)
            ):
                print(visible(line, limit=None))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)
