"""The fault server: what it relays, which requests meet a fault, when it strikes, what the ledgers say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import FakeTailnet, Faults
from tests.contract.raw import (
    DEVICES,
    KEYS,
    NEW_KEY,
    Slept,
    ask,
    connect,
    create_key,
    exchange,
    read_to_end,
    request_bytes,
)

POLICY = "/api/v2/tailnet/-/acl"
SHORT_SECONDS = 0.05


class Held:
    """Let a server wait until it is released."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.waiting = threading.Event()
        self._freed: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, seconds: float) -> None:
        self._loop, self._freed = asyncio.get_running_loop(), asyncio.Event()
        self.seconds.append(seconds)
        self.waiting.set()
        await self._freed.wait()

    def release(self) -> None:
        assert self.waiting.wait(10)
        assert self._loop is not None
        assert self._freed is not None
        self._loop.call_soon_threadsafe(self._freed.set)


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
def fake(slept: Slept) -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=3, faults=Faults(sleep=slept)) as running:
        yield running


def test_without_a_rule_every_byte_is_the_tailnets(fake: FakeTailnet) -> None:
    for path in (DEVICES, POLICY, "/api/v2/nothing", "/elsewhere", f"{DEVICES}?fields=all"):
        assert ask(fake, path=path) == ask(fake, path=path, direct=True)
    assert "etag" in ask(fake, path=POLICY).headers
    assert ask(fake, "HEAD").body == b""


def test_writes_conditions_and_queries_pass_the_front(fake: FakeTailnet) -> None:
    assert create_key(fake).status == 200
    [entry] = fake.ledger.of("createKey")
    assert entry.body == json.loads(NEW_KEY)
    text = ask(fake, path=POLICY).body
    stale = request_bytes(fake, "POST", POLICY, text, extra='If-Match: "stale"')
    assert exchange(fake.base_url, stale).status == 412


def test_when_the_tailnet_ends_a_connection_so_does_the_front(fake: FakeTailnet) -> None:
    refused = request_bytes(fake, "GET", DEVICES, more=True, extra="No Name: x")
    more = request_bytes(fake, "GET", DEVICES)
    assert exchange(fake.direct_url, refused, more).status == 400
    assert exchange(fake.base_url, refused, more).raw.count(b"HTTP/1.1 ") == 1


def test_chunked_and_announced_bodies_are_read(fake: FakeTailnet) -> None:
    chunks = f"4\r\n{NEW_KEY[:4].decode()}\r\n{len(NEW_KEY) - 4:x};x=y\r\n{NEW_KEY[4:].decode()}\r\n0\r\nA: b\r\n\r\n"
    plain = request_bytes(fake, "POST", KEYS)
    chunked = plain.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + chunks.encode()
    assert exchange(fake.base_url, chunked).status == 200
    announced = request_bytes(fake, "POST", KEYS, NEW_KEY, extra="Expect: 100-continue")
    answer = exchange(fake.base_url, announced)
    assert answer.raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert answer.status == 200
    assert len(fake.ledger) == 2


