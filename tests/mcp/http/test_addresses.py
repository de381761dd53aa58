"""Host and Origin: an exact list, on every path, in both eras, before anything else is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mcp_adapter.exposure import Exposure
from mcp_adapter.flags import WrongUse
from mcp_adapter.origins import AddressError, Addresses, AddressGuard, host_values, origin_values
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import (
    Running,
    ask,
    headers_of,
    http_settings,
    message,
    serving,
    tailnet_settings,
)

ALLOWED_HOST, ALLOWED_ORIGIN = "mcp.example.com", "https://app.example.com"


@pytest.fixture(scope="module")
def shared(shared_tailnet: FakeTailnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a server that is quickly asked: it has one tool."""
    settings = tailnet_settings(shared_tailnet, exposure=Exposure(toolsets=frozenset({"contacts"})))
    with serving(settings, http_settings(), tmp_path_factory.mktemp("one-tool")) as running:
        yield running


@pytest.fixture(scope="module")
def named(shared_tailnet: FakeTailnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a server that is known under a name, behind a proxy, to one page."""
    http = http_settings(names=(ALLOWED_HOST,), origins=(ALLOWED_ORIGIN,), proxies=("127.0.0.1",))
    with serving(tailnet_settings(shared_tailnet), http, tmp_path_factory.mktemp("named")) as running:
        yield running


HOSTS = [
    ("127.0.0.1:{port}", True),
    ("localhost:{port}", True),
    ("LOCALHOST:{port}", True),
    ("[::1]:{port}", True),
    ("localhost", False),
    ("localhost:1", False),
    ("localhost.:{port}", False),
    ("evil.example.com", False),
    ("evil.example.com:{port}", False),
    ("127.0.0.1.example.com:{port}", False),
    ("user@127.0.0.1:{port}", False),
    ("0.0.0.0:{port}", False),
    ("", False),
]
ORIGINS = [
    (None, True),
    ("http://127.0.0.1:{port}", True),
    ("http://localhost:{port}", True),
    ("https://localhost:{port}", False),
    ("http://localhost:1", False),
    ("http://localhost", False),
    ("http://evil.example.com", False),
    ("http://localhost:{port}.evil.example.com", False),
    ("null", False),
    ("", False),
    ("http://127.0.0.1:{port}/", False),
]


@pytest.mark.parametrize("host, host_allowed", HOSTS)
def test_the_matrix_of_hosts_and_origins(
    shared: Running, web: httpx.Client, era: str, host: str, host_allowed: bool
) -> None:
    method = "tools/list"
    for origin, origin_allowed in ORIGINS:
        headers = {**headers_of(era, method), "host": host.format(port=shared.port)}
        if origin is not None:
            headers["origin"] = origin.format(port=shared.port)
        answers = [
            web.post(shared.url, content=message(method, era=era), headers=headers),
            web.get(f"{shared.origin}/healthz", headers=headers),
            web.get(f"{shared.origin}/readyz", headers=headers),
        ]
        wanted = 421 if not host_allowed else 403 if not origin_allowed else 200
        assert [answer.status_code for answer in answers] == [wanted] * 3, origin


async def statuses(guard: AddressGuard, headers: list[tuple[bytes, bytes]]) -> list[int]:
    """Return the statuses the guard answers a request with; none when it passes the request on."""
    found: list[int] = []

    async def send(part: dict[str, Any]) -> None:
        if "status" in part:
            found.append(part["status"])

    await guard({"type": "http", "headers": headers}, None, send)
    return found


@pytest.mark.parametrize(
    "names, wanted",
    [
        (["host"], []),
        (["host", "origin"], []),
        ([], [421]),
        (["host", "host"], [421]),
        (["host", "origin", "origin"], [403]),
    ],
)
async def test_a_header_that_is_missing_or_given_twice(names: list[str], wanted: list[int]) -> None:
    good = {"host": b"localhost:8000", "origin": b"http://localhost:8000"}
    addresses = Addresses.of(port=8000, loopback=("localhost",))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        return None

    guard = AddressGuard(app, addresses)
    assert await statuses(guard, [(name.encode(), good[name]) for name in names]) == wanted


async def test_nothing_but_http_is_served() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    await AddressGuard(app, Addresses.of(port=8000))({"type": "websocket", "headers": []}, None, None)


@pytest.mark.parametrize(
    "host, origin, status",
    [
        (ALLOWED_HOST, None, 200),
        (f"{ALLOWED_HOST}:443", ALLOWED_ORIGIN, 200),
        (ALLOWED_HOST, f"https://{ALLOWED_HOST}", 403),
        (ALLOWED_HOST, "https://app.example.com:8443", 403),
        (ALLOWED_HOST, "http://app.example.com", 403),
        ("other.example.com", ALLOWED_ORIGIN, 421),
    ],
)
def test_what_the_operator_allows_is_exact_too(
    named: Running, web: httpx.Client, era: str, host: str, origin: str | None, status: int
) -> None:
    headers = {"host": host, **({"origin": origin} if origin else {})}
    assert ask(web, named, "tools/list", era=era, headers=headers).status_code == status


def test_pages_of_an_allowed_origin_may_read_the_answer(named: Running, web: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    before = web.options(named.url, headers={"host": ALLOWED_HOST, "origin": ALLOWED_ORIGIN, **asked})
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == ALLOWED_ORIGIN
    assert "access-control-allow-credentials" not in before.headers
    answer = ask(web, named, "tools/list", headers={"host": ALLOWED_HOST, "origin": ALLOWED_ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ALLOWED_ORIGIN


def test_without_allowed_origins_no_page_may_read_anything(shared: Running, web: httpx.Client) -> None:
    answer = ask(web, shared, "tools/list", headers={"origin": shared.origin})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_forwarded_host_counts_for_nothing(shared: Running, web: httpx.Client) -> None:
    forwarded = {"x-forwarded-host": shared.host, "x-forwarded-for": "127.0.0.1", "host": "evil.example.com"}
    assert ask(web, shared, "tools/list", headers=forwarded).status_code == 421


@pytest.mark.parametrize(
    "name", ["*", "*.example.com", "mcp?.example.com", "http://mcp.example.com", "a b", "a,b", ""]
)
def test_names_that_are_no_exact_host(name: str) -> None:
    with pytest.raises(AddressError):
        host_values([name], 8000, public=True)
    with pytest.raises(WrongUse, match="--allowed-hosts"):
        http_settings(names=(name,)).addresses(8000)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "app.example.com",
        "https://a.example.com/",
        "ftp://a",
        "https://",
    ],
)
def test_origins_that_are_no_exact_origin(origin: str) -> None:
    with pytest.raises(AddressError):
        origin_values([origin])
    with pytest.raises(WrongUse, match="--allowed-origins"):
        http_settings(origins=(origin,)).addresses(8000)


def test_which_hosts_a_name_stands_for() -> None:
    assert host_values(["MCP.example.com"], 8443, public=True) == {
        "mcp.example.com",
        "mcp.example.com:443",
        "mcp.example.com:8443",
    }
    assert host_values(["mcp.example.com:9000"], 8443, public=True) == {"mcp.example.com:9000"}
    assert host_values(["fd7a::1", "[fd7a::2]:9"], 80, public=False) == {
        "[fd7a::1]:80",
        "[fd7a::1]",
        "[fd7a::2]:9",
    }
    assert Addresses.of(port=80, loopback=("localhost",)).origins == {
        "http://localhost:80",
        "http://localhost",
    }
