"""Created keys carry a mark, where there is room and where that is wanted."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk._generated.types import WireRequest
from tailscale_sdk.calls.creation import mark
from tailscale_sdk.calls.traces import json_of, with_json
from tailscale_sdk.models import Key
from tests.unit.creation.service import (
    POST,
    Service,
    create_key,
)
from tests.unit.scripted import twins


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
