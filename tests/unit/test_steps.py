"""A policy write step by step: whatever its repeat comes to, the first request may still be on its way."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tailscale_sdk import PolicyDocument, RawResponse
from tailscale_sdk.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    PermissionDeniedError,
    PreconditionFailedError,
    TailscaleError,
)
from tests.unit.scripted import Reaction, Twin, twins

OLD, NEW, THEIRS = '{"acls": []}', '{"acls": [], "groups": {}}', '{"hosts": {}}'


def stored(text: str, etag: str) -> httpx.Response:
    return httpx.Response(200, content=text.encode(), headers={"ETag": f'"{etag}"'})


LOST = httpx.ReadError("gone")
REFUSED = httpx.ConnectError("refused")
BASE, OURS, OTHER = stored(OLD, "e1"), stored(NEW, "e2"), stored(THEIRS, "e3")


def status(code: int, **headers: str) -> httpx.Response:
    return httpx.Response(code, json={"message": "as told"}, headers=headers)


async def write(
    kind: str, *reactions: Reaction, call: str = "policy.set", **options: Any
) -> tuple[Any, list[str]]:
    """Write a policy and return what it came to, beside the requests that were sent."""
    twin = Twin(kind, *reactions, **{"max_retries": 1, **options})
    try:
        outcome: Any = await twin.call(call, NEW, if_match="e1")
    except TailscaleError as error:
        outcome = error
    for request in twin.script.seen:
        assert request.method == "GET" or request.headers["if-match"] == '"e1"'
    return outcome, [request.method for request in twin.script.seen]


@twins
@pytest.mark.parametrize(
    "repeat, sent",
    [
        ([REFUSED, REFUSED], ["POST"] * 2),
        ([status(429), status(429)], ["POST"] * 2),
        ([status(401)], ["POST"]),
        ([status(501)], ["POST"]),
        ([LOST], ["POST"]),
        ([status(412)], ["POST"]),
        ([status(503), status(503)], ["POST"] * 2),
        ([status(504)], ["POST"]),
    ],
)
@pytest.mark.parametrize(
    "look, applied", [([OURS], True), ([BASE], False), ([status(403)], False), ([OTHER], False)]
)
async def test_whatever_became_of_the_repeat_a_second_look_settles_it(
    kind: str, repeat: list[Reaction], sent: list[str], look: list[Reaction], applied: bool
) -> None:
    outcome, methods = await write(kind, LOST, BASE, *repeat, *look)
    assert methods == ["POST", "GET", *sent, "GET"]
    if applied:
        assert outcome == PolicyDocument(NEW, "e2")
    elif look == [OTHER]:
        assert isinstance(outcome, PreconditionFailedError)
    else:
        assert type(outcome) is APIConnectionError
        assert outcome.ambiguous is True


@twins
@pytest.mark.parametrize(
    "code, expected",
    [(400, BadRequestError), (403, PermissionDeniedError), (404, APIStatusError), (413, APIStatusError)],
)
async def test_a_policy_the_service_will_not_have_is_refused(
    kind: str, code: int, expected: type[TailscaleError]
) -> None:
    outcome, methods = await write(kind, LOST, BASE, status(code))
    assert isinstance(outcome, expected)
    assert outcome.status == code
    assert methods == ["POST", "GET", "POST"]


@twins
async def test_a_repeat_is_a_whole_response_too(kind: str) -> None:
    done = httpx.Response(200, content=NEW.encode(), headers={"ETag": '"e2"', "X-Request-Id": "r2"})
    outcome, _ = await write(kind, LOST, BASE, done, call="with_raw_response.policy.set")
    assert isinstance(outcome, RawResponse)
    assert (outcome.parsed, outcome.body) == (PolicyDocument(NEW, "e2"), NEW.encode())
    assert outcome.headers["x-request-id"] == "r2"


@twins
@pytest.mark.parametrize("late_in", ["look", "repeat"])
async def test_settling_ends_in_time_with_the_first_failure(kind: str, late_in: str) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        twin.time.now += request.extensions["timeout"].get("read")
        raise httpx.ReadTimeout("slow", request=request)

    twin = Twin(kind, LOST, *([BASE] if late_in == "repeat" else []), slow, max_retries=1)
    started = twin.time.now
    with pytest.raises(APIConnectionError) as caught:
        await twin.call("policy.set", NEW, if_match="e1")
    assert type(caught.value) is APIConnectionError
    assert not isinstance(caught.value, APITimeoutError)
    assert caught.value.ambiguous is True
    assert twin.time.now - started <= 17.0


@pytest.mark.parametrize("step", ["look", "repeat", "second look"])
async def test_a_cancelled_write_says_that_it_may_be_stored(step: str) -> None:
    waiting = asyncio.Event()

    async def forever(request: httpx.Request) -> httpx.Response:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError("woken")

    before: list[Reaction] = {"look": [LOST], "repeat": [LOST, BASE], "second look": [LOST, BASE, LOST]}[step]
    twin = Twin("async", *before, forever, max_retries=1)  # type: ignore[arg-type]
    task = asyncio.create_task(twin.call("policy.set", NEW, if_match="e1"))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert any("setPolicyFile" in note for note in caught.value.__notes__)


def test_an_interrupted_write_says_that_it_may_be_stored() -> None:
    twin = Twin("sync", LOST, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt) as caught:
        twin.client.policy.set(NEW, if_match="e1")
    assert any("setPolicyFile" in note for note in caught.value.__notes__)
