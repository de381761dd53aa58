"""One embedded tailnet behind faults for all the cases of a process."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from tailscale_sdk.testing import FakeTailnet, Faults
from tests.reliability.client_side import Rigging, client_side_faults
from tests.reliability.shared_time import SharedTime
from tests.reliability.stage import Stage


@pytest.fixture(scope="session", autouse=True)
def nothing_in_vain() -> Iterator[None]:
    """Read the certificates once, and do not search for sniffio at every lock of every call, as httpcore does."""
    absent = {} if find_spec("sniffio") else {"sniffio": None}
    contexts: dict[str, ssl.SSLContext] = {}
    create = httpx.create_ssl_context

    def create_once(**options: Any) -> ssl.SSLContext:
        trusted = os.environ["SSL_CERT_FILE"]
        if trusted not in contexts:
            contexts[trusted] = create(**options)
        return contexts[trusted]

    with mock.patch.dict("sys.modules", absent), mock.patch("httpx.create_ssl_context", create_once):
        yield


@pytest.fixture(scope="session")
def one_stage() -> Iterator[Stage]:
    """Serve three devices in the time of whoever asks."""
    time = SharedTime()
    with socket.create_server(("127.0.0.1", 0)) as other:
        faults = Faults(sleep=time.server_sleep, other_url=f"http://127.0.0.1:{other.getsockname()[1]}")
        with FakeTailnet(devices=3, faults=faults) as tailnet:
            yield Stage(tailnet, time, other)


@pytest.fixture
def stage(one_stage: Stage) -> Iterator[Stage]:
    """Return the stage as new."""
    one_stage.reset()
    yield one_stage
    one_stage.reset()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the throw-away certificates are."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="session")
def client_side(one_stage: Stage, certificates: Path) -> Iterator[dict[str, Rigging]]:
    """Return the faults that keep a client from reaching the tailnet."""
    with client_side_faults(one_stage.time, one_stage.tailnet.direct_url, certificates) as found:
        yield found
