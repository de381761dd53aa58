"""An embedded tailnet, a client of either kind and an engine over a state directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve

from tailscale_sdk import OPERATIONS, AsyncTailscale, Tailscale
from tailscale_sdk._generated.endpoints import ENDPOINTS
from tailscale_sdk.changes import AsyncChanges, Changes, LocalState
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.testing import FakeTailnet
from tests.exercise import Memory, Step, bound_method

SHELLS = ("sync", "async")
ME, OTHER = "os:1000", "os:2000"


class World:
    """Holds a tailnet and one engine over it; every call is made in the same words by either shell."""

    def __init__(
        self, tailnet: FakeTailnet, folder: Path, shell: str = "sync", *, state: Any = None, **options: Any
    ) -> None:
        self.tailnet = tailnet
        self.state = state or LocalState(StateDirectory(folder))
        self._runner = asyncio.Runner() if shell == "async" else None
        profile = options.pop("profile", "default")
        guards = options.pop("guards", ())
        chosen: Any = {
            "api_key": tailnet.api_key,
            "base_url": tailnet.base_url,
            "rate_limit": None,
            **options,
        }
        make: Any = AsyncTailscale if self._runner else Tailscale
        self.client = make(**chosen)
        engine: Any = AsyncChanges if self._runner else Changes
        self.changes = engine(self.client, state=self.state, profile=profile, guards=guards)
        self.direct = Tailscale(api_key=tailnet.api_key, base_url=tailnet.direct_url, rate_limit=None)

    def settled(self, value: Any) -> Any:
        """Return a value, or wait for the coroutine that gives it."""
        return self._runner.run(value) if self._runner else value

    def plan(self, operation_id: str, arguments: dict[str, Any], **options: Any) -> Any:
        """Plan one call."""
        return self.plan_all([(operation_id, arguments)], **options)

    def plan_all(self, calls: list[tuple[str, dict[str, Any]]], **options: Any) -> Any:
        """Plan several calls."""
        prepared = [self.client.prepare(operation_id, **arguments) for operation_id, arguments in calls]
        return self.settled(self.changes.plan(prepared, **options))

    def apply(self, plan: Any, **options: Any) -> Any:
        """Apply a plan."""
        return self.settled(self.changes.apply(plan.id, **options))

    def plan_undo(self, change_id: str) -> Any:
        """Plan what takes a change back."""
        return self.settled(self.changes.plan_undo(change_id))

    def open_changes(self) -> Any:
        """Ask what never came to its end."""
        return self.settled(self.changes.open_changes())

    def call(self, operation_id: str, arguments: dict[str, Any]) -> Any:
        """Call the SDK's method past the engine and past the faults."""
        return self.direct.send(self.direct.prepare(operation_id, **arguments))

    def sent(self, since: int = 0) -> list[str]:
        """Return the operations that reached the server, from that request on."""
        return [str(seen.operation) for seen in self.tailnet.faults.requests[since:]]

    def journal(self, change_id: str) -> list[str]:
        """Return the state of each item of a change."""
        return [entry.state for entry in self.state.journal.entries(change_id)]

    def audited(self) -> list[bytes]:
        """Return the lines of the audit trail."""
        file = self.state.directory.path / "audit" / "audit.jsonl"
        return file.read_bytes().splitlines() if file.exists() else []

    def close(self) -> None:
        """Close the clients and the state."""
        if self._runner:
            self._runner.run(self.client.aclose())
            self._runner.close()
        else:
            self.client.close()
        self.direct.close()
        self.state.close()


@contextlib.contextmanager
def world(folder: Path, shell: str = "sync", *, devices: int = 6, **options: Any) -> Iterator[World]:
    """Start a tailnet that can play faults, with an engine over it."""
    with (
        FakeTailnet(devices=devices, seed=11, faults=[]) as tailnet,
        contextlib.closing(World(tailnet, folder / "state", shell, **options)) as made,
    ):
        yield made


@contextlib.contextmanager
def other_writer(made: World, operation_id: str, arguments: dict[str, Any], *, moment: str) -> Iterator[None]:
    """Let somebody else make a call right ``before`` or ``after`` the engine's own call of the same operation."""
    engine = made.changes
    kept = engine._context
    sending = kept.sending

    def wrapped(call: Any) -> Any:
        if call.operation_id != operation_id:
            return (yield from sending(call))
        if moment == "before":
            made.call(operation_id, arguments)
        answer = yield from sending(call)
        if moment == "after":
            made.call(operation_id, arguments)
        return answer

    engine._context = evolve(kept, sending=wrapped)
    try:
        yield
    finally:
        engine._context = kept


def keywords(step: Step, memory: Memory) -> dict[str, Any]:
    """Return a step's arguments, the positional ones by their names."""
    given, named = step.arguments(memory)
    endpoint = ENDPOINTS[step.operation_id]
    names = [name for name, argument in endpoint.arguments.items() if argument.place == "path"]
    if step.operation_id == "setPolicyFile":
        names = ["policy"]
    return {**dict(zip(names, given, strict=True)), **named}


def is_change(operation_id: str) -> bool:
    """Tell whether an operation writes or deletes."""
    return OPERATIONS[operation_id].effect != "read"


def directly(client: Any, step: Step, memory: Memory) -> Any:
    """Carry out a step past the engine and remember what later steps need."""
    given, named = step.arguments(memory)
    answer = bound_method(client, step.operation_id)(*given, **named)
    step.remember(memory, answer)
    return answer
