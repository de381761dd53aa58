"""``tailscale-sdk keys``: credentials, what expires, and rotation."""

from __future__ import annotations

import argparse
from datetime import datetime

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.fleet_inputs import load, look, now, print_rows, show
from tailscale_sdk.cli.plans import DONE, FAILED, print_json
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import keys
from tailscale_sdk.operations.devices.comparisons import read_duration
from tailscale_sdk.operations.fleet import Fleet
from tailscale_sdk.visible import visible


def _rows(fleet: Fleet, moment: datetime, own: str | None = None) -> tuple[keys.KeyRow, ...]:
    rows = keys.key_inventory(fleet, now=moment, own_key_id=own)
    if rows is None:
        raise ConfigurationError(f"keys were not read: {fleet.coverage.get('keys', 'the snapshot has none')}")
    return rows


def list_command(options: argparse.Namespace) -> int:
    """List credentials with what is risky about them."""

    def work(fleet: Fleet, moment: datetime) -> int:
        rows = [row.to_dict() for row in _rows(fleet, moment)]
        columns = ("id", "kind", "description", "status", "owner", "expires", "tags", "scopes", "risks")
        return show(options, rows, lambda: print_rows(rows, columns, "no credentials"))

    return look(options, ("keys", "users"), work)


def forecast_command(options: argparse.Namespace) -> int:
    """Show what expires within some days; exit 1 where a credential does."""

    def work(fleet: Fleet, moment: datetime) -> int:
        found = keys.expiry_forecast(fleet, now=moment, days=(options.days,))
        rows = [each.to_dict() for each in found.expiries]

        def text() -> None:
            if options.markdown or options.calendar:
                print(found.markdown() if options.markdown else keys.calendar_of(found, now=moment), end="")
                return
            print_rows(rows, ("days", "kind", "id", "name", "owner", "breaks"), "nothing expires")
            for sentence in found.unknown:
                print(f"! {visible(sentence, limit=None)}")

        show(options, found.to_dict(), text)
        return FAILED if any(each.kind != "device" for each in found.expiries) else DONE

    return look(options, ("keys", "users", "settings"), work)


def check_command(options: argparse.Namespace) -> int:
    """Check credentials against rules; exit 1 where one does not keep to them."""
    rules = keys.KeyRules(
        options.max_age, options.max_lifetime, frozenset(options.require_tag), frozenset(options.forbid)
    )

    def work(fleet: Fleet, moment: datetime) -> int:
        found = keys.check_keys(_rows(fleet, moment), rules, now=moment)
        rows = [each.to_dict() for each in found]
        show(
            options,
            rows,
            lambda: print_rows(rows, ("id", "description", "rule", "message"), "all keep to the rules"),
        )
        return FAILED if rows else DONE

    return look(options, ("keys", "users"), work)


async def _key_id(client: AsyncTailscale, text: str) -> str:
    """Return the id of the one credential that an id or a description means."""
    fleet = await load(client, ("keys", "users"), needed=("keys",))
    rows = _rows(fleet, now())
    found = [row.key.id for row in rows if row.key.id == text]
    found = found or [row.key.id for row in rows if row.status == "valid" and row.key.description == text]
    found = found or [
        row.key.id for row in rows if row.status == "valid" and text.lower() in row.key.description.lower()
    ]
    if len(found) != 1:
        several = (
            f" may mean {', '.join(found)}: give its id"
            if found
            else " is no credential: keys list shows them"
        )
        raise ConfigurationError(f"{text!r}{several}")
    return found[0]


def rotate_command(options: argparse.Namespace) -> int:
    """Give a credential a successor, whose secret goes to a sink; with ``--apply`` do it."""
    sink = keys.read_sink(options.to)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        key_id = await _key_id(client, options.key)
        plan = await keys.plan_rotation(
            client, key_id, changes=engine, sink=sink, overlap=read_duration(options.overlap)
        )
        if not options.apply:
            data = plan.to_dict()
            show(options, {**data, "expires": plan.plan.expires.isoformat()}, lambda: _print_plan(plan))
            return DONE
        report = await keys.apply_rotation(client, plan.plan.id, changes=engine, sink=sink, now=now())
        show(options, report.to_dict(), lambda: _print_rotation(report.rotation))
        return DONE if report.ok else FAILED

    return run_with_engine(options, work)


def rotate_webhook_command(options: argparse.Namespace) -> int:
    """Give a webhook another secret, which goes to a sink; with ``--apply`` do it."""
    sink = keys.read_sink(options.to)

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        plan = await keys.plan_webhook_rotation(client, options.webhook, changes=engine, sink=sink)
        if not options.apply:
            show(options, plan.to_dict(), lambda: _print_plan(plan))
            return DONE
        report = await keys.apply_webhook_rotation(client, plan.plan.id, changes=engine, sink=sink)
        show(options, report.to_dict(), lambda: _print_rotation(report.rotation))
        return DONE if report.ok else FAILED

    return run_with_engine(options, work)


def _print_plan(plan: keys.RotationPlan) -> None:
    rotation = plan.rotation
    print(f"{rotation.old} gets the successor {visible(rotation.description)!r}")
    for note in plan.to_dict()["notes"]:
        print(f"! {visible(note, limit=None)}")
    print("\ncarry it out: the same command with --apply")


def _print_rotation(rotation: keys.Rotation) -> None:
    print(
        f"{rotation.old}: {rotation.state}, successor {rotation.new or 'none'}, secret sha256 {rotation.sha256 or '-'}"
    )
    if rotation.state == "verified":
        print(
            f"retire the old one after {rotation.retire_at}: tailscale-sdk keys retire {rotation.old} --apply"
        )
    if rotation.reason:
        print(f"! {visible(rotation.reason, limit=None)}")


def rotations_command(options: argparse.Namespace) -> int:
    """List rotations; exit 1 where one broke off or an overlap is over."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        found = keys.list_rotations(engine)
        rows = [rotation.to_dict() for rotation in found]
        columns = ("old", "state", "new", "description", "sink", "retire_at", "reason")
        show(options, rows, lambda: print_rows(rows, columns, "no rotations"))
        return FAILED if any(_is_due(rotation) for rotation in found) else DONE

    return run_with_engine(options, work)


def _is_due(rotation: keys.Rotation) -> bool:
    if rotation.state == "verified":
        return rotation.retire_at is not None and datetime.fromisoformat(rotation.retire_at) <= now()
    return rotation.state in {"creating", "created", "delivered"}


def retire_command(options: argparse.Namespace) -> int:
    """Delete a credential whose successor is in place; with ``--apply`` do it."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        plan = await keys.plan_retirement(client, options.key, changes=engine, now=now(), early=options.early)
        if not options.apply:
            data = {"delete": options.key, "successor": plan.rotation.new}
            show(options, data, lambda: print(f"{options.key} is deleted: the same command with --apply"))
            return DONE
        report = await keys.apply_retirement(client, plan.plan.id, changes=engine)
        show(options, report.to_dict(), lambda: _print_rotation(report.rotation))
        return DONE if report.ok else FAILED

    return run_with_engine(options, work)


def resume_command(options: argparse.Namespace) -> int:
    """Bring a rotation that broke off into a state to go on from."""

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        sink = None if options.to is None else keys.read_sink(options.to)
        rotation = await keys.resume_rotation(client, options.key, changes=engine, now=now(), sink=sink)
        if options.json:
            print_json(rotation.to_dict())
        else:
            _print_rotation(rotation)
        return DONE if rotation.state == "verified" else FAILED

    return run_with_engine(options, work)
