"""The law: whatever goes wrong, whenever it is stopped, nothing is made twice and nothing is left unnamed."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from tailscale_sdk import OutcomeUnknownError
from tailscale_sdk.transport.again import STOPS
from tests.reliability.calling import Place, Stop, Told, fresh
from tests.reliability.deeds import (
    CREATE_HOOK,
    CREATE_KEY,
    DEEDS,
    DELETE_DEVICE,
    ROTATE,
    SET_POLICY,
    SET_TAGS,
    Deed,
    live_keys,
    new_hooks,
)
from tests.reliability.in_process import BASE, FINE, Hit, Town

pytestmark = pytest.mark.untraced

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "100"))
WRITES = (SET_TAGS, DELETE_DEVICE, SET_POLICY, CREATE_KEY, CREATE_HOOK, ROTATE)
# No 404: made up, it would be a lie about what is to be deleted; the tailnet says it where it is true.
REFUSALS = (400, 401, 403, 409, 412, 422, 501)
VERDICTS = frozenset({400, 403, 409, 422})
DOUBTFUL = (408, 500, 502, 504, 520)

hits = st.one_of(
    st.sampled_from([FINE, Hit("refused"), Hit("before"), Hit("after"), Hit("cut")]),
    st.builds(Hit, st.just("slow"), seconds=st.sampled_from([1.0, 40.0])),
    st.builds(Hit, st.just("late"), seconds=st.sampled_from([0.5, 3.0, 30.0])),
    st.builds(Hit, st.just("status"), st.sampled_from([*REFUSALS, *DOUBTFUL, 429, 503])),
    st.builds(Hit, st.just("status"), st.just(429), st.just({"Retry-After": "1"})),
    st.builds(Hit, st.just("status after"), st.sampled_from(DOUBTFUL)),
)
# A key that is created once more, and whose answer is lost once more.
AGAIN_LOST = [Hit("before"), FINE, FINE, Hit("after")]
scripts = st.lists(hits, min_size=1, max_size=6)


def truthful(script: list[Hit]) -> list[Hit]:
    """Leave out verdicts on a policy that is on its way: the tailnet would say the same of it, and these are made up."""
    if not any(hit.kind == "late" for hit in script):
        return script
    return [FINE if hit.kind == "status" and hit.status in VERDICTS else hit for hit in script]


stops = st.none() | st.builds(Stop, st.integers(1, 6), st.booleans())
options = st.fixed_dictionaries(
    {
        "timeout": st.sampled_from([2.0, 20.0]),
        "max_retries": st.sampled_from([0, 1, 3]),
        "on_ambiguous": st.sampled_from(["raise", "recreate"]),
        "retry_429_writes": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.mark.parametrize("deed", WRITES, ids=lambda deed: deed.operation)
@settings(max_examples=EXAMPLES)
@given(script=scripts, stop=stops, given_options=options)
@example(script=[Hit("late", seconds=30.0)], stop=None, given_options={"on_ambiguous": "recreate"})
@example(script=[Hit("after")], stop=Stop(2, True), given_options={})
@example(script=[Hit("before")], stop=Stop(5, False), given_options={"on_ambiguous": "recreate"})
@example(
    script=[Hit("status", 500), Hit("fine"), Hit("late", seconds=0.5)],
    stop=None,
    given_options={"timeout": 2.0, "max_retries": 1},
)
@example(script=AGAIN_LOST, stop=Stop(5, False), given_options={"on_ambiguous": "recreate"})
def test_both_clients_keep_the_law(
    town: Town, deed: Deed, script: list[Hit], stop: Stop | None, given_options: dict[str, Any]
) -> None:
    told = []
    script = truthful(script) if deed is SET_POLICY else script
    for twin in ("sync", "async"):
        place = fresh(town)
        told.append(place.call(twin, deed, script, stop, **given_options))
        judge_requests(deed, place)
        judge_state(deed, told[-1], place)
        town.land()
        judge_requests(deed, place)
        LAWS[deed.operation](told[-1], place)
    event(f"{deed.retry_class}: {type(told[0].error).__name__}")
    # A task finishes a deletion that makes up for an unclear creation before it stops; a thread cannot.
    stopped_at = {
        one.requests[stop.request - 1] for one in told if stop and len(one.requests) >= stop.request
    }
    if not (deed.retry_class == "CREATE" and stopped_at & {"deleteKey", "deleteWebhook"}):
        assert_alike(*told)


def judge_requests(deed: Deed, place: Place) -> None:
    """Check that nothing was repeated that must not be."""
    sent = place.town.sent(deed.operation)
    if deed.retry_class == "EFFECT":
        certain = [one.hit.kind == "refused" or one.hit.status in {401, 429} for one in sent[:-1]]
        assert all(certain)
    if deed.retry_class == "COND":
        assert {one.if_match for one in sent} <= {f'"{place.etag}"'}
        assert {one.replaced for one in sent if one.done} <= {place.etag}
        assert sum(one.done for one in sent) <= 1


def judge_state(deed: Deed, told: Told, place: Place) -> None:
    """Check what is there at the moment the call has ended."""
    if told.error is None:
        assert deed.answers(told.value, place)  # type: ignore[arg-type]
    if told.error is None or deed.retry_class in {"CREATE", "EFFECT"}:
        assert deed.holds(place) == 1 or told.error is not None  # type: ignore[arg-type]
        return
    if not getattr(told.error, "ambiguous", isinstance(told.error, STOPS)):
        assert deed.holds(place) == 0  # type: ignore[arg-type]


def no_doubt(told: Told, place: Place, deed: Deed) -> None:
    """Check that a failure that is certain leaves nothing behind, later neither."""
    if told.error is not None and not isinstance(told.error, STOPS):
        assert told.error.ambiguous or deed.holds(place) == 0  # type: ignore[attr-defined, arg-type]
    if isinstance(told.error, STOPS) and deed.operation not in told.text:
        assert deed.holds(place) == 0  # type: ignore[arg-type]


def keys_are_named(told: Told, place: Place) -> None:
    """Check that every key that lives was returned, or is named by its mark."""
    no_doubt(told, place, CREATE_KEY)
    returned = {told.value.id} if told.error is None else set()
    named = f"{told.text} {getattr(told.value, 'possible_orphan', None)}"
    keys = place.tailnet.tailnet.keys
    live = set(live_keys(place))  # type: ignore[arg-type]
    assert returned <= live
    unnamed = {key for key in live - returned if keys[key]["description"].split()[-1] not in named}
    assert unnamed == set()
    arrived_late = any(sent.hit.kind == "late" for sent in place.town.sent("createKey"))
    assert len(live) <= 1 or arrived_late


def hooks_are_named(told: Told, place: Place) -> None:
    """Check that every webhook that lives was returned or is named, or that it is said that this is not known."""
    no_doubt(told, place, CREATE_HOOK)
    live = set(new_hooks(place))  # type: ignore[arg-type]
    error = told.error
    if error is None:
        assert told.value.endpoint_id in live
        live.discard(told.value.endpoint_id)
    arrived_late = any(sent.hit.kind == "late" for sent in place.town.sent("createWebhook"))
    if isinstance(error, OutcomeUnknownError):
        asked_in_vain = error.recovered == "none" and not error.candidates
        assert live <= set(error.candidates) or asked_in_vain or arrived_late
    elif not isinstance(error, STOPS):
        assert live == set() or arrived_late
    assert len(live) <= 1 or arrived_late


def policy_is_one_of_two(told: Told, place: Place) -> None:
    """Check that a success stays, and that a certain failure changed nothing."""
    no_doubt(told, place, SET_POLICY)
    assert place.tailnet.tailnet.policy_text in {BASE, place.wanted}
    if told.error is None:
        assert place.tailnet.tailnet.policy_text == place.wanted


LAWS = {
    "setDeviceTags": lambda told, place: no_doubt(told, place, SET_TAGS),
    "deleteDevice": lambda told, place: no_doubt(told, place, DELETE_DEVICE),
    "setPolicyFile": policy_is_one_of_two,
    "createKey": keys_are_named,
    "createWebhook": hooks_are_named,
    "rotateWebhookSecret": lambda told, place: no_doubt(told, place, ROTATE),
}


def assert_alike(one: Told, other: Told) -> None:
    """Check that both clients did and told the same."""
    assert one.requests == other.requests
    assert one.waits == other.waits
    assert one.elapsed == pytest.approx(other.elapsed, abs=1e-6)
    stopped = [isinstance(told.error, STOPS) for told in (one, other)]
    assert stopped[0] == stopped[1]
    assert one.text == other.text
    if not stopped[0]:
        assert type(one.error) is type(other.error)
        assert vars_of(one.error) == vars_of(other.error)
        assert repr(one.value) == repr(other.value)


def vars_of(error: BaseException | None) -> dict[str, Any]:
    """Return what an error tells, but for times that differ in the last digit."""
    return {name: value for name, value in vars(error).items() if name != "elapsed"} if error else {}


def test_every_write_is_held_to_the_law() -> None:
    assert set(LAWS) == {deed.operation for deed in DEEDS if deed.retry_class != "SAFE"}
