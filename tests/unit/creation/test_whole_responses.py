"""Creations that return the whole response go the same way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk import RawResponse
from tailscale_sdk.calls.creation import RecreatedKey
from tailscale_sdk.errors import (
    OutcomeUnknownError,
)
from tailscale_sdk.models import Key
from tests.unit.creation.service import (
    CAPABILITIES,
    POST,
    Service,
    client,
    lost_after,
    lost_before,
)
from tests.unit.scripted import twins


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
