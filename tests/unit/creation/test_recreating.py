"""Created once more where that is wanted: one live key is left, and whatever else may be is named."""

from __future__ import annotations

import copy
import pickle

import pytest
from attrs import evolve

from tailscale_sdk.calls.creation import RecreatedKey
from tailscale_sdk.errors import (
    APIConnectionError,
    PermissionDeniedError,
)
from tests.unit.creation.service import (
    DELETE,
    GET,
    LIST,
    POST,
    Service,
    create_key,
    late_by,
    lost_after,
    lost_before,
    normal,
    status,
    unknown,
)
from tests.unit.scripted import twins


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
