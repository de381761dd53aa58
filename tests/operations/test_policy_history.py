"""What is kept of each change of the policy: the text, who, when, why, by which plan, and what it changed."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tailscale_sdk.changes.plan_store import plan_reference
from tailscale_sdk.errors import StateError
from tailscale_sdk.operations import policies
from tailscale_sdk.policy.edits import AddMember
from tailscale_sdk.testing.policy_text import policy_etag
from tests.operations.transactions import OTHER, POLICY, Caller, calling

NAMES = ("bob", "carol", "dave")


@pytest.fixture
def changed(caller: Caller) -> tuple[Caller, list[str]]:
    """Change the policy three times, and return every text there was."""
    texts = [caller.stored]
    for name in NAMES:
        caller.change(edits=[AddMember("group:ops", f"{name}@example.com")], reason=f"{name} joins")
        texts.append(caller.stored)
    return caller, texts


def test_an_entry_names_text_tag_actor_time_plan_and_what_came_after(caller: Caller) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    plan = caller.plan(edits=[AddMember("group:ops", "bob@example.com")], reason="bob joins")
    report = caller.apply(plan)
    (row,) = [entry.to_dict() for entry in caller.history()]
    kept = datetime.fromisoformat(row.pop("kept"))
    assert before <= kept <= datetime.now(UTC)
    version = row.pop("version")
    assert version.endswith(row["sha256"])
    assert row == {
        "sha256": hashlib.sha256(POLICY.encode()).hexdigest(),
        "etag": policy_etag(POLICY),
        "actor": caller.principal,
        "reason": "bob joins",
        "change": report.report.change_id,
        "plan": plan_reference(plan.plan.id),
        "outcome": "closed",
        "replaced_by": hashlib.sha256(caller.stored.encode()).hexdigest(),
    }


def test_each_version_shows_what_its_change_made_of_it(changed: tuple[Caller, list[str]]) -> None:
    caller, _ = changed
    for entry, name in zip(caller.history(), reversed(NAMES), strict=True):
        shown = caller.difference(entry.version.name)
        assert shown.is_exact
        assert shown.entry == entry
        (added,) = [line for line in shown.text if line.startswith("+") and "+++" not in line]
        assert f"{name}@example.com" in added
        assert shown.to_dict()["text"] == list(shown.text)


def test_an_edit_from_elsewhere_in_between_is_said(changed: tuple[Caller, list[str]]) -> None:
    caller, _ = changed
    caller.somebody_else()
    newest, *older = caller.history()
    shown = caller.difference(newest.version.name)
    assert (shown.is_exact, "+// theirs" in shown.text) == (False, True)
    assert all(caller.difference(entry.version.name).is_exact for entry in older)


def test_only_the_newest_needs_a_request(changed: tuple[Caller, list[str]]) -> None:
    caller, _ = changed
    sent = len(caller.requests)
    caller.difference(caller.history()[1].version.name)
    assert caller.requests[sent:] == []
    caller.difference()
    assert caller.requests[sent:] == ["getPolicyFile"]


def ways_to_name(version: policies.HistoryEntry) -> list[str]:
    """Return every way to name a version."""
    kept = version.version
    return [kept.name, kept.name[:30], kept.sha256, kept.sha256[:8], f'"{kept.etag}"', str(kept.etag)[:8]]


def test_every_version_can_be_put_back_by_every_name(changed: tuple[Caller, list[str]]) -> None:
    caller, texts = changed
    for entry, text in zip(reversed(caller.history()), texts[:-1], strict=True):
        for name in ways_to_name(entry):
            assert policies.find_version(caller.engine, name).text == text
        assert caller.apply(caller.plan_rollback(version=entry.version.name)).ok
        assert caller.stored == text


def test_the_version_of_a_moment_is_the_one_that_was_in_force(changed: tuple[Caller, list[str]]) -> None:
    caller, texts = changed
    moments = [entry.version.kept for entry in reversed(caller.history())]
    for kept, text in zip(moments, texts[:-1], strict=True):
        just_before = datetime.fromtimestamp(kept - 1e-5, UTC).isoformat()
        assert policies.find_version(caller.engine, just_before).text == text
    long_ago = policies.find_version(caller.engine, "2020-01-01T00:00:00+01:00")
    assert long_ago.text == texts[0]
    with pytest.raises(StateError, match="stored now was in force"):
        policies.find_version(caller.engine, "2999-01-01T00:00:00Z")
    with pytest.raises(StateError, match="with a zone"):
        policies.find_version(caller.engine, "2026-01-01T00:00:00")
    for nothing in ("2026-13-01T00:00:00Z", "20200101", "abc", "", " "):
        with pytest.raises(StateError, match="no kept version"):
            policies.find_version(caller.engine, nothing)


def test_a_name_that_fits_several_is_refused(changed: tuple[Caller, list[str]]) -> None:
    caller, _ = changed
    year = caller.history()[0].version.name[:4]
    with pytest.raises(StateError, match="3 kept versions"):
        policies.find_version(caller.engine, year)


def test_whoever_changes_it_stands_beside_what_they_replaced(scratch: Path) -> None:
    with (
        calling(scratch) as first,
        contextlib.closing(Caller(first.tailnet, scratch / "state", principal=OTHER)) as second,
    ):
        first.change(edits=[AddMember("group:ops", "bob@example.com")], reason="mine")
        second.change(edits=[AddMember("group:ops", "carol@example.com")], reason="theirs")
        rows = [(entry.version.actor, entry.version.reason) for entry in first.history()]
        assert rows == [(OTHER, "theirs"), (first.principal, "mine")]


def test_a_change_that_was_not_made_is_not_the_last_one(caller: Caller) -> None:
    caller.change(text=POLICY + "// ours\n")
    plan = caller.plan(edits=[AddMember("group:ops", "bob@example.com")])
    theirs = caller.somebody_else()
    assert not caller.apply(plan).ok
    assert [entry.to_dict()["outcome"] for entry in caller.history()] == ["refused", "closed"]
    assert caller.drift(POLICY + "// ours\n").status == "outside_edit"
    assert caller.stored == theirs


def test_a_write_nobody_settled_yet_is_no_edit_from_outside(caller: Caller) -> None:
    plan = caller.plan(text=POLICY + "// ours\n")
    caller.fault("setPolicyFile", "reset", when="after_apply")
    caller.fault("getPolicyFile", {"status": 403, "body": {"message": "not now"}}, times=20)
    assert caller.apply(plan).rollback == "offered"
    caller.tailnet.faults.clear()
    assert caller.stored.endswith("// ours\n")
    assert caller.drift(POLICY).status == "pending"
    assert caller.plan(text=POLICY + "// ours, again\n").judgement.lockouts == ()
    caller.somebody_else()
    assert caller.drift(POLICY).status == "unknown"


def test_what_was_refused_here_and_stored_by_somebody_else_is_not_ours(caller: Caller) -> None:
    mine = POLICY + "// mine\n"
    plan = caller.plan(text=mine)
    caller.somebody_else()
    assert not caller.apply(plan).ok
    caller.tailnet.tailnet.policy_text = mine
    assert caller.drift(POLICY).status == "unknown"


def test_previous_is_what_a_change_replaced_and_not_what_a_refused_one_only_kept(caller: Caller) -> None:
    caller.change(text=POLICY + "// ours\n")
    plan = caller.plan(edits=[AddMember("group:ops", "bob@example.com")])
    caller.somebody_else()
    assert not caller.apply(plan).ok
    assert len(caller.history()) == 2
    assert policies.find_version(caller.engine, "previous").text == POLICY
    back = caller.plan_rollback()
    # Their edit goes as well, which is said before anybody says yes.
    assert any("overridden lock-out outside-edit" in sentence for sentence in back.plan.items[0].risk)
    assert "-// theirs" in back.judgement.text
    assert caller.apply(back).ok
    assert caller.stored == POLICY


def test_where_nothing_was_replaced_there_is_no_previous_one(caller: Caller) -> None:
    plan = caller.plan(edits=[AddMember("group:ops", "bob@example.com")])
    theirs = caller.somebody_else()
    assert not caller.apply(plan).ok
    with pytest.raises(StateError, match="no kept version"):
        caller.plan_rollback()
    name = caller.history()[0].version.name
    assert policies.find_version(caller.engine, name).text == POLICY
    assert caller.stored == theirs


LAYOUTS = {
    "Windows lines, no last one": POLICY.replace("\n", "\r\n").rstrip(),
    "mixed lines": POLICY.replace("\n", "\r\n", 3) + "\n\n\t",
    "other alphabets": POLICY.replace("on call", "\u017c\u00f3\u0142w \u2028 \U0001f512"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_byte_survives_the_way_there_and_back(caller: Caller, layout: str) -> None:
    text = LAYOUTS[layout]
    plan = caller.plan(text=text)
    assert plan.plan.items[0].call.body == text.encode()
    assert caller.apply(plan).ok
    for expected in (POLICY, text):
        assert caller.apply(caller.plan_rollback()).ok
        assert caller.stored.encode() == expected.encode()
