"""The last changes from here: whose they are is asked before they are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.changes.engine.support import ME, OTHER, World
from tests.changes.engine.test_plans import device


def _rename(made: World, name: str, principal: str = ME) -> str:
    plan = made.plan("setDeviceName", {"device_id": device(made, 0), "name": name}, principal=principal)
    return str(made.apply(plan, principal=principal).change_id)


def _recent(made: World, limit: int, **whose: Any) -> list[str]:
    return [account.change_id for account in made.changes.recent(limit, **whose)]


def test_changes_of_others_take_no_place_among_the_last_of_one(here: World) -> None:
    mine = _rename(here, "mine")
    theirs = _rename(here, "theirs", OTHER)
    assert _recent(here, 1, principal=ME) == [mine]
    assert _recent(here, 2) == [theirs, mine]


def test_changes_under_another_profile_take_no_place_among_the_last(here: World, scratch: Path) -> None:
    mine = _rename(here, "mine")
    elsewhere = World(here.tailnet, scratch, state=here.state, profile="elsewhere")
    try:
        _rename(elsewhere, "elsewhere")
        assert _recent(here, 1) == [mine]
    finally:
        elsewhere.close()
