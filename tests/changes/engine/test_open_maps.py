"""Split DNS is a map of any names: what should be gone, or was added meanwhile, counts as much as what was sent."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.errors import ChangeRefusedError
from tests.changes.engine.support import World, other_writer

ZONES = {"a.example.com": ["10.0.0.1"], "b.example.com": ["10.0.0.2"]}
WRITES: dict[str, Any] = {
    "setSplitDns": {"a.example.com": ["10.0.0.1"]},
    "updateSplitDns": {"b.example.com": None},
}


def zones(made: World) -> Any:
    """Return the zones that are served by name servers of their own."""
    return made.call("getSplitDns", {}).additional_properties


@pytest.fixture(autouse=True)
def two_zones(either: World) -> None:
    either.call("setSplitDns", {"split_dns": ZONES})


@pytest.mark.parametrize("operation_id", WRITES)
def test_a_zone_that_stayed_is_not_verified(either: World, operation_id: str) -> None:
    plan = either.plan(operation_id, {"split_dns": WRITES[operation_id]})
    with other_writer(either, operation_id, {"split_dns": ZONES}, moment="after"):
        report = either.apply(plan)
    (item,) = report.items
    assert (item.outcome, item.verified) == ("unknown", False)
    assert either.journal(report.change_id) == ["not_verified"]


@pytest.mark.parametrize("split_dns", [{}, {"a.example.com": ["10.0.0.1"]}])
def test_what_was_to_be_left_is_left_and_comes_back(either: World, split_dns: dict[str, list[str]]) -> None:
    report = either.apply(either.plan("setSplitDns", {"split_dns": split_dns}))
    assert (report.items[0].outcome, report.items[0].verified, zones(either)) == ("ok", True, split_dns)
    assert either.apply(either.plan_undo(report.change_id)).ok
    assert zones(either) == ZONES


@pytest.mark.parametrize("split_dns", [{}, {"a.example.com": ["10.0.0.1"]}])
def test_a_zone_somebody_added_since_is_not_undone_away(
    either: World, split_dns: dict[str, list[str]]
) -> None:
    report = either.apply(either.plan("setSplitDns", {"split_dns": split_dns}))
    theirs = {**split_dns, "c.example.com": ["10.0.0.3"]}
    either.call("setSplitDns", {"split_dns": theirs})
    with pytest.raises(ChangeRefusedError, match="changed by somebody else"):
        either.plan_undo(report.change_id)
    assert zones(either) == theirs
