"""Policy writes after they left: lost answers, other bytes than those sent, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import (
    ChangeRefusedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    TailscaleError,
)
from tailscale_sdk.policy import hujson
from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.engine.policies import MINE, THEIRS, edit, somebody_else, stored
from tests.changes.engine.support import World, world


@pytest.mark.parametrize(
    ("when", "applied"), [("before_apply", False), ("after_apply", True)], ids=["not applied", "applied"]
)
@pytest.mark.parametrize("retries", [0, 2])
def test_a_lost_answer_is_settled_by_reading(scratch: Path, when: str, applied: bool, retries: int) -> None:
    with world(scratch, max_retries=retries) as made:
        plan, before = made.plan("setPolicyFile", edit(made)), stored(made)
        made.tailnet.faults.add({"operation": "setPolicyFile", "nth": 1, "when": when, "fault": "reset"})
        report = made.apply(plan)
        (item,) = report.items
        landed = stored(made) != before
        assert landed == (applied or retries > 0)
        assert len(made.tailnet.ledger) == landed
        assert (item.outcome, item.verified) == (("ok", True) if landed else ("unknown", False))
        assert made.journal(report.change_id) == ["closed" if landed else "unknown"]
        (*_, last) = made.open_changes() or (None,)
        assert landed == (last is None)
        if last is not None:
            assert last.found == "not_applied"


def storing(made: World, text: str, *, nth: int = 1) -> None:
    """Let the service show another policy than the one it was sent, when it is read after the write."""
    headers = {"Content-Type": "application/hujson", "ETag": f'"{policy_etag(text)}"'}
    answer = {"status": 200, "headers": headers, "body": text}
    made.tailnet.faults.add({"operation": "getPolicyFile", "nth": nth, "fault": answer})


def test_other_bytes_than_those_sent_are_not_called_verified(here: World) -> None:
    before, plan = stored(here), here.plan("setPolicyFile", edit(here))
    storing(here, before + THEIRS)
    report = here.apply(plan)
    (item,) = report.items
    assert (item.outcome, item.verified) == ("unknown", False)
    assert isinstance(item.error, OutcomeUnknownError)
    assert item.error.recovered == "not_verified"
    assert here.journal(report.change_id) == ["not_verified"]


def test_an_undo_is_offered_where_other_bytes_are_stored(here: World) -> None:
    before, plan = stored(here), here.plan("setPolicyFile", edit(here))
    with StoringSomethingElse(here) as other:
        report = here.apply(plan)
    assert report.items[0].outcome == "unknown"
    assert stored(here) == other
    undo = here.plan_undo(report.change_id)
    assert here.apply(undo).ok
    assert stored(here) == before


class StoringSomethingElse:
    """Let the service store something else than it is sent."""

    def __init__(self, made: World) -> None:
        self.made, self.other = made, stored(made) + "\n// added by the service\n"

    def __enter__(self) -> str:
        tailnet = type(self.made.tailnet.tailnet)
        self.record = tailnet.record
        other = self.other

        def record(state: Any, *arguments: Any, **keywords: Any) -> Any:
            state.policy_text = other
            return self.record(state, *arguments, **keywords)

        tailnet.record = record  # type: ignore[method-assign]
        return self.other

    def __exit__(self, *error: object) -> None:
        type(self.made.tailnet.tailnet).record = self.record  # type: ignore[method-assign]


def test_a_policy_that_was_only_formatted_is_accepted(here: World) -> None:
    plan = here.plan("setPolicyFile", edit(here))
    storing(here, hujson.format(stored(here) + MINE))
    (item,) = here.apply(plan).items
    assert (item.outcome, item.verified) == ("ok", True)


def test_an_undo_brings_back_the_very_bytes(either: World) -> None:
    before = stored(either)
    report = either.apply(either.plan("setPolicyFile", edit(either)))
    undo = either.plan_undo(report.change_id)
    assert undo.undoes == report.change_id
    assert either.apply(undo).ok
    assert stored(either) == before


@pytest.mark.parametrize("moment", ["before planning", "before applying"])
def test_an_undo_after_somebody_elses_edit_is_refused(here: World, moment: str) -> None:
    report = here.apply(here.plan("setPolicyFile", edit(here)))
    if moment == "before planning":
        theirs = somebody_else(here)
        with pytest.raises(TailscaleError) as refused:
            here.plan_undo(report.change_id)
        assert isinstance(refused.value, PreconditionFailedError | ChangeRefusedError)
    else:
        undo = here.plan_undo(report.change_id)
        theirs = somebody_else(here)
        assert here.apply(undo).items[0].outcome == "failed"
    assert stored(here) == theirs
