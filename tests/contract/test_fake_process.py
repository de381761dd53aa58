"""The embedded tailnet as a class, a pytest fixture, and a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.pytest_plugin import fake_tailnet as fake_tailnet
from tests.contract.talk import Talk

COMMAND = [sys.executable, "-m", "tailscale_sdk.testing"]


def test_the_fixture_serves_a_fleet(fake_tailnet: FakeTailnet) -> None:
    assert len(Talk(fake_tailnet).devices()) == 25


async def test_the_asynchronous_context_manager() -> None:
    async with FakeTailnet(devices=2) as tailnet, httpx.AsyncClient() as client:
        headers = {"Authorization": f"Bearer {tailnet.api_key}"}
        answer = await client.get(f"{tailnet.base_url}/api/v2/tailnet/-/devices", headers=headers)
        assert len(answer.json()["devices"]) == 2
    with pytest.raises(ConfigurationError, match="not running"):
        _ = tailnet.base_url


def test_closing_twice_and_starting_twice_do_nothing() -> None:
    tailnet = FakeTailnet(devices=1).start()
    url = tailnet.base_url
    assert tailnet.start().base_url == url
    tailnet.close()
    tailnet.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    assert len(tailnet.snapshot()["devices"]) == 1, "the state can be read afterwards"


def test_two_tailnets_stand_side_by_side() -> None:
    with FakeTailnet(devices=1, seed=1) as one, FakeTailnet(devices=1, seed=2) as other:
        assert one.base_url != other.base_url
        Talk(one, other.api_key).refused("GET", "/tailnet/-/users", 401)


def test_closing_waits_for_no_idle_connection() -> None:
    with FakeTailnet(devices=1) as tailnet, httpx.Client() as client:
        client.get(f"{tailnet.base_url}/_control/clock")
        begun = time.monotonic()
        tailnet.close()
        assert time.monotonic() - begun < 2


def test_a_taken_port_and_bad_numbers_are_refused() -> None:
    with FakeTailnet(devices=0) as tailnet:
        port = int(tailnet.base_url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=f"port {port} cannot be used"):
            FakeTailnet(devices=0, port=port).start()
    with pytest.raises(ConfigurationError, match="devices"):
        FakeTailnet(devices=-1)
    with pytest.raises(ConfigurationError, match="port"):
        FakeTailnet(devices=0, port=70000).start()


@pytest.mark.realtime
def test_a_hundred_devices_start_quickly() -> None:
    FakeTailnet(devices=1)
    begun = time.monotonic()
    with FakeTailnet(devices=100):
        took = time.monotonic() - begun
    assert took < 0.3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    options = ["--devices", "4", "--seed", "2", "--plain"]
    with subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert sorted(line) == ["api_key", "base_url"]
        assert line["base_url"].startswith("http://127.0.0.1:")
        headers = {"Authorization": f"Bearer {line['api_key']}"}
        devices = httpx.get(f"{line['base_url']}/api/v2/tailnet/-/devices", headers=headers).json()["devices"]
        process.send_signal(number)
        rest, complaints = process.communicate(timeout=20)
    assert (process.returncode, rest, complaints) == (0, "", "")
    assert len(devices) == 4


def test_the_command_serves_a_snapshot_file(tmp_path: Path) -> None:
    file = tmp_path / "tailnet.json"
    file.write_text('{"devices": [{"id": "1", "name": "only"}]}')
    with subprocess.Popen(
        [*COMMAND, "--tailnet-file", str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        headers = {"Authorization": f"Bearer {line['api_key']}"}
        answer = httpx.get(f"{line['base_url']}/api/v2/device/1", headers=headers).json()
        process.terminate()
    assert answer == {"id": "1", "nodeId": "1", "name": "only"}


@pytest.mark.parametrize(
    "options, words",
    [
        (["--faults", "missing.json"], "missing.json: cannot be read"),
        (["--tailnet-file", "missing.json"], "missing.json: cannot be read"),
        (["--devices", "-5"], "at least 0"),
        (["--port", "70000"], "at most 65535"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_wrong_use_is_told_in_words_with_status_2(options: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, cwd=tmp_path, timeout=20, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_the_extra_one_line_names_it(tmp_path: Path) -> None:
    program = (
        "import importlib.util as u, sys\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name in ('starlette', 'uvicorn') else real(name, package)\n"
        "try:\n"
        "    import tailscale_sdk.testing\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.startswith("ConfigurationError ")
    assert "tailscale-sdk[testing]" in done.stdout
    assert done.stdout.count("\n") == 1
