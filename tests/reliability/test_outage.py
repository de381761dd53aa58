"""Hours of outage and thousands of calls in virtual time: a failing service is not asked much more than a sound one."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tailscale_sdk import (
    APIConnectionError,
    AsyncTailscale,
    OAuthClient,
    OutcomeUnknownError,
    ServerError,
    Tailscale,
    TailscaleError,
)
from tailscale_sdk._constants import RETRY_BUDGET, RETRY_COST
from tailscale_sdk.testing.clock import EPOCH
from tailscale_sdk.transport.clock import Clock
from tests.reliability.deeds import CAPABILITIES, KEY_TEXT, SUBSCRIPTIONS
from tests.reliability.in_process import FINE, Hit, Line, Sent, Town
from tests.virtual_time import START, VirtualTime, run_virtual

pytestmark = pytest.mark.untraced

REFUSED = Hit("refused")
ANSWERED = Hit("status", status=200)
BUSY, BUSY_AFTER = Hit("status", status=503), Hit("status after", status=503)
OUTAGE_SECONDS, WORKERS, PAUSE_SECONDS = 600.0, 50, 20.0
CALLS = {"20-sync": 5000, "20-async": 1000, "30-sync": 1000, "30-async": 5000}
WRITES = 200
SHARES = {"20": (0.2, 0.995), "30": (0.3, 0.98)}
SEEDS = {"20": 20, "30": 30}
# The first failures spend what there is; from then on there is one request for each call.
RETRIES = RETRY_BUDGET // RETRY_COST

Calling = Callable[[Any, int], Any]


def get_device(town: Town) -> Calling:
    device = next(iter(town.fake.tailnet.devices))
    return lambda client, number: client.devices.get(device)


def set_tags(town: Town) -> Calling:
    device = next(iter(town.fake.tailnet.devices))
    return lambda client, number: client.devices.set_tags(device, tags=["tag:web"])


def create_key(town: Town) -> Calling:
    return lambda client, number: client.keys.create(description=KEY_TEXT, capabilities=CAPABILITIES)


def create_hook(town: Town) -> Calling:
    return lambda client, number: client.webhooks.create(
        endpoint_url=f"https://hooks.example.com/{number}", subscriptions=SUBSCRIPTIONS
    )


def rotate(town: Town) -> Calling:
    hook = next(iter(town.fake.tailnet.webhooks))
    return lambda client, number: client.webhooks.rotate_secret(hook)


@pytest.fixture(scope="module")
def one_town() -> Town:
    return Town()


@pytest.fixture
def town(one_town: Town) -> Town:
    one_town.reset(lambda: 0.0)
    return one_town


class Crowd:
    """Call with many tasks or threads of one client, and keep what came of each call.

    Args:
        twin: sync or async.
        town: what is called.
        script: what becomes of a request, by its operation and the time.
    """

    def __init__(self, twin: str, town: Town, script: Callable[[str, float], Hit], **options: Any) -> None:
        self.twin, self.town, self.script = twin, town, script
        self.options = {"api_key": town.fake.api_key, "rate_limit": None, **options}
        self.errors: list[TailscaleError] = []
        self.took: list[tuple[float, float]] = []
        self.calls = 0

    def run(self, work: Callable[[Any, int, Clock], Coroutine[Any, Any, None]], workers: int) -> None:
        """Let each worker do its work to the end."""
        if self.twin == "async":
            run_virtual(lambda clock: self._tasks(work, workers, clock), now=lambda: EPOCH)
        else:
            self._threads(work, workers)

    async def _tasks(self, work: Any, workers: int, clock: Clock) -> None:
        self.town.now = clock.monotonic
        line = Line(self.town, lambda operation: self.script(operation, clock.monotonic() - START))
        async with AsyncTailscale(**self.options, _wire=line, _clock=clock) as client:
            await asyncio.gather(*(work(client, number, clock) for number in range(workers)))

    def _threads(self, work: Any, workers: int) -> None:
        time = VirtualTime()
        self.town.now = lambda: time.now
        line = Line(self.town, lambda operation: self.script(operation, time.now - START), time.sleep)
        clock = time.clock(now=lambda: EPOCH)
        with Tailscale(**self.options, _wire=line, _clock=clock) as client:

            def drive(number: int) -> None:
                # The work of a thread never waits for a loop, so its coroutine ends in one go.
                with pytest.raises(StopIteration):
                    work(client, number, clock).send(None)

            time.run(*(lambda number=number: drive(number) for number in range(workers)))

    async def call(self, calling: Calling, client: Any, number: int, clock: Clock) -> Any:
        """Call once; an error is kept."""
        begun = clock.monotonic()
        self.calls += 1
        try:
            answer = calling(client, number)
            return await answer if self.twin == "async" else answer
        except TailscaleError as error:
            self.errors.append(error)
            return None
        finally:
            self.took.append((begun - START, clock.monotonic() - begun))

    async def rest(self, seconds: float, clock: Clock) -> None:
        """Wait between two calls."""
        if self.twin == "async":
            await asyncio.sleep(seconds)
        else:
            clock.sleep(seconds)


OUTAGE_CASES = [
    pytest.param(calling, twin, id=f"outage-{name}-{twin}")
    for name, calling in {"SAFE": get_device, "IDEM": set_tags}.items()
    for twin in ("sync", "async")
]
RANDOM_CASES = [
    pytest.param(share, twin, id=f"rand503-SAFE-{share}%-{twin}")
    for share in SHARES
    for twin in ("sync", "async")
]


@pytest.mark.parametrize("subject, twin", [*OUTAGE_CASES, *RANDOM_CASES])
def test_fault(subject: Any, twin: str, town: Town) -> None:
    if isinstance(subject, str):
        judge_random_503(subject, twin, town)
    else:
        judge_outage(subject(town), twin, town)


def judge_outage(calling: Calling, twin: str, town: Town) -> None:
    """Refuse everybody for ten minutes, and be there again."""
    crowd = Crowd(twin, town, lambda operation, now: REFUSED if now < OUTAGE_SECONDS else FINE)

    async def work(client: Any, number: int, clock: Clock) -> None:
        await crowd.rest(number * PAUSE_SECONDS / WORKERS, clock)
        while clock.monotonic() - START < OUTAGE_SECONDS:
            await crowd.call(calling, client, number, clock)
            await crowd.rest(PAUSE_SECONDS, clock)
        assert len(town.log) == crowd.calls + RETRIES or crowd.errors == []
        await crowd.rest(1.0, clock)

    crowd.run(work, WORKERS)
    assert crowd.calls == len(crowd.errors) >= WORKERS * (OUTAGE_SECONDS / PAUSE_SECONDS - 1)
    assert {type(error) for error in crowd.errors} == {APIConnectionError}
    assert len(town.log) == crowd.calls + RETRIES <= 1.15 * crowd.calls
    # As soon as nothing is left for retries, a call fails at once.
    spent = [took for begun, took in crowd.took if begun > PAUSE_SECONDS]
    assert len(spent) > crowd.calls / 2
    assert max(spent) < 0.1


def judge_random_503(share: str, twin: str, town: Town) -> None:
    """Turn a share of all requests away."""
    rate, floor = SHARES[share]
    chance = random.Random(SEEDS[share])
    crowd = Crowd(twin, town, lambda operation, now: BUSY if chance.random() < rate else ANSWERED)
    calling, workers, calls = get_device(town), 50 if twin == "async" else 1, CALLS[f"{share}-{twin}"]

    async def work(client: Any, number: int, clock: Clock) -> None:
        for _ in range(calls // workers):
            await crowd.call(calling, client, number, clock)

    crowd.run(work, workers)
    assert crowd.calls == calls
    assert {type(error) for error in crowd.errors} <= {ServerError}
    assert 1 - len(crowd.errors) / calls >= floor


@pytest.mark.parametrize("twin", ["sync", "async"])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("making", [create_key, create_hook, rotate])
def test_no_write_is_done_twice(making: Callable[[Town], Calling], share: str, twin: str, town: Town) -> None:
    rate, chance = SHARES[share][0], random.Random(SEEDS[share])
    hits = (BUSY, BUSY_AFTER)
    operation = {create_key: "createKey", create_hook: "createWebhook", rotate: "rotateWebhookSecret"}[making]
    crowd = Crowd(twin, town, lambda name, now: chance.choice(hits) if chance.random() < rate else FINE)
    calling, before = making(town), {**town.fake.tailnet.keys, **town.fake.tailnet.webhooks}

    async def work(client: Any, _: int, clock: Clock) -> None:
        for number in range(WRITES):
            await crowd.call(calling, client, number, clock)

    crowd.run(work, 1)
    assert crowd.calls == len(town.sent(operation)) == WRITES
    assert {type(error) for error in crowd.errors} == {OutcomeUnknownError}
    assert WRITES * rate * 0.5 < len(crowd.errors) < WRITES * rate * 1.5
    now = {**town.fake.tailnet.keys, **town.fake.tailnet.webhooks}
    alive = {name for name, made in now.items() if name not in before and not made.get("revoked")}
    named = {name for error in crowd.errors for name in error.candidates}  # type: ignore[attr-defined]
    marks = {error.nonce for error in crowd.errors if error.recovered != "revoked"}  # type: ignore[attr-defined]
    lost = {name for name in alive if now[name].get("description", "").split(" ")[-1] in marks}
    if operation != "rotateWebhookSecret":
        assert len(alive - named - lost) == WRITES - len(crowd.errors)


def test_eight_threads_share_one_budget(town: Town) -> None:
    line = Line(town, lambda operation: REFUSED)
    threads, calls = 8, 25
    with Tailscale(
        api_key=town.fake.api_key, rate_limit=None, _wire=line, _clock=Clock(sleep=lambda seconds: None)
    ) as client:

        def work() -> None:
            for _ in range(calls):
                with pytest.raises(APIConnectionError):
                    client.devices.list()

        running = [threading.Thread(target=work) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    assert len(town.log) == threads * calls + RETRIES


def _tokens(town: Town) -> list[Sent]:
    return [sent for sent in town.log if sent.operation == "oauth/token"]


def test_200_refused_calls_ask_for_one_token(town: Town) -> None:
    auth = OAuthClient(*town.fake.add_oauth_client())

    async def main(clock: Clock) -> None:
        async with AsyncTailscale(auth=auth, rate_limit=None, _wire=Line(town), _clock=clock) as client:
            await client.devices.list()
            # All of them have gone out with the old token when the first is refused.
            client = client.with_options(max_concurrency=200)
            town.fake.tailnet.access_tokens.clear()
            found = await asyncio.gather(*(client.devices.list() for _ in range(200)))
            assert {len(devices) for devices in found} == {3}

    run_virtual(main)
    assert len(_tokens(town)) == 2
    assert len(town.sent("listTailnetDevices")) == 1 + 200 + 200
