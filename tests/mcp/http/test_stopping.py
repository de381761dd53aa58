"""Stopping: nobody gets in from that moment on, what is under way ends or is reported, and the exit code is 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mcp_adapter import listening
from mcp_adapter.admission import CUT_OFF, CUT_SECONDS, STOPPING
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.serving import TOKEN, Running, call_tool, http_settings, result_of, serving
from tests.mcp.http.waiting import Waiting

COMMAND = str(Path(sys.executable).with_name("tailscale-mcp"))
READ = ("contacts_read", {"action": "get"})


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def begin(pool: ThreadPoolExecutor, running: Running, era: str) -> Future[httpx.Response]:
    """Begin a call on another thread."""

    def work() -> httpx.Response:
        with httpx.Client(timeout=20, trust_env=False) as web:
            return call_tool(web, running, *READ, era=era)

    return pool.submit(work)


def stop(running: Running) -> None:
    """Tell a server to stop, as a signal does."""
    told = threading.Event()

    def tell() -> None:
        running.server.handle_exit(signal.SIGTERM, None)
        told.set()

    running.loop.call_soon_threadsafe(tell)
    assert told.wait(10)


def test_what_is_under_way_ends_and_nobody_else_gets_in(
    pool: ThreadPoolExecutor, web: httpx.Client, tmp_path: Path, era: str
) -> None:
    waiting = Waiting()
    with serving(waiting.settings(), http_settings(), tmp_path) as running:
        under_way = begin(pool, running, era)
        assert waiting.arrived.wait(15)
        stop(running)
        late = call_tool(web, running, *READ, era=era)
        assert (late.status_code, late.headers["connection"]) == (503, "close")
        assert int(late.headers["retry-after"]) > 0
        assert late.json()["error"]["message"] == STOPPING
        assert web.get(f"{running.origin}/healthz").status_code == 200
        assert web.get(f"{running.origin}/readyz").status_code == 503
        waiting.release()
        assert result_of(under_way.result(15))["item"]["account"]["email"] == "alice@example.com"
    assert waiting.begun == 1


@pytest.mark.parametrize("how", ["the time is up", "a second signal"])
def test_what_does_not_end_is_reported(
    pool: ThreadPoolExecutor, tmp_path: Path, era: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DRAIN_SECONDS", 0.1 if how == "the time is up" else 60.0)
    waiting = Waiting()
    began = time.monotonic()
    with serving(waiting.settings(), http_settings(), tmp_path) as running:
        under_way = begin(pool, running, era)
        assert waiting.arrived.wait(15)
        stop(running)
        if how == "a second signal":
            stop(running)
        answer = under_way.result(15)
        assert answer.status_code == 503
        assert answer.json()["error"]["message"] == CUT_OFF
    assert time.monotonic() - began < 20


def test_the_time_of_a_stop_fits_into_ten_seconds() -> None:
    assert listening.DRAIN_SECONDS + CUT_SECONDS < 10


def command(tailnet: FakeTailnet, home: Path) -> tuple[list[str], dict[str, str]]:
    """Return how the real command is started over a tailnet."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE", "SSL_CERT"))}
    environment = {
        **kept,
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "TAILSCALE_API_KEY": tailnet.api_key,
        "TAILSCALE_BASE_URL": tailnet.base_url,
        "TAILSCALE_MCP_TOKEN": TOKEN,
        "TAILSCALE_SDK_STATE": str(home / "state"),
    }
    return [COMMAND, "--transport", "http", "--port", "0", "--allow-write"], environment


def port_of(process: subprocess.Popen[str]) -> int:
    """Read what the command says until it serves."""
    assert process.stderr is not None
    for line in process.stderr:
        if "serving http://" in line:
            return int(line.rpartition(":")[2].partition("/")[0])
    raise AssertionError("it never served")


@pytest.mark.realtime
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_well_and_the_write_it_was_at_was_made(
    pool: ThreadPoolExecutor, web: httpx.Client, tmp_path: Path, number: signal.Signals
) -> None:
    rule = {"operation": "setDnsPreferences", "delay": 1.0}
    with FakeTailnet(devices=2, faults=[rule]) as tailnet:
        words, environment = command(tailnet, tmp_path)
        with subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                url = f"http://127.0.0.1:{port_of(process)}/mcp"

                def change() -> httpx.Response:
                    arguments = {"action": "set_preferences", "magic_dns": False}
                    content = {"name": "dns_write", "arguments": arguments}
                    headers = {
                        "authorization": f"Bearer {TOKEN}",
                        "accept": "application/json, text/event-stream",
                    }
                    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": content}
                    with httpx.Client(timeout=20, trust_env=False) as client:
                        return client.post(url, json=body, headers=headers)

                under_way = pool.submit(change)
                while not tailnet.faults.of("setDnsPreferences"):
                    assert web.get(url.replace("/mcp", "/healthz")).status_code == 200
                process.send_signal(number)
                refused = web.post(url, json={}, headers={"authorization": f"Bearer {TOKEN}"})
                assert refused.status_code == 503
                done = under_way.result(15)
                assert process.wait(15) == 0
            finally:
                process.kill()
            assert process.stderr is not None
            said = process.stderr.read()
        assert result_of(done)["ok"] is True
        assert len(tailnet.ledger.of("setDnsPreferences")) == 1
    assert "Traceback" not in said
    assert TOKEN not in said
