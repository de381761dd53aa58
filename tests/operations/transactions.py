"""An embedded tailnet with a policy, and one caller who changes it by the whole transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tailscale_sdk import AsyncTailscale, Hooks, RequestEvent
from tailscale_sdk.changes import AsyncChanges, Guard, LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.operations import policies
from tailscale_sdk.testing import FakeTailnet, no_sleep

ME, OTHER = "os:1000", "os:2000"
POLICY = """// Who may do what
{
  "groups": {
    "group:ops": ["alice@example.com"], // on call
  },
  "tagOwners": {"tag:server": ["group:ops"], "tag:db": []},
  "grants": [
    {"src": ["group:ops"], "dst": ["tag:server"], "ip": ["tcp:22"]},
    /* the database */
    {"src": ["tag:server"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
  ],
  "tests": [{"src": "alice@example.com", "accept": ["tag:server:22"], "deny": ["tag:db:5432"]}],
}
"""
DEVICES: list[dict[str, Any]] = [
    {"nodeId": "nServer", "name": "server.example.ts.net", "tags": ["tag:server"], "addresses": ["100.64.0.1", "fd7a:115c:a1e0::1"]},
    {"nodeId": "nDb", "name": "db.example.ts.net", "tags": ["tag:db"], "addresses": ["100.64.0.2", "fd7a:115c:a1e0::2"]},
    {"nodeId": "nLaptop", "name": "laptop.example.ts.net", "user": "alice@example.com", "addresses": ["100.64.0.3", "fd7a:115c:a1e0::3"]},
    {"nodeId": "nPhone", "name": "phone.example.ts.net", "user": "bob@example.com", "addresses": ["100.64.0.4", "fd7a:115c:a1e0::4"]},
]  # fmt: skip
USERS = [
    {"id": "u1", "loginName": "alice@example.com", "role": "owner", "status": "active", "type": "member"},
    {"id": "u2", "loginName": "bob@example.com", "role": "member", "status": "active", "type": "member"},
]


class Caller:
    """Holds a tailnet, a client and an engine; waits for what the transaction gives."""

    def __init__(
        self,
        tailnet: FakeTailnet,
        folder: Path,
        *,
        principal: str = ME,
        state: LocalState | None = None,
        guards: Sequence[Guard] = (),
    ) -> None:
        self.tailnet, self.principal = tailnet, principal
        self.runner = asyncio.Runner()
        self.state = state or LocalState(StateDirectory(folder))
        self.client = AsyncTailscale(
            api_key=tailnet.api_key,
            base_url=tailnet.base_url,
            rate_limit=None,
            hooks=Hooks(on_request=self._requested),
        )
        self.engine = AsyncChanges(self.client, state=self.state, guards=guards)
        self.requests: list[str] = []
        self.before_request: Callable[[int], None] = lambda number: None
        self.told: list[tuple[int, int]] = []
        self.at: dict[int, Callable[[], None]] = {}

    def _requested(self, event: RequestEvent) -> None:
        self.requests.append(event.operation)
        self.before_request(len(self.requests))

    def progress(self, done: int, total: int) -> None:
        """Note a step, and do what was asked for at that step."""
        self.told.append((done, total))
        if total > 1 and done in self.at:
            self.at.pop(done)()

    def _given(self, more: dict[str, Any]) -> dict[str, Any]:
        common = {"now": datetime.now(UTC), "progress": self.progress}
        return {**common, "changes": self.engine, "principal": self.principal, **more}

    def plan(self, **more: Any) -> policies.PolicyPlan:
        """Plan a change."""
        return self.runner.run(policies.plan_change(self.client, **self._given(more)))

    def apply(self, plan: policies.PolicyPlan, **more: Any) -> policies.PolicyReport:
        """Apply a plan."""
        return self.runner.run(
            policies.apply_change(self.client, **self._given({"plan_id": plan.plan.id, **more}))
        )

    def change(self, **more: Any) -> policies.PolicyReport:
        """Plan a change and apply it."""
        return self.apply(self.plan(**more))

    def plan_rollback(self, **more: Any) -> policies.PolicyPlan:
        """Plan to put a version back."""
        return self.runner.run(policies.plan_rollback(self.client, **self._given(more)))

    def drift(self, text: str) -> policies.Drift:
        """Compare a file with what is stored."""
        return self.runner.run(policies.drift(self.client, text, changes=self.engine))

    def difference(self, version: str = "previous") -> policies.VersionDifference:
        """Show what the change that replaced a version made of it."""
        return self.runner.run(policies.difference(self.client, version, changes=self.engine))

    def open_changes(self) -> list[tuple[str, str]]:
        """Look at what never came to its end: the operation, and what became of it."""
        found = self.runner.run(self.engine.open_changes())
        return [(each.entry.operation, each.found) for each in found]

    def fault(self, operation: str, fault: Any, **more: Any) -> None:
        """Let a call of an operation be answered like this, the next one unless something else is said."""
        self.tailnet.faults.add({"operation": operation, "nth": 1, "fault": fault, **more})

    def history(self) -> list[policies.HistoryEntry]:
        """Return the kept versions."""
        return policies.history(self.engine)

    @property
    def stored(self) -> str:
        """Return the policy the server has."""
        text: str = self.tailnet.tailnet.policy_text
        return text

    def somebody_else(self, addition: str = "// theirs\n") -> str:
        """Let another writer save an edit, and return it."""
        text = self.stored + addition
        self.tailnet.tailnet.policy_text = text
        return text

    @property
    def written(self) -> list[str]:
        """Return the operations that changed anything."""
        return [str(entry.operation) for entry in self.tailnet.ledger.entries]

    def close(self) -> None:
        """Close the client and the state."""
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.state.close()


@contextlib.contextmanager
def calling(
    folder: Path, *, policy: str = POLICY, devices: list[dict[str, Any]] | None = None, **options: Any
) -> Iterator[Caller]:
    """Start a tailnet that can play faults, with a caller."""
    snapshot = {"devices": devices or DEVICES, "users": USERS, "policy": policy}
    with (
        no_sleep(),
        FakeTailnet(snapshot=snapshot, faults=[]) as tailnet,
        contextlib.closing(Caller(tailnet, folder / "state", **options)) as caller,
    ):
        yield caller
