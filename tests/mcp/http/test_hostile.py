"""What no honest client sends: refused with a proper error, while the server goes on serving everybody else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_adapter.bodies import MAX_BODY_BYTES, MAX_POLICY_BYTES, MAX_STRING_BYTES, BadBody, Message, look_at
from mcp_adapter.listening import Connection
from tests.mcp.http.serving import (
    MODERN,
    TOKEN,
    Running,
    ask,
    call_tool,
    headers_of,
    http_settings,
    message,
    result_of,
    serving,
)
from tests.mcp.http.waiting import Waiting


def deep(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    inner = f"{opening * levels}{'1' if opening == '[' else '{}'}{closing * levels}"
    return b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"x":%b}}' % inner.encode()


BAD = [
    (b"", 400, -32700),
    (b"not json", 400, -32700),
    (b'{"jsonrpc":"2.0","id":7', 400, -32700),
    (b"\xff\xfe\x00", 400, -32700),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"x":NaN}}', 400, -32700),
    (deep(5000), 400, -32700),
    (deep(5000, '{"a":', "}"), 400, -32700),
    (deep(500), 400, -32600),
    (deep(63), 400, -32600),
    (b"[" * 100_000, 400, -32700),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"x":"%b"}}' % (b"y" * 70_000), 400, -32600),
    (b"null", 400, -32600),
    (b"[]", 400, -32600),
    (b'"canary"', 400, -32600),
    (b"{}", 400, -32600),
    (b'[{"jsonrpc":"2.0","id":7,"method":"tools/list"}]', 400, -32600),
    (b'{"jsonrpc":"canary","id":7,"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":7,"method":["canary"]}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":"canary"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":{"canary":1},"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":7,"result":"canary"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":7,"error":{"code":"canary","message":"canary"}}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":7,"error":"canary"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":{"canary":1}}}', None, -32602),
    (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":{"canary":1}}}', None, -32602),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_body_that_is_no_request(shared: Running, web: httpx.Client, era: str, number: int) -> None:
    body, status, code = BAD[number]
    method = "tools/call" if b"tools/call" in body else "tools/list"
    if status is None and era == "auto":
        parameters = json.loads(body)["params"]
        body = message(method, parameters, era=era)
    answer = web.post(shared.url, content=body, headers=headers_of(era, method, "canary"))
    assert status in {None, answer.status_code}, answer.text
    assert answer.json()["error"]["code"] in ({code} if status else {code, -32020, -32001})
    assert "canary" not in answer.text
    assert ask(web, shared, "tools/list", era=era).status_code == 200


def test_the_id_of_a_request_comes_back_with_its_refusal(
    shared: Running, web: httpx.Client, era: str
) -> None:
    answer = web.post(shared.url, content=deep(80), headers=headers_of(era, "tools/list"))
    assert answer.json()["id"] == 7
    answer = web.post(shared.url, content=b"nothing", headers=headers_of(era, "tools/list"))
    assert answer.json()["id"] is None


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 4 * MAX_BODY_BYTES])
def test_a_body_is_at_most_a_mebibyte(
    shared: Running, web: httpx.Client, era: str, size: int, chunked: bool
) -> None:
    body = b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"x":"' + b"y" * size + b'"}}'

    def pieces() -> Iterator[bytes]:
        for begin in range(0, len(body), 64 * 1024):
            yield body[begin : begin + 64 * 1024]

    try:
        content: Any = pieces() if chunked else body
        answer = web.post(shared.url, content=content, headers=headers_of(era, "tools/list"))
    except httpx.WriteError:
        # The server closed before all was sent, as it may.
        pass
    else:
        assert answer.status_code == 413
        assert str(MAX_BODY_BYTES) in answer.json()["error"]["message"]
    assert ask(web, shared, "tools/list", era=era).status_code == 200


def written(**content: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": "x", **content}).encode()


def test_a_policy_may_be_longer_than_other_texts() -> None:
    whole = written(params={"arguments": {"policy": "p" * MAX_POLICY_BYTES}})
    assert look_at(whole) == Message("x")
    for name, text in (
        ("policy", "p" * (MAX_POLICY_BYTES + 1)),
        ("other", "p" * (MAX_STRING_BYTES + 1)),
        ("other", "é" * (MAX_STRING_BYTES // 2 + 1)),
    ):
        for place in ({name: text}, {"deeper": [{name: text}]}, {"list": [text, text]}):
            with pytest.raises(BadBody, match="a text is longer"):
                look_at(written(params=place))
    assert look_at(written(params={"list": ["a" * MAX_STRING_BYTES] * 3})) == Message("x")


@pytest.mark.parametrize(
    "content, found",
    [
        ({"method": "tools/call", "id": 1, "params": {"name": "x"}}, Message("tools/call", "x", 1)),
        ({"method": "tools/call", "id": "a", "params": {"name": 7}}, Message("tools/call", None, "a")),
        ({"method": "tools/call", "params": None}, Message("tools/call")),
        ({"method": "prompts/get", "params": {"name": "x"}}, Message("prompts/get")),
        ({"method": None, "id": 3, "result": {}}, Message(None, None, 3)),
        ({"method": None, "id": 3, "error": {"code": 1, "message": "no"}}, Message(None, None, 3)),
    ],
)
def test_what_a_message_says_about_itself(content: Any, found: Message) -> None:
    assert look_at(written(**content)) == found


@pytest.mark.parametrize("number", [None, True, 1.5, {}, []])
def test_an_id_that_is_none(number: Any) -> None:
    with pytest.raises(BadBody, match="id as a text or an integer"):
        look_at(written(id=number))


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/mcp", 405), ("PUT", "/mcp", 405), ("GET", "/", 404), ("POST", "/sse", 404)],
)
def test_other_methods_and_paths(
    shared: Running, web: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = web.request(method, f"{shared.origin}{path}", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == status
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_read_only(shared: Running, web: httpx.Client, path: str) -> None:
    answer = web.post(f"{shared.origin}{path}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = web.head(f"{shared.origin}{path}")
    assert (head.status_code, head.content) == (200, b"")


def sessions(running: Running) -> int:
    """Return how many sessions the library keeps."""
    route = next(route for route in running.served.inner.routes if getattr(route, "path", "") == "/mcp")
    return len(route.endpoint.app.session_manager._server_instances)


def counts(running: Running) -> tuple[int, int]:
    """Return how many tasks and objects there are in the server."""

    async def count() -> tuple[int, int]:
        gc.collect()
        return len(asyncio.all_tasks()), len(gc.get_objects())

    return asyncio.run_coroutine_threadsafe(count(), running.loop).result(10)


def test_there_are_no_sessions_however_many_are_named(shared: Running, web: httpx.Client, era: str) -> None:
    def named(number: int) -> None:
        session = {"mcp-session-id": f"{number:032x}", "last-event-id": str(number)}
        answer = ask(web, shared, "tools/call", {"name": "nothing"}, era=era, headers=session)
        assert answer.status_code == 200
        assert "mcp-session-id" not in answer.headers

    for number in range(20):
        named(number)
    tasks, objects = counts(shared)
    for number in range(40):
        named(number)
    after = counts(shared)
    assert sessions(shared) == 0
    assert after[0] <= tasks + 2
    # Ten of whatever a session consists of for each request would be many thousands.
    assert after[1] <= objects + 1000


def test_a_session_cannot_be_begun(shared: Running, web: httpx.Client) -> None:
    parameters = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    answer = ask(web, shared, "initialize", parameters)
    assert answer.status_code == 200
    assert "mcp-session-id" not in answer.headers


def conversation(running: Running, *pieces: bytes) -> bytes:
    """Send bytes to the server and return all it says until it closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=15) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return until_closed(connection)


