"""Either client, over an embedded tailnet whose policy is known, or over a script alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.policy.talk import TEXT, Client, Reaction, Wire


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def wire(fake: FakeTailnet) -> Iterator[Wire]:
    """Reach the embedded tailnet, whose policy is TEXT."""
    fake.tailnet.policy_text = TEXT
    reaching = Wire(fake)
    yield reaching
    reaching.close()


@pytest.fixture
def client(kind: str, wire: Wire) -> Client:
    return Client(kind, wire)


@pytest.fixture
def scripted(kind: str) -> Callable[..., Client]:
    """Make a client that talks to a script alone."""

    def make(*script: Reaction, **options: Any) -> Client:
        wire = Wire()
        wire.script = list(script)
        return Client(kind, wire, **options)

    return make
