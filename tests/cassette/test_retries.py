"""Attempts as they were on the wire: each is one played answer, and the waits between them are kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, field
from vcr.errors import CannotOverwriteExistingCassetteException

from tailscale_sdk import AsyncTailscale, OutcomeUnknownError, RateLimitError, Tailscale, TailscaleError
from tailscale_sdk.transport.clock import Clock
from tests.cassette.recording import RETRIES_MODULE, cassette, read_index
from tests.cassette.synthesising import CASES
from tests.exercise import bound_method

INDEX = read_index()[RETRIES_MODULE]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:vcr")


@define
class Waits:
    """Let time pass in no time, and note how much."""

    noted: list[float] = field(factory=list)
    passed: float = 0.0

    def clock(self) -> Clock:
        started, wall = time.monotonic(), datetime(2026, 7, 1, 10, tzinfo=UTC)
        return Clock(
            monotonic=lambda: started + self.passed,
            sleep=self._sleep,
            async_sleep=self._async_sleep,
            now=lambda: wall + timedelta(seconds=self.passed),
            random=lambda: 0.5,
        )

    def _sleep(self, seconds: float) -> None:
        self.noted.append(seconds)
        self.passed += seconds

    async def _async_sleep(self, seconds: float) -> None:
        self._sleep(seconds)


async def replay(name: str, twin: str) -> tuple[Any, Any, list[float]]:
    """Make the recorded call; return its answer or error, the tape, and the waits."""
    entry, waits, answer = INDEX[name], Waits(), None
    options: dict[str, Any] = {"api_key": "tskey-api-demo", "rate_limit": None, "_clock": waits.clock()}
    with cassette(name, record=False, module=RETRIES_MODULE) as tape:
        try:
            if twin == "sync":
                with Tailscale(**options) as client:
                    answer = bound_method(client, entry["operation"])(
                        *entry["arguments"], **entry["keywords"]
                    )
            else:
                async with AsyncTailscale(**options) as client:
                    answer = await bound_method(client, entry["operation"])(
                        *entry["arguments"], **entry["keywords"]
                    )
        except TailscaleError as error:
            answer = error
    return answer, tape, waits.noted


def test_every_synthesised_cassette_is_judged_here() -> None:
    assert set(INDEX) == set(CASES) == set(GOES_ON) | set(ENDS)


GOES_ON = {
    "listUsers-429": (2, [3.0]),
    "listUsers-429-date": (2, [20.0]),
    "listUsers-503-twice": (3, None),
    "setDeviceName-429": (2, [1.0]),
}


@pytest.mark.parametrize("twin", ["sync", "async"])
@pytest.mark.parametrize("name", GOES_ON)
async def test_a_call_goes_on_after_a_failure_that_may_be_repeated(name: str, twin: str) -> None:
    count, asked = GOES_ON[name]
    answer, tape, waits = await replay(name, twin)
    assert not isinstance(answer, TailscaleError), answer
    assert tape.all_played
    assert tape.play_count == count == len(waits) + 1
    if asked is not None:
        assert all(wait >= wanted for wait, wanted in zip(waits, asked, strict=True))
        assert sum(waits) < sum(asked) + 10


ENDS = {"listUsers-429-hours": RateLimitError, "testWebhook-503": OutcomeUnknownError}


@pytest.mark.parametrize("twin", ["sync", "async"])
@pytest.mark.parametrize("name", ENDS)
async def test_a_call_ends_where_repeating_helps_nobody(name: str, twin: str) -> None:
    error, tape, waits = await replay(name, twin)
    assert type(error) is ENDS[name]
    assert tape.play_count == 1
    assert waits == []
    if name == "listUsers-429-hours":
        assert (error.status, error.retry_after) == (429, 7200)
    else:
        assert error.__cause__.status == 503


def test_what_is_not_recorded_fails() -> None:
    with Tailscale(api_key="tskey-api-demo", rate_limit=None) as client:
        with (
            cassette("listUsers-429", record=False, module=RETRIES_MODULE),
            pytest.raises(CannotOverwriteExistingCassetteException),
        ):
            client.webhooks.list()
        with (
            cassette("nowhere", record=False, module=RETRIES_MODULE),
            pytest.raises(CannotOverwriteExistingCassetteException),
        ):
            client.users.list()
