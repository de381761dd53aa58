"""A creation that is cancelled or interrupted names what may be there."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.unit.creation.service import (
    DELETE,
    GET,
    LIST,
    POST,
    Reaction,
    Request,
    Service,
    create_key,
    create_with,
    lost_after,
    lost_before,
    normal,
    status,
)


def held(started: asyncio.Event, go_on: asyncio.Event, then: Reaction = normal) -> Reaction:
    """Wait until the test lets it go on."""

    async def react(service: Service, request: Request) -> httpx.Response:
        started.set()
        await go_on.wait()
        return then(service, request)  # type: ignore[return-value]

    return react


@pytest.mark.parametrize("deletion", [normal, status(403), lost_before])
async def test_a_deletion_under_way_is_finished_before_a_cancellation_goes_on(deletion: Reaction) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    service = Service({POST: [lost_after], DELETE: [held(started, go_on, deletion)]})
    task = asyncio.create_task(create_key("async", service))
    await started.wait()
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert service.descriptions() == ([] if deletion is normal else ["ci mark1aaa"])
    assert any("look for 'mark1aaa'" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("step", [POST, LIST, GET])
async def test_any_other_step_is_cancelled_at_once(step: str) -> None:
    started = asyncio.Event()
    service = Service({POST: [lost_after]})
    service.script.setdefault(step, []).insert(0, held(started, asyncio.Event()))
    task = asyncio.create_task(create_key("async", service))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert any("mark1aaa" in note for note in caught.value.__notes__)


async def test_a_second_creation_that_is_cancelled_names_both() -> None:
    started = asyncio.Event()
    service = Service({POST: [lost_before, held(started, asyncio.Event())]})
    task = asyncio.create_task(create_key("async", service, on_ambiguous="recreate"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    told = "\n".join(caught.value.__notes__)
    assert "mark1aaa" in told
    assert "mark2aaa" in told


def interrupted(stop: type[BaseException], step: str) -> Service:
    """Return a service whose first request of a step is stopped from outside."""

    def interrupt(service: Service, request: Request) -> httpx.Response:
        raise stop

    service = Service({POST: [lost_after]})
    service.script.setdefault(step, []).insert(0, interrupt)
    return service


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("step", [POST, LIST, DELETE, GET])
def test_an_interruption_names_what_may_be_there(stop: type[BaseException], step: str) -> None:
    with pytest.raises(stop) as caught:
        create_with(interrupted(stop, step), {})
    assert any("mark1aaa" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("step", [POST, LIST])
async def test_an_interrupted_task_names_what_may_be_there(stop: type[BaseException], step: str) -> None:
    with pytest.raises(stop) as caught:
        drive(create_key("async", interrupted(stop, step)))
    assert any("mark1aaa" in note for note in caught.value.__notes__)


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never really waits; an event loop would stop at an interruption, and the test with it."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")
