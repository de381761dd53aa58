"""A client made before a fork sends nothing in the child, and goes on working in the parent."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet

COMMON = """
import asyncio, json, os, sys
from tailscale_sdk import AsyncTailscale, ClientLoopError, Tailscale

def outcome(work):
    try:
        return f"answered {work()}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

def in_child(work):
    "Return what the work comes to in a forked process."
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.write(writing, outcome(work).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return told

options = {"api_key": sys.argv[1], "base_url": sys.argv[2]}
"""
SYNC = """
client = Tailscale(**options)
count = lambda: len(client.devices.list())
told = [outcome(count)] if used else []
told += [in_child(count), in_child(lambda: client.with_options(timeout=5).keys.create(capabilities={}))]
told += [in_child(lambda: client.with_raw_response.devices.list()), in_child(client.close), outcome(count)]
client.close()
print(json.dumps(told))
"""
# The child of a running loop drives its coroutine by hand: what does no I/O needs no loop.
ASYNC = """
def drive(coroutine):
    coroutine.send(None)
    return "and waited for something"

async def main():
    async with AsyncTailscale(**options) as client:
        async def count():
            return f"answered {len(await client.devices.list())}"
        told = [await count()] if used else []
        told += [in_child(lambda: drive(client.devices.list()))]
        told += [in_child(lambda: drive(client.with_options(timeout=5).keys.create(capabilities={})))]
        told += [in_child(lambda: drive(client.with_raw_response.devices.list()))]
        return [*told, await count()]

unused = AsyncTailscale(**options)
told = [in_child(lambda: asyncio.run(unused.devices.list()))]
print(json.dumps([*told, *asyncio.run(main())]))
"""
REFUSED = "ClientLoopError: this client was made before a fork: make one in each process"


def run(script: str, tailnet: FakeTailnet, *, used: bool) -> list[str]:
    code = f"used = {used}\n{COMMON}{script}"
    command = [sys.executable, "-W", "error", "-c", code, tailnet.api_key, tailnet.base_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told: list[str] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
def test_a_synchronous_client(used: bool) -> None:
    with FakeTailnet(devices=3, faults=[]) as tailnet:
        told = run(SYNC, tailnet, used=used)
        calls = 2 if used else 1
        assert told == [*["answered 3"] * (calls - 1), *[REFUSED] * 3, "answered None", "answered 3"]
        assert sent(tailnet) == [("listTailnetDevices", 1)] * calls


@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
def test_an_asynchronous_client(used: bool) -> None:
    with FakeTailnet(devices=3, faults=[]) as tailnet:
        told = run(ASYNC, tailnet, used=used)
        calls = 2 if used else 1
        assert told == [REFUSED, *["answered 3"] * (calls - 1), *[REFUSED] * 3, "answered 3"]
        assert sent(tailnet) == [("listTailnetDevices", 1)] * calls


def sent(tailnet: FakeTailnet) -> list[Any]:
    """Return operation and connection of every request that reached the service."""
    return [(seen.operation, seen.connection) for seen in tailnet.faults.requests]
