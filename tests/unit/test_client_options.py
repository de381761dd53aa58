"""Options of a client and of its copies: each one counts, none is forgotten, none is out of range; headers."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from itertools import permutations
from typing import Any

import attrs
import httpx
import pytest

from tailscale_sdk import Hooks
from tailscale_sdk.auth import OAuthClient
from tailscale_sdk.errors import (
    APITimeoutError,
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseTooLargeError,
    ServerError,
)
from tailscale_sdk.option_values import FurtherOptions
from tests.either_client import CLIENTS, SECRET, Wire, answering, build, close, lose, result

Make = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Make:
    """Make a client of either kind."""
    return functools.partial(build, request.param)


# --- copies with other options ------------------------------------------------------------------

FIXED = {"api_key", "auth", "tailnet", "base_url"}
SAMPLES: dict[str, Any] = {
    "timeout": 7.5,
    "max_retries": 1,
    "rate_limit": (2, 3.0),
    "max_concurrency": 4,
    "on_ambiguous": "recreate",
    "mark_creation": False,
    "headers": {"X-Team": "blue"},
    "hooks": Hooks(on_request=print),
    "connect_timeout": 1.25,
    "read_timeout": 2.5,
    "write_timeout": 3.75,
    "idle_timeout": 4.5,
    "max_retry_after": 5.5,
    "retry_429_writes": False,
    "retry_budget": 6,
    "max_response_bytes": 4096,
    "max_record_bytes": 2048,
    "bulk": True,
}


def state(client: Any) -> dict[str, Any]:
    """Return everything of a client that an option decides."""
    channel = client._channel
    throttle = channel.sender.throttle
    return {
        **{name: getattr(channel.options, name) for name in attrs.fields_dict(type(channel.options))},
        "headers": channel.target.headers,
        "rate_limit": throttle.rate_limit,
        "max_concurrency": throttle.max_concurrency,
        "retry_budget": channel.sender.pacing.budget.size,
    }


def option_names(function: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    named = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY and not p.name.startswith("_")}
    return named | set(FurtherOptions.__annotations__)


def test_every_option_that_can_change_can_be_changed() -> None:
    for client in CLIENTS.values():
        assert option_names(client.__init__) - FIXED == option_names(client.with_options) == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_copy_is_what_a_new_client_would_be(make: Make, name: str) -> None:
    plain, chosen = make(), {name: SAMPLES[name]}
    before = state(plain)
    assert state(plain.with_options(**chosen)) == state(make(**chosen)) != before
    assert state(plain) == before


def test_a_copy_forgets_no_other_option(make: Make) -> None:
    for first, second in permutations(SAMPLES, 2):
        copy = make(**{first: SAMPLES[first]}).with_options(**{second: SAMPLES[second]})
        assert state(copy) == state(make(**{name: SAMPLES[name] for name in (first, second)}))


def test_a_copy_without_changes_shares_everything(make: Make) -> None:
    client = make(**SAMPLES)
    copy = client.with_options()
    assert state(copy) == state(client)
    assert copy._channel.sender is client._channel.sender
    assert (type(copy), copy.tailnet, copy is client) == (type(client), "-", False)


async def test_a_copy_shares_connection_and_token(make: Make) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v2/oauth/token":
            return httpx.Response(200, json={"access_token": "tskey-api-demo", "expires_in": 3600})
        return httpx.Response(200, json={"devices": []})

    wire = Wire(service)
    client = make(wire, auth=OAuthClient("client-id", SECRET))
    for copy in (client, client.with_options(**SAMPLES), client.with_options(rate_limit=(5, 1.0))):
        assert await result(copy.devices.list()) == []
    assert wire.paths() == ["POST /api/v2/oauth/token", *["GET /api/v2/tailnet/-/devices"] * 3]
    await close(client.with_options(timeout=5.0))
    assert wire.closed == 1


def phase(request: httpx.Request, name: str) -> float:
    seconds: float = request.extensions["timeout"].get(name)
    return seconds


@pytest.mark.parametrize(
    "option, name",
    [
        ("timeout", "read"),
        ("connect_timeout", "connect"),
        ("read_timeout", "read"),
        ("write_timeout", "write"),
    ],
)
async def test_times_reach_the_wire(make: Make, option: str, name: str) -> None:
    wire = Wire()
    client = make(wire)
    await result(client.with_options(**{option: 0.75}).devices.list())
    await result(client.devices.list())
    assert phase(wire.seen[0], name) == 0.75
    assert phase(wire.seen[1], name) > 0.75


async def test_retries_are_those_of_the_copy(make: Make) -> None:
    for options, requests in (
        ({}, 4),
        ({"max_retries": 1}, 2),
        ({"max_retries": 0}, 1),
        ({"retry_budget": 0}, 1),
    ):
        wire = Wire(answering(500))
        with pytest.raises(ServerError):
            await result(make(wire).with_options(**options).devices.list())
        assert len(wire.seen) == requests


async def test_waits_are_those_of_the_copy(make: Make) -> None:
    for options, requests in (({"max_retry_after": 20.0}, 1), ({"max_retry_after": 40.0}, 2)):
        wire = Wire(answering(429, headers={"Retry-After": "30"}))
        with pytest.raises(RateLimitError):
            await result(make(wire, max_retries=1).with_options(**options).devices.list())
        assert len(wire.seen) == requests
    for options, requests in (({}, 2), ({"retry_429_writes": False}, 1)):
        wire = Wire(answering(429))
        with pytest.raises(RateLimitError):
            await result(make(wire, max_retries=1).with_options(**options).webhooks.test("w1"))
        assert len(wire.seen) == requests


async def test_the_rate_is_that_of_the_copy(make: Make) -> None:
    wire = Wire()
    client = make(wire, rate_limit=None, timeout=0.001)
    slow = client.with_options(rate_limit=(1, 3600.0))
    for same in (slow, client, client):
        await result(same.devices.list())
    with pytest.raises(APITimeoutError) as caught:
        await result(slow.with_options(max_retries=0).devices.list())
    assert caught.value.phase == "limiter"
    for again in (slow.with_options(rate_limit=None), slow.with_options(rate_limit=(2, 1.0)), client):
        await result(again.devices.list())
    assert len(wire.seen) == 6


@pytest.mark.parametrize("width, inner", [(1, "limiter"), (2, "answered")])
async def test_the_width_is_that_of_the_copy(make: Make, width: int, inner: str) -> None:
    told: list[str] = []

    def within(error: APITimeoutError | None) -> httpx.Response:
        told.append("answered" if error is None else error.phase)
        return httpx.Response(200, json={"devices": []})

    class Within(Wire):
        """Call once more while the first call is under way."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            if len(self.seen) > 1:
                return self.react(request)
            try:
                hasty.devices.list()
            except APITimeoutError as error:
                return within(error)
            return within(None)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            if len(self.seen) > 1:
                return self.react(request)
            try:
                await hasty.devices.list()
            except APITimeoutError as error:
                return within(error)
            return within(None)

    client = make(Within()).with_options(max_concurrency=width)
    hasty = client.with_options(timeout=0.001)
    assert await result(client.devices.list()) == []
    assert told == [inner]


