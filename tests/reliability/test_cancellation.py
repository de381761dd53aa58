"""A call that is stopped, wherever it waits: what it held is free at once, and a write under way is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

import pytest
from attrs import define, field

from tailscale_sdk import OAuthClient, OutcomeUnknownError
from tests.reliability.deeds import CREATE_KEY, DEEDS, Deed
from tests.reliability.matrix import CLASSES
from tests.reliability.stage import Stage
from tests.virtual_time import START

pytestmark = pytest.mark.untraced

SOON_SECONDS = 0.1
MOST_STEPS = 400
CASES = [
    pytest.param(retry_class, twin, id=f"cancel-{retry_class}-{twin}")
    for retry_class in CLASSES
    for twin in ("sync", "async")
]
# Every place is waited at: for a token, the rate, the second try, and for what was made or stored.
FIRST = {
    "SAFE": {"fault": "503"},
    "IDEM": {"fault": "503"},
    "COND": {"fault": "noreply"},
    "CREATE": {"fault": "noreply", "when": "after_apply"},
    "EFFECT": {"fault": "429_s"},
}


@define
class Stepped(Coroutine[Any, Any, Any]):
    """Count at how many places a coroutine waited, and tell so."""

    _work: Coroutine[Any, Any, Any]
    _waits: Callable[[int], None]
    _places: int = field(default=0, init=False)

    def send(self, value: Any) -> Any:
        waited_for = self._work.send(value)
        self._places += 1
        self._waits(self._places)
        return waited_for

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()


def options_of(stage: Stage) -> dict[str, Any]:
    """Return options by which a call waits for a token and, after its first request, for its turn."""
    return {
        "auth": OAuthClient(*stage.oauth_client),
        "rate_limit": (1, 1.0),
        "max_concurrency": 2,
        "bulk": True,
    }


@pytest.mark.parametrize("retry_class, twin", CASES)
def test_fault(retry_class: str, twin: str, stage: Stage) -> None:
    stop = stop_async if twin == "async" else stop_sync
    for deed in [deed for deed in DEEDS if deed.retry_class == retry_class]:
        places = 0
        while (error := stop(deed, places, prepared(stage, deed))) is not None:
            judge(deed, error, stage)
            places += 1
            assert places < MOST_STEPS
        # Each request alone is written, waited for and read.
        assert places >= 3 * len(stage.tailnet.faults.requests)


def prepared(stage: Stage, deed: Deed) -> Stage:
    """Return the stage as new, with a fault for the first request."""
    stage.reset()
    stage.tailnet.faults.add({"operation": deed.operation, "nth": 1, **FIRST[deed.retry_class]})
    return stage


def stop_async(deed: Deed, places: int, stage: Stage) -> BaseException | None:
    """Cancel a call at one of the places where it waits; None when it has fewer."""
    with stage.loop() as runner:
        try:
            return runner.run(_stop_async(deed, places, stage))
        finally:
            stage.time.end()


async def _stop_async(deed: Deed, places: int, stage: Stage) -> BaseException | None:
    loop = asyncio.get_running_loop()
    cancelled_at: list[float] = []

    def waits(place: int) -> None:
        if place == places + 1:
            cancelled_at.append(loop.time())
            task.cancel()

    async with stage.client("async", **options_of(stage)) as client:
        if places == 0:
            # Before it has run at all, the coroutine itself is dropped by the task.
            task = loop.create_task(deed.call(client, stage))
            task.cancel()
        else:
            task = loop.create_task(Stepped(deed.call(client, stage), waits))
        try:
            with suppress(OutcomeUnknownError):
                await task
        except asyncio.CancelledError as error:
            assert type(error) is asyncio.CancelledError
            # A deletion that was sent is waited for.
            undone = {"deleteKey", "deleteWebhook"} & {
                str(seen.operation) for seen in stage.tailnet.faults.requests
            }
            assert loop.time() - (cancelled_at or [loop.time()])[0] <= SOON_SECONDS or undone
            await asyncio.sleep(SOON_SECONDS)
            assert_free_async(client, stage)
            assert (await client.contacts.get()).to_dict() == stage.tailnet.tailnet.contacts
            return error
        assert not cancelled_at
        return None


def assert_free_async(client: Any, stage: Stage) -> None:
    """Check that nothing of a call is left."""
    sender = client._channel.sender
    own = sender.throttle._own()
    assert (own.slots._value, own.bulk._value, own.bulk_turn.locked()) == (2, 1, False)
    assert own.limiter._waiters == []
    renewal = sender.connection.tokens._renewal
    assert renewal is None or renewal.task.done()
    assert stage.time.waiting == 0
    assert not stage.wire._busy
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task for task in others if not task.done()] == []


def stop_sync(deed: Deed, places: int, stage: Stage) -> BaseException | None:
    """Interrupt a call at one of the places where it waits; None when it has fewer."""
    left = [places]

    def interrupt() -> None:
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt

    with stage.client("sync", **options_of(stage)) as client:
        stage.time.at_a_wait = interrupt
        try:
            with suppress(OutcomeUnknownError):
                deed.call(client, stage)
        except KeyboardInterrupt as error:
            assert_free_sync(client, stage)
            assert client.contacts.get().to_dict() == stage.tailnet.tailnet.contacts
            return error
        finally:
            stage.time.end()
    assert left[0] >= 0
    return None


def assert_free_sync(client: Any, stage: Stage) -> None:
    """Check that nothing of a call is left."""
    sender = client._channel.sender
    throttle, lock = sender.throttle, sender.connection.tokens._lock
    assert (throttle._slots._value, throttle._bulk._value, throttle._bulk_turn.locked()) == (2, 1, False)
    assert (throttle._lock.locked(), lock.locked()) == (False, False)
    pool = stage.wire._pool
    assert pool._requests == []
    assert [found for found in pool.connections if not (found.is_idle() or found.is_closed())] == []


def judge(deed: Deed, error: BaseException, stage: Stage) -> None:
    """Check that a write that may have been carried out is named in a note."""
    stage.tailnet.faults.settle()
    notes = "".join(getattr(error, "__notes__", []))
    # What was turned away was not carried out.
    seen = [seen for seen in stage.tailnet.faults.of(deed.operation) if seen.fault not in {"503", "429_s"}]
    assert (deed.operation in notes) or not seen or deed.retry_class == "SAFE", (deed, seen)
    assert notes == "" or deed.retry_class != "SAFE"
    assert stage.time.now - START < 60
    secrets = [*stage.tailnet.tailnet.secrets.values(), *stage.tailnet.tailnet.access_tokens]
    assert [secret for secret in secrets if secret in notes] == []
    if deed is CREATE_KEY and seen:
        assert "mark0001" in notes
    assert deed.holds(stage) <= 1
