"""A fresh embedded tailnet for every test, and ways to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.asking import Ask

AskAs = Callable[..., Ask]


@pytest.fixture
def fake() -> Iterator[FakeTailnet]:
    """Serve a tailnet with twelve devices."""
    with FakeTailnet(devices=12) as running:
        yield running


@pytest.fixture
def ask(fake: FakeTailnet) -> Iterator[Ask]:
    """Ask with the access token of the owner."""
    with Ask(fake) as asking:
        yield asking


@pytest.fixture
def ask_as(fake: FakeTailnet) -> Iterator[AskAs]:
    """Ask with another credential: arguments of ``FakeTailnet.add_credential``, or a token."""
    with ExitStack() as stack:

        def build(token: str | None = None, **credential: Any) -> Ask:
            return stack.enter_context(Ask(fake, token or fake.add_credential(**credential)))

        yield build
