"""A service that keeps what is created and reacts as a script says, and the calls made on it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tailscale_sdk.errors import (
    OutcomeUnknownError,
)
from tailscale_sdk.transport.clock import Clock
from tests.unit.scripted import Twin
from tests.virtual_time import START, WALL_START, VirtualTime

Request = httpx.Request
Reaction = Callable[["Service", httpx.Request], httpx.Response | Awaitable[httpx.Response]]
CAPABILITIES = {"devices": {"create": {}}}
SINCE = WALL_START - timedelta(days=40)
# What each collection is called, how its things are named, and which field only the answer to creation holds.
COLLECTIONS = {
    "keys": ("keys", "id", "key"),
    "webhooks": ("webhooks", "endpointId", "secret"),
    "oauth-apps": ("oauthApps", "id", "clientSecret"),
    "posture/integrations": ("integrations", "id", None),
    "user-invites": (None, "id", None),
    "device-invites": (None, "id", None),
}


class Service:
    """Keep what was created, and react to each kind of request as a script says; without one it answers.

    A script is a list of reactions per method and collection, such as ``{"POST keys": [lost_after]}``.
    """

    def __init__(self, script: dict[str, list[Reaction]] | None = None) -> None:
        self.time = VirtualTime()
        marks = (f"mark{number}aaa" for number in itertools.count(1))
        self.clock = Clock(
            monotonic=lambda: self.time.now,
            sleep=self.wait,
            async_sleep=self.wait_async,
            now=lambda: WALL_START + timedelta(seconds=self.time.now - START),
            random=lambda: 0.5,
            nonce=lambda: next(marks),
        )
        self.script = {step: list(reactions) for step, reactions in (script or {}).items()}
        self.things: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in COLLECTIONS}
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.waits: list[float] = []
        self.late: dict[int, httpx.Request] = {}
        self.external_ids = 0
        self.bare = False

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time.sleep(seconds)

    async def wait_async(self, seconds: float) -> None:
        self.wait(seconds)

    @property
    def elapsed(self) -> float:
        return self.time.now - START

    def __call__(self, request: httpx.Request) -> Any:
        kind, _ = self.place(request)
        self.asked.append(f"{request.method} {kind}")
        if (due := self.late.pop(len(self.asked), None)) is not None:
            self.apply(due)
        reactions = self.script.get(f"{request.method} {kind}", [])
        return reactions.pop(0)(self, request) if reactions else self.apply(request)

    def place(self, request: httpx.Request) -> tuple[str, str]:
        """Return the collection a request is about, and the id of one thing in it."""
        path = unquote(request.url.path).removeprefix("/api/v2/").removeprefix("tailnet/-/")
        if path.startswith("device/"):
            return "device-invites", ""
        kind = next((name for name in COLLECTIONS if path == name or path.startswith(f"{name}/")), path)
        identifier = path.removeprefix(kind).removeprefix("/")
        return (f"{kind}/one", identifier) if identifier else (kind, "")

    def apply(self, request: httpx.Request) -> httpx.Response:
        """Do what is asked."""
        kind, identifier = self.place(request)
        if kind == "aws-external-id":
            self.external_ids += 1
            return httpx.Response(
                200, json={"externalId": f"external-{self.external_ids}", "tailscaleAwsAccountId": "1"}
            )
        kind = kind.removesuffix("/one")
        field, name, secret = COLLECTIONS[kind]
        things = self.things[kind]
        if request.method == "POST":
            bodies = json.loads(request.content)
            made = [self.add(kind, body) for body in (bodies if isinstance(bodies, list) else [bodies])]
            answers = [one | ({secret: f"tskey-demo-{one[name]}"} if secret else {}) for one in made]
            return httpx.Response(200, json=answers if isinstance(bodies, list) else answers[0])
        if identifier and identifier not in things:
            return httpx.Response(404, json={"message": "not found"})
        if request.method == "DELETE":
            del things[identifier]
            return httpx.Response(200)
        if identifier:
            return httpx.Response(200, json=things[identifier])
        shown = [{name: one[name]} if self.bare else one for one in things.values()]
        return httpx.Response(200, json=shown if field is None else {field: shown})

    def add(self, kind: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Create something."""
        self.sent.append(body)
        _, name, _ = COLLECTIONS[kind]
        identifier = f"{kind[0]}{sum(map(len, self.things.values())) + len(self.sent)}"
        made = {name: identifier, "created": self.clock.now().isoformat(), **body, **more}
        made.pop("clientSecret", None)
        self.things[kind][identifier] = made
        return made

    def descriptions(self) -> list[str]:
        """Return the descriptions of the live keys."""
        return [key.get("description", "") for key in self.things["keys"].values()]


