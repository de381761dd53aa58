"""What has to be true of a call that met a fault: the caller's side, the server's side, the time it took."""

from __future__ import annotations

import select
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen

from tailscale_sdk import HuJSONError, OutcomeUnknownError, TailscaleError
from tailscale_sdk.policy import hujson
from tailscale_sdk.testing import FAULTS
from tailscale_sdk.testing.faults.messages import Answer
from tailscale_sdk.testing.faults.spoiling import FIELD, NEW_VALUE, spoil
from tests.reliability.deeds import CREATE_KEY, Deed
from tests.reliability.matrix import (
    FAILS,
    ONCE,
    RENEWS,
    REPEATS,
    REQUESTS,
    SETTLES,
    UNKNOWN,
    WORKS,
    Row,
    Way,
)
from tests.reliability.stage import READ_TIMEOUT, TIMEOUT, Outcome, Stage

SLACK_SECONDS = 0.25
SETTLE_SECONDS = 15.0
SECOND_LOOK = [2.0]
# They take the body only: a truer status behind it is seen all the same.
BODILY = frozenset({"cut", "encoding", "value"})


@frozen
class Scenario:
    """Say how often a fault strikes, and whom.

    Attributes:
        when: when it strikes.
        again: every request of the operation, not only the first.
        everybody: requests of other operations too, so that nothing can be found out.
        recreate: the caller wants a lost creation done once more.
        fixed_key: with an API key, where there is no other token to be had.
    """

    when: str
    again: bool = True
    everybody: bool = False
    recreate: bool = False
    fixed_key: bool = False

    @property
    def applied(self) -> bool:
        """Tell whether the tailnet carries the request out."""
        return self.when != "before_apply"

    def rule(self, row: Row, deed: Deed) -> dict[str, Any]:
        """Return the rule of the fault server."""
        whom = {} if self.everybody else {"operation": deed.operation}
        often = {} if self.again else {"nth": 1}
        return {"fault": row.id, "when": self.when, **whom, **often}


def scenarios(row: Row, deed: Deed, way: Way) -> Iterator[Scenario]:
    """Give what a row is tried in."""
    whens = row.strikes()
    creates = deed.retry_class == "CREATE"
    if way in {REPEATS, ONCE, RENEWS}:
        yield Scenario(whens[0])
        yield from (Scenario(when, again=False) for when in whens)
    elif way in {FAILS, WORKS}:
        yield from (Scenario(when) for when in whens)
    else:
        served = row.id in FAULTS
        yield from (Scenario(when, again=way is SETTLES and served) for when in whens)
        if way is SETTLES and served and "before_apply" in whens:
            yield Scenario("before_apply", again=False)
        if row.blinds and (way is SETTLES or creates):
            yield Scenario(whens[-1], everybody=True)
        if creates:
            yield from (Scenario(when, again=False, recreate=True) for when in whens)
    if way is RENEWS:
        yield Scenario(whens[0], fixed_key=True)


def judge(
    row: Row, deed: Deed, way: Way, scenario: Scenario, stage: Stage, twin: str, outcome: Outcome
) -> None:
    """Hold what happened against the row."""
    if way is SETTLES:
        _judge_settled(row, scenario, outcome)
    elif way is UNKNOWN:
        _judge_unknown(row, deed, scenario, stage, outcome)
    elif way is WORKS or (not scenario.again and way is not FAILS):
        _judge_success(row, deed, way, scenario, stage, outcome)
    else:
        _judge_failure(row, deed, way, scenario, outcome)
    assert select.select([stage.other], [], [], 0)[0] == [], "a redirect was followed"
    keep_secrets(stage, outcome)
    keep_time(row, deed, way, twin, outcome)


def _sent(row: Row, deed: Deed, outcome: Outcome) -> int:
    return outcome.asked(deed.operation) if row.id in FAULTS and FAULTS[row.id].when else outcome.tries


