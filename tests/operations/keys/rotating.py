"""An embedded tailnet with keys, and one caller who rotates them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tailscale_sdk import AsyncTailscale, Hooks, RequestEvent
from tailscale_sdk.changes import AsyncChanges, Guard, LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.operations import keys
from tailscale_sdk.testing import FakeTailnet, no_sleep

WEEK = timedelta(days=7)


class DeathError(BaseException):
    """Ends a process, as far as the code under test can see."""


class Sink:
    """Keeps what is delivered; does at the moments of a delivery what a test wants."""

    def __init__(self, name: str = "the vault") -> None:
        self.name, self.secrets = name, dict[str, str]()
        self.before: Callable[[str], None] = lambda secret: None
        self.after: Callable[[str], None] = lambda secret: None
        self.refusal: str | None = None

    def describe(self) -> str:
        return self.name

    def check(self) -> None:
        if self.refusal is not None:
            raise keys.SinkError(self.refusal)

    def deliver(self, secret: str, *, key_id: str, description: str) -> None:
        self.before(secret)
        self.secrets[key_id] = secret
        self.after(secret)


class Rotating:
    """Holds a tailnet, a client and an engine; waits for what a rotation gives."""

    def __init__(
        self, tailnet: FakeTailnet, folder: Path, guards: tuple[Guard, ...] = (), **options: Any
    ) -> None:
        self.tailnet, self.folder, self.guards, self.options = tailnet, folder, guards, options
        self.runner = asyncio.Runner()
        self.sink: Any = Sink()
        self.at_request: Callable[[str], None] = lambda operation: None
        self.at_note: Callable[[str], None] = lambda when: None
        self.requests: list[str] = []
        self._numbers = itertools.count(1)
        self._start()

    def _start(self) -> None:
        self.state = LocalState(StateDirectory(self.folder / "state"))
        self._watch_notes()
        options = {"api_key": self.tailnet.api_key, "rate_limit": None, **self.options}
        self.client = AsyncTailscale(
            base_url=self.tailnet.base_url, hooks=Hooks(on_request=self._requested), **options
        )
        self.engine = AsyncChanges(self.client, state=self.state, guards=self.guards)

    def _watch_notes(self) -> None:
        records = self.state.records
        caller = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                return getattr(records, name)

            def put(self, *given: Any, **named: Any) -> None:
                caller.at_note("before")
                records.put(*given, **named)
                caller.at_note("after")

        self.state.__dict__["records"] = Watched()

    def _requested(self, event: RequestEvent) -> None:
        self.requests.append(event.operation)
        self.at_request(event.operation)

    def restart(self) -> None:
        """Go on as a new process would."""
        self.at_request = lambda operation: None
        self.at_note = lambda when: None
        self.close_client()
        self._start()

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.tailnet.tailnet.clock.text()).astimezone(UTC)

    def make_key(self, description: str | None = None, **create: Any) -> str:
        """Make an auth key in the tailnet without the client, and return its id."""
        tailnet, key_id = self.tailnet.tailnet, f"kOld{next(self._numbers)}CNTRL"
        tailnet.keys[key_id] = {
            "id": key_id,
            "keyType": "auth",
            "description": "build farm" if description is None else description,
            "created": tailnet.clock.text(),
            "expires": tailnet.clock.text(plus_seconds=30 * 86400),
            "expirySeconds": 30 * 86400,
            "userId": next(iter(tailnet.users)),
            "capabilities": {
                "devices": {
                    "create": {
                        "reusable": False,
                        "ephemeral": False,
                        "preauthorized": False,
                        "tags": [],
                        **create,
                    }
                }
            },
        }
        return key_id

    def plan(self, key_id: str, **more: Any) -> keys.RotationPlan:
        return self.runner.run(
            keys.plan_rotation(self.client, key_id, **{"changes": self.engine, "sink": self.sink, **more})
        )

    def apply(self, plan: keys.RotationPlan, **more: Any) -> keys.RotationReport:
        given = {"changes": self.engine, "sink": self.sink, "now": self.now, **more}
        return self.runner.run(keys.apply_rotation(self.client, plan.plan.id, **given))

    def rotate(self, key_id: str, **more: Any) -> keys.Rotation:
        return self.apply(self.plan(key_id), **more).rotation

    def plan_retirement(self, key_id: str, **more: Any) -> keys.RotationPlan:
        given = {"changes": self.engine, "now": self.now, **more}
        return self.runner.run(keys.plan_retirement(self.client, key_id, **given))

    def retire(self, key_id: str, **more: Any) -> keys.RotationReport:
        plan = self.plan_retirement(key_id, **more)
        return self.runner.run(keys.apply_retirement(self.client, plan.plan.id, changes=self.engine))

    def resume(self, key_id: str, **more: Any) -> keys.Rotation:
        given = {"changes": self.engine, "now": self.now, **more}
        return self.runner.run(keys.resume_rotation(self.client, key_id, **given))

    def rotation(self, key_id: str) -> keys.Rotation:
        return next(each for each in keys.list_rotations(self.engine) if each.old == key_id)

    def live(self, description: str = "build farm") -> list[str]:
        """Return the ids of the keys in force whose description begins like this."""
        found = self.tailnet.tailnet.keys.values()
        return [
            key["id"]
            for key in found
            if key.get("description", "").startswith(description) and not key.get("invalid")
        ]

    def is_live(self, key_id: str) -> bool:
        key = self.tailnet.tailnet.keys.get(key_id)
        return key is not None and not key.get("invalid")

    def fault(self, operation: str, fault: Any, **more: Any) -> None:
        """Let a call of an operation be answered like this, the next one unless something else is said."""
        self.tailnet.faults.add(
            {"operation": operation, "nth": 1, **({"fault": fault} if fault else {}), **more}
        )

    def written(self, operation: str) -> list[str]:
        """Return the paths of what was carried out by an operation."""
        return [entry.path for entry in self.tailnet.ledger.entries if entry.operation == operation]

    def close_client(self) -> None:
        self.runner.run(self.client.aclose())
        self.state.close()

    def close(self) -> None:
        self.close_client()
        self.runner.close()


@contextlib.contextmanager
def rotating(folder: Path, **options: Any) -> Iterator[Rotating]:
    """Start a tailnet that can play faults, with a caller."""
    with (
        no_sleep(),
        FakeTailnet(devices=0, faults=[]) as tailnet,
        contextlib.closing(Rotating(tailnet, folder, **options)) as caller,
    ):
        yield caller
