"""How much one caller may ask: by who they are, never by what they say, in tables that cannot grow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from mcp_adapter import gate, limits
from mcp_adapter.admission import Admission
from mcp_adapter.caller_scopes import SCOPES
from mcp_adapter.gate import CallerGate
from mcp_adapter.limits import MAX_CALLERS, Allowance, Busy, Callers, address_block
from mcp_adapter.tokens import StaticTokens
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import OTHER_TOKEN, TOKEN, Running, ask, http_settings, serving, tailnet_settings


class Clock:
    """Be a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counted(callers: Callers, name: str, times: int) -> int:
    """Return how many of so many requests were let through."""
    passed = 0
    for _ in range(times):
        try:
            callers.enter(name)
        except Busy:
            continue
        passed += 1
    return passed


def test_a_caller_has_a_burst_and_then_a_rate() -> None:
    clock = Clock()
    callers = Callers(Allowance.of(2.0, 4), clock)
    assert counted(callers, "a", 20) == 8
    assert counted(callers, "b", 3) == 3
    clock.now += 1.5
    assert counted(callers, "a", 20) == 3
    with pytest.raises(Busy) as told:
        callers.enter("a")
    assert told.value.retry_after == 1
    clock.now += 3600
    assert counted(callers, "a", 20) == 8


def test_a_slow_rate_says_how_long_to_wait() -> None:
    callers = Callers(Allowance.of(0.1, 4), Clock())
    callers.enter("a")
    with pytest.raises(Busy) as told:
        callers.enter("a")
    assert told.value.retry_after == 10


def test_a_hundred_thousand_strangers_leave_the_table_as_large_as_a_thousand() -> None:
    callers = Callers(limits.STRANGERS)
    for number in range(100_000):
        callers.enter(str(number))
    assert len(callers) == MAX_CALLERS


async def test_who_is_being_served_is_not_forgotten() -> None:
    callers = Callers(Allowance.of(100.0, 1), size=2)
    first = callers.enter("first")
    async with first.turn():
        for number in range(10):
            callers.enter(str(number))
        assert callers.enter("first") is first
        async with callers.enter("second").turn():
            with pytest.raises(Busy):
                callers.enter("third")
        callers.enter("third")
    assert len(callers) == 2