def _writes(deed: Deed, times: int) -> list[str]:
    """Return what the ledger shows of a deed that arrived so often; a device is deleted once."""
    if deed.retry_class == "SAFE":
        return []
    return [deed.operation] * (min(times, 1) if deed.operation == "deleteDevice" else times)


def _judge_success(
    row: Row, deed: Deed, way: Way, scenario: Scenario, stage: Stage, outcome: Outcome
) -> None:
    requests = 1 if way is WORKS else 2
    assert outcome.error is None
    assert _sent(row, deed, outcome) == requests
    assert outcome.holds == len(_writes(deed, 1))
    if way is REPEATS or way is ONCE:
        assert len(outcome.waits) == 1
    if way is REPEATS and scenario.when == row.strikes()[0]:
        assert outcome.waits == list(row.waits[:1])
    if way is WORKS:
        assert outcome.waits == []
        assert outcome.writes == _writes(deed, 1)
        _judge_value(row, deed, stage, outcome)
    else:
        assert outcome.right
        conditional = deed.retry_class == "COND"
        assert outcome.writes == _writes(deed, 2 if scenario.applied and not conditional else 1)


def _judge_value(row: Row, deed: Deed, stage: Stage, outcome: Outcome) -> None:
    if deed.operation in {"getPolicyFile", "setPolicyFile"}:
        true = stage.base if deed.operation == "getPolicyFile" else stage.wanted
        assert outcome.value.text.encode() == spoil(row.id, Answer(200, body=true.encode())).body
        if row.id == "dupkeys":
            with pytest.raises(HuJSONError, match="duplicate object member /"):
                hujson.parse(outcome.value.text, unique_names=True)
        return
    assert outcome.right
    if row.id == "newfield" and outcome.value is not None:
        name = FIELD.decode().strip('"')
        assert outcome.value.additional_properties[name] == outcome.value.to_dict()[name] == {"level": 3}
    if row.id == "newenum" and deed is CREATE_KEY:
        assert outcome.value.key_type == outcome.value.to_dict()["keyType"] == NEW_VALUE


def _judge_failure(row: Row, deed: Deed, way: Way, scenario: Scenario, outcome: Outcome) -> None:
    requests = 1 if scenario.fixed_key else REQUESTS[way]
    kind = FAULTS[row.id].kind if row.id in FAULTS else None
    if deed.operation == "deleteDevice" and scenario.applied and way is not FAILS and kind in BODILY:
        # The first was carried out, and the second is told so by its status, however its body looks.
        assert (outcome.error, outcome.right, outcome.writes) == (None, True, ["deleteDevice"])
        assert _sent(row, deed, outcome) == 2
        return
    assert_shown(row, outcome.error, ambiguous=row.doubt and deed.retry_class != "SAFE")
    assert outcome.error.attempts == _sent(row, deed, outcome) == requests  # type: ignore[union-attr]
    if way in {REPEATS, ONCE}:
        assert outcome.waits == list(row.waits[: requests - 1])
    else:
        assert sum(outcome.waits) == 0
    assert outcome.writes == _writes(deed, requests if scenario.applied else 0)
    if way is RENEWS:
        assert outcome.asked("oauth/token") == (0 if scenario.fixed_key else 2)


def assert_shown(row: Row, error: TailscaleError | None, *, ambiguous: bool) -> None:
    """Check that an error is what the row says."""
    assert type(error) is row.error
    shown: Any = error
    assert shown.ambiguous is ambiguous
    if row.phase is not None:
        assert shown.phase == row.phase
    if row.status is not None:
        assert shown.status == row.status
    if hasattr(shown, "retry_after"):
        assert shown.retry_after == row.retry_after
    assert row.shows(shown)


