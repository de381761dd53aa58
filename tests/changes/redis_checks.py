"""The plan store against the Redis at $CHECK_REDIS_URL; ``make redis`` starts one and runs this file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from attrs import evolve

from tailscale_sdk.changes.plan_store import PlanRecord, PlanStore, new_plan_id, record_key
from tailscale_sdk.changes.redis_store import RedisPlanStore
from tailscale_sdk.errors import PlanRefusedError, StateError

URL = os.environ["CHECK_REDIS_URL"]
OWN = {"principal": "token:abc", "profile": "default"}
NOW = 1_780_000_000.0
# Takes every plan it is told of, once all of its kind are there to do so.
TAKER = """
import json, sys
from tailscale_sdk.changes.redis_store import RedisPlanStore
from tailscale_sdk.errors import PlanRefusedError
url, prefix, own, now, ids = json.loads(sys.argv[1])
got = []
with RedisPlanStore(url, prefix=prefix, clock=lambda: now) as store:
    store._redis.ping()
    print("ready", flush=True)
    sys.stdin.read()
    for name in ids:
        try:
            got.append(store.take(name, **own).id)
        except PlanRefusedError:
            pass
print(json.dumps(got))
"""


class Clock:
    """Gives the time it was set to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[Any]:
    with redis.Redis.from_url(URL) as client:
        client.flushdb()
        yield client


@pytest.fixture
def store(server: Any, clock: Clock) -> Iterator[RedisPlanStore]:
    with RedisPlanStore(URL, prefix="check:", clock=clock) as opened:
        yield opened


def make_record(**changes: Any) -> PlanRecord:
    record = PlanRecord(
        id=new_plan_id(),
        body={"items": [{"operation": "deleteDevice", "text": "é\ud800", "numbers": [1, 1.5, None]}]},
        **OWN,
        tailnet="example.com",
        digest="d" * 64,
        created=NOW,
        expires=NOW + 900,
    )
    return evolve(record, **changes)


def refusal(call: Callable[..., object], *arguments: object, **keywords: object) -> str:
    with pytest.raises(PlanRefusedError) as caught:
        call(*arguments, **keywords)
    return str(caught.value)


def key_of(record: PlanRecord) -> str:
    return f"check:{record_key(record.id, record.principal, record.profile)}"


def test_a_plan_is_looked_at_as_often_as_wanted_and_taken_once(store: PlanStore, server: Any) -> None:
    record = make_record()
    store.put(record)
    assert store.peek(record.id, **OWN) == record
    assert store.peek(record.id, **OWN) == record
    assert store.take(record.id, **OWN, expect=record.digest) == record
    assert refusal(store.take, record.id, **OWN) == refusal(store.peek, record.id, **OWN)
    assert server.keys() == []


def test_every_refusal_reads_the_same_and_a_stranger_uses_nothing_up(
    store: PlanStore, server: Any, clock: Clock
) -> None:
    used, damaged, record = make_record(), make_record(), make_record()
    for each in (used, damaged, record):
        store.put(each)
    store.take(used.id, **OWN)
    server.hset(
        key_of(damaged), "record", server.hget(key_of(damaged), "record").replace(b"delete", b"update")
    )
    texts = {
        refusal(call, name, **own)
        for call in (store.peek, store.take)
        for name, own in (
            ("unknown", OWN),
            ("\ud800", OWN),
            (used.id, OWN),
            (damaged.id, OWN),
            (record.id, {**OWN, "principal": "token:abd"}),
            (record.id, {**OWN, "profile": "other"}),
        )
    }
    assert texts == {PlanRefusedError.UNUSABLE}
    clock.now = record.expires
    assert refusal(store.peek, record.id, **OWN) in texts
    clock.now = NOW
    assert store.take(record.id, **OWN) == record


def test_another_digest_is_refused_and_leaves_the_plan(store: PlanStore) -> None:
    record = make_record()
    store.put(record)
    for wrong in ("", "e" * 64, "ä", "\ud800"):
        assert refusal(store.take, record.id, **OWN, expect=wrong) == PlanRefusedError.OTHER_ARGUMENTS
    assert store.take(record.id, **OWN, expect=record.digest) == record


def test_redis_forgets_a_plan_when_it_expires(store: RedisPlanStore, server: Any, clock: Clock) -> None:
    record = make_record()
    store.put(record)
    assert 890_000 < server.pttl(key_of(record)) <= 900_000
    clock.now = record.expires
    store.put(late := make_record())
    assert not server.exists(key_of(late))
    assert refusal(store.take, record.id, **OWN) == PlanRefusedError.UNUSABLE
    assert store.purge() == 0


def test_the_id_is_not_in_redis_and_the_same_plan_twice_is_one(store: RedisPlanStore, server: Any) -> None:
    record = make_record()
    store.put(record)
    store.put(record)
    with pytest.raises(StateError, match="make a new one"):
        store.put(evolve(record, digest="e" * 64))
    assert store.peek(record.id, **OWN) == record
    stored = b"".join(server.hgetall(key_of(record)).values()) + b"".join(server.keys())
    assert record.id.encode() not in stored


def test_of_two_processes_exactly_one_gets_each_plan(store: RedisPlanStore) -> None:
    ids = []
    for _ in range(200):
        record = make_record()
        store.put(record)
        ids.append(record.id)
    told = json.dumps([URL, "check:", OWN, NOW, ids])
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        for _ in range(2)
    ]
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.close()
        taker.stdin = None
    got = [json.loads(taker.communicate()[0]) for taker in takers]
    assert sorted([*got[0], *got[1]]) == sorted(ids)


def test_what_redis_says_of_a_command_is_not_repeated(store: RedisPlanStore, server: Any) -> None:
    record = make_record()
    server.set(key_of(record), "not a plan")
    for act in (
        lambda: store.put(record),
        lambda: store.peek(record.id, **OWN),
        lambda: store.take(record.id, **OWN),
    ):
        with pytest.raises(StateError, match="does not answer as it should") as caught:
            act()
        assert "deleteDevice" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.code == "ResponseError"
