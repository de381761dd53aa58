"""Policy writes whose outcome is unclear: one look at what is stored tells, and nothing lands twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tailscale_sdk import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    PolicyDocument,
    PreconditionFailedError,
    ServerError,
)
from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.calls.settle import Settled, settle
from tailscale_sdk.policy import hujson
from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.policy_text import policy_etag
from tailscale_sdk.transport.clock import Clock
from tests.contract.policy.talk import ETAG, NEW, TEXT, Client, Wire, answer

POST, GET = "POST /api/v2/tailnet/-/acl", "GET /api/v2/tailnet/-/acl"


async def test_a_write_whose_answer_was_lost_was_applied(client: Client, fake: FakeTailnet) -> None:
    client.wire.script = [client.wire.lost_after]
    assert await client.call("set", NEW, if_match=ETAG) == PolicyDocument(NEW, policy_etag(NEW))
    assert client.wire.paths() == [POST, GET]
    assert client.wire.seen[1].headers["accept"] == "application/hujson"
    assert len(fake.ledger.of("setPolicyFile")) == 1


async def test_a_write_that_was_lost_was_not_applied_and_can_be_repeated(
    client: Client, fake: FakeTailnet
) -> None:
    client.wire.script = [client.wire.lost_before]
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert type(error) is APIConnectionError
    # It may still be on its way: that it is not stored yet proves nothing.
    assert (error.operation, error.ambiguous) == ("setPolicyFile", True)
    assert client.wire.paths() == [POST, GET]
    assert (fake.snapshot()["policy"], len(fake.ledger)) == (TEXT, 0)
    assert (await client.call("set", NEW, if_match=ETAG)).text == NEW
    assert len(fake.ledger.of("setPolicyFile")) == 1


@pytest.mark.parametrize("arrived", [True, False])
async def test_somebody_else_wrote_meanwhile(client: Client, arrived: bool, fake: FakeTailnet) -> None:
    theirs = TEXT.replace("a@", "c@")

    def replaced(request: httpx.Request) -> httpx.Response:
        if arrived:
            client.wire.forward(request)
        fake.tailnet.policy_text = theirs
        raise httpx.ReadTimeout("late", request=request)

    client.wire.script = [replaced]
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, PreconditionFailedError)
    assert (error.status, error.operation, error.ambiguous) == (412, "setPolicyFile", False)
    assert "neither the one that was read nor the one that was sent" in str(error)
    assert isinstance(error.__cause__, APIConnectionError)
    assert client.wire.paths() == [POST, GET]
    assert fake.snapshot()["policy"] == theirs


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502])
async def test_when_the_read_fails_it_stays_unknown(client: Client, status: int) -> None:
    client.wire.script = [client.wire.lost_after, answer(status, b'{"message": "no"}')]
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert type(error) is APIConnectionError
    assert (error.operation, error.ambiguous) == ("setPolicyFile", True)
    assert client.wire.paths() == [POST, GET]


async def test_without_a_version_to_compare_it_stays_unknown(scripted: Callable[..., Client]) -> None:
    lost = Wire().lost_before
    for stored, keywords in (
        (answer(body=TEXT), {"if_match": ETAG}),
        (answer(body=TEXT, etag=f'"{ETAG}"'), {"overwrite": True}),
        (answer(body=TEXT, etag=f'"{ETAG}"'), {"if_match": "ts-default"}),
    ):
        client = scripted(lost, stored)
        error = await client.refusal("set", NEW, **keywords)
        assert type(error) is APIConnectionError
        assert error.ambiguous is True
        assert client.wire.paths() == [POST, GET]


@pytest.mark.parametrize("keywords", [{"overwrite": True}, {"if_match": "ts-default"}, {"if_match": ETAG}])
@pytest.mark.parametrize("policy", [NEW, NEW.encode(), {"acls": []}, PolicyDocument(NEW)])
async def test_what_is_stored_as_sent_was_applied(
    scripted: Callable[..., Client], policy: Any, keywords: dict[str, Any]
) -> None:
    stored = '{"acls": []}\n' if isinstance(policy, dict) else hujson.format(NEW)
    client = scripted(Wire().lost_before, answer(body=stored, etag='"new"'))
    assert await client.call("set", policy, **keywords) == PolicyDocument(stored, "new")


@pytest.mark.parametrize(
    "stored, etag, match, settled",
    [
        (NEW, "any", f'"{ETAG}"', Settled.APPLIED),
        (NEW, None, None, Settled.APPLIED),
        (hujson.format(NEW), "any", '"ts-default"', Settled.APPLIED),
        (TEXT, ETAG, f'"{ETAG}"', Settled.NOT_APPLIED),
        ("no HuJSON", ETAG, f'"{ETAG}"', Settled.NOT_APPLIED),
        ("", ETAG, f'"{ETAG}"', Settled.NOT_APPLIED),
        (TEXT, "other", f'"{ETAG}"', Settled.REPLACED),
        ("no HuJSON", "other", f'"{ETAG}"', Settled.REPLACED),
        (NEW.replace("kept", "gone"), "other", f'"{ETAG}"', Settled.REPLACED),
        (TEXT, None, f'"{ETAG}"', Settled.UNKNOWN),
        (TEXT, ETAG, None, Settled.UNKNOWN),
        (TEXT, ETAG, '"ts-default"', Settled.UNKNOWN),
    ],
)
def test_what_is_stored_settles_what_was_sent(
    stored: str, etag: str | None, match: str | None, settled: Settled
) -> None:
    headers = () if match is None else (("If-Match", match),)
    request = WireRequest("POST", "/tailnet/-/acl", content=NEW.encode(), headers=headers)
    assert settle(request, stored, etag) is settled


@pytest.mark.parametrize("status", [408, 500, 502, 504])
async def test_an_error_of_the_service_is_settled_too(client: Client, status: int) -> None:
    client.wire.script = [answer(status, b"<html>later</html>")]
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, APIStatusError)
    # Only the service itself can say that nothing is on its way any more; these others stand in front of it.
    assert (error.status, error.ambiguous, error.message) == (status, status != 500, "later")
    assert ("it is not known" in str(error).lower()) is (status in {502, 504})
    assert client.wire.paths() == [POST, GET]

    def applied(request: httpx.Request) -> httpx.Response:
        client.wire.forward(request)
        return answer(status)(request)

    client.wire.script = [applied]
    assert (await client.call("set", NEW, if_match=ETAG)).text == NEW


async def test_a_policy_that_breaks_the_service_is_known_not_to_be_stored(client: Client) -> None:
    broken = '{"groups": {"group:a": ["group:a"]}, "acls": [], "tagOwners": {"tag:x": ["tag:x"]}}'
    client.wire.script = [answer(500, b'{"message": "internal server error"}')]
    error = await client.refusal("set", broken, if_match=ETAG)
    assert isinstance(error, ServerError)
    assert str(error) == "setPolicyFile: 500 internal server error"


@pytest.mark.parametrize("body", [b"\xff\xfe", b"<html>hello</html>", b"", NEW[:40].encode()])
async def test_an_unreadable_answer_of_an_applied_write_is_settled(client: Client, body: bytes) -> None:
    def garbled(request: httpx.Request) -> httpx.Response:
        client.wire.forward(request)
        return answer(body=body)(request)

    client.wire.script = [garbled]
    assert await client.call("set", NEW, if_match=ETAG) == PolicyDocument(NEW, policy_etag(NEW))
    assert client.wire.paths() == [POST, GET]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 429])
async def test_a_clear_refusal_is_not_looked_into(scripted: Callable[..., Client], status: int) -> None:
    client = scripted(answer(status, b'{"message": "no"}'))
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, APIStatusError)
    assert (error.status, error.ambiguous) == (status, False)
    assert client.wire.paths() == [POST]


async def test_a_write_that_never_left_is_not_looked_into(scripted: Callable[..., Client]) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    client = scripted(unreachable)
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, APIConnectionError)
    assert error.ambiguous is False
    assert client.wire.paths() == [POST]


async def test_the_look_has_time_of_its_own(kind: str, wire: Wire) -> None:
    now = [0.0]

    def too_late(request: httpx.Request) -> httpx.Response:
        wire.forward(request)
        now[0] += 100.0
        raise httpx.ReadTimeout("late", request=request)

    wire.script = [too_late]
    client = Client(kind, wire, timeout=2.0, _clock=Clock(monotonic=lambda: now[0]))
    assert (await client.call("set", NEW, if_match=ETAG)).text == NEW
    assert wire.paths() == [POST, GET]


# --- an unclear write that is repeated -----------------------------------------------------------


@pytest.fixture
def patient(kind: str, wire: Wire) -> Client:
    """Call with a client that may try again."""
    return Client(kind, wire, max_retries=1)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_write_that_was_lost_is_sent_once_more(
    patient: Client, lost: bool, fake: FakeTailnet
) -> None:
    wire = patient.wire
    wire.script = [wire.lost_before, wire.forward, *([wire.lost_after] if lost else [])]
    assert await patient.call("set", NEW, if_match=ETAG) == PolicyDocument(NEW, policy_etag(NEW))
    assert wire.paths() == [POST, GET, POST, GET][: 4 if lost else 3]
    first, again = wire.seen[0], wire.seen[2]
    assert (first.content, first.headers["if-match"]) == (again.content, again.headers["if-match"])
    assert len(fake.ledger.of("setPolicyFile")) == 1


async def test_it_is_not_sent_a_third_time(patient: Client, fake: FakeTailnet) -> None:
    wire = patient.wire
    wire.script = [wire.lost_before, wire.forward, wire.lost_before]
    error = await patient.refusal("set", NEW, if_match=ETAG)
    assert type(error) is APIConnectionError
    assert error.ambiguous is True
    assert wire.paths() == [POST, GET, POST, GET]
    assert (fake.snapshot()["policy"], len(fake.ledger)) == (TEXT, 0)


async def test_a_write_that_arrives_late_lands_once(patient: Client, fake: FakeTailnet) -> None:
    wire = patient.wire

    def overtaken(request: httpx.Request) -> httpx.Response:
        wire.forward(wire.seen[0])
        return wire.forward(request)

    wire.script = [wire.lost_before, wire.forward, overtaken]
    assert (await patient.call("set", NEW, if_match=ETAG)).text == NEW
    assert wire.paths() == [POST, GET, POST, GET]
    assert len(fake.ledger.of("setPolicyFile")) == 1


async def test_somebody_else_writes_before_the_repeat(patient: Client, fake: FakeTailnet) -> None:
    wire, theirs = patient.wire, TEXT.replace("a@", "c@")

    def overtaken(request: httpx.Request) -> httpx.Response:
        fake.tailnet.policy_text = theirs
        return wire.forward(request)

    wire.script = [wire.lost_before, wire.forward, overtaken]
    error = await patient.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, PreconditionFailedError)
    assert wire.paths() == [POST, GET, POST, GET]
    assert fake.snapshot()["policy"] == theirs


async def test_the_repeat_is_refused(patient: Client) -> None:
    wire = patient.wire
    wire.script = [wire.lost_before, wire.forward, answer(400, b'{"message": "test(s) failed"}')]
    error = await patient.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, BadRequestError)
    assert wire.paths() == [POST, GET, POST]


async def test_the_second_look_fails(patient: Client) -> None:
    wire = patient.wire
    wire.script = [wire.lost_before, wire.forward, wire.lost_after, answer(403, b"{}")]
    error = await patient.refusal("set", NEW, if_match=ETAG)
    assert type(error) is APIConnectionError
    assert error.ambiguous is True
    assert wire.paths() == [POST, GET, POST, GET]


@pytest.mark.parametrize("keywords", [{"overwrite": True}, {"if_match": "ts-default"}])
async def test_what_stays_unknown_is_not_repeated(patient: Client, keywords: dict[str, Any]) -> None:
    patient.wire.script = [patient.wire.lost_before]
    error = await patient.refusal("set", NEW, **keywords)
    assert isinstance(error, APIConnectionError)
    assert error.ambiguous is True
    assert patient.wire.paths() == [POST, GET]


async def test_a_settled_write_is_a_whole_response_too(kind: str, wire: Wire) -> None:
    client = Client(kind, wire, raw=True)
    wire.script = [wire.lost_after]
    settled = await client.call("set", NEW, if_match=ETAG)
    assert (settled.status, settled.parsed) == (200, PolicyDocument(NEW, policy_etag(NEW)))
    wire.script = [wire.lost_before]
    error = await client.refusal("set", TEXT, if_match=settled.parsed.etag)
    assert isinstance(error, APIConnectionError)
    assert error.ambiguous is True