def _judge_settled(row: Row, scenario: Scenario, outcome: Outcome) -> None:
    assert outcome.holds == int(scenario.applied or not scenario.again)
    assert outcome.writes == ["setPolicyFile"] * outcome.holds
    asked = (outcome.asked("setPolicyFile"), outcome.asked("getPolicyFile"))
    if scenario.everybody:
        assert_shown(row, outcome.error, ambiguous=True)
        assert asked[0] == 1 or row.id not in FAULTS
        return
    if outcome.holds:
        assert outcome.error is None
        assert outcome.right
        assert asked == ((1, 1) if scenario.applied else (2, 1)) or row.id not in FAULTS
    else:
        # The service itself answers 500: then nothing is on its way any more.
        assert_shown(row, outcome.error, ambiguous=row.status != 500)
        assert asked == (2, 2)
    assert outcome.waits == []


def _judge_unknown(row: Row, deed: Deed, scenario: Scenario, stage: Stage, outcome: Outcome) -> None:
    assert _sent(row, deed, outcome) == (2 if scenario.recreate and _recreates(deed, scenario) else 1) or (
        row.id not in FAULTS
    )
    assert outcome.holds <= 1
    if scenario.recreate and _recreates(deed, scenario):
        assert outcome.error is None
        assert outcome.right
        if deed is CREATE_KEY:
            assert outcome.value.possible_orphan == (None if scenario.applied else "mark0001")
        return
    error = outcome.error
    assert type(error) is OutcomeUnknownError
    assert_shown(row, error.__cause__, ambiguous=True)  # type: ignore[arg-type]
    assert (error.operation, error.ambiguous, error.attempts) == (deed.operation, True, 1)
    if deed.operation == "rotateWebhookSecret":
        assert (error.recovered, error.candidates, outcome.holds) == ("none", (), int(scenario.applied))
        assert "Rotate again" in str(error)
    elif scenario.everybody:
        assert (error.recovered, error.candidates, outcome.holds) == ("none", (), int(scenario.applied))
    elif deed is CREATE_KEY:
        assert error.recovered == ("revoked" if scenario.applied else "not_found")
        assert outcome.holds == 0
        assert outcome.writes == (["createKey", "deleteKey"] if scenario.applied else [])
        assert outcome.waits == ([] if scenario.applied else SECOND_LOOK)
    else:
        # There is no mark: it may be somebody else's, so it is named and left alone.
        assert error.recovered == ("none" if scenario.applied else "not_found")
        assert list(error.candidates) == [
            hook for hook in stage.tailnet.tailnet.webhooks if _is_new(hook, stage)
        ]
        assert outcome.holds == len(error.candidates) == int(scenario.applied)
        assert outcome.waits == ([] if scenario.applied else SECOND_LOOK)
    if deed is CREATE_KEY:
        assert error.nonce == "mark0001"
        assert error.nonce in str(error) or error.recovered == "revoked"


def _is_new(hook: str, stage: Stage) -> bool:
    return hook not in stage.pristine["webhooks"]


def _recreates(deed: Deed, scenario: Scenario) -> bool:
    """Tell whether it is done once more: a webhook only where one was found and removed."""
    return deed is CREATE_KEY or scenario.applied


def keep_secrets(stage: Stage, outcome: Outcome) -> None:
    """Check that no text of an error, of its causes or of its traceback holds a credential."""
    if outcome.error is None:
        return
    held = [*stage.tailnet.tailnet.secrets.values(), *stage.tailnet.tailnet.access_tokens]
    shown = "".join(traceback.format_exception(outcome.error))
    link: BaseException | None = outcome.error
    while link is not None:
        shown += f"{link!s}{link!r}{vars(link)!r}"
        link = link.__cause__ or link.__context__
    assert [secret for secret in held if secret in shown] == []


def keep_time(row: Row, deed: Deed, way: Way, twin: str, outcome: Outcome) -> None:
    """Check that a call ends in its time, by the clock of the client."""
    limit = row.options.get("timeout", TIMEOUT) + SLACK_SECONDS
    if way in {SETTLES, UNKNOWN} and deed.retry_class in {"COND", "CREATE"}:
        limit += SETTLE_SECONDS
    if row.id == "drip_stall" and twin == "sync":
        limit += READ_TIMEOUT
    assert outcome.elapsed <= limit
    assert getattr(outcome.error, "elapsed", 0.0) <= outcome.elapsed