async def test_more_at_once_wait_and_still_more_are_sent_away() -> None:
    callers = Callers(Allowance(1000.0, 1000.0, concurrency=2, waiting=3))
    caller = callers.enter("a")
    running = most = 0
    go = asyncio.Event()

    async def work() -> bool:
        nonlocal running, most
        try:
            async with caller.turn():
                running += 1
                most = max(most, running)
                await go.wait()
                running -= 1
        except Busy:
            return False
        return True

    tasks = [asyncio.create_task(work()) for _ in range(9)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert caller.present == 5
    go.set()
    assert (await asyncio.gather(*tasks)).count(True) == 5
    assert (most, caller.present) == (2, 0)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WAIT_SECONDS", 0.0)
    caller = Callers(Allowance(1000.0, 1000.0, concurrency=1, waiting=3)).enter("a")
    async with caller.turn():
        with pytest.raises(Busy):
            async with caller.turn():
                raise AssertionError
    async with caller.turn():
        pass
    assert caller.present == 0


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    caller = Callers(Allowance(1000.0, 1000.0, concurrency=1, waiting=3)).enter("a")

    async def wait() -> None:
        async with caller.turn():
            raise AssertionError

    async with caller.turn():
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with caller.turn():
        assert caller.present == 1


@pytest.mark.parametrize(
    "address, block",
    [
        ("100.64.7.9", "100.64.7.0/24"),
        ("100.64.7.200", "100.64.7.0/24"),
        ("100.64.8.9", "100.64.8.0/24"),
        ("::ffff:100.64.7.9", "100.64.7.0/24"),
        ("fd7a:115c:a1e0:12::1", "fd7a:115c:a1e0::/56"),
        ("fd7a:115c:a1e0:99::1", "fd7a:115c:a1e0::/56"),
        ("fd7a:115c:a1e1::1", "fd7a:115c:a1e1::/56"),
        ("not an address", "unknown"),
        ("", "unknown"),
    ],
)
def test_strangers_are_told_apart_by_the_block_of_their_address(address: str, block: str) -> None:
    assert address_block((address, 1)) == block
    assert address_block(None) == "unknown"


@pytest.fixture(scope="module")
def strict(shared_tailnet: FakeTailnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a server that lets each caller ask once in ten seconds."""
    folder = tmp_path_factory.mktemp("strict")
    with serving(tailnet_settings(shared_tailnet), http_settings(rate=0.1), folder) as running:
        yield running


def test_one_caller_is_slowed_down_and_another_is_not(strict: Running, web: httpx.Client) -> None:
    assert ask(web, strict, "tools/list").status_code == 200
    for era in ("legacy", "auto", "legacy"):
        answer = ask(web, strict, "tools/list", era=era)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        error = answer.json()["error"]
        assert error["data"]["retry_after"] == int(answer.headers["retry-after"])
        assert "wait" in error["message"]
    assert ask(web, strict, "tools/list", token=OTHER_TOKEN).status_code == 200
    assert web.get(f"{strict.origin}/healthz").status_code == 200


def strangers(web: httpx.Client, running: Running, count: int) -> list[int]:
    """Ask without a token, each time from another address as a header has it; return the statuses."""
    return [
        ask(web, running, "ping", token=None, headers={"x-forwarded-for": f"100.{number}.1.1"}).status_code
        for number in range(count)
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a block of addresses ask five times, and then once in ten seconds."""
    monkeypatch.setattr(gate, "STRANGERS", Allowance(0.1, 5.0))


@pytest.mark.usefixtures("few")
def test_strangers_share_one_small_allowance(
    shared_tailnet: FakeTailnet, tmp_path: Path, web: httpx.Client
) -> None:
    with serving(tailnet_settings(shared_tailnet), http_settings(), tmp_path / "a") as running:
        assert sorted(strangers(web, running, 12)) == [401] * 5 + [429] * 7
        refused = web.get(f"{running.origin}/.well-known/anything")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        # Whoever has a token is not a stranger, wherever they come from.
        assert ask(web, running, "tools/list").status_code == 200


@pytest.mark.usefixtures("few")
def test_a_proxy_that_is_believed_tells_strangers_apart(
    shared_tailnet: FakeTailnet, tmp_path: Path, web: httpx.Client
) -> None:
    http = http_settings(proxies=("127.0.0.0/8",))
    with serving(tailnet_settings(shared_tailnet), http, tmp_path / "b") as running:
        assert strangers(web, running, 12) == [401] * 12
    elsewhere = http_settings(proxies=("10.0.0.0/8",))
    with serving(tailnet_settings(shared_tailnet), elsewhere, tmp_path / "c") as running:
        assert strangers(web, running, 12).count(429) == 7


async def answers(app: Any, count: int, go: asyncio.Event, scope: dict[str, Any]) -> list[int]:
    """Send so many requests at once to an application, and return the statuses."""
    found: list[int] = []

    async def receive() -> dict[str, Any]:
        return {
            "type": "http.request",
            "body": b'{"jsonrpc":"2.0","method":"ping","id":1}',
            "more_body": False,
        }

    async def send(part: dict[str, Any]) -> None:
        if "status" in part:
            found.append(part["status"])

    tasks = [asyncio.create_task(app(dict(scope), receive, send)) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)
    return found


async def test_an_overloaded_server_sheds_and_recovers() -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": []}
    admission = Admission(app, limit=10)
    found = await answers(admission, 50, go, scope)
    assert (found.count(200), found.count(503)) == (10, 40)
    assert admission.running == 0
    assert await answers(admission, 10, go, scope) == [200] * 10


async def test_one_principal_cannot_take_the_turns_of_another() -> None:
    go = asyncio.Event()
    served: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        served.append(scope["user"].access_token.client_id)
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    shared = CallerGate(app, Allowance(1000.0, 1000.0, concurrency=2, waiting=1))
    verifier = StaticTokens([TOKEN, OTHER_TOKEN])
    users = [AuthenticatedUser(await verifier.verify_token(token)) for token in (TOKEN, OTHER_TOKEN)]  # type: ignore[arg-type]
    assert users[0].scopes == list(SCOPES)
    first, second = (
        {"type": "http", "method": "POST", "path": "/mcp", "headers": [], "user": user} for user in users
    )
    greedy = asyncio.create_task(answers(shared, 10, asyncio.Event(), first))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(served) == 2
    modest = await answers(shared, 2, go, second)
    found = await greedy
    assert modest == [200, 200]
    assert (found.count(200), found.count(429)) == (3, 7)
