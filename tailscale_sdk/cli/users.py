"""``tailscale-sdk users`` and ``settings``: people, and what a file declares a tailnet to be."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.fleet_inputs import change, load, look, now, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, finish, limits_of
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations import users
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.operations.settings_drift import (
    PARTS,
    propose_settings,
    read_declared,
    settings_drift,
)
from tailscale_sdk.operations.users import PersonPlan

_PARTS = ("users", "policy", "keys", "user_invites")


def idle_command(options: argparse.Namespace) -> int:
    """List users who were not there for some days; exit 1 where there is one."""

    def work(fleet: Fleet, moment: datetime) -> int:
        found = users.idle_users(fleet, now=moment, days=options.days)
        rows = [each.to_dict() for each in found.idle]

        def text() -> None:
            print_rows(rows, ("login", "role", "status", "idle_days", "devices"), "nobody is idle")
            if found.unknown:
                print(f"unknown: {', '.join(found.unknown)}")

        show(options, found.to_dict(), text)
        return FAILED if rows else DONE

    return look(options, ("users",), work)


def onboard_command(options: argparse.Namespace) -> int:
    """Let a person in: invite or approve them, with a role and groups of the policy."""

    def make(fleet: Fleet, own: str | None) -> PersonPlan:
        return users.propose_onboarding(fleet, options.login, role=options.role, groups=options.group)

    return _person(options, make)


def offboard_command(options: argparse.Namespace) -> int:
    """Take a person out: access first, then devices, keys and invites, and the policy's groups."""

    def make(fleet: Fleet, own: str | None) -> PersonPlan:
        return users.propose_offboarding(
            fleet, options.login, now=now(), delete=options.delete, own_key_id=own
        )

    return _person(options, make)


def _person(options: argparse.Namespace, make: Callable[[Fleet, str | None], PersonPlan]) -> int:
    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet = await load(client, _PARTS, needed=("users",))
        person = make(fleet, client.own_key_id)
        plan = await users.plan_person(client, fleet, person, changes=engine, limits=limits_of(options))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)


def drift_command(options: argparse.Namespace) -> int:
    """Compare the tailnet with a file that declares it; exit 1 where it differs."""
    declared = read_declared(options.file)

    def work(fleet: Fleet, moment: datetime) -> int:
        found = settings_drift(fleet, declared)
        rows = [each.to_dict() for each in found.values if each.status != "same"]
        columns = ("path", "status", "declared", "found", "reason")
        show(options, found.to_dict(), lambda: print_rows(rows, columns, "the tailnet is as declared"))
        return FAILED if found.differing else DONE

    return look(options, PARTS, work)


def apply_settings_command(options: argparse.Namespace) -> int:
    """Set the settings that differ from what a file declares."""
    declared = read_declared(options.file)
    return change(options, PARTS, lambda fleet, moment: propose_settings(fleet, declared))