@pytest.mark.parametrize(
    "sent, status",
    [
        (b"nothing like HTTP\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n", 413),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_turned_down_and_the_server_lives(
    fake: FakeTailnet, sent: bytes, status: int
) -> None:
    with connect(fake.base_url) as connection:
        connection.sendall(sent)
        assert connection.recv(12) == b"HTTP/1.1 " + str(status).encode()
    assert ask(fake).status == 200


def test_an_old_client_gets_one_answer_and_the_end(fake: FakeTailnet) -> None:
    old = request_bytes(fake, "GET", DEVICES, more=True).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert exchange(fake.base_url, old).status == 200


@pytest.mark.parametrize("fault", ["noreply", "500", "html200", "trunc", "newfield", {"status": 504}])
@pytest.mark.parametrize("when", ["before_apply", "after_apply", "mid_reply"])
def test_when_decides_whether_the_write_was_applied(fake: FakeTailnet, fault: Any, when: str) -> None:
    if when == "mid_reply" and fault not in ("noreply", "trunc", "newfield"):
        with pytest.raises(ConfigurationError, match="before_apply or after_apply"):
            fake.faults.add({"fault": fault, "when": when})
        return
    fake.faults.add({"operation": "createKey", "fault": fault, "when": when})
    create_key(fake)
    fake.faults.settle()
    applied = when != "before_apply"
    assert len(fake.ledger.of("createKey")) == applied
    [seen] = fake.faults.of("createKey")
    assert (seen.forwarded, seen.service_status, seen.when) == (applied, 200 if applied else None, when)


def test_what_was_applied_is_a_live_object(fake: FakeTailnet) -> None:
    before = set(fake.tailnet.keys)
    fake.faults.add({"operation": "createKey", "when": "after_apply", "fault": "noreply", "nth": 1})
    assert create_key(fake).raw == b""
    [made] = set(fake.tailnet.keys) - before
    assert made in [key["id"] for key in ask(fake, path=f"{KEYS}?all=true").json["keys"]]


def test_mid_reply_strikes_inside_the_true_body(fake: FakeTailnet) -> None:
    for fault, end in (("noreply", "closed"), ("reset", "reset"), ("wreset", "reset"), ("garbage", "closed")):
        fake.faults.clear()
        fake.faults.add({"fault": fault, "when": "mid_reply"})
        true, wire = ask(fake, direct=True).body, ask(fake)
        assert wire.end == end
        assert wire.body.startswith(true[: len(true) // 2])
        assert int(wire.headers["content-length"]) == len(true)


def test_reset_in_place_of_an_answer_sends_nothing(fake: FakeTailnet) -> None:
    for when in ("before_apply", "after_apply"):
        fake.faults.clear()
        fake.faults.add({"fault": "reset", "when": when})
        assert (create_key(fake).raw, len(fake.ledger)) == (b"", when == "after_apply")


def test_an_answer_of_ones_own(fake: FakeTailnet) -> None:
    headers = {"Retry-After": ["1", "2"], "X-Trace": "a b"}
    fake.faults.add({"nth": 1, "fault": {"status": 429, "headers": headers, "body": {"message": "slower"}}})
    fake.faults.add({"nth": 2, "fault": {"status": 299, "headers": {"Content-Length": "1"}, "body": "text"}})
    first, second = ask(fake), ask(fake)
    assert first.raw.startswith(b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n")
    assert b"Retry-After: 1\r\nRetry-After: 2\r\nX-Trace: a b\r\n" in first.raw
    assert first.json == {"message": "slower"}
    assert (second.status, second.headers["content-length"], second.body) == (299, "1", b"text")
    assert [seen.fault for seen in fake.faults.requests] == ["status 429", "status 299"]


def test_delay_alone_is_a_true_answer_that_comes_late(fake: FakeTailnet, slept: Slept) -> None:
    fake.faults.add({"delay": 2})
    assert ask(fake) == ask(fake, direct=True)
    assert slept == [2]
    assert (fake.faults.requests[0].fault, fake.faults.requests[0].when) == ("delay", None)


def held(rules: Sequence[dict[str, Any]]) -> tuple[FakeTailnet, Held]:
    sleep = Held()
    return FakeTailnet(devices=1, faults=Faults(rules, sleep=sleep)), sleep


def test_a_delayed_write_is_applied_when_the_client_has_long_gone() -> None:
    fake, sleep = held([{"operation": "createKey", "fault": "stall", "when": "after_apply", "delay": 3}])
    with fake:
        with connect(fake.base_url) as connection:
            connection.sendall(request_bytes(fake, "POST", KEYS, NEW_KEY))
            assert sleep.waiting.wait(10)
        assert sleep.seconds == [3]
        with pytest.raises(TimeoutError, match="1 requests"):
            fake.faults.settle(SHORT_SECONDS)
        assert (len(fake.ledger), fake.faults.requests[0].forwarded) == (0, False)
        sleep.release()
        fake.faults.settle()
        assert (len(fake.ledger), fake.faults.requests[0].service_status) == (1, 200)


@pytest.mark.parametrize("fault, raw", [("noreply", b""), ("reset", b""), ("504", b"HTTP/1.1 504")])
def test_a_fault_is_played_before_a_delayed_write(fault: str, raw: bytes) -> None:
    fake, sleep = held([{"fault": fault, "when": "after_apply", "delay": 3}])
    with fake:
        assert create_key(fake).raw[:12] == raw
        assert len(fake.ledger) == 0
        sleep.release()
        fake.faults.settle()
        assert len(fake.ledger) == 1


@pytest.mark.parametrize(
    "rule, applied",
    [({"fault": "trunc", "when": "after_apply"}, 1), ({"fault": "500"}, 0), ({"fault": "wreset"}, 0)],
)
def test_other_faults_come_after_the_delay(
    fake: FakeTailnet, slept: Slept, rule: dict[str, Any], applied: int
) -> None:
    fake.faults.add({**rule, "delay": 1.5})
    create_key(fake)
    fake.faults.settle()
    assert (slept, len(fake.ledger)) == ([1.5], applied)


def test_closing_ends_whatever_is_being_played() -> None:
    others = set(threading.enumerate())
    fake, _ = held([{"nth": 1, "fault": "stall"}, {"nth": 2, "fault": "drip"}, {"nth": 3, "delay": 9}])
    fake.start()
    connections = []
    for number in range(1, 4):
        connections.append(connect(fake.base_url))
        connections[-1].sendall(request_bytes(fake, "GET", DEVICES))
        while len(fake.faults.requests) < number:
            assert ask(fake, path="/_control/requests").status == 200
    fake.close()
    fake.close()
    assert {read_to_end(connection).end for connection in connections} <= {"closed", "reset"}
    for connection in connections:
        connection.close()
    mine = set(threading.enumerate()) - others
    assert [thread.name for thread in mine if thread.name.startswith("fake-tailnet")] == []


def test_control_paths_list_the_requests_to_loopback_only(fake: FakeTailnet) -> None:
    fake.faults.add({"fault": "500"})
    ask(fake, path=f"{DEVICES}?fields=all")
    [told] = ask(fake, path="/_control/requests").json
    assert (told["operation"], told["query"], told["fault"]) == ("listTailnetDevices", "fields=all", "500")
    assert ask(fake, path="/_control/ledger").json == []
    strange = request_bytes(fake, "GET", "/_control/requests", extra="Origin: https://example.com")
    assert exchange(fake.base_url, strange).status == 403


def test_a_tailnet_without_faults_says_how_to_have_some() -> None:
    with FakeTailnet(devices=0) as fake:
        assert fake.direct_url == fake.base_url
        with pytest.raises(ConfigurationError, match=r"FakeTailnet\(faults=\[\]\)"):
            _ = fake.faults


def test_a_taken_port_is_refused_with_faults_too(fake: FakeTailnet) -> None:
    port = int(fake.base_url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {port} cannot be used"):
        FakeTailnet(devices=0, port=port, faults=[]).start()


def test_the_command_line_plays_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text(
        '{"seed": 3, "rules": [{"operation": "listTailnetDevices", "nth": 1, "fault": "503_ra"}]}'
    )
    command = [sys.executable, "-m", "tailscale_sdk.testing", "--devices", "2", "--faults", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        host = line["base_url"].removeprefix("http://")
        connection, answers = HTTPConnection(host, timeout=10), []
        for _ in range(2):
            connection.request("GET", DEVICES, headers={"Authorization": f"Bearer {line['api_key']}"})
            response = connection.getresponse()
            answers.append((response.status, response.headers["Retry-After"], len(response.read()) > 100))
        connection.close()
        process.terminate()
        rest = process.communicate(timeout=20)
    assert answers == [(503, "1", False), (200, None, True)]
    assert (process.returncode, *rest) == (0, "", "")