def until_closed(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes; with bytes of ours unread it resets the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            found += piece
    return found


def head(running: Running, *more: str) -> bytes:
    lines = ["POST /mcp HTTP/1.1", f"host: {running.host}", f"authorization: Bearer {TOKEN}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a server that waits for a request no longer than a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "request_seconds", 1.0)
        with serving(Waiting().settings(), http_settings(), tmp_path_factory.mktemp("impatient")) as running:
            yield running


@pytest.mark.realtime
def test_slow_clients_are_cut_off(impatient: Running, web: httpx.Client) -> None:
    whole = f"GET /healthz HTTP/1.1\r\nhost: {impatient.host}\r\n\r\n".encode()
    slow = {
        "nothing": b"",
        "half a head": f"POST /mcp HTTP/1.1\r\nhost: {impatient.host}\r\nx-slow: ".encode(),
        "half a body": head(impatient, "content-length: 100") + b"{",
        "half a chunk": head(impatient, "transfer-encoding: chunked") + b"5\r\n{",
    }
    with contextlib.ExitStack() as stack:
        connections = {}
        for what, sent in {"half a second request": whole, **slow}.items():
            connection = socket.create_connection(("127.0.0.1", impatient.port), timeout=15)
            connections[what] = stack.enter_context(connection)
            connection.sendall(sent)
        second = connections["half a second request"]
        first = b""
        while b"alive" not in first:
            first += second.recv(65536)
        second.sendall(whole[:-4])
        assert web.get(f"{impatient.origin}/healthz").status_code == 200
        assert {what: until_closed(connection) for what, connection in connections.items()} == dict.fromkeys(
            connections, b""
        )
    assert web.get(f"{impatient.origin}/healthz").status_code == 200


def test_a_head_is_bounded(shared: Running, web: httpx.Client) -> None:
    assert conversation(shared, head(shared, f"x-long: {'y' * 200_000}"))[:12] in {b"HTTP/1.1 400", b""}
    assert conversation(shared, b"\x16\x03\x01 this is no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert web.get(f"{shared.origin}/healthz").status_code == 200


def test_more_connections_than_can_be_served(
    tmp_path: Path, web: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "most", 2)
    with serving(Waiting().settings(), http_settings(), tmp_path) as running:
        assert web.get(f"{running.origin}/healthz").status_code == 200
        with socket.create_connection(("127.0.0.1", running.port)) as second:
            second.sendall(f"GET /healthz HTTP/1.1\r\nhost: {running.host}\r\n\r\n".encode())
            assert second.recv(65536).startswith(b"HTTP/1.1 200")
            assert conversation(running).startswith(b"HTTP/1.1 503")
            assert web.get(f"{running.origin}/healthz").status_code == 200


def test_a_client_that_leaves_in_the_middle_of_a_call(tmp_path: Path, web: httpx.Client, era: str) -> None:
    waiting = Waiting()
    with serving(waiting.settings(), http_settings(), tmp_path) as running:
        body = message("tools/call", {"name": "contacts_read", "arguments": {"action": "get"}}, era=era)
        fields = headers_of(era, "tools/call", "contacts_read") | {"content-length": str(len(body))}
        with socket.create_connection(("127.0.0.1", running.port), timeout=15) as leaving:
            lines = [f"{name}: {value}" for name, value in fields.items() if name != "authorization"]
            leaving.sendall(head(running, *lines) + body)
            assert waiting.arrived.wait(15)
        assert web.get(f"{running.origin}/healthz").status_code == 200
        assert running.served.admission.running == 1
        waiting.release()
        ended = asyncio.run_coroutine_threadsafe(running.served.admission._ended(), running.loop)
        ended.result(15)
        assert result_of(call_tool(web, running, "contacts_read", {"action": "get"}, era=era))
        trail = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    # The call was carried out to its end, and noted, whether or not anybody was there to hear it.
    assert trail.count(b'"tool_call"') == 2


def test_a_client_that_leaves_before_its_request_is_complete(shared: Running, web: httpx.Client) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", shared.port)) as leaving:
            leaving.sendall(head(shared, "content-length: 100", "content-type: application/json") + b"{")
    ended = asyncio.run_coroutine_threadsafe(shared.served.admission._ended(), shared.loop)
    ended.result(15)
    assert ask(web, shared, "tools/list").status_code == 200


@pytest.mark.parametrize(
    "changes, status",
    [
        ({"content-type": "text/plain"}, 400),
        ({"accept": "text/html"}, 406),
        ({"mcp-protocol-version": "1999-01-01"}, 400),
        ({"mcp-protocol-version": MODERN, "mcp-method": "tools/call"}, 400),
    ],
)
def test_headers_that_do_not_fit_the_body(
    shared: Running, web: httpx.Client, changes: dict[str, str], status: int
) -> None:
    answer = ask(web, shared, "tools/list", headers=changes)
    assert answer.status_code == status, answer.text
