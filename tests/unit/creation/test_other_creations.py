"""What is neither key nor webhook is named where it may have been made, and never made twice."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.errors import (
    DecodeError,
    OutcomeUnknownError,
    ServerError,
)
from tests.unit.creation.service import (
    SINCE,
    Service,
    answer,
    client,
    lost_after,
    lost_before,
    status,
)
from tests.unit.scripted import twins

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
