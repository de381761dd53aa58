"""A wall clock that jumps by a day changes nothing: deadlines and waits go by another one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tailscale_sdk.testing.clock import EPOCH
from tests.reliability.deeds import DEEDS
from tests.reliability.matrix import CLASSES
from tests.reliability.stage import Outcome, Stage

pytestmark = pytest.mark.untraced

CASES = [
    pytest.param(retry_class, twin, id=f"clock-{retry_class}-{twin}")
    for retry_class in CLASSES
    for twin in ("sync", "async")
]
# One is told a date, one waits in vain, and one has to find out what was made since it began.
FAULTS = ({"fault": "429_date", "nth": 1}, {"fault": "503_ra"}, {"fault": "stall", "when": "after_apply"})


def jumping() -> Callable[[], datetime]:
    """Return a clock that is right once, and then a day fast and a day slow by turns."""
    days = itertools.chain([0], itertools.cycle([1, -1]))
    return lambda: EPOCH + timedelta(days=next(days))


def seen(outcome: Outcome) -> tuple[object, ...]:
    """Return all of an outcome that has to be the same."""
    error, value = outcome.error, outcome.value
    told = vars(error) if error is not None else {}
    return (type(error), told, type(value), outcome.elapsed, outcome.waits, outcome.tries, outcome.writes)


@pytest.mark.parametrize("retry_class, twin", CASES)
def test_fault(retry_class: str, twin: str, stage: Stage) -> None:
    for deed in [deed for deed in DEEDS if deed.retry_class == retry_class]:
        for rule in FAULTS:
            outcomes = []
            for now in (lambda: EPOCH, jumping()):
                stage.reset()
                stage.tailnet.faults.add({"operation": deed.operation, **rule})
                outcomes.append(stage.play(twin, deed, wall=now))
            steady, jumped = outcomes
            assert seen(steady) == seen(jumped)
