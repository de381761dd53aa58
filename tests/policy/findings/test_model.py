"""What a finding is: its identity, its order and its JSON."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.policy.findings import SEVERITIES, Finding, sort_findings, to_json
from tailscale_sdk.policy.findings.model import Columns
from tailscale_sdk.policy.language.model import Place
from tests.policy.findings.samples import ALL, ALLOW_ALL, STALE, UNUSED, any_findings


@pytest.mark.parametrize(
    "changed",
    [
        {"place": Place("/groups/group:old", 99, 1)},
        {"place": None},
        {"message": "Other words."},
        {"name": "a new name"},
        {"severity": "high"},
        {"status": "waived"},
        {"help": "", "fix": ()},
    ],
)
def test_the_fingerprint_stays(changed: dict[str, object]) -> None:
    assert evolve(UNUSED, **changed).fingerprint == UNUSED.fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"check": "empty-group"},
        {"resource": "group:new"},
        {"resource": None},
        {"kind": "tag"},
        {"aspect": "b"},
    ],
)
def test_another_subject_is_another_fingerprint(changed: dict[str, object]) -> None:
    assert evolve(UNUSED, **changed).fingerprint != UNUSED.fingerprint


def test_fingerprints_are_kept_between_versions() -> None:
    assert UNUSED.fingerprint == "3d3ddcf6a5c1b4db657a4d394e4c4fe49397af822f7c495866e734a07bc5f14f"


def test_parts_of_the_identity_do_not_run_together() -> None:
    one = Finding("a", "low", "", resource="b", aspect="cd")
    assert one.fingerprint != evolve(one, resource="bc", aspect="d").fingerprint


def test_json_says_everything() -> None:
    assert UNUSED.to_dict() == {
        "check": "unused-group",
        "title": "",
        "severity": "low",
        "status": "fail",
        "resource": {"kind": "group", "id": "group:old", "name": "group:old"},
        "message": "group:old is used by nothing.",
        "evidence": [],
        "location": {"pointer": "/groups/group:old", "line": 12, "column": 5},
        "remediation": "Remove it.",
        "fix": [{"op": "remove", "path": "/groups/group:old"}],
        "fingerprint": UNUSED.fingerprint,
    }
    bare = ALLOW_ALL.to_dict()
    assert (bare["resource"], bare["fix"]) == (None, None)
    assert STALE.to_dict()["resource"] == {"kind": "device", "id": "n1CNTRL", "name": "web-1"}
    assert STALE.to_dict()["location"] is None


def test_json_text_is_ascii_and_complete() -> None:
    text = to_json([evolve(finding, message="\ud800 \u202e é") for finding in ALL])
    assert text.isascii()
    assert [entry["check"] for entry in json.loads(text)] == [finding.check for finding in sort_findings(ALL)]


@pytest.mark.parametrize("changed", [{"severity": "fatal"}, {"status": "failed"}])
def test_other_words_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        evolve(UNUSED, **changed)


def test_the_worst_comes_first_then_the_order_of_the_text() -> None:
    later = evolve(ALLOW_ALL, place=Place("", 9, 1))
    beside = evolve(ALLOW_ALL, place=Place("", 1, 4))
    assert sort_findings([UNUSED, later, STALE, beside, ALLOW_ALL]) == [
        ALLOW_ALL,
        beside,
        later,
        STALE,
        UNUSED,
    ]


@given(any_findings, st.randoms())
def test_any_order_gives_the_same_bytes(findings: list[Finding], chance: object) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first, again = (
        [evolve(finding, evidence=()) for finding in sort_findings(one)] for one in (findings, shuffled)
    )
    ranks = [SEVERITIES.index(finding.severity) for finding in first]
    assert ranks == sorted(ranks, reverse=True)
    assert [(one.fingerprint, one.message, one.place) for one in first] == [
        (one.fingerprint, one.message, one.place) for one in again
    ]


@pytest.mark.parametrize(
    ("text", "place", "column"),
    [
        ("abc", Place("", 1, 3), 3),
        ('{\n "é": 1', Place("", 2, 7), 6),
        ('{\n "😀": 1', Place("", 2, 9), 6),
        (None, Place("", 2, 9), 9),
        ("abc", Place("", 7, 4), 4),
        ("é", Place("", 1, 2), 1),
    ],
)
def test_columns_count_characters(text: str | None, place: Place, column: int) -> None:
    assert Columns(text).of(place) == column
