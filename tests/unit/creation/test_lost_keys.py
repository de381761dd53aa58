"""A key whose answer was lost is looked for, removed and verified, or named."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tailscale_sdk.errors import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    DecodeError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TailscaleError,
)
from tests.unit.creation.service import (
    DELETE,
    GET,
    LIST,
    LOST,
    POST,
    Reaction,
    Request,
    Service,
    answer,
    client,
    create_key,
    late_by,
    lost_after,
    lost_before,
    normal,
    refused,
    status,
    unknown,
)
from tests.unit.scripted import twins


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
