"""Without a mark nothing is removed: what may be ours is named."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tailscale_sdk.errors import (
    APIConnectionError,
)
from tests.unit.creation.service import (
    LIST,
    POST,
    SINCE,
    Request,
    Service,
    client,
    lost_after,
    lost_before,
    status,
    unknown,
)
from tests.unit.scripted import twins


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
