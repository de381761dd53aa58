"""Plans: for one principal, for a while, once; whatever is wrong, the answer is the same."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve

from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.plan_store import (
    PlanRecord,
    PlanStore,
    SQLitePlanStore,
    new_plan_id,
    pack_record,
    plan_reference,
)
from tailscale_sdk.changes.redis_store import RedisPlanStore
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import ConfigurationError, PlanRefusedError, StateError
from tests.changes.conftest import Clock

OWN = {"principal": "os:1000", "profile": "default"}


def make_record(clock: Clock, **changes: object) -> PlanRecord:
    record = PlanRecord(
        id=new_plan_id(),
        body={
            "items": [{"operation": "deleteDevice", "arguments": {"device_id": "nDEMO", "x": [1.5, None]}}]
        },
        principal="os:1000",
        profile="default",
        tailnet="example.com",
        digest="d" * 64,
        created=clock.now,
        expires=clock.now + 900,
    )
    return evolve(record, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(database: Database, clock: Clock) -> SQLitePlanStore:
    return SQLitePlanStore(database, clock=clock)


def refusal(call: Callable[..., object], *arguments: object, **keywords: object) -> str:
    with pytest.raises(PlanRefusedError) as caught:
        call(*arguments, **keywords)
    return str(caught.value)


def test_a_plan_is_looked_at_as_often_as_wanted_and_taken_once(store: PlanStore, clock: Clock) -> None:
    record = make_record(clock)
    store.put(record)
    assert store.peek(record.id, **OWN) == record
    assert store.peek(record.id, **OWN) == record
    assert store.take(record.id, **OWN, expect=record.digest) == record
    assert refusal(store.take, record.id, **OWN) == refusal(store.peek, "unknown", **OWN)


def test_every_refusal_reads_the_same(store: SQLitePlanStore, clock: Clock, database: Database) -> None:
    used, expired, foreign, damaged = (make_record(clock) for _ in range(4))
    expired = evolve(expired, expires=clock.now + 10)
    for record in (used, expired, foreign, damaged):
        store.put(record)
    store.take(used.id, **OWN)
    clock.now += 10
    with database.write() as connection:
        connection.execute("UPDATE plans SET record = CAST(replace(record, 'nDEMO', 'nEVIL') AS BLOB)")
    store.put(foreign := make_record(clock))
    texts = {
        refusal(call, name, **own)
        for call in (store.peek, store.take)
        for name, own in (
            ("", OWN),
            ("x" * 10_000, OWN),
            ("\ud800", OWN),
            (used.id, OWN),
            (expired.id, OWN),
            (damaged.id, OWN),
            (foreign.id, {**OWN, "principal": "os:1001"}),
            (foreign.id, {**OWN, "profile": "other"}),
        )
    }
    assert texts == {PlanRefusedError.UNUSABLE}
    assert store.take(foreign.id, **OWN) == foreign


def test_another_digest_is_refused_and_leaves_the_plan(store: PlanStore, clock: Clock) -> None:
    record = make_record(clock)
    store.put(record)
    for wrong in ("", "e" * 64, "d" * 63, "ä", "\ud800"):
        assert "repeat them unchanged" in refusal(store.take, record.id, **OWN, expect=wrong)
    assert store.take(record.id, **OWN, expect=record.digest) == record


def test_a_plan_lasts_until_it_expires_and_not_a_moment_longer(store: PlanStore, clock: Clock) -> None:
    record = make_record(clock)
    store.put(record)
    clock.now = record.expires - 0.001
    assert store.peek(record.id, **OWN) == record
    clock.now = record.expires
    refusal(store.peek, record.id, **OWN)
    refusal(store.take, record.id, **OWN)


def test_expired_plans_are_removed(store: SQLitePlanStore, clock: Clock, database: Database) -> None:
    store.put(make_record(clock, expires=clock.now + 10))
    store.put(lasting := make_record(clock))
    clock.now += 10
    assert store.purge() == 1
    assert store.purge() == 0
    store.put(make_record(clock, expires=clock.now + 1))
    clock.now += 1
    store.put(make_record(clock))
    assert database.read("SELECT count(*) FROM plans") == [(2,)]
    assert store.peek(lasting.id, **OWN) == lasting


def test_of_many_takers_exactly_one_gets_it(state: StateDirectory, clock: Clock) -> None:
    with Database(state) as one, Database(state) as other:
        stores = [SQLitePlanStore(one, clock=clock), SQLitePlanStore(other, clock=clock)]
        records = [make_record(clock) for _ in range(10)]
        for record in records:
            stores[0].put(record)

        def attempt(number: int) -> str | None:
            record = records[number // 6]
            try:
                return stores[number % 2].take(record.id, **OWN).id
            except PlanRefusedError:
                return None

        with ThreadPoolExecutor(6) as pool:
            got = [found for found in pool.map(attempt, range(60)) if found]
    assert sorted(got) == sorted(record.id for record in records)


def test_a_plan_that_is_being_taken_is_out_of_reach(state: StateDirectory, clock: Clock) -> None:
    record, reached, begun = make_record(clock), threading.Event(), threading.Event()

    def look_at_taker(statement: str) -> None:
        if statement.startswith("DELETE FROM plans WHERE key"):
            reached.set()
            assert begun.wait(10)

    def look_at_rival(statement: str) -> None:
        if statement.startswith("BEGIN"):
            begun.set()

    def take(database: Database) -> bool:
        try:
            return SQLitePlanStore(database, clock=clock).take(record.id, **OWN) == record
        except PlanRefusedError:
            return False

    def follow(database: Database) -> bool:
        assert reached.wait(10)
        return take(database)

    with Database(state) as one, Database(state) as other, ThreadPoolExecutor(2) as pool:
        SQLitePlanStore(one, clock=clock).put(record)
        for database, look in ((one, look_at_taker), (other, look_at_rival)):
            with database.write() as connection:
                pass
            connection.set_trace_callback(look)
        rival, taker = pool.submit(follow, other), pool.submit(take, one)
        assert (taker.result(), rival.result()) == (True, False)


def test_no_id_looks_like_an_option_of_a_command_line() -> None:
    assert not [plan_id for plan_id in (new_plan_id() for _ in range(2000)) if plan_id.startswith("-")]


def test_ids_are_256_random_bits_and_are_written_down_nowhere(
    store: SQLitePlanStore, clock: Clock, state: StateDirectory
) -> None:
    ids = {new_plan_id() for _ in range(100)}
    assert len(ids) == 100
    assert {len(name) for name in ids} == {43}
    record = make_record(clock)
    store.put(record)
    stored = b"".join(path.read_bytes() for path in state.path.rglob("*") if path.is_file())
    assert b"deleteDevice" in stored
    assert record.id.encode() not in stored
    assert record.id not in repr(record)
    assert "deleteDevice" not in repr(record)
    assert plan_reference(record.id) not in record.id
    assert len(plan_reference(record.id)) == 32


def test_a_flipped_bit_anywhere_in_the_file_never_gives_another_plan(
    database: Database, clock: Clock, state: StateDirectory, tmp_path: Path
) -> None:
    record = make_record(clock)
    SQLitePlanStore(database, clock=clock).put(record)
    database.close()
    original = database.path.read_bytes()
    text, check = pack_record(record)
    places = [original.index(part) + step for part in (text, check) for step in range(0, len(part), 5)]
    outcomes = set()
    for place in [*places, *range(0, len(original), 997)]:
        data = bytearray(original)
        data[place] ^= 1 << place % 8
        database.path.write_bytes(data)
        try:
            assert SQLitePlanStore(database, clock=clock).take(record.id, **OWN) == record
            outcomes.add("same")
        except (PlanRefusedError, StateError) as error:
            outcomes.add(type(error).__name__)
        database.close()
        for name in ("state.db-wal", "state.db-shm"):
            (state.path / name).unlink(missing_ok=True)
    assert {"same", "PlanRefusedError"} <= outcomes
    shutil.rmtree(state.path)


def test_a_body_that_is_not_json_is_refused_before_it_is_stored(
    store: SQLitePlanStore, clock: Clock, state: StateDirectory
) -> None:
    with pytest.raises(TypeError):
        store.put(make_record(clock, body={"x": object()}))
    with pytest.raises(ValueError, match="JSON"):
        store.put(make_record(clock, body={"x": float("nan")}))
    assert not state.path.exists()


def test_what_json_can_hold_comes_back(store: PlanStore, clock: Clock) -> None:
    body = {"a": {"b": [1, 1.5, None, True, "é\ud800\u2028", {}]}, "z": 1, "c": 2}
    record = make_record(clock, body=body)
    store.put(record)
    found = store.take(record.id, **OWN)
    assert found.body == body
    assert list(found.body) == list(body)
    assert json.dumps(found.body) == json.dumps(body)


def test_plans_in_redis_say_what_is_missing(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisPlanStore("http://127.0.0.1", prefix="t:")
    url = "redis://:demo-password-1@127.0.0.1:9/0"
    with RedisPlanStore(url, prefix="t:", clock=clock) as store:
        assert "demo-password" not in repr(store)
        for act in (
            lambda: store.put(make_record(clock)),
            lambda: store.peek("x", **OWN),
            lambda: store.take("x", **OWN),
        ):
            with pytest.raises(StateError, match="check that it runs") as caught:
                act()
            assert "demo-password" not in str(caught.value)
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"tailscale-sdk\[redis\]"):
        RedisPlanStore(url, prefix="t:")


def test_only_the_owner_can_read_the_file(store: SQLitePlanStore, clock: Clock, database: Database) -> None:
    store.put(make_record(clock))
    assert os.stat(database.path).st_mode & 0o777 == 0o600  # noqa: PTH116
