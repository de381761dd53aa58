"""The rest of a change that was broken off: nothing that is done is done again, nothing that is left is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk import AsyncTailscale
from tailscale_sdk.changes import AsyncChanges, Caps
from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError
from tailscale_sdk.testing import no_sleep
from tests.changes.conftest import scratch_folder
from tests.changes.engine.dying import Dying
from tests.changes.engine.support import ME, World, world
from tests.changes.engine.test_plans import device

HUNDRED, KILLED = 100, 25
WIDE = (Caps(max_changes=2000),)
Call = tuple[str, dict[str, Any]]


class BrokenOff(BaseException):
    """Stops a change as Ctrl-C does."""


def renames(made: World, count: int, name: str = "item") -> list[Call]:
    return [("setDeviceName", {"device_id": device(made, n), "name": f"{name}-{n}"}) for n in range(count)]


@pytest.fixture(scope="module")
def large() -> Iterator[World]:
    with scratch_folder() as folder, no_sleep(), world(folder, devices=120, max_retries=0) as made:
        yield made


def latest(made: World) -> str:
    return str(made.changes.recent(1)[0].change_id)


def resume(made: World, change_id: str, **secrets: Any) -> Any:
    return made.settled(made.changes.plan_resume(change_id, secrets=secrets or None))


def written(made: World, since: int) -> list[str]:
    return [entry.path for entry in made.tailnet.ledger.entries[since:]]


@pytest.mark.untraced
def test_a_fault_at_every_item_of_a_hundred_leaves_a_rest_that_is_done_once(large: World) -> None:
    """Each item ends in one of three ways first: refused, lost before it arrived, lost after it was done."""
    since, plan = len(large.tailnet.ledger), large.plan_all(renames(large, HUNDRED, "f"), guards=WIDE)
    for place in range(HUNDRED):
        when, what = (("before_apply", "403"), ("before_apply", "reset"), ("after_apply", "reset"))[place % 3]
        rule = {"path": f"/device/{device(large, place)}/name", "nth": 1, "times": 1, "when": when}
        large.tailnet.faults.add({**rule, "fault": what})
    report, due, stops = large.apply(plan, stop_on_error=True), list(range(HUNDRED)), 0
    while not report.ok:
        broken = next(item for item in report.items if item.outcome in {"failed", "unknown"})
        assert [item.outcome for item in report.items] == [
            *["ok"] * broken.index,
            broken.outcome,
            *["skipped"] * (len(due) - broken.index - 1),
        ]
        due = due[broken.index :]
        assert due[0] % 3 != 2
        assert large.changes.account(report.change_id).left == len(due)
        rest = resume(large, report.change_id)
        assert [item.call.arguments["name"] for item in rest.due] == [f"f-{n}" for n in due]
        report, stops = large.apply(rest, stop_on_error=True), stops + 1
    assert stops == sum(place % 3 != 2 for place in range(HUNDRED))
    assert written(large, since) == [f"/device/{device(large, n)}/name" for n in range(HUNDRED)]
    with pytest.raises(ChangeRefusedError, match="nothing of change"):
        resume(large, report.change_id)


@pytest.mark.untraced
def test_stopped_after_every_item_of_a_hundred_nothing_is_done_twice(large: World) -> None:
    """Each run is stopped once its first item is done, so that every place in the hundred is a place it stopped at."""
    since = len(large.tailnet.ledger)
    plan = large.plan_all(renames(large, HUNDRED, "s"), guards=WIDE)

    def stop(done: int, of: int) -> None:
        raise BrokenOff

    for place in range(HUNDRED):
        with pytest.raises(BrokenOff):
            large.apply(plan, progress=stop)
        broken = latest(large)
        if place < HUNDRED - 1:
            plan = resume(large, broken)
            assert len(plan.due) == HUNDRED - place - 1
    assert written(large, since) == [f"/device/{device(large, n)}/name" for n in range(HUNDRED)]
    with pytest.raises(ChangeRefusedError, match="nothing of change"):
        resume(large, broken)


def test_what_stopped_in_the_middle_is_continued_from_there(here: World) -> None:
    def stop(done: int, of: int) -> None:
        if done == 2:
            raise BrokenOff

    plan = here.plan_all(renames(here, 5))
    with pytest.raises(BrokenOff):
        here.apply(plan, progress=stop)
    first = latest(here)
    assert [item.outcome for item in here.changes.account(first).items] == ["ok", "ok", None, None, None]
    assert not here.changes.account(first).ended
    rest = resume(here, first)
    assert (rest.kind, rest.continues, len(rest.items)) == ("resume", first, 3)
    report = here.apply(rest)
    assert report.ok
    assert len(here.tailnet.ledger) == 5
    with pytest.raises(ChangeRefusedError, match=f"begun as {report.change_id}"):
        resume(here, first)
    with pytest.raises(ChangeRefusedError, match="nothing of change"):
        resume(here, report.change_id)


def test_a_creation_whose_outcome_nobody_knows_is_not_repeated(here: World) -> None:
    capabilities = {"devices": {"create": {"tags": ["tag:server"]}}}
    named: dict[str, Any] = {"key_type": "auth", "capabilities": capabilities}
    calls: list[Call] = [("createKey", {**named, "description": f"ci {n}"}) for n in range(3)]
    plan = here.plan_all(calls)
    advance = type(here.state.journal).advance

    def dying(self: Any, entry: int, state: Any, **facts: Any) -> None:
        if state == "applied" and len(here.tailnet.ledger) == 2:
            raise BrokenOff
        advance(self, entry, state, **facts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(here.state.journal), "advance", dying)
        with pytest.raises(BrokenOff):
            here.apply(plan)
    rest = resume(here, latest(here))
    assert [(item.status, item.call.arguments["description"]) for item in rest.items] == [
        ("skipped", "ci 1"),
        ("planned", "ci 2"),
    ]
    assert "must not be repeated" in str(rest.items[0].reason)
    assert here.apply(rest).ok
    assert len(here.tailnet.ledger) == 3


def test_secrets_are_asked_for_again_and_never_kept(here: World) -> None:
    secret = "canary-secret-demo"
    named = {"provider": "intune", "cloud_id": "global", "client_id": "id", "tenant_id": "t"}
    calls: list[Call] = [*renames(here, 1), ("createPostureIntegration", {**named, "client_secret": secret})]
    here.tailnet.tailnet.posture_integrations.clear()
    plan = here.plan_all(calls)

    def stop(done: int, of: int) -> None:
        raise BrokenOff

    with pytest.raises(BrokenOff):
        here.apply(plan, progress=stop, secrets={"client_secret": secret})
    change_id = latest(here)
    with pytest.raises(ConfigurationError, match="client_secret"):
        resume(here, change_id)
    rest = resume(here, change_id, client_secret=secret)
    assert here.apply(rest, secrets={"client_secret": secret}).ok
    here.state.close()
    kept = b"".join(file.read_bytes() for file in here.state.directory.path.rglob("*") if file.is_file())
    assert secret.encode() not in kept


def test_what_nobody_can_resume_any_more_is_dropped(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = here.apply(here.plan_all(renames(here, 2, "old"))).change_id
    monkeypatch.setattr("tailscale_sdk.changes.batches.PREIMAGE_SECONDS", -1.0)
    here.apply(here.plan_all(renames(here, 2, "new")))
    with pytest.raises(ChangeRefusedError, match="changes list"):
        resume(here, old)


def test_what_is_not_known_here_says_where_to_look(here: World) -> None:
    with pytest.raises(ChangeRefusedError, match="changes list"):
        resume(here, "0" * 32)
    with pytest.raises(ChangeRefusedError, match="changes list"):
        here.changes.account("0" * 32)
    report = here.apply(here.plan(*renames(here, 1)[0]))
    (item,) = here.changes.account(report.change_id).items
    assert (item.outcome, item.state, item.target.id) == ("ok", "closed", device(here))


def test_what_was_taken_away_in_the_meantime_needs_nothing_more(here: World) -> None:
    calls: list[Call] = [("deleteDevice", {"device_id": device(here, n)}) for n in range(3)]
    nodes = [arguments["device_id"] for _, arguments in calls]
    plan = here.plan_all(calls)

    def stop(done: int, of: int) -> None:
        raise BrokenOff

    with pytest.raises(BrokenOff):
        here.apply(plan, progress=stop)
    here.call("deleteDevice", {"device_id": nodes[1]})
    rest = resume(here, latest(here))
    assert [item.status for item in rest.items] == ["skipped", "planned"]
    assert here.apply(rest).ok
    assert not set(nodes) & set(here.tailnet.tailnet.devices)


def test_all_of_a_change_is_taken_back_however_often_it_touched_an_object(either: World) -> None:
    node = device(either)
    before = either.call("getDevice", {"device_id": node}).name
    calls: list[Call] = [("setDeviceName", {"device_id": node, "name": f"again-{n}"}) for n in range(3)]
    plan = either.plan_all(calls)
    assert [item.before["name"].partition(".")[0] for item in plan.items[1:]] == ["again-0", "again-1"]
    report = either.apply(plan)
    assert report.ok
    undo = either.plan_undo(report.change_id)
    assert either.apply(undo).ok
    assert either.call("getDevice", {"device_id": node}).name == before


def test_many_are_taken_back_in_one_go(large: World) -> None:
    names = {n: large.call("getDevice", {"device_id": device(large, n)}).name for n in range(30)}
    report = large.apply(large.plan_all(renames(large, 30, "undo"), guards=WIDE))
    assert report.ok
    assert large.apply(large.plan_undo(report.change_id)).ok
    assert {n: large.call("getDevice", {"device_id": device(large, n)}).name for n in range(30)} == names


async def test_items_of_different_targets_are_under_way_together_and_those_of_one_in_order(
    scratch: Path,
) -> None:
    with world(scratch, devices=12) as made:
        async with AsyncTailscale(
            api_key=made.tailnet.api_key, base_url=made.tailnet.base_url, rate_limit=None
        ) as client:
            engine = AsyncChanges(client, state=made.state)
            calls = [*renames(made, 8, "a"), *renames(made, 8, "b")]
            under_way, most = [0], [0]
            sending = engine._context.sending

            def counted(call: Any) -> Any:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
                try:
                    return (yield from sending(call))
                finally:
                    under_way[0] -= 1

            from attrs import evolve

            engine._context = evolve(engine._context, sending=counted)
            plan = await engine.plan([client.prepare(name, **arguments) for name, arguments in calls])
            most[0] = 0
            report = await engine.apply(plan.id)
        assert report.ok
        assert [item.index for item in report.items] == list(range(16))
        assert most[0] == 5
        assert sorted(made.call("getDevice", {"device_id": device(made, n)}).name[:3] for n in range(8)) == [
            f"b-{n}" for n in range(8)
        ]


async def test_a_cancelled_batch_knows_each_of_its_items(scratch: Path) -> None:
    with world(scratch, devices=12) as made:
        async with AsyncTailscale(
            api_key=made.tailnet.api_key, base_url=made.tailnet.base_url, rate_limit=None
        ) as client:
            engine = AsyncChanges(client, state=made.state)
            plan = await engine.plan([client.prepare(name, **a) for name, a in renames(made, 10, "c")])
            seen = asyncio.Event()
            task = asyncio.create_task(engine.apply(plan.id, progress=lambda done, of: seen.set()))
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            rest = await engine.plan_resume(latest(made))
            assert (await engine.apply(rest.id)).ok
        per_target = Counter(written(made, 0))
        assert set(per_target) == {f"/device/{device(made, n)}/name" for n in range(10)}
        # What was under way when it was cancelled may be renamed to the same name again, never anything else.
        assert all(
            made.call("getDevice", {"device_id": device(made, n)}).name.startswith(f"c-{n}.")
            for n in range(10)
        )


def test_a_device_that_came_back_is_left_out(here: World) -> None:
    from tailscale_sdk.changes import Note, Remarks

    devices = here.tailnet.tailnet.devices
    nodes = [device(here, n) for n in range(3)]
    for node in nodes:
        devices[node].update(connectedToControl=False, lastSeen="2026-01-01T00:00:00Z")
    known = {node: here.call("getDevice", {"device_id": node}).to_dict() for node in nodes}
    watched = ("lastSeen", "connectedToControl", "tags")
    notes = [Note(known={**known[node], "extra": "of a list"}, unchanged=watched) for node in nodes]
    requests = len(here.sent())
    plan = here.plan_all(
        [("deleteDevice", {"device_id": node}) for node in nodes], remarks=Remarks(notes=notes)
    )
    assert here.sent()[requests:] == [], "what is known is not read again"
    devices[nodes[1]].update(connectedToControl=True, lastSeen=None)
    report = here.apply(plan)
    assert [item.outcome for item in report.items] == ["ok", "skipped", "ok"]
    assert "connectedToControl" in str(report.items[1].reason)
    assert nodes[1] in devices
    with pytest.raises(ChangeRefusedError, match="nothing of change"):
        resume(here, report.change_id)


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with scratch_folder() as folder, no_sleep(), world(folder, devices=30) as made:
        yield made


@pytest.fixture(scope="module")
def dying(made: World, checkout: Path) -> Iterator[Dying]:
    with contextlib.closing(Dying(made.tailnet.base_url, made.tailnet.api_key, checkout)) as program:
        yield program


@pytest.mark.untraced
@pytest.mark.parametrize("item", range(KILLED))
def test_killed_at_every_item_and_continued(made: World, dying: Dying, item: int) -> None:
    """Each item has about sixteen moments; another one of them is taken each time."""
    since = len(made.tailnet.ledger)
    plan = made.plan_all(renames(made, KILLED, f"k{item}"), guards=WIDE, principal=ME)
    moment = 3 + item * 16 + item * 7 % 16
    ended = dying.run(made.state.directory.path, [plan.id], moment=moment, principal=ME, how=signal.SIGKILL)
    assert ended["ended"] == -signal.SIGKILL, json.dumps(ended)
    if len(written(made, since)) < KILLED:
        rest = resume(made, latest(made))
        assert len(rest.due) in {KILLED - item, KILLED - item - 1}
        assert made.apply(rest).ok
    assert written(made, since) == [f"/device/{device(made, n)}/name" for n in range(KILLED)]
    last = latest(made)
    with pytest.raises(ChangeRefusedError, match="nothing of change"):
        resume(made, last)
    assert made.changes.account(last).left == 0
