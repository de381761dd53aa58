"""An embedded tailnet behind faults, a client of either kind before it, and one time for both."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Callable
from typing import Any

from attrs import define, field

from tailscale_sdk import AsyncTailscale, Tailscale, TailscaleError
from tailscale_sdk.testing import FakeTailnet, SeenRequest
from tailscale_sdk.testing.policy_text import policy_etag
from tailscale_sdk.transport.wire import open_async_wire, open_wire
from tests.reliability.deeds import KEY_TAGS, Deed
from tests.reliability.shared_time import SharedLoop, SharedTime
from tests.virtual_time import START

KEPT = ("devices", "keys", "secrets", "webhooks", "access_tokens", "memory", "ids", "random")
TIMEOUT, READ_TIMEOUT, CONNECT_TIMEOUT = 20.0, 4.0, 4.0
OPTIONS: dict[str, Any] = {
    "timeout": TIMEOUT,
    "read_timeout": READ_TIMEOUT,
    "connect_timeout": CONNECT_TIMEOUT,
    "rate_limit": None,
}
Rig = Callable[[Any], Any]


def as_it_is(wire: Any) -> Any:
    """Put nothing around a wire."""
    return wire


@define
class Outcome:
    """Hold what came of one call.

    Attributes:
        value: what the method returned.
        error: what it raised.
        elapsed: virtual seconds it took.
        waits: virtual seconds of each wait of the client.
        tries: requests of the deed that the client handed to its wire, whether or not they arrived.
        requests: what the fault server saw.
        writes: operation ids of the writes that were carried out, in their order.
        holds: how often the deed is done, by the state of the tailnet.
        right: the returned value is that of the deed.
    """

    value: Any = None
    error: TailscaleError | None = None
    elapsed: float = 0.0
    waits: list[float] = field(factory=list)
    tries: int = 0
    requests: list[SeenRequest] = field(factory=list)
    writes: list[str] = field(factory=list)
    holds: int = 0
    right: bool = False

    def asked(self, operation: str) -> int:
        """Return how many requests of an operation the server saw."""
        return sum(seen.operation == operation for seen in self.requests)


class Stage:
    """Let one call after the other meet its faults, each on a tailnet that is as new.

    Args:
        tailnet: running, with faults that sleep by ``time``.
        time: what client and server share.
        other: listens where redirects to another host point; nobody may come.
    """

    def __init__(self, tailnet: FakeTailnet, time: SharedTime, other: socket.socket) -> None:
        self.tailnet, self.time, self.other = tailnet, time, other
        self.wire: Any = None
        time.tailnet = tailnet
        state = tailnet.tailnet
        self.base = state.policy_text
        self.wanted = self.base.replace("10.20.0.0/16", "10.30.0.0/16")
        self.etag = policy_etag(self.base)
        self.device, self.other_device = list(state.devices)[:2]
        self.hook = next(iter(state.webhooks))
        self.oauth_client = tailnet.add_oauth_client(tags=KEY_TAGS)
        self._kept = pickle.dumps({name: getattr(state, name) for name in KEPT})
        self.pristine: dict[str, Any] = pickle.loads(self._kept)

    def reset(self) -> None:
        """Forget all faults, requests and writes, and put everything back."""
        state, faults = self.tailnet.tailnet, self.tailnet.faults
        faults.clear()
        faults.requests.clear()
        for name, value in pickle.loads(self._kept).items():
            setattr(state, name, value)
        state.policy_text = self.base
        state.ledger.entries.clear()
        state.audit.clear()
        self.time.begin()

    def play(
        self, twin: str, deed: Deed, *, rig: Rig = as_it_is, afterwards: bool = True, **options: Any
    ) -> Outcome:
        """Call the deed once with a client of its own.

        Args:
            twin: sync or async.
            deed: what is called.
            rig: puts something around the client's wire.
            afterwards: ask one more, sound question with the same client.
            options: of the client, over those of the stage.
        """
        outcome = Outcome()
        try:
            if twin == "sync":
                self._play_sync(deed, rig, afterwards, outcome, options)
            else:
                with self.loop() as runner:
                    runner.run(self._play_async(deed, rig, afterwards, outcome, options))
        finally:
            self.time.end()
        self.tailnet.faults.settle()
        self._look(deed, outcome)
        return outcome

    def loop(self) -> asyncio.Runner:
        """Return what runs coroutines in the shared time."""
        return asyncio.Runner(loop_factory=lambda: SharedLoop(self.time))

    def client(self, twin: str, rig: Rig = as_it_is, **options: Any) -> Any:
        """Make a client over real sockets, in the shared time.

        Args:
            twin: sync or async.
            rig: puts something around its wire.
            options: over those of the stage; ``wall`` is a wall clock of its own.
        """
        wall = {"now": options.pop("wall")} if "wall" in options else {}
        given = {"api_key": self.tailnet.api_key, "base_url": self.tailnet.base_url, **OPTIONS, **options}
        if "auth" in given:
            del given["api_key"]
        if twin == "sync":
            self.wire = open_wire(given["base_url"])
            return Tailscale(**given, _wire=rig(self.time.wire(self.wire)), _clock=self.time.clock(**wall))
        self.wire = open_async_wire(given["base_url"])
        wire = rig(self.time.async_wire(self.wire))
        return AsyncTailscale(**given, _wire=wire, _clock=self.time.clock(**wall))

    def _play_sync(self, deed: Deed, rig: Rig, afterwards: bool, outcome: Outcome, options: Any) -> None:
        with self.client("sync", rig, **options) as client:
            try:
                outcome.value = deed.call(client, self)
            except TailscaleError as error:
                outcome.error = error
            self._note(outcome)
            if afterwards:
                assert client.contacts.get().to_dict() == self.tailnet.tailnet.contacts

    async def _play_async(
        self, deed: Deed, rig: Rig, afterwards: bool, outcome: Outcome, options: Any
    ) -> None:
        async with self.client("async", rig, **options) as client:
            try:
                outcome.value = await deed.call(client, self)
            except TailscaleError as error:
                outcome.error = error
            self._note(outcome)
            if afterwards:
                assert (await client.contacts.get()).to_dict() == self.tailnet.tailnet.contacts

    def _note(self, outcome: Outcome) -> None:
        outcome.elapsed = self.time.now - START
        outcome.waits = list(self.time.waits)
        outcome.tries = self.time.sent
        outcome.requests = list(self.tailnet.faults.requests)

    def _look(self, deed: Deed, outcome: Outcome) -> None:
        outcome.writes = [entry.operation for entry in self.tailnet.ledger.entries]
        outcome.holds = deed.holds(self)
        outcome.right = outcome.error is None and deed.answers(outcome.value, self)
