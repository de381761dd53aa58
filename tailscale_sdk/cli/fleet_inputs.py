"""What commands about a fleet read, and how they end: in a table, in JSON, or in a plan."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.cli.engine import run_with_engine
from tailscale_sdk.cli.plans import DONE, finish, limits_of, print_json
from tailscale_sdk.cli.progress import Bar
from tailscale_sdk.cli.tables import table
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.fleet import Fleet, Proposal, read_fleet
from tailscale_sdk.operations.fleet_changes import plan_change
from tailscale_sdk.operations.parts import attributes, read_async
from tailscale_sdk.operations.reporting.rows import cell_text
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.snapshot import TailnetSnapshot
from tailscale_sdk.visible import visible

Look = Callable[[Fleet, datetime], int]
Propose = Callable[[Fleet, datetime], Proposal]


def now() -> datetime:
    """Return the moment a command asks at."""
    return datetime.now(UTC)


async def load(
    client: AsyncTailscale, parts: Sequence[str], *, with_attributes: bool = False, needed: Sequence[str] = ()
) -> Fleet:
    """Read devices and further parts of the tailnet.

    Args:
        client: reads.
        parts: names of ``coverage``.
        with_attributes: also posture attributes, one call per device.
        needed: parts without which the command is of no use.

    Raises:
        TailscaleError: devices or a needed part cannot be read.
    """
    snapshot = await SnapshotSource(client).read(tuple(parts), needed=needed)
    if with_attributes:
        bar, ids = Bar("devices asked for attributes"), node_ids_of(snapshot)
        found: dict[str, Any] = {}
        for place, node in enumerate(ids, 1):
            part = await read_async(client, attributes([node]))
            found.update(part.content["attributes"])
            bar(place, len(ids))
        snapshot = TailnetSnapshot.from_dict({**snapshot.content, "attributes": found})
    fleet = read_fleet(snapshot)
    for name, reason in fleet.coverage.items():
        # What still ran goes on; what it could not look at is said, with the scope it takes.
        print(f"tailscale-sdk: {name} was not read: {visible(reason, limit=None)}", file=sys.stderr)
    return fleet


def node_ids_of(snapshot: TailnetSnapshot) -> list[str]:
    """Return the ids of a snapshot's devices."""
    return [device["nodeId"] for device in snapshot.devices]


def look(options: argparse.Namespace, parts: Sequence[str], work: Look, *, query: str = "") -> int:
    """Run a command that only reads: on a snapshot file, or on the tailnet.

    Args:
        options: of the command: ``tailnet`` and ``profile``.
        parts: what it reads beside devices.
        work: prints and returns the exit code.
        query: whose need of posture attributes is looked at.
    """
    if options.tailnet is not None:
        return work(read_fleet(TailnetSnapshot.load(options.tailnet)), now())

    async def online(client: AsyncTailscale, engine: AsyncChanges) -> int:
        return work(await load(client, parts, with_attributes="attr:" in query), now())

    return run_with_engine(options, online)


def change(options: argparse.Namespace, parts: Sequence[str], propose: Propose, *, query: str = "") -> int:
    """Run a command that changes something: show the plan, and with ``--apply`` carry it out.

    Args:
        options: of the command.
        parts: what it reads beside devices.
        propose: returns what is to be changed.
        query: whose need of posture attributes is looked at.
    """

    async def work(client: AsyncTailscale, engine: AsyncChanges) -> int:
        fleet = await load(client, parts, with_attributes="attr:" in query)
        plan = await plan_change(client, propose(fleet, now()), changes=engine, limits=limits_of(options))
        return await finish(client, engine, plan, options)

    return run_with_engine(options, work)


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], nothing: str) -> None:
    """Print rows as a table; what stands there instead of nothing is said."""
    if not rows:
        print(nothing)
        return
    print(table(columns, [tuple(cell_text(row.get(name)) for name in columns) for row in rows]))


def show(options: argparse.Namespace, data: Any, text: Callable[[], None]) -> int:
    """Print JSON where it is asked for, and text otherwise."""
    if options.json:
        print_json(data)
    else:
        text()
    return DONE
