"""A client that is closed, or used from a loop or process it does not belong to, sends nothing, whatever it is asked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from tailscale_sdk import AsyncTailscale, ClientLoopError, ConfigurationError, Tailscale
from tests.reliability.deeds import DEEDS, Deed
from tests.reliability.matrix import CLASSES
from tests.reliability.stage import Stage

pytestmark = pytest.mark.untraced

CASES = [
    pytest.param(retry_class, twin, id=f"loops-{retry_class}-{twin}")
    for retry_class in CLASSES
    for twin in ("sync", "async")
]


def build(kind: Callable[..., Any], stage: Stage) -> Any:
    """Make a client of the stage's tailnet."""
    return kind(api_key=stage.tailnet.api_key, base_url=stage.tailnet.base_url, rate_limit=None)


def refusal(work: Callable[[], Any]) -> str:
    """Return how a client that belongs elsewhere puts it."""
    with pytest.raises(ClientLoopError) as caught:
        work()
    assert isinstance(caught.value, ConfigurationError)
    return str(caught.value)


@pytest.mark.parametrize("retry_class, twin", CASES)
def test_fault(retry_class: str, twin: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for deed in [deed for deed in DEEDS if deed.retry_class == retry_class]:
        told = (_sync if twin == "sync" else _async)(deed, stage, monkeypatch)
        assert "fork" in told.pop()
        assert "closed" in told.pop()
        assert ["another event loop" in text for text in told] == [True] * (twin == "async")
    assert [seen.operation for seen in stage.tailnet.faults.requests] == [
        "getContacts" for deed in DEEDS if deed.retry_class == retry_class
    ]
    assert list(stage.tailnet.ledger.entries) == []


def _sync(deed: Deed, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    client = build(Tailscale, stage)
    client.contacts.get()
    client.close()
    told = [refusal(lambda: deed.call(client, stage))]
    with build(Tailscale, stage) as client, monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        told.append(refusal(lambda: deed.call(client, stage)))
    return told


def _async(deed: Deed, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    async def call() -> None:
        await deed.call(client, stage)

    with asyncio.Runner() as home, asyncio.Runner() as abroad:
        client = build(AsyncTailscale, stage)
        home.run(client.contacts.get())
        told = [refusal(lambda: abroad.run(call()))]
        home.run(client.aclose())
        told.append(refusal(lambda: home.run(call())))
        client = build(AsyncTailscale, stage)
        with monkeypatch.context() as forked:
            forked.setattr(os, "getpid", lambda: -1)
            told.append(refusal(lambda: home.run(call())))
        home.run(client.aclose())
    return told