def lost_before(service: Service, request: Request) -> httpx.Response:
    """Lose a request on its way."""
    raise httpx.ReadError("gone", request=request)


def lost_after(service: Service, request: Request) -> httpx.Response:
    """Lose the answer of a request that was carried out."""
    service.apply(request)
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)


def refused(service: Service, request: Request) -> httpx.Response:
    """Be unreachable."""
    raise httpx.ConnectError("refused", request=request)


def status(code: int, **headers: str) -> Reaction:
    """Answer with an error and do nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda service, request: httpx.Response(code, headers=named, json={"message": "as told"})


def status_after(code: int) -> Reaction:
    """Do what is asked and answer with an error."""

    def react(service: Service, request: Request) -> httpx.Response:
        service.apply(request)
        return httpx.Response(code, json={"message": "as told"})

    return react


def answer(body: bytes) -> Reaction:
    """Do what is asked and answer with this body."""

    def react(service: Service, request: Request) -> httpx.Response:
        service.apply(request)
        return httpx.Response(200, content=body)

    return react


def late_by(requests: int) -> Reaction:
    """Lose an answer; the request is carried out some requests later."""

    def react(service: Service, request: Request) -> httpx.Response:
        service.late[len(service.asked) + requests] = request
        raise httpx.ReadTimeout("late", request=request)

    return react


def slow(seconds: float) -> Reaction:
    """Take time, no longer than the client waits for it."""

    def react(service: Service, request: Request) -> Any:
        patience = request.extensions["timeout"].get("read")
        service.time.sleep(min(seconds, patience))
        if seconds > patience:
            raise httpx.ReadTimeout("slow", request=request)
        return service.apply(request)

    return react


def slow_answer(service: Service, request: Request) -> httpx.Response:
    """Do what is asked and never answer."""
    service.apply(request)
    service.time.sleep(request.extensions["timeout"].get("read"))
    raise httpx.ReadTimeout("slow", request=request)


def normal(service: Service, request: Request) -> httpx.Response:
    return service.apply(request)


def client(kind: str, service: Service, **options: Any) -> Twin:
    return Twin(kind, service, _clock=service.clock, **{"max_retries": 0, **options})


async def create_key(kind: str, service: Service, description: str | None = "ci", **options: Any) -> Any:
    made = client(kind, service, **options)
    return await made.call("keys.create", key_type="auth", description=description, capabilities=CAPABILITIES)


async def unknown(
    kind: str, service: Service, description: str | None = "ci", **options: Any
) -> OutcomeUnknownError:
    with pytest.raises(OutcomeUnknownError) as caught:
        await create_key(kind, service, description, **options)
    assert caught.value.operation == "createKey"
    return caught.value


POST, LIST, GET, DELETE = "POST keys", "GET keys", "GET keys/one", "DELETE keys/one"


def create_with(service: Service, options: dict[str, Any]) -> Any:
    twin = client("sync", service, **options)
    return twin.client.keys.create(key_type="auth", description="ci", capabilities=CAPABILITIES)


LOST: dict[str, Reaction] = {
    "noreply": lost_after,
    "500": status_after(500),
    "503": status_after(503),
    "408": status_after(408),
    "cut": answer(b'{"id": "k1", "key": "tskey-a'),
    "page": answer(b"<html>welcome</html>"),
    "empty": answer(b""),
    "list": answer(b"[]"),
    "no secret": answer(b'{"id": "k1", "description": "ci"}'),
    "no id": answer(b'{"key": "tskey-auth-demo"}'),
    "empty secret": answer(b'{"id": "k1", "key": ""}'),
}
