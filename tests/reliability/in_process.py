"""A wire that reaches an embedded tailnet without any socket, and loses on the way what a script says.

Waiting is virtual for both kinds of client, so that thousands of calls and hours of outage take seconds, and a script
can be as mean as it likes: what is lost may arrive later all the same.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Generator
from typing import Any, Literal

import httpx
from attrs import define, field, frozen

from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.dispatch import Dispatcher, Request
from tailscale_sdk.testing.faults.control import operation_of
from tailscale_sdk.testing.policy_text import policy_etag
from tests.reliability.stage import KEPT

BASE = """// small, and kept
{
	"tagOwners": {"tag:web": ["autogroup:admin"]},
	"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
}
"""

# before: the tailnet never sees it. after: it carries it out, the answer is lost. late: it does so after the client
# gave up waiting. status: somebody answers in its place, before or after it was carried out.
Kind = Literal["fine", "slow", "refused", "before", "after", "late", "cut", "status", "status after"]
ACTS = frozenset({"fine", "slow", "after", "late", "cut", "status after"})
PREFIX = "/api/v2"


@frozen
class Hit:
    """Say what becomes of one request.

    Attributes:
        kind: where it is lost, if it is.
        status: of the answer in place of the true one.
        headers: likewise.
        seconds: how late the answer comes, or what was lost arrives; None for one the client does not wait for.
    """

    kind: Kind = "fine"
    status: int = 503
    headers: dict[str, str] = field(factory=dict)
    seconds: float = 0.0


FINE = Hit()
Script = Callable[[str], Hit]


@define
class Sent:
    """Remember one request.

    Attributes:
        operation: operation id.
        hit: what became of it.
        if_match: version tag it carried.
        status: what the tailnet answered, None while it has not seen it.
        replaced: version tag of the policy just before it was carried out.
    """

    operation: str
    hit: Hit
    if_match: str | None
    status: int | None = None
    replaced: str | None = None

    @property
    def done(self) -> bool:
        """Tell whether the tailnet carried it out."""
        return self.status is not None and self.status < 300


@define(eq=False, repr=False)
class Town:
    """Hold an embedded tailnet that is put back as it was, and what is on its way there.

    Attributes:
        now: tells the time by which what is late arrives.
    """

    fake: FakeTailnet = field(factory=lambda: FakeTailnet(devices=3))
    now: Callable[[], float] = lambda: 0.0
    log: list[Sent] = field(factory=list)
    pristine: dict[str, Any] = field(init=False)
    _kept: bytes = field(init=False)
    _dispatcher: Dispatcher = field(init=False)
    _late: list[tuple[float, httpx.Request, Sent]] = field(factory=list)

    def __repr__(self) -> str:
        return "a town"

    def __attrs_post_init__(self) -> None:
        self._dispatcher = Dispatcher(self.fake.tailnet)
        self._kept = pickle.dumps({name: getattr(self.fake.tailnet, name) for name in KEPT})
        self.pristine = pickle.loads(self._kept)

    def reset(self, now: Callable[[], float]) -> None:
        """Put everything back, and go by another clock."""
        state = self.fake.tailnet
        for name, value in pickle.loads(self._kept).items():
            setattr(state, name, value)
        state.policy_text = BASE
        state.ledger.entries.clear()
        state.audit.clear()
        self.log.clear()
        self._late.clear()
        self.now = now

    def land(self, until: float = float("inf")) -> None:
        """Let what is late arrive."""
        due = [late for late in self._late if late[0] <= until]
        self._late = [late for late in self._late if late[0] > until]
        for _, request, sent in sorted(due, key=lambda late: late[0]):
            self._answer(request, sent)

    def sent(self, operation: str) -> list[Sent]:
        """Return the requests of one operation."""
        return [sent for sent in self.log if sent.operation == operation]

    def _answer(self, request: httpx.Request, sent: Sent) -> httpx.Response:
        if sent.operation == "setPolicyFile":
            sent.replaced = policy_etag(self.fake.tailnet.policy_text)
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, query = request.url.raw_path.decode().partition("?")[::2]
        answer = self._dispatcher.answer(Request(request.method, path, query, headers, request.content))
        sent.status = answer.status
        return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)

    def carry(self, request: httpx.Request, script: Script) -> Generator[float, None, httpx.Response]:
        """Carry one request as its script says: give every wait, and return or raise in the end."""
        operation = operation_of(request.method, request.url.path) or ""
        hit = script(operation)
        sent = Sent(operation, hit, request.headers.get("if-match"))
        self.log.append(sent)
        self.land(self.now())
        if hit.kind == "refused":
            raise httpx.ConnectError("refused", request=request)
        if hit.kind == "slow":
            patience = request.extensions["timeout"].get("read")
            yield min(hit.seconds, patience)
            answer = self._answer(request, sent)
            if hit.seconds >= patience:
                raise httpx.ReadTimeout("slow", request=request)
            return answer
        if hit.kind == "late":
            self._late.append((self.now() + hit.seconds, request, sent))
        answer = self._answer(request, sent) if hit.kind in ACTS - {"late"} else httpx.Response(200)
        if hit.kind in {"before", "after", "late"}:
            raise httpx.ReadError("lost", request=request)
        if hit.kind == "cut" and answer.status_code < 300:
            # What is too short to be cut is filled up, as the fault server does.
            whole = answer.content if len(answer.content) > 2 else b'{"filled": "up"}'
            return httpx.Response(answer.status_code, content=whole[: len(whole) // 2])
        if hit.kind in {"status", "status after"}:
            return httpx.Response(hit.status, headers=hit.headers, json={"message": "scripted"})
        return answer


@define(eq=False)
class Line(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Be the wire of either client.

    Attributes:
        town: where it leads.
        script: what becomes of a request, by its operation id.
        sleep: how a thread waits.
    """

    town: Town
    script: Script = lambda operation: FINE
    sleep: Callable[[float], Any] = lambda seconds: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        steps = self.town.carry(request, self.script)
        while True:
            try:
                self.sleep(next(steps))
            except StopIteration as done:
                response: httpx.Response = done.value
                return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        steps = self.town.carry(request, self.script)
        while True:
            try:
                await asyncio.sleep(next(steps))
            except StopIteration as done:
                response: httpx.Response = done.value
                return response
