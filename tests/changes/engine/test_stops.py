"""Callers who leave: cancelled or interrupted at every step, noted truthfully, and never swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk import AsyncTailscale
from tailscale_sdk.changes import AsyncChanges, LocalState
from tailscale_sdk.errors import StateError
from tests.changes.engine.dying import at, watch
from tests.changes.engine.support import World, world
from tests.changes.engine.test_plans import device


def around_requests(engine: Any, moment: Callable[[], None]) -> None:
    """Call a function right before and right after each request."""
    sending = engine._context.sending

    def wrapped(call: Any) -> Any:
        moment()
        answer = yield from sending(call)
        moment()
        return answer

    engine._context = evolve(engine._context, sending=wrapped)


def check(made: World, written: int, open_before: int = 0) -> str | None:
    """Check that journal, settled state and audit agree with the ledger; returns the state it was left in."""
    landed = len(made.tailnet.ledger) - written
    assert landed in {0, 1}
    entries = made.state.journal.open_entries()
    assert len(entries) <= 1
    summary = made.state.journal.changes(1)
    state = next(iter(summary[0].states)) if summary else None
    if state == "refused":
        assert landed == 0
    if state in {"applied", "verified", "closed"}:
        assert landed == 1
    for found in made.open_changes():
        assert found.found == ("applied" if landed else "not_applied") or not landed
    assert len(made.tailnet.ledger) - written == landed
    assert made.state.audit.verify().ok
    for entry in made.state.journal.open_entries():
        assert landed == 0
        if entry.state == "sending":
            made.state.journal.advance(entry.id, "unknown")
        made.state.journal.advance(entry.id, "refused")
    return state


async def cancelled_at(made: World, state: LocalState, number: int) -> bool:
    """Apply a rename and cancel it at a moment; tell whether it was cancelled."""
    loop = asyncio.get_running_loop()
    url = made.tailnet.base_url
    async with AsyncTailscale(api_key=made.tailnet.api_key, base_url=url, rate_limit=None) as client:
        changes = AsyncChanges(client, state=state)
        call = client.prepare("setDeviceName", device_id=device(made), name=f"stop-{number}")
        plan = await changes.plan([call])
        task: asyncio.Task[Any] = asyncio.ensure_future(changes.apply(plan.id))
        moment = at(number, lambda: loop.call_soon_threadsafe(task.cancel) and None)
        watch(state, moment)
        around_requests(changes, moment)
        try:
            report = await task
        except asyncio.CancelledError:
            return True
        assert report.ok
        return False


def test_a_cancellation_at_every_step_is_noted_and_not_lost(here: World) -> None:
    states, missed = set(), 0
    for number in range(1, 100):
        written, state = len(here.tailnet.ledger), LocalState(here.state.directory)
        # Its end waits for the threads in which something was being noted.
        cancelled = asyncio.run(cancelled_at(here, state, number))
        state.close()
        states.add(check(here, written))
        missed = 0 if cancelled else missed + 1
        if missed == 3:
            break
    assert number > 20
    assert {"refused", "unknown", "applied"} <= states


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_at_every_step_is_noted_and_not_lost(here: World, stop: type[BaseException]) -> None:
    def leave() -> None:
        raise stop

    states = set()
    for number in range(1, 100):
        written, state = len(here.tailnet.ledger), LocalState(here.state.directory)
        other = World(here.tailnet, here.state.directory.path, state=state)
        plan = other.plan("setDeviceName", {"device_id": device(here), "name": f"stop-{number}"})
        moment = at(number, leave)
        watch(state, moment)
        around_requests(other.changes, moment)
        try:
            assert other.apply(plan).ok
        except stop:
            states.add(check(here, written))
            continue
        finally:
            other.close()
        break
    assert number > 20
    assert {"refused", "unknown", "applied"} <= states


def there(made: World, when: str) -> bool:
    """Tell whether the request has come as far as the fault lets it."""
    seen = made.tailnet.faults.of("setDeviceName")
    return bool(seen) and (when == "before_apply" or seen[0].forwarded)


@pytest.mark.parametrize("when", ["before_apply", "after_apply"])
def test_a_call_cancelled_while_it_waits_for_the_answer_is_unknown(here: World, when: str) -> None:
    here.tailnet.faults.add({"operation": "setDeviceName", "nth": 1, "when": when, "fault": "stall"})

    async def leave() -> None:
        key, url = here.tailnet.api_key, here.tailnet.base_url
        async with AsyncTailscale(api_key=key, base_url=url, rate_limit=None) as client:
            changes = AsyncChanges(client, state=here.state)
            call = client.prepare("setDeviceName", device_id=device(here), name="stalled")
            plan = await changes.plan([call])
            task = asyncio.ensure_future(changes.apply(plan.id))
            while not there(here, when):  # noqa: ASYNC110  # it is another thread that serves
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(leave())
    here.tailnet.faults.settle()
    (entry,) = here.state.journal.open_entries()
    assert (entry.state, entry.error) == ("unknown", "CancelledError")
    assert len(here.audited()) == 1
    assert b'"outcome":"unknown"' in here.audited()[0]
    (found,) = here.open_changes()
    assert found.found == ("applied" if when == "after_apply" else "not_applied")
    assert len(here.tailnet.ledger) == (when == "after_apply")


def test_a_stop_that_cannot_be_noted_is_still_a_stop(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(scratch) as made:
        plan = made.plan("setDeviceName", {"device_id": device(made), "name": "x"})

        def leave() -> None:
            def full(*arguments: Any, **keywords: Any) -> Any:
                raise StateError("no space left")

            monkeypatch.setattr(type(made.state.journal), "advance", full)
            monkeypatch.setattr(type(made.state.audit), "append", full)
            raise KeyboardInterrupt

        around_requests(made.changes, at(3, leave))
        with pytest.raises(KeyboardInterrupt) as stopped:
            made.apply(plan)
        assert any("could not note" in note for note in stopped.value.__notes__)
        monkeypatch.undo()
        assert [found.found for found in made.open_changes()] == ["not_applied"]
