"""One connection of the fault server: request after request, each relayed or met by its fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

import attrs
import orjson

from tailscale_sdk.testing.control import CONTROL_PREFIX, refuse_strangers
from tailscale_sdk.testing.exchange import Refusal
from tailscale_sdk.testing.faults.answers import build_answer
from tailscale_sdk.testing.faults.control import Faults, SeenRequest
from tailscale_sdk.testing.faults.messages import (
    JSON_TYPE,
    Answer,
    Head,
    Malformed,
    header,
    read_body,
    read_request,
)
from tailscale_sdk.testing.faults.playing import Stage, play
from tailscale_sdk.testing.faults.rules import Rule
from tailscale_sdk.testing.faults.spoiling import INVENTED
from tailscale_sdk.testing.faults.upstream import Call, Upstream

REQUESTS_PATH = f"{CONTROL_PREFIX}requests"
Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]


class Conversation:
    """Talk to one client.

    Args:
        faults: rules and ledger.
        port: port of the embedded tailnet.
        spawn: starts what outlives the connection.
        reader: what the client sends.
        writer: what the client gets.
    """

    def __init__(
        self,
        faults: Faults,
        port: int,
        spawn: Spawn,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._faults, self._port, self._spawn = faults, port, spawn
        self._reader, self._writer = reader, writer
        self._number = faults.next_connection()
        self._upstream = Upstream(port)

    async def run(self) -> None:
        """Answer until the client leaves or a fault ends the connection."""
        try:
            while await self._exchange():
                continue
        except Malformed as problem:
            answer = Answer(problem.status, (JSON_TYPE,)).carrying(orjson.dumps({"message": str(problem)}))
            self._writer.write(answer.head() + answer.body)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone, which is what most faults are for
        finally:
            self._upstream.close()
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def _exchange(self) -> bool:
        """Take one request; return whether another may follow on this connection."""
        head = await read_request(self._reader)
        if head is None:
            return False
        if head.path == REQUESTS_PATH:
            return await self._tell(head)
        self._faults.begin()
        try:
            seen, rule = self._faults.note(head, self._number)
            answer = await self._carry_out(head, seen, rule)
        finally:
            self._faults.settled()
        fault, inside = (None, False) if rule is None else (rule.fault, rule.when == "mid_reply")
        if isinstance(fault, Answer):
            answer, fault = fault, None
        elif fault is not None:
            answer = build_answer(fault, head, self._faults.other_url) or answer
        stage = Stage(self._reader, self._writer, answer, seen, self._faults.sleep, head.method == "HEAD")
        last = not head.keep_alive or header(answer.headers, "connection").lower() == "close"
        return await play(stage, fault, inside=inside) and not last

    async def _carry_out(self, head: Head, seen: SeenRequest, rule: Rule | None) -> Answer:
        """Let the embedded tailnet answer, unless the rule says otherwise; return the answer or a stand-in."""
        if rule is not None and rule.before_body:
            await self._wait(rule.delay)
            return INVENTED
        call = Call(head, await self._read_body(head))
        if rule is not None and rule.late:
            self._carry_out_later(call, seen, rule.delay)
            return INVENTED
        await self._wait(rule.delay if rule is not None else 0)
        if rule is not None and rule.when == "before_apply":
            return INVENTED
        return await _forward(self._upstream, call, seen)

    async def _wait(self, seconds: float) -> None:
        if seconds:
            await self._faults.sleep(seconds)

    async def _read_body(self, head: Head) -> bytes:
        if header(head.headers, "expect").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await read_body(self._reader, head.headers)

    def _carry_out_later(self, call: Call, seen: SeenRequest, delay: float) -> None:
        async def forward() -> None:
            upstream = Upstream(self._port)
            try:
                await self._wait(delay)
                with suppress(OSError, asyncio.IncompleteReadError):  # the embedded tailnet is being closed
                    await _forward(upstream, call, seen)
            finally:
                upstream.close()

        self._faults.begin()
        self._spawn(forward()).add_done_callback(lambda _: self._faults.settled())

    async def _tell(self, head: Head) -> bool:
        """Answer the control path that lists the requests, to loopback only."""
        await read_body(self._reader, head.headers)
        try:
            refuse_strangers({name.lower(): value for name, value in head.headers})
            answer = Answer(200, (JSON_TYPE,)).carrying(
                orjson.dumps([attrs.asdict(seen) for seen in self._faults.requests])
            )
        except Refusal as refusal:
            answer = Answer(refusal.status, (JSON_TYPE,)).carrying(orjson.dumps(refusal.to_dict()))
        self._writer.write(answer.head() + answer.body)
        await self._writer.drain()
        return head.keep_alive


async def _forward(upstream: Upstream, call: Call, seen: SeenRequest) -> Answer:
    answer = await upstream.ask(call)
    seen.service_status = answer.status
    return answer
