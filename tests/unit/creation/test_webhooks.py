"""A webhook carries no mark: it is replaced only where it can be no other, and where that is wanted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tailscale_sdk.errors import (
    APIConnectionError,
    DecodeError,
    OutcomeUnknownError,
)
from tests.unit.creation.service import (
    SINCE,
    Reaction,
    Request,
    Service,
    answer,
    client,
    lost_after,
    lost_before,
    status,
)
from tests.unit.scripted import twins

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