async def test_the_cap_is_that_of_the_copy(make: Make) -> None:
    wire = Wire(answering(200, json={"devices": [], "padding": "x" * 5000}))
    client = make(wire)
    with pytest.raises(ResponseTooLargeError) as caught:
        await result(client.with_options(max_response_bytes=4096).devices.list())
    assert caught.value.cap == 4096
    assert await result(client.devices.list()) == []


async def test_hooks_are_those_of_the_copy(make: Make) -> None:
    mine: list[Any] = []
    theirs: list[Any] = []
    client = make(hooks=Hooks(on_request=mine.append))
    await result(client.with_options(hooks=Hooks(on_request=theirs.append)).devices.list())
    await result(client.with_options(hooks=None).devices.list())
    await result(client.with_options(timeout=3.0).devices.list())
    assert (
        [event.operation for event in mine] == [event.operation for event in theirs] == ["listTailnetDevices"]
    )


class Keys:
    """Lose the first creation of a key, and know of none."""

    def __init__(self) -> None:
        self.descriptions: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"keys": []})
        self.descriptions.append(json.loads(request.content).get("description", ""))
        if len(self.descriptions) == 1:
            return lose(request)
        return httpx.Response(200, json={"id": "k1CNTRL", "key": "tskey-auth-demo"})


async def test_an_unclear_creation_is_the_copys_affair(make: Make) -> None:
    service = Keys()
    client = make(Wire(service))
    copy = client.with_options(on_ambiguous="recreate")
    assert (await result(copy.keys.create(key_type="auth", description="demo"))).id == "k1CNTRL"
    assert len(service.descriptions) == 2
    service.descriptions.clear()
    with pytest.raises(OutcomeUnknownError):
        await result(client.keys.create(key_type="auth", description="demo"))
    assert len(service.descriptions) == 1


async def test_the_mark_is_the_copys_affair(make: Make) -> None:
    service = Keys()
    service.descriptions.append("")
    client = make(Wire(service))
    await result(client.with_options(mark_creation=False).keys.create(key_type="auth", description="demo"))
    await result(client.keys.create(key_type="auth", description="demo"))
    plain, marked = service.descriptions[1:]
    assert plain == "demo"
    assert marked.startswith("demo")
    assert len(marked) > len("demo")


