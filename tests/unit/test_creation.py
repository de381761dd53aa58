"""Creations whose answer is lost: looked for, removed or named, and never made twice unnoticed."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import pickle
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tailscale_sdk import RawResponse
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.calls.creation import RecreatedKey, mark
from tailscale_sdk.calls.traces import json_of, with_json
from tailscale_sdk.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    DecodeError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TailscaleError,
)
from tailscale_sdk.models import Key
from tailscale_sdk.transport.clock import Clock
from tests.unit.scripted import Twin, twins
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

# --- the mark -----------------------------------------------------------------------------------


@twins
@pytest.mark.parametrize(
    "given_, sent",
    [
        ("ci", "ci mark1aaa"),
        ("x" * 41, "x" * 41 + " mark1aaa"),
        ("x" * 42, "x" * 42),
        ("x" * 50, "x" * 50),
        (None, "mark1aaa"),
        ("", "mark1aaa"),
    ],
)
async def test_a_key_is_marked_where_there_is_room(kind: str, given_: str | None, sent: str) -> None:
    service = Service()
    key = await create_key(kind, service, given_)
    assert key.description == sent
    assert type(key) is Key
    assert len(sent) <= 50
    assert service.asked == [POST]


@twins
async def test_a_key_is_left_unmarked_where_that_is_wanted(kind: str) -> None:
    for description in ("ci", None):
        service = Service()
        key = await create_key(kind, service, description, mark_creation=False)
        assert key.description == description


def test_marking_changes_nothing_else() -> None:
    request = WireRequest("POST", "/tailnet/-/keys", content=b'{"keyType":"auth","tags":["tag:a"]}')
    marked = mark(request, "abcd2345")
    assert marked is not None
    assert json_of(marked) == {"keyType": "auth", "tags": ["tag:a"], "description": "abcd2345"}
    assert evolve(marked, content=None) == evolve(request, content=None)
    assert mark(with_json(request, {"description": 5}), "abcd2345") is None
    assert json_of(WireRequest("POST", "/")) == json_of(WireRequest("POST", "/", content=b"[1]")) == {}


@given(st.text(max_size=50))
def test_no_mark_makes_a_description_too_long(text: str) -> None:
    marked = mark(WireRequest("POST", "/", content=json.dumps({"description": text}).encode()), "abcd2345")
    assert (marked is None) is (len(text) > 41)
    if marked is not None:
        written = json_of(marked)["description"]
        assert written.split()[-1] == "abcd2345"
        assert len(written) <= 50


# --- a key whose answer was lost ----------------------------------------------------------------

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


@twins
@pytest.mark.parametrize("fault", LOST)
async def test_what_was_made_is_found_removed_and_verified(kind: str, fault: str) -> None:
    service = Service({POST: [LOST[fault]]})
    error = await unknown(kind, service)
    assert (error.recovered, error.nonce, len(error.candidates)) == ("revoked", "mark1aaa", 1)
    assert service.asked == [POST, LIST, DELETE, GET]
    assert service.descriptions() == []
    assert service.waits == []
    assert error.attempts == 1
    assert isinstance(error.__cause__, APIConnectionError | APIStatusError | DecodeError)
    assert "safe to create again" in str(error)
    assert "tskey" not in str(error)


@twins
async def test_only_what_carries_the_mark_is_touched(kind: str) -> None:
    service = Service({POST: [lost_after]})
    others = ["ci", "mark1aaa-x", "xmark1aaa", "ci mark2aaa", None]
    for description in others:
        service.add("keys", {"description": description})
    error = await unknown(kind, service)
    assert error.recovered == "revoked"
    assert [key["description"] for key in service.things["keys"].values()] == others


@twins
@pytest.mark.parametrize("gone", [{"invalid": True}, {"revoked": "2026-07-01T10:00:00Z"}])
async def test_a_key_that_stays_visible_but_invalid_is_gone(kind: str, gone: dict[str, Any]) -> None:
    def revoke(service: Service, request: Request) -> httpx.Response:
        for key in service.things["keys"].values():
            key.update(gone)
        return httpx.Response(200)

    service = Service({POST: [lost_after], DELETE: [revoke]})
    assert (await unknown(kind, service)).recovered == "revoked"
    # A key that is invalid already is not what was made.
    service.script = {POST: [lost_before]}
    service.things["keys"]["old"] = {"id": "old", "description": "mark2aaa", "created": None, **gone}
    assert (await unknown(kind, service)).recovered == "not_found"


@twins
async def test_a_key_that_is_not_gone_is_said_to_be_there(kind: str) -> None:
    service = Service({POST: [lost_after], DELETE: [status(200)]})
    error = await unknown(kind, service)
    assert (error.recovered, len(error.candidates)) == ("none", 1)
    assert f"it may be {error.candidates[0]}" in str(error)
    assert "look for 'mark1aaa'" in str(error)


@twins
@pytest.mark.parametrize("step", [DELETE, GET])
async def test_what_cannot_be_removed_is_named(kind: str, step: str) -> None:
    service = Service({POST: [lost_after], step: [status(403)]})
    error = await unknown(kind, service)
    assert error.recovered == "none"
    assert len(error.candidates) == 1


@twins
async def test_somebody_else_removed_it_first(kind: str) -> None:
    def gone(service: Service, request: Request) -> httpx.Response:
        service.things["keys"].clear()
        return httpx.Response(404, json={"message": "not found"})

    service = Service({POST: [lost_after], DELETE: [gone]})
    assert (await unknown(kind, service)).recovered == "revoked"
    assert service.asked == [POST, LIST, DELETE]


@twins
@pytest.mark.parametrize("fault", [lost_before, status(500), status(503)])
async def test_absence_is_believed_at_the_second_look(kind: str, fault: Reaction) -> None:
    service = Service({POST: [fault]})
    error = await unknown(kind, service)
    assert (error.recovered, error.nonce, error.candidates) == ("not_found", "mark1aaa", ())
    assert service.asked == [POST, LIST, LIST]
    assert service.waits == [2.0]
    assert "look for 'mark1aaa'" in str(error)


@twins
async def test_what_arrives_between_the_looks_is_removed(kind: str) -> None:
    service = Service({POST: [late_by(2)]})
    error = await unknown(kind, service)
    assert error.recovered == "revoked"
    assert service.asked == [POST, LIST, LIST, DELETE, GET]
    assert service.descriptions() == []


@twins
@pytest.mark.parametrize("fault", [status(403), status(500), lost_before, answer(b"[]"), answer(b"{")])
@pytest.mark.parametrize("look", [0, 1])
async def test_when_the_list_fails_nothing_is_known(kind: str, fault: Reaction, look: int) -> None:
    service = Service({POST: [lost_before], LIST: [normal] * look + [fault]})
    error = await unknown(kind, service)
    assert (error.recovered, error.nonce) == ("none", "mark1aaa")
    assert isinstance(error.__cause__, APIConnectionError)


@twins
@pytest.mark.parametrize(
    "fault, kind_of_error",
    [
        (status(400), BadRequestError),
        (status(403), PermissionDeniedError),
        (status(429), RateLimitError),
        (refused, APIConnectionError),
    ],
)
async def test_a_clear_failure_is_not_looked_into(
    kind: str, fault: Reaction, kind_of_error: type[TailscaleError]
) -> None:
    service = Service({POST: [fault]})
    with pytest.raises(kind_of_error) as caught:
        await create_key(kind, service, on_ambiguous="recreate")
    assert type(caught.value) is kind_of_error
    assert service.asked == [POST]


@twins
async def test_entries_with_bare_ids_are_read_one_by_one(kind: str) -> None:
    service = Service({POST: [lost_after]})
    service.bare = True
    for number in range(30):
        service.add("keys", {"description": f"old {number}"})
    error = await unknown(kind, service)
    assert error.recovered == "revoked"
    assert service.asked == [POST, LIST, *[GET] * 31, DELETE, GET]
    assert len(service.descriptions()) == 30


@twins
async def test_a_key_that_vanishes_meanwhile_is_passed_over(kind: str) -> None:
    service = Service({POST: [lost_after], GET: [status(404), normal]})
    service.bare = True
    service.add("keys", {"description": "vanishing"})
    error = await unknown(kind, service)
    assert error.recovered == "revoked"
    assert service.descriptions() == ["vanishing"]


@twins
async def test_no_more_than_so_many_are_read(kind: str) -> None:
    service = Service({POST: [lost_before]})
    service.bare = True
    for number in range(230):
        service.add("keys", {"description": f"old {number}"})
    assert (await unknown(kind, service)).recovered == "not_found"
    assert service.asked.count(GET) == 400
    # One that says what it is costs no read, wherever it stands in the list.
    service = Service({POST: [lost_after]})
    for number in range(250):
        service.add("keys", {"description": f"old {number}", "created": "2099-01-01T00:00:00Z"})
    service.things["keys"]["bare"] = {"id": "bare", "created": None}
    error = await unknown(kind, service)
    assert error.recovered == "revoked"
    assert service.asked == [POST, LIST, GET, DELETE, GET]


@twins
async def test_another_tailnet_is_looked_into(kind: str) -> None:
    service = Service()
    paths: list[str] = []

    def keep(inner: Service, request: Request) -> Any:
        paths.append(request.url.raw_path.decode())
        raise httpx.ReadError("gone", request=request)

    service.script = {f"{method} tailnet/other/example.com/keys": [keep] for method in ("POST", "GET")}
    twin = client(kind, service)
    with pytest.raises(OutcomeUnknownError) as caught:
        await twin.call("keys.create", key_type="auth", tailnet="other/example.com")
    assert caught.value.recovered == "none"
    assert paths == [
        "/api/v2/tailnet/other%2Fexample.com/keys",
        "/api/v2/tailnet/other%2Fexample.com/keys?all=true",
    ]


# --- creating once more -------------------------------------------------------------------------


@twins
async def test_recreating_leaves_exactly_one_live_key(kind: str) -> None:
    service = Service({POST: [lost_after]})
    key = await create_key(kind, service, on_ambiguous="recreate")
    assert isinstance(key, RecreatedKey)
    assert key.possible_orphan is None
    assert (key.description, key.key) == ("ci mark2aaa", f"tskey-demo-{key.id}")
    assert service.descriptions() == ["ci mark2aaa"]
    assert service.asked == [POST, LIST, DELETE, GET, POST]


@twins
async def test_an_attempt_that_was_never_found_is_named(kind: str) -> None:
    service = Service({POST: [lost_before]})
    key = await create_key(kind, service, on_ambiguous="recreate")
    assert key.possible_orphan == "mark1aaa"
    assert service.descriptions() == ["ci mark2aaa"]
    assert service.asked == [POST, LIST, LIST, POST, LIST]
    assert service.waits == [2.0]


@twins
async def test_an_attempt_that_arrives_last_is_removed(kind: str) -> None:
    service = Service({POST: [late_by(3)]})
    key = await create_key(kind, service, on_ambiguous="recreate")
    assert key.possible_orphan is None
    assert service.descriptions() == ["ci mark2aaa"]
    assert service.asked == [POST, LIST, LIST, POST, LIST, DELETE, GET]


@twins
@pytest.mark.parametrize("step", [LIST, DELETE, GET])
async def test_an_attempt_that_may_be_left_is_named(kind: str, step: str) -> None:
    service = Service({POST: [late_by(3)], step: [normal] * (2 if step == LIST else 0) + [status(500)]})
    key = await create_key(kind, service, on_ambiguous="recreate")
    assert key.possible_orphan == "mark1aaa"


@twins
async def test_nothing_is_made_again_while_the_first_may_be_there(kind: str) -> None:
    for script in ({LIST: [status(500)]}, {DELETE: [status(500)]}, {DELETE: [status(200)]}):
        service = Service({POST: [lost_after], **script})
        error = await unknown(kind, service, on_ambiguous="recreate")
        assert error.recovered == "none"
        assert service.asked.count(POST) == 1


@twins
async def test_the_second_attempt_is_unclear_too(kind: str) -> None:
    service = Service({POST: [lost_after, lost_after]})
    error = await unknown(kind, service, on_ambiguous="recreate")
    assert (error.recovered, error.nonce, error.possible_orphan) == ("revoked", "mark2aaa", None)
    assert isinstance(error.__cause__, APIConnectionError)
    assert service.descriptions() == []
    assert service.asked == [POST, LIST, DELETE, GET] * 2


@twins
async def test_both_attempts_are_named_where_neither_was_found(kind: str) -> None:
    service = Service({POST: [lost_before, lost_before]})
    error = await unknown(kind, service, on_ambiguous="recreate")
    assert (error.recovered, error.nonce, error.possible_orphan) == ("not_found", "mark2aaa", "mark1aaa")
    assert "'mark1aaa'" in str(error)
    assert "'mark2aaa'" in str(error)


@twins
async def test_a_refused_second_attempt_does_not_hide_the_first(kind: str) -> None:
    service = Service({POST: [lost_before, status(403)]})
    error = await unknown(kind, service, on_ambiguous="recreate")
    assert (error.recovered, error.possible_orphan) == ("not_found", None)
    assert error.nonce == "mark1aaa"
    assert isinstance(error.__cause__, PermissionDeniedError)
    # Once the first is known to be gone, the refusal is all there is to say.
    for first in (lost_after, late_by(3)):
        service = Service({POST: [first, status(403)]})
        with pytest.raises(PermissionDeniedError):
            await create_key(kind, service, on_ambiguous="recreate")
        assert service.descriptions() == []


def test_a_recreated_key_is_a_key_in_every_way() -> None:
    data = {"id": "k1", "key": "tskey-auth-demo", "description": "ci", "newField": {"a": [1]}}
    key = RecreatedKey.from_dict(data)
    assert key.possible_orphan is None
    key.possible_orphan = "mark1aaa"
    assert (key.id, key.to_dict(), key.additional_properties) == ("k1", data, {"newField": {"a": [1]}})
    assert "tskey-auth-demo" not in repr(key)
    for twin in (pickle.loads(pickle.dumps(key)), copy.copy(key), copy.deepcopy(key)):
        assert type(twin) is RecreatedKey
        assert (twin.possible_orphan, twin.to_dict()) == ("mark1aaa", data)
    changed = evolve(key, description="other")
    assert (type(changed), changed.description, changed.possible_orphan) == (RecreatedKey, "other", None)
    assert RecreatedKey(id="k2").possible_orphan is None


# --- keys without a mark ------------------------------------------------------------------------


@twins
@pytest.mark.parametrize(
    "options, description",
    [({"mark_creation": False}, "ci"), ({}, "x" * 42), ({"mark_creation": False}, None)],
)
async def test_without_a_mark_candidates_are_named_and_left(
    kind: str, options: dict[str, Any], description: str | None
) -> None:
    service = Service({POST: [lost_after]})
    service.add("keys", {"description": description, "created": (SINCE).isoformat()})
    service.add("keys", {"description": "another"})
    error = await unknown(kind, service, description, on_ambiguous="recreate", **options)
    made = list(service.things["keys"])[-1]
    assert (error.recovered, error.nonce, error.candidates) == ("none", None, (made,))
    assert service.asked == [POST, LIST]
    assert len(service.things["keys"]) == 3


@twins
async def test_without_a_mark_absence_is_believed_at_the_second_look(kind: str) -> None:
    service = Service({POST: [lost_before]})
    error = await unknown(kind, service, mark_creation=False, on_ambiguous="recreate")
    assert (error.recovered, error.candidates) == ("not_found", ())
    assert (service.asked, service.waits) == ([POST, LIST, LIST], [2.0])
    assert isinstance(error.__cause__, APIConnectionError)


@twins
async def test_without_a_mark_a_list_that_fails_is_said(kind: str) -> None:
    service = Service({POST: [lost_after], LIST: [status(500)]})
    error = await unknown(kind, service, mark_creation=False)
    assert (error.recovered, error.candidates) == ("none", ())
    assert isinstance(error.__cause__, APIConnectionError)


@twins
async def test_a_federated_identity_has_no_secret(kind: str) -> None:
    def without_secret(service: Service, request: Request) -> httpx.Response:
        return httpx.Response(200, json=service.add("keys", json.loads(request.content)))

    service = Service({POST: [without_secret]})
    twin = client(kind, service)
    key = await twin.call(
        "keys.create", key_type="federated", issuer="https://example.com", subject="*", scopes=["dns"]
    )
    assert key.key is None
    assert service.asked == [POST]


# --- webhooks -----------------------------------------------------------------------------------

HOOKS = "webhooks"
HOOK = {"endpoint_url": "https://example.com/hook", "subscriptions": ["nodeCreated"]}


async def create_hook(kind: str, service: Service, **options: Any) -> Any:
    return await client(kind, service, **options).call("webhooks.create", **HOOK)


async def unknown_hook(kind: str, service: Service, **options: Any) -> OutcomeUnknownError:
    with pytest.raises(OutcomeUnknownError) as caught:
        await create_hook(kind, service, **options)
    return caught.value


def add_hook(service: Service, url: str = "https://example.com/hook", **more: Any) -> str:
    return str(service.add(HOOKS, {"endpointUrl": url}, **more)["endpointId"])


@twins
async def test_a_webhook_that_may_be_ours_is_named_and_left(kind: str) -> None:
    service = Service({f"POST {HOOKS}": [lost_after]})
    add_hook(service, created=SINCE.isoformat())
    add_hook(service, "https://example.com/other")
    error = await unknown_hook(kind, service)
    ours = list(service.things[HOOKS])[-1]
    assert (error.recovered, error.nonce, error.candidates) == ("none", None, (ours,))
    assert len(service.things[HOOKS]) == 3


@twins
async def test_a_single_webhook_is_replaced_where_that_is_wanted(kind: str) -> None:
    service = Service({f"POST {HOOKS}": [lost_after]})
    add_hook(service, created=SINCE.isoformat())
    hook = await create_hook(kind, service, on_ambiguous="recreate")
    assert hook.secret == f"tskey-demo-{hook.endpoint_id}"
    assert list(service.things[HOOKS])[1:] == [hook.endpoint_id]
    assert service.asked == [
        f"POST {HOOKS}",
        f"GET {HOOKS}",
        f"DELETE {HOOKS}/one",
        f"GET {HOOKS}/one",
        f"POST {HOOKS}",
    ]


@twins
async def test_of_several_webhooks_none_is_removed(kind: str) -> None:
    service = Service({f"POST {HOOKS}": [lost_after]})
    add_hook(service)
    error = await unknown_hook(kind, service, on_ambiguous="recreate")
    assert (error.recovered, len(error.candidates)) == ("none", 2)
    assert len(service.things[HOOKS]) == 2


@twins
async def test_another_writers_webhook_is_never_removed_with_ours(kind: str) -> None:
    def meanwhile(service: Service, request: Request) -> httpx.Response:
        found = service.apply(request)
        add_hook(service)
        return found

    service = Service({f"POST {HOOKS}": [lost_after], f"GET {HOOKS}": [meanwhile]})
    hook = await create_hook(kind, service, on_ambiguous="recreate")
    assert len(service.things[HOOKS]) == 2
    assert service.asked.count(f"DELETE {HOOKS}/one") == 1
    assert hook.endpoint_id in service.things[HOOKS]


@twins
@pytest.mark.parametrize(
    "script", [{f"DELETE {HOOKS}/one": [status(403)]}, {f"DELETE {HOOKS}/one": [status(200)]}]
)
async def test_a_webhook_that_cannot_be_removed_is_named(
    kind: str, script: dict[str, list[Reaction]]
) -> None:
    service = Service({f"POST {HOOKS}": [lost_after], **script})
    error = await unknown_hook(kind, service, on_ambiguous="recreate")
    assert (error.recovered, error.candidates) == ("none", tuple(service.things[HOOKS]))
    assert isinstance(error.__cause__, APIConnectionError)
    assert service.asked.count(f"POST {HOOKS}") == 1


@twins
async def test_a_webhook_whose_replacement_is_unclear_is_named(kind: str) -> None:
    service = Service({f"POST {HOOKS}": [lost_after, lost_after]})
    error = await unknown_hook(kind, service, on_ambiguous="recreate")
    assert (error.recovered, error.candidates) == ("none", tuple(service.things[HOOKS]))
    assert len(service.things[HOOKS]) == 1
    assert service.asked.count(f"POST {HOOKS}") == 2


@twins
async def test_a_webhook_that_is_not_there_is_not_made_again(kind: str) -> None:
    service = Service({f"POST {HOOKS}": [lost_before]})
    error = await unknown_hook(kind, service, on_ambiguous="recreate")
    assert (error.recovered, error.candidates) == ("not_found", ())
    assert service.waits == [2.0]


@twins
async def test_a_webhook_without_a_secret_is_unclear(kind: str) -> None:
    service = Service({f"POST {HOOKS}": [answer(b'{"endpointId": "w1"}')]})
    error = await unknown_hook(kind, service)
    assert isinstance(error.__cause__, DecodeError)
    assert error.__cause__.json_path == "$.secret"


# --- everything else ----------------------------------------------------------------------------

OTHERS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], list[dict[str, Any]]]] = {
    "posture/integrations": (
        "posture_integrations.create",
        (),
        {"provider": "intune", "client_secret": "demo"},
        [{"provider": "falcon"}],
    ),
    "oauth-apps": (
        "oauth_apps.create",
        (),
        {"name": "demo", "redirect_uris": ["https://example.com/back"], "scopes": ["openid"]},
        [{"name": "other"}, {"name": "demo", "created": SINCE.isoformat()}],
    ),
    "user-invites": (
        "user_invites.create",
        (),
        {"invites": [{"role": "member", "email": "New@example.com"}]},
        [{"email": "other@example.com"}, {"email": ""}, {}],
    ),
    "device-invites": (
        "device_invites.create",
        ("nDEMO1CNTRL",),
        {"invites": [{"email": "new@example.com"}, {"multiUse": True}]},
        [{"email": "other@example.com"}, {"email": "new@example.com", "created": SINCE.isoformat()}],
    ),
}


@twins
@pytest.mark.parametrize("collection", OTHERS)
async def test_what_may_have_been_made_is_named_and_left(kind: str, collection: str) -> None:
    method, arguments, keywords, others = OTHERS[collection]
    service = Service({f"POST {collection}": [lost_after]})
    for other in others:
        service.add(collection, {}, **other)
    with pytest.raises(OutcomeUnknownError) as caught:
        await client(kind, service, on_ambiguous="recreate").call(method, *arguments, **keywords)
    made = list(service.things[collection])[len(others) :]
    assert made
    assert (caught.value.recovered, caught.value.candidates) == ("none", tuple(made))
    assert service.asked == [f"POST {collection}", f"GET {collection}"]


@twins
@pytest.mark.parametrize("collection", OTHERS)
async def test_what_was_not_made_is_not_made_again(kind: str, collection: str) -> None:
    method, arguments, keywords, _ = OTHERS[collection]
    service = Service({f"POST {collection}": [lost_before]})
    with pytest.raises(OutcomeUnknownError) as caught:
        await client(kind, service, on_ambiguous="recreate").call(method, *arguments, **keywords)
    assert (caught.value.recovered, caught.value.candidates) == ("not_found", ())
    assert service.asked == [f"POST {collection}", *[f"GET {collection}"] * 2]


@twins
@pytest.mark.parametrize("collection", OTHERS)
async def test_what_is_made_is_returned(kind: str, collection: str) -> None:
    method, arguments, keywords, _ = OTHERS[collection]
    service = Service()
    made = await client(kind, service).call(method, *arguments, **keywords)
    assert [one.id for one in (made if isinstance(made, list) else [made])] == list(
        service.things[collection]
    )


@twins
@pytest.mark.parametrize(
    "collection, body, path",
    [
        ("oauth-apps", b'{"id": "o1"}', "$.clientSecret"),
        ("oauth-apps", b'{"clientSecret": "demo"}', "$.id"),
        ("posture/integrations", b"{}", "$.id"),
        ("user-invites", b'[{"id": "u1"}, {"email": "new@example.com"}]', "$[1].id"),
        ("user-invites", b"[]", "$[0]"),
        ("device-invites", b"null", "$[0]"),
    ],
)
async def test_an_answer_nobody_can_use_leaves_it_open(
    kind: str, collection: str, body: bytes, path: str
) -> None:
    method, arguments, keywords, _ = OTHERS[collection]
    service = Service({f"POST {collection}": [answer(body)]})
    with pytest.raises(OutcomeUnknownError) as caught:
        await client(kind, service).call(method, *arguments, **keywords)
    assert isinstance(caught.value.__cause__, DecodeError)
    assert caught.value.__cause__.json_path == path
    assert caught.value.candidates == tuple(service.things[collection])


@twins
async def test_a_reusable_external_id_is_asked_for_again(kind: str) -> None:
    service = Service({"POST aws-external-id": [lost_after, status(502)]})
    made = await client(kind, service, max_retries=2).call("logging.create_aws_external_id", reusable=True)
    assert made.external_id == "external-2"
    assert service.asked == ["POST aws-external-id"] * 3


@twins
@pytest.mark.parametrize("arguments", [{}, {"reusable": False}])
async def test_any_other_external_id_is_not(kind: str, arguments: dict[str, Any]) -> None:
    service = Service({"POST aws-external-id": [lost_after]})
    with pytest.raises(OutcomeUnknownError) as caught:
        await client(kind, service, max_retries=2).call("logging.create_aws_external_id", **arguments)
    assert (caught.value.recovered, caught.value.candidates) == ("none", ())
    assert service.asked == ["POST aws-external-id"]


@twins
async def test_an_external_id_that_stays_away_is_no_unknown_outcome(kind: str) -> None:
    service = Service({"POST aws-external-id": [status(500)] * 3})
    with pytest.raises(ServerError) as caught:
        await client(kind, service, max_retries=2).call("logging.create_aws_external_id", reusable=True)
    assert caught.value.ambiguous is True
    assert caught.value.attempts == 3


# --- whole responses ----------------------------------------------------------------------------


async def create_raw(kind: str, service: Service, **options: Any) -> Any:
    twin = client(kind, service, **options)
    return await twin.call(
        "with_raw_response.keys.create", key_type="auth", description="ci", capabilities=CAPABILITIES
    )


@twins
async def test_a_whole_response_of_a_creation(kind: str) -> None:
    service = Service()
    response = await create_raw(kind, service)
    assert isinstance(response, RawResponse)
    assert (response.status, response.attempts, type(response.parsed)) == (200, 1, Key)
    assert json.loads(response.body)["key"] == response.parsed.key


@twins
async def test_a_whole_response_of_a_recreated_key(kind: str) -> None:
    service = Service({POST: [lost_before]})
    response = await create_raw(kind, service, on_ambiguous="recreate")
    assert isinstance(response, RawResponse)
    assert isinstance(response.parsed, RecreatedKey)
    assert response.parsed.possible_orphan == "mark1aaa"
    assert json.loads(response.body)["description"] == response.parsed.description == "ci mark2aaa"
    assert (response.status, response.headers["content-type"]) == (200, "application/json")


@twins
async def test_a_failure_stays_one_with_whole_responses(kind: str) -> None:
    service = Service({POST: [lost_after]})
    with pytest.raises(OutcomeUnknownError) as caught:
        await create_raw(kind, service)
    assert caught.value.recovered == "revoked"


# --- time ---------------------------------------------------------------------------------------


@twins
async def test_finding_out_has_time_of_its_own(kind: str) -> None:
    service = Service({POST: [slow(100.0)], LIST: [slow(3.0)] * 2})
    error = await unknown(kind, service, timeout=5.0)
    assert error.recovered == "not_found"
    assert isinstance(error.__cause__, APITimeoutError)
    assert service.elapsed == pytest.approx(5.0 + 3.0 + 2.0 + 3.0)


@twins
@pytest.mark.parametrize(
    "script, asked",
    [
        ({LIST: [slow(100.0)]}, [POST, LIST]),
        ({LIST: [slow(14.0)]}, [POST, LIST]),
        ({LIST: [slow(7.0), slow(100.0)]}, [POST, LIST, LIST]),
        ({POST: [slow_answer], LIST: [slow(7.0)], DELETE: [slow_answer]}, [POST, LIST, DELETE]),
    ],
)
async def test_finding_out_ends_after_fifteen_seconds(
    kind: str, script: dict[str, list[Reaction]], asked: list[str]
) -> None:
    service = Service({POST: [slow(100.0)], **script})
    error = await unknown(kind, service, timeout=5.0, on_ambiguous="recreate")
    assert (error.nonce, service.asked[: len(asked)]) == ("mark1aaa", asked)
    assert service.elapsed <= 20.0 + 0.01
    assert service.asked.count(POST) == 1 or error.possible_orphan == "mark1aaa"


@twins
async def test_a_second_creation_is_part_of_those_fifteen_seconds(kind: str) -> None:
    service = Service({POST: [slow(100.0), slow(100.0)]})
    error = await unknown(kind, service, timeout=60.0, on_ambiguous="recreate")
    assert (error.recovered, error.nonce, error.possible_orphan) == ("none", "mark2aaa", "mark1aaa")
    assert service.elapsed == pytest.approx(30.0 + 15.0, abs=0.1)


@twins
async def test_reads_of_a_look_are_repeated_within_its_time(kind: str) -> None:
    service = Service(
        {POST: [lost_after], LIST: [status(500), lost_before], DELETE: [status(503, retry_after="1")]}
    )
    error = await unknown(kind, service, max_retries=3)
    assert error.recovered == "revoked"
    assert service.descriptions() == []


@twins
async def test_a_deletion_that_is_repeated_finds_nothing_left(kind: str) -> None:
    service = Service({POST: [lost_after], DELETE: [lost_after]})
    error = await unknown(kind, service, max_retries=3)
    assert error.recovered == "revoked"
    assert service.asked == [POST, LIST, DELETE, DELETE, GET]


# --- being stopped ------------------------------------------------------------------------------


def held(started: asyncio.Event, go_on: asyncio.Event, then: Reaction = normal) -> Reaction:
    """Wait until the test lets it go on."""

    async def react(service: Service, request: Request) -> httpx.Response:
        started.set()
        await go_on.wait()
        return then(service, request)  # type: ignore[return-value]

    return react


@pytest.mark.parametrize("deletion", [normal, status(403), lost_before])
async def test_a_deletion_under_way_is_finished_before_a_cancellation_goes_on(deletion: Reaction) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    service = Service({POST: [lost_after], DELETE: [held(started, go_on, deletion)]})
    task = asyncio.create_task(create_key("async", service))
    await started.wait()
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert service.descriptions() == ([] if deletion is normal else ["ci mark1aaa"])
    assert any("look for 'mark1aaa'" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("step", [POST, LIST, GET])
async def test_any_other_step_is_cancelled_at_once(step: str) -> None:
    started = asyncio.Event()
    service = Service({POST: [lost_after]})
    service.script.setdefault(step, []).insert(0, held(started, asyncio.Event()))
    task = asyncio.create_task(create_key("async", service))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert any("mark1aaa" in note for note in caught.value.__notes__)


async def test_a_second_creation_that_is_cancelled_names_both() -> None:
    started = asyncio.Event()
    service = Service({POST: [lost_before, held(started, asyncio.Event())]})
    task = asyncio.create_task(create_key("async", service, on_ambiguous="recreate"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    told = "\n".join(caught.value.__notes__)
    assert "mark1aaa" in told
    assert "mark2aaa" in told


def interrupted(stop: type[BaseException], step: str) -> Service:
    """Return a service whose first request of a step is stopped from outside."""

    def interrupt(service: Service, request: Request) -> httpx.Response:
        raise stop

    service = Service({POST: [lost_after]})
    service.script.setdefault(step, []).insert(0, interrupt)
    return service


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("step", [POST, LIST, DELETE, GET])
def test_an_interruption_names_what_may_be_there(stop: type[BaseException], step: str) -> None:
    with pytest.raises(stop) as caught:
        create_with(interrupted(stop, step), {})
    assert any("mark1aaa" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("step", [POST, LIST])
async def test_an_interrupted_task_names_what_may_be_there(stop: type[BaseException], step: str) -> None:
    with pytest.raises(stop) as caught:
        drive(create_key("async", interrupted(stop, step)))
    assert any("mark1aaa" in note for note in caught.value.__notes__)


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never really waits; an event loop would stop at an interruption, and the test with it."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


# --- the law ------------------------------------------------------------------------------------

CREATION_FAULTS = st.sampled_from(
    [normal, lost_before, lost_after, status(500), status_after(500), status(403), status(429), refused]
    + [late_by(number) for number in range(1, 9)]
    + [LOST["cut"], LOST["no secret"]]
)
OTHER_FAULTS = st.sampled_from([normal, normal, normal, lost_before, lost_after, status(500), status(403)])
SCRIPTS = st.fixed_dictionaries(
    {
        POST: st.lists(CREATION_FAULTS, max_size=3),
        LIST: st.lists(OTHER_FAULTS, max_size=4),
        GET: st.lists(OTHER_FAULTS, max_size=3),
        DELETE: st.lists(OTHER_FAULTS, max_size=3),
    }
)


@pytest.mark.parametrize("kind", ["sync", "async"])
@settings(max_examples=60)
@given(SCRIPTS, st.sampled_from(["raise", "recreate"]), st.booleans(), st.booleans(), st.sampled_from([0, 2]))
def test_no_key_is_left_that_nobody_was_told_of(
    kind: str,
    script: dict[str, list[Reaction]],
    on_ambiguous: str,
    marked: bool,
    bare: bool,
    max_retries: int,
) -> None:
    service = Service(script)
    service.bare = bare
    options = {"on_ambiguous": on_ambiguous, "mark_creation": marked, "max_retries": max_retries}
    made, problem = None, None
    try:
        if kind == "sync":
            made = create_with(service, options)
        else:
            made = asyncio.run(create_key(kind, service, **options))
    except TailscaleError as error:
        problem = error
    live = {name: key["description"].split()[-1] for name, key in service.things["keys"].items()}
    if made is not None:
        # A success is one live key.
        assert live.pop(made.id) == made.description.split()[-1]
    # Whatever else lives, or is on its way, is named by the error or the result.
    on_its_way = [json.loads(request.content)["description"].split()[-1] for request in service.late.values()]
    if marked:
        named = {getattr(made, "possible_orphan", None)}
        if isinstance(problem, OutcomeUnknownError):
            named = {problem.nonce, problem.possible_orphan}
        assert {*live.values(), *on_its_way} <= named
    elif live or on_its_way:
        # Without a mark nothing is made twice, and the error says that it is not known.
        assert len(live) + len(on_its_way) == 1
        assert made is None
        assert isinstance(problem, OutcomeUnknownError)
        assert problem.candidates == tuple(live) or problem.recovered in {"none", "not_found"}


def create_with(service: Service, options: dict[str, Any]) -> Any:
    twin = client("sync", service, **options)
    return twin.client.keys.create(key_type="auth", description="ci", capabilities=CAPABILITIES)
