"""Small fleets for tests of the operations, and one admin with an embedded tailnet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tailscale_sdk import AsyncTailscale
from tailscale_sdk.changes import AsyncChanges, LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.operations.fleet import Fleet, Proposal, read_fleet
from tailscale_sdk.operations.fleet_changes import (
    FleetPlan,
    FleetReport,
    Limits,
    apply_change,
    plan_change,
)
from tailscale_sdk.operations.parts import PARTS, joined, read_async
from tailscale_sdk.snapshot import TailnetSnapshot
from tailscale_sdk.testing import FakeTailnet

Json = dict[str, Any]
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
POLICY = """{
  // who is who
  "groups": {"group:ops": ["alice@example.com", "bob@example.com"], "group:dev": ["carol@example.com"]},
  "tagOwners": {"tag:web": ["group:ops"], "tag:db": ["group:ops"], "tag:router": [], "tag:old": []},
  "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"]}},
  "grants": [
    {"src": ["group:ops"], "dst": ["tag:web"], "ip": ["tcp:443"]},
    {"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
    {"src": ["autogroup:member"], "dst": ["autogroup:internet"], "ip": ["*"]},
  ],
}
"""
USERS: list[Json] = [
    {"id": "u1", "loginName": "alice@example.com", "role": "owner", "status": "active", "type": "member"},
    {"id": "u2", "loginName": "bob@example.com", "role": "admin", "status": "active", "type": "member"},
    {"id": "u3", "loginName": "carol@example.com", "role": "member", "status": "active", "type": "member"},
]


def ago(**duration: float) -> str:
    """Return a moment before now as the API writes it."""
    return (NOW - timedelta(**duration)).isoformat().replace("+00:00", "Z")


def ahead(**duration: float) -> str:
    """Return a moment after now as the API writes it."""
    return (NOW + timedelta(**duration)).isoformat().replace("+00:00", "Z")


def device(name: str, owner: str = "", *tags: str, **fields: Any) -> Json:
    """Return a device that is in order: connected, approved, its key valid for long; its address follows its name."""
    number = sum(map(ord, name)) % 250 + 1
    routes: Sequence[str] = fields.pop("advertised", ())
    return {
        "nodeId": f"n{name.title().replace('-', '')}CNTRL",
        "id": str(1000 + number),
        "name": f"{name}.example.ts.net",
        "hostname": name,
        "user": owner or "alice@example.com",
        **({"tags": list(tags)} if tags else {}),
        "os": "linux",
        "clientVersion": "1.84.0-t1",
        "addresses": [f"100.64.{len(name)}.{number}", f"fd7a:115c:a1e0::{len(name):x}:{number:x}"],
        "advertisedRoutes": list(routes),
        "enabledRoutes": list(fields.pop("approved", routes)),
        "authorized": True,
        "connectedToControl": True,
        "keyExpiryDisabled": bool(tags),
        "expires": ahead(days=90),
        "created": ago(days=200),
        **fields,
    }


def silent(name: str, days: float, owner: str = "", *tags: str, **fields: Any) -> Json:
    """Return a device that was not heard of for some days."""
    quiet = {"connectedToControl": False, "lastSeen": ago(days=days)}
    return device(name, owner, *tags, **{**quiet, **fields})


def fleet_of(*devices: Json, **parts: Any) -> Fleet:
    """Return a fleet of devices and further parts of a snapshot."""
    return read_fleet(TailnetSnapshot.from_dict({"devices": list(devices), **parts}))


class Admin:
    """Looks after an embedded tailnet: reads it, plans what is proposed and applies it."""

    def __init__(self, tailnet: FakeTailnet, folder: Path, guards: Sequence[Any] = ()) -> None:
        self.tailnet = tailnet
        self.runner = asyncio.Runner()
        self.state = LocalState(StateDirectory(folder))
        self.client = AsyncTailscale(
            api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None, max_retries=0
        )
        self.engine = AsyncChanges(self.client, state=self.state, guards=guards)

    def run(self, work: Any) -> Any:
        """Wait for what the operations give."""
        return self.runner.run(work)

    def fleet(self, *parts: str) -> Fleet:
        """Read the tailnet as it is."""

        async def reading() -> Fleet:
            found = {name: await read_async(self.client, PARTS[name]()) for name in ("devices", *parts)}
            return read_fleet(TailnetSnapshot.from_dict({"tailnet": "-", **dict(joined(found))}))

        fleet: Fleet = self.run(reading())
        return fleet

    def plan(self, proposal: Proposal, limits: Limits | None = None) -> FleetPlan:
        """Plan what is proposed."""
        plan: FleetPlan = self.run(
            plan_change(self.client, proposal, changes=self.engine, limits=limits or Limits(100, 100.0))
        )
        return plan

    def apply(self, plan: FleetPlan) -> FleetReport:
        """Apply a plan."""
        report: FleetReport = self.run(apply_change(self.client, plan.plan.id, changes=self.engine))
        return report

    def do(self, proposal: Proposal) -> FleetReport:
        """Plan and apply what is proposed."""
        return self.apply(self.plan(proposal))

    def device(self, name: str) -> Json:
        """Return the record of a device as the tailnet has it."""
        return next(d for d in self.tailnet.tailnet.devices.values() if d["name"].startswith(f"{name}."))

    def written(self) -> list[str]:
        """Return the operations that changed something, in order."""
        return [str(entry.operation) for entry in self.tailnet.ledger.entries]

    def close(self) -> None:
        """Close the client and the state."""
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.state.close()