BAD: list[tuple[str, Any, str]] = [
    *(
        ("timeout", value, "from 0.001 to 86400")
        for value in (0, -1, 86_401, float("nan"), float("inf"), "5", None, True)
    ),
    ("connect_timeout", 0, "from 0.001 to 86400"),
    ("read_timeout", -0.5, "from 0.001 to 86400"),
    ("write_timeout", "3", "from 0.001 to 86400"),
    ("idle_timeout", 1e9, "from 0.001 to 86400"),
    ("max_retry_after", -1, "from 0 to "),
    *(("max_retries", value, "whole number from 0 to 20") for value in (-1, 21, 1.0, "3", None, False)),
    *(("max_concurrency", value, "whole number from 1 to 1000") for value in (0, 1001, 2.5, None, True)),
    *(("rate_limit", value, "must be (requests, seconds)") for value in (5, "fast", (5,), (1, 2, 3), {})),
    ("rate_limit", (0, 1.0), "rate_limit requests is 0; it must be a whole number from 1 to 10000"),
    ("rate_limit", (1, 0), "rate_limit seconds is 0; it must be a number of seconds from 0.001 to 3600"),
    ("rate_limit", (1.5, 1), "rate_limit requests is 1.5"),
    ("retry_budget", -1, "whole number from 0 to "),
    ("max_response_bytes", 0, "whole number from 1024 to "),
    ("max_record_bytes", 1e6, "whole number from 1024 to "),
    *(("on_ambiguous", value, "must be 'raise' or 'recreate'") for value in ("retry", "", None, True)),
    *((name, 1, "must be True or False") for name in ("mark_creation", "retry_429_writes", "bulk")),
    ("hooks", print, "hooks must be Hooks("),
    ("colour", "red", "unknown option 'colour'; known are bulk, "),
]


@pytest.mark.parametrize("option, value, words", BAD)
def test_what_is_out_of_range_is_named(make: Make, option: str, value: Any, words: str) -> None:
    client = make()
    for use in (make, client.with_options):
        with pytest.raises(ConfigurationError) as caught:
            use(**{option: value})
        text = str(caught.value)
        assert words in text
        assert option in text
        assert repr(value) in text or option in {"hooks", "colour"} or words.startswith("rate_limit ")


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0.001},
        {"timeout": 86_400},
        {"max_retries": 0},
        {"max_retries": 20},
        {"max_concurrency": 1},
        {"max_concurrency": 1000},
        {"rate_limit": [10_000, 3600]},
        {"rate_limit": None},
        {"retry_budget": None},
        {"headers": None},
        {"hooks": None},
    ],
)
async def test_the_edges_are_allowed(make: Make, options: dict[str, Any]) -> None:
    for client in (make(**options), make().with_options(**options)):
        assert await result(client.devices.list()) == []


# --- headers ------------------------------------------------------------------------------------


async def test_headers_go_with_every_request_but_to_the_token_endpoint(make: Make) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        body = {"access_token": "tskey-api-demo", "expires_in": 3600, "devices": []}
        return httpx.Response(200, json=body)

    wire = Wire(service)
    client = make(wire, auth=OAuthClient("client-id", SECRET), headers={"X-Team": "blue", "X-Trace": "1"})
    await result(client.devices.list())
    await result(client.with_options(headers={"X-Team": "red", "User-Agent": "mine/1"}).request("GET", "/x"))
    await result(client.with_options(headers=None).devices.list())
    seen = [[request.headers.get(name) for name in ("X-Team", "X-Trace")] for request in wire.seen]
    assert seen == [[None, None], ["blue", "1"], ["red", None], [None, None]]
    agents = [request.headers.get_list("User-Agent") for request in wire.seen]
    assert agents[2] == ["mine/1"]
    assert all(len(names) == 1 and names[0].startswith("tailscale-sdk-python/") for names in agents[:2])


@pytest.mark.parametrize(
    "name", ["Authorization", "host", "CONTENT-LENGTH", "Content-Type", "accept-Encoding", "Cookie"]
)
def test_headers_of_the_client_are_not_taken_over(make: Make, name: str) -> None:
    for use in (lambda **options: make(**options), make().with_options):
        with pytest.raises(ConfigurationError, match=f"headers must not hold {name}: the client sets it"):
            use(headers={name: "x"})


@pytest.mark.parametrize(
    "name, value", [("X A", "1"), ("", "1"), ("X:", "1"), ("X-Ü", "1"), ("X\n", "1"), ("X", "ü")]
)
async def test_headers_that_cannot_be_sent_are_refused(make: Make, name: str, value: str) -> None:
    wire = Wire()
    client = make(wire)
    for use in (lambda headers: make(headers=headers), lambda headers: client.with_options(headers=headers)):
        with pytest.raises(ConfigurationError, match="cannot be sent"):
            use({name: value})
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        await result(client.request("GET", "/x", headers={name: value}))
    assert wire.seen == []


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\x00", "a\x7f"])
async def test_no_header_breaks_a_line(make: Make, value: str) -> None:
    wire = Wire()
    client = make(wire)
    with pytest.raises(ValueError, match="X-Team must not contain control characters"):
        client.with_options(headers={"X-Team": value})
    with pytest.raises(ValueError, match="x-team must not contain control characters"):
        await result(client.request("GET", "/x", headers={"X-Team": value}))
    assert wire.seen == []
