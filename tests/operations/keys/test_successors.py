"""What takes the place of a credential, and what is left over: decisions without I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.operations.keys import Key
from tailscale_sdk.operations.keys.successors import leftovers_among, next_description, successor_of

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
MARK_CHARACTERS = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.mark.parametrize(
    ("description", "successor"),
    [
        ("", "key g2"),
        ("ci", "ci g2"),
        ("ci g2", "ci g3"),
        ("ci g9 abcdefgh", "ci g10"),
        ("ci ab3defgh", "ci g2"),
        ("ci database", "ci database g2"),
        ("the pipeline", "the pipeline g2"),
        ("ci_runner/prod", "ci-runner-prod g2"),
        ("g2", "g2 g2"),
        ("a" * 50, "a" * 30 + " g2"),
        ("ci g2 prod", "ci g2 prod g2"),
        ("naïve 🚀", "na-ve - g2"),
        ("two\nlines", "two-lines g2"),
    ],
)
def test_the_generation_stands_behind_the_name(description: str, successor: str) -> None:
    assert next_description(description) == successor


@given(st.text(max_size=60), st.lists(st.text(MARK_CHARACTERS, min_size=8, max_size=8), max_size=5))
def test_every_generation_is_allowed_and_keeps_its_name(description: str, marks: list[str]) -> None:
    made = next_description(description)
    name = re.sub(r" g\d+$", "", made)
    for mark in marks:
        assert re.fullmatch(r"[A-Za-z0-9 -]{1,50}", f"{made} {mark}")
        following = next_description(f"{made} {mark}")
        assert re.sub(r" g\d+$", "", following) == name
        assert following != made
        made = following


def test_a_lifetime_that_is_not_told_is_worked_out_from_the_dates() -> None:
    key = Key(
        {
            "id": "k1",
            "keyType": "auth",
            "created": "2026-06-01T00:00:00Z",
            "expires": "2026-06-08T00:00:00Z",
            "capabilities": {"devices": {"create": {"tags": ["tag:ci"]}}},
        }
    )
    assert successor_of(key)["expiry_seconds"] == 7 * 86400


def key(key_id: str, description: str, **more: object) -> Key:
    return Key(
        {
            "id": key_id,
            "keyType": "auth",
            "description": description,
            "created": "2026-06-30T00:00:00Z",
            **more,
        }
    )


def test_only_a_mark_makes_a_leftover_certain() -> None:
    found = leftovers_among(
        [
            key("kOld", "ci g2 mark2345"),
            key("kMarked", "ci g2 mark2345"),
            key("kRenamed", "something else mark2345"),
            key("kNamed", "ci g2"),
            key("kOtherMark", "ci g2 abcdefgh"),
            key("kLater", "ci g20"),
            key("kRevoked", "ci g2 mark2345", invalid=True),
            key("kInside", "ci g2 xmark2345x"),
        ],
        old="kOld",
        description="ci g2",
        marks=("mark2345",),
        now=NOW,
    )
    assert found.certain == ("kMarked", "kRenamed")
    assert found.likely == ("kNamed", "kOtherMark")


def test_without_a_mark_nothing_is_certain() -> None:
    found = leftovers_among([key("k1", "ci g2")], old="k0", description="ci g2", marks=(), now=NOW)
    assert (found.certain, found.likely) == ((), ("k1",))
