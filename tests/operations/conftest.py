"""One caller over a tailnet of its own for each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.testing import FakeTailnet, no_sleep
from tests.changes.conftest import scratch_folder
from tests.operations.fleets import POLICY, USERS, Admin, ago, device, silent
from tests.operations.transactions import Caller, calling


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def caller(scratch: Path) -> Iterator[Caller]:
    with calling(scratch) as made:
        yield made


@pytest.fixture
def admin(scratch: Path) -> Iterator[Admin]:
    snapshot = {"devices": DEVICES, "users": USERS, "policy": POLICY}
    with (
        FakeTailnet(snapshot=snapshot) as tailnet,
        no_sleep(),
        contextlib.closing(Admin(tailnet, scratch / "state")) as made,
    ):
        yield made


DEVICES = [
    device("web-1", "", "tag:web", sshEnabled=True),
    device("web-2", "", "tag:web", connectedToControl=False, lastSeen=ago(days=40)),
    device("db-1", "", "tag:db"),
    device("router-1", "", "tag:router", advertised=["10.1.0.0/16", "10.2.0.0/16", "0.0.0.0/0", "::/0"]),
    device(
        "router-2",
        "",
        "tag:router",
        advertised=["10.1.0.0/16", "10.20.0.0/16", "0.0.0.0/0", "::/0"],
        approved=["10.1.0.0/16", "10.3.0.0/16", "10.4.0.0/16"],
    ),
    device("alice-laptop", "alice@example.com", os="macOS"),
    silent("bob-laptop", 70, "bob@example.com", os="windows"),
    silent("carol-phone", 100, "carol@example.com", os="iOS"),
    device("kiosk", "carol@example.com", authorized=False),
]
