"""Many items: one result each, in order; nothing twice; guards asked when planned and again when applied."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk import AsyncTailscale
from tailscale_sdk.changes import AsyncChanges, Caps, OwnNode, Protected
from tailscale_sdk.errors import ChangeRefusedError, StateError
from tests.changes.engine.support import World, world
from tests.changes.engine.test_plans import device

ITEMS = 20


@pytest.fixture
def fleet(scratch: Path) -> Any:
    with world(scratch, devices=30, max_retries=0) as made:
        yield made


def renames(made: World, count: int = ITEMS) -> list[tuple[str, dict[str, Any]]]:
    """Return calls that rename as many devices."""
    return [("setDeviceName", {"device_id": device(made, n), "name": f"batch-{n}"}) for n in range(count)]


def fault(made: World, place: int, what: Any, when: str = "before_apply") -> None:
    """Let the request of one item meet a fault."""
    rule = {"path": f"/device/{device(made, place)}/name", "nth": 1, "when": when, "fault": what}
    made.tailnet.faults.add(rule)


def each_written_once(made: World, places: list[int]) -> None:
    """Check that the ledger has the items in order, each once."""
    paths = [entry.path for entry in made.tailnet.ledger.entries]
    assert paths == [f"/device/{device(made, place)}/name" for place in places]


KINDS = (
    ("403", "before_apply", "failed", False),
    ("reset", "after_apply", "ok", True),
    ("reset", "before_apply", "unknown", False),
)


@pytest.mark.parametrize("place", range(ITEMS))
def test_one_item_that_goes_wrong_is_told_in_its_place(fleet: World, place: int) -> None:
    what, when, outcome, written = KINDS[place % len(KINDS)]
    plan = fleet.plan_all(renames(fleet))
    fault(fleet, place, what, when)
    steps: list[tuple[int, int]] = []
    report = fleet.apply(plan, progress=lambda done, of: steps.append((done, of)))
    outcomes = [item.outcome for item in report.items]
    assert outcomes == ["ok"] * place + [outcome] + ["ok"] * (ITEMS - place - 1)
    assert [item.index for item in report.items] == list(range(ITEMS))
    assert sum(report.count(name) for name in ("ok", "failed", "skipped", "unknown")) == ITEMS
    assert steps == [(done, ITEMS) for done in range(1, ITEMS + 1)]
    each_written_once(fleet, [n for n in range(ITEMS) if n != place or written])
    assert len(fleet.audited()) == ITEMS


@pytest.mark.parametrize("place", [0, 3, 7])
def test_what_deletes_stops_at_the_first_error(fleet: World, place: int) -> None:
    calls = [("deleteDevice", {"device_id": device(fleet, n)}) for n in range(8)]
    plan = fleet.plan_all(calls)
    fleet.tailnet.faults.add(
        {"operation": "deleteDevice", "nth": place + 1, "when": "before_apply", "fault": "403"}
    )
    report = fleet.apply(plan)
    outcomes = [item.outcome for item in report.items]
    assert outcomes == ["ok"] * place + ["failed"] + ["skipped"] * (7 - place)
    assert len(fleet.tailnet.ledger) == place
    assert all("not begun" in str(item.reason) for item in report.items[place + 1 :])
    assert len(fleet.audited()) == place + 1


def test_an_item_whose_state_cannot_be_read_is_skipped_and_the_others_go_on(fleet: World) -> None:
    calls = renames(fleet, 3)
    calls[1] = ("setDeviceName", {"device_id": "nNoSuchDevice", "name": "x"})
    plan = fleet.plan_all(calls)
    assert [item.status for item in plan.items] == ["planned", "skipped", "planned"]
    report = fleet.apply(plan)
    assert [item.outcome for item in report.items] == ["ok", "skipped", "ok"]
    assert report.ok


@pytest.mark.parametrize("place", [0, 1, 5])
def test_a_disk_that_fills_up_in_the_middle_is_told_of_with_what_was_done(
    fleet: World, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = fleet.plan_all(renames(fleet, 6))
    put = type(fleet.state.preimages).put

    def full(self: Any, change_id: str, item: int, *rest: Any, **named: Any) -> int:
        if item >= place:
            raise StateError("no space left")
        return put(self, change_id, item, *rest, **named)

    monkeypatch.setattr(type(fleet.state.preimages), "put", full)
    if place == 0:
        with pytest.raises(StateError, match="no space"):
            fleet.apply(plan)
    else:
        outcomes = [item.outcome for item in fleet.apply(plan).items]
        assert outcomes == ["ok"] * place + ["failed"] + ["skipped"] * (5 - place)
    each_written_once(fleet, list(range(place)))
    assert fleet.open_changes() == ()


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_disk_that_fills_up_after_the_request_does_not_hide_it(
    fleet: World, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = fleet.plan_all(renames(fleet, 4))
    advance, full = type(fleet.state.journal).advance, [False]

    def filling(self: Any, entry: int, state: Any, **facts: Any) -> None:
        full[0] = full[0] or (state == "applied" and len(fleet.tailnet.ledger) == place + 1)
        if full[0]:
            raise StateError("no space left")
        advance(self, entry, state, **facts)

    monkeypatch.setattr(type(fleet.state.journal), "advance", filling)
    report = fleet.apply(plan)
    outcomes = [item.outcome for item in report.items]
    assert outcomes[: place + 1] == ["ok"] * place + ["unknown"]
    assert "ok" not in outcomes[place + 1 :]
    each_written_once(fleet, list(range(place + 1)))
    monkeypatch.setattr(type(fleet.state.journal), "advance", advance)
    assert "applied" in {found.found for found in fleet.open_changes()}
    assert fleet.open_changes() == ()


def test_caps_hold_when_planned_and_again_when_applied(fleet: World) -> None:
    with pytest.raises(ChangeRefusedError, match="max_changes=20"):
        fleet.plan_all(renames(fleet, 21))
    raised = (Caps(max_changes=21),)
    plan = fleet.plan_all(renames(fleet, 21), guards=raised)
    with pytest.raises(ChangeRefusedError, match="max_changes=20"):
        fleet.apply(plan, guards=(Caps(),))
    assert len(fleet.tailnet.ledger) == 0
    assert fleet.apply(plan).ok, "what was allowed when it was planned is allowed when it is applied"


@pytest.mark.parametrize(
    ("population", "percent", "count", "allowed"),
    [
        (100, 5.0, 5, True),
        (100, 5.0, 6, False),
        (10, 5.0, 5, True),
        (10, 5.0, 6, False),
        (200, 5.0, 10, True),
    ],
)
def test_a_share_of_the_fleet_is_a_cap_too(
    fleet: World, population: int, percent: float, count: int, allowed: bool
) -> None:
    guards = (Caps(max_percent=percent, population=population),)
    if allowed:
        assert len(fleet.plan_all(renames(fleet, count), guards=guards).due) == count
    else:
        with pytest.raises(ChangeRefusedError, match="max_percent=5 of"):
            fleet.plan_all(renames(fleet, count), guards=guards)


def touching(made: World, node: str) -> dict[str, dict[str, Any]]:
    """Return one call of each kind that touches a device."""
    return {
        "setDeviceName": {"device_id": node, "name": "other"},
        "setDeviceRoutes": {"device_id": node, "routes": ["10.20.0.0/16"]},
        "setDeviceTags": {"device_id": node, "tags": ["tag:server"]},
        "authorizeDevice": {"device_id": node, "authorized": True},
        "setCustomDevicePostureAttributes": {"device_id": node, "attribute_key": "custom:x", "value": "y"},
        "batchUpdateCustomDevicePostureAttributes": {"nodes": {node: {"custom:x": {"value": "y"}}}},
        "deleteDevice": {"device_id": node},
    }


TOUCHING = (
    "setDeviceName",
    "setDeviceRoutes",
    "setDeviceTags",
    "authorizeDevice",
    "setCustomDevicePostureAttributes",
    "batchUpdateCustomDevicePostureAttributes",
    "deleteDevice",
)


@pytest.mark.parametrize("operation_id", TOUCHING)
def test_a_protected_device_is_skipped_by_any_of_its_names(here: World, operation_id: str) -> None:
    found = next(d for d in here.tailnet.tailnet.devices.values() if d.get("tags"))
    node = found["nodeId"]
    arguments = touching(here, node)[operation_id]
    names = [found["tags"][0], node, found["name"], found["name"].partition(".")[0], found["addresses"][0]]
    for name in names:
        guard = Protected(frozenset({name}))
        (item,) = here.plan(operation_id, arguments, guards=(guard,)).items
        assert (item.status, "protects" in str(item.reason)) == ("skipped", True), name
        plan = here.plan(operation_id, arguments)
        (done,) = here.apply(plan, guards=(guard,)).items
        assert done.outcome == "skipped"
    assert len(here.tailnet.ledger) == 0
    assert here.plan(operation_id, arguments, guards=(Protected(frozenset({"tag:none"})),)).due


@pytest.mark.parametrize(
    "operation_id", ["deleteDevice", "setDeviceRoutes", "setDeviceTags", "authorizeDevice"]
)
def test_the_node_this_runs_on_is_not_cut_off(here: World, operation_id: str) -> None:
    found = next(d for d in here.tailnet.tailnet.devices.values() if d.get("tags"))
    arguments = touching(here, found["nodeId"])[operation_id]
    own = OwnNode(frozenset({found["addresses"][0]}))
    assert here.plan(operation_id, arguments, guards=(own,)).items[0].status == "skipped"
    assert here.apply(here.plan(operation_id, arguments), guards=(own,)).items[0].outcome == "skipped"
    assert OwnNode.here() == OwnNode(frozenset())
    assert here.plan(operation_id, arguments, guards=(OwnNode.here(),)).due


def test_the_own_credential_is_never_deleted(either: World) -> None:
    own = either.client.own_key_id
    assert own
    plan = either.plan("deleteKey", {"key_id": own})
    assert "cut itself off" in str(plan.items[0].reason)
    assert either.apply(plan).items[0].outcome == "skipped"
    assert len(either.tailnet.ledger) == 0


async def test_items_of_two_engines_do_not_mix(scratch: Path) -> None:
    with world(scratch, devices=12) as made:
        key, url = made.tailnet.api_key, made.tailnet.base_url
        async with AsyncTailscale(api_key=key, base_url=url, rate_limit=None) as client:
            changes = AsyncChanges(client, state=made.state)
            calls = [[client.prepare(name, **arguments)] for name, arguments in renames(made, 6)]
            plans = await asyncio.gather(*(changes.plan(call) for call in calls))
            reports = await asyncio.gather(*(changes.apply(plan.id) for plan in plans))
        assert all(report.ok for report in reports)
        assert len(made.tailnet.ledger) == len(made.audited()) == 6
        assert made.state.audit.verify().ok
