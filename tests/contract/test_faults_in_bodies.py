"""Faults inside and between answers: what follows on the connection, bodies of every kind, odd JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tailscale_sdk.testing import FAULTS, FakeTailnet, Faults
from tailscale_sdk.testing.faults.messages import Answer
from tailscale_sdk.testing.faults.spoiling import ENUM_FIELDS, NEW_VALUE, filled, spoil
from tests.contract.raw import (
    DEVICES,
    KEYS,
    NEW_KEY,
    VISIBLE,
    Slept,
    ask,
    connect,
    exchange,
    read_to_end,
    request_bytes,
)
from tests.contract.wire import description

pytestmark = pytest.mark.each_row


@pytest.fixture
def fake() -> Iterator[FakeTailnet]:
    """Serve three devices behind faults that are played without waiting."""
    with FakeTailnet(devices=3, faults=Faults(sleep=Slept())) as running:
        yield running


@pytest.mark.parametrize("name", ["204body", "trunc", "500", "newfield", "redir302", "huge"])
def test_the_connection_goes_on_after_a_fault_that_does_not_end_it(fake: FakeTailnet, name: str) -> None:
    fake.faults.add({"fault": name, "nth": 1})
    first = request_bytes(fake, "GET", DEVICES, more=True)
    wire = exchange(fake.base_url, first, request_bytes(fake, "GET", DEVICES))
    assert wire.raw.endswith(ask(fake, direct=True).raw)
    assert [seen.connection for seen in fake.faults.requests[:2]] == [fake.faults.requests[0].connection] * 2


@pytest.mark.parametrize(
    "name", ["cl_long", "cl_short", "chunk_trunc", "nocl_trunc", "http10", "garbage", "noreply"]
)
def test_the_connection_ends_with_a_fault_that_needs_it(fake: FakeTailnet, name: str) -> None:
    fake.faults.add({"fault": name, "nth": 1})
    with connect(fake.base_url) as connection:
        connection.sendall(request_bytes(fake, "GET", DEVICES, more=True))
        assert read_to_end(connection).end == "closed"


@pytest.mark.parametrize(
    "name", ["reset", "trunc", "cl_short", "cl_long", "chunk_trunc", "nocl_trunc", "drip"]
)
def test_an_empty_answer_is_filled_so_that_it_can_be_cut(fake: FakeTailnet, name: str) -> None:
    fake.faults.add({"fault": name, "when": "mid_reply"})
    device = next(iter(fake.tailnet.devices))
    wire = ask(fake, "POST", f"/api/v2/device/{device}/expire")
    assert wire.status == 200
    assert b"{  " in wire.body


def test_new_values_come_in_every_field_with_a_fixed_set(fake: FakeTailnet) -> None:
    fake.faults.add({"operation": "listUsers", "fault": "newenum"})
    users = ask(fake, path="/api/v2/tailnet/-/users").json["users"]
    assert {user[field] for user in users for field in ("role", "status", "type")} == {NEW_VALUE}


def test_the_fields_with_a_fixed_set_are_those_of_the_description() -> None:
    assert fields_with_values(description()["components"]["schemas"]) == ENUM_FIELDS


def fields_with_values(schemas: dict[str, Any]) -> set[str]:
    """Return the text fields of which the API description lists the values."""

    def limited(schema: Any) -> bool:
        if not isinstance(schema, dict):
            return False
        if "$ref" in schema:
            return limited(schemas[schema["$ref"].rpartition("/")[2]])
        parts = [schema.get("items"), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
        return any(isinstance(v, str) for v in schema.get("enum", ())) or any(map(limited, parts))

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            properties = value.get("properties")
            if isinstance(properties, dict):
                yield from (name for name, schema in properties.items() if limited(schema))
            value = list(value.values())
        for inner in value if isinstance(value, list) else ():
            yield from walk(inner)

    return set(walk(schemas))


@pytest.mark.parametrize("name", ["newfield", "nan", "dupkeys", "wrongtype"])
def test_policy_text_with_comments_is_spoiled_too(fake: FakeTailnet, name: str) -> None:
    policy = "/api/v2/tailnet/-/acl"
    true = ask(fake, path=policy, direct=True).body
    assert true.lstrip().startswith(b"//")
    fake.faults.add({"operation": "getPolicyFile", "fault": name})
    wire = ask(fake, path=policy)
    added = {
        "newfield": b'{"fromTheFuture":{"level":3},',
        "nan": b'{"fromTheFuture":NaN,',
        "dupkeys": b":null,",
        "wrongtype": b"[//",
    }[name]
    assert (wire.status, int(wire.headers["content-length"])) == (200, len(wire.body))
    assert added in wire.body
    assert wire.headers["etag"]


@pytest.mark.parametrize("name", sorted(set(VISIBLE) - {"stall", "drip_stall", "bomb", "huge"}))
def test_every_row_can_meet_a_write(fake: FakeTailnet, name: str) -> None:
    fake.faults.add({"fault": name, "when": FAULTS[name].allowed[1]})
    assert ask(fake, "POST", KEYS, NEW_KEY).end in {"closed", "reset"}


@pytest.mark.parametrize(
    "name, body, spoiled",
    [
        ("nan", b"", b'{"fromTheFuture":NaN}'),
        ("nan", b"null", b'{"fromTheFuture":NaN}'),
        ("nan", b" {} ", b' {"fromTheFuture":NaN} '),
        ("nan", b"[]", b'[{"fromTheFuture":NaN}]'),
        ("nan", b"[1]", b'[{"fromTheFuture":NaN},1]'),
        ("nan", b'/* { */ {"a":1}', b'/* { */ {"fromTheFuture":NaN,"a":1}'),
        ("dupkeys", b"", b'{"twice":null,"twice":null}'),
        ("dupkeys", b"{}", b'{"twice":null,"twice":null}'),
        ("dupkeys", b'[{"a\\"b" :1}]', b'[{"a\\"b":null,"a\\"b" :1}]'),
        ("wrongtype", b"", b'"neither object nor list"'),
        ("wrongtype", b"[1]", b'{"items":[1]}'),
        ("newfield", b"[{}]", b'[{"fromTheFuture":{"level":3}}]'),
        ("newfield", b"", b'{"fromTheFuture":{"level":3}}'),
        ("newenum", b"", b""),
        (
            "newenum",
            b'[{"role":"owner","id":"1","proto":6}]',
            b'[{"role":"from-the-future","id":"1","proto":6}]',
        ),
        ("bom", b"", b"\xef\xbb\xbf{}"),
        ("enc_br", b"", b"\x06"),
        ("enc_br", b"a", b"\x00\x00\x10a\x03"),
        ("500", b"{}", b"{}"),
    ],
)
def test_bodies_of_every_form_are_spoiled(name: str, body: bytes, spoiled: bytes) -> None:
    answer = spoil(name, Answer(200).carrying(body))
    assert (answer.body, dict(answer.headers)["Content-Length"]) == (spoiled, str(len(spoiled)))


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b'{"a":1}', b"{" + b" " * 99 + b"}"])
def test_a_body_is_filled_up_with_blanks(body: bytes) -> None:
    assert len(filled(body)) == max(64, len(body))
    assert json.loads(filled(body)) == (json.loads(body) if body[:1] in (b"{", b"[") else {})
