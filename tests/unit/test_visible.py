"""Untrusted text: nothing hidden is left, honest names stay, and it always ends."""

from __future__ import annotations

import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.visible import FIELD_LIMIT, MARK, visible, visible_value
from tests.payloads import HONEST_NAMES, PAYLOADS

_JOINERS = {"\u200d", "\ufe0e", "\ufe0f"}
_ANY_TEXT = st.text(st.characters(exclude_categories=[]))
# Pieces that meet each other's rules: pictures, joiners, marks, sequences, halves of sequences.
_PIECES = st.lists(
    st.sampled_from(
        [
            "a", "1", "e", "\u0301", "\u0323", "\u0344", "\u0958", "\u200d", "\u200b", "\ufe0f", "\ufe0e", "\u20e3",
            "\U0001f468", "\U0001f3fd", "\U0001f1e9", "\u2764", "\U0001f0ff", "\U0001fae8", "\x1b", "[", "31m", "]", "\x07",
            "\\", "\x9b", "\x9d", "\x9c", "\n", "\r", "\t", "\x00", MARK, "\u1100", "\u1161", "\u1160", "\u3164", "\ud83d",
            "\ude00", "\U000e0061", "\U000e0100", "\u212b", "…", "한", "א", "😀",
        ]
    ),
    max_size=60,
).map("".join)  # fmt: skip


def hidden_in(text: str, *, multiline: bool = False) -> list[str]:
    """Name what should not be in a text, judged by Unicode's own categories."""
    found = []
    for index, character in enumerate(text):
        category = unicodedata.category(character)
        if multiline and character in "\n\t":
            continue
        if character in _JOINERS:
            joined = index and (
                unicodedata.category(text[index - 1]) in {"So", "Sk", "Sm", "Po"}
                or text[index - 1] in "#*0123456789\ufe0f"
            )
            if not joined:
                found.append(character)
        elif (
            category in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
            or 0xE0000 <= ord(character) < 0xF0000
            or (
                category == "Cn"
                and not (0x1F6D0 <= ord(character) < 0x1F700 or 0x1FA70 <= ord(character) < 0x1FB00)
            )
        ):
            found.append(character)
    return found


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
@pytest.mark.parametrize("multiline", [False, True])
def test_nothing_hidden_is_left(payload: str, multiline: bool) -> None:
    shown = visible(payload, multiline=multiline)
    assert hidden_in(shown, multiline=multiline) == []
    assert len(shown) <= FIELD_LIMIT
    assert visible(shown, multiline=multiline) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("name", HONEST_NAMES)
@pytest.mark.parametrize("multiline", [False, True])
def test_honest_names_stay(name: str, multiline: bool) -> None:
    assert visible(name, multiline=multiline) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("de\u200blete", f"de{MARK}lete"),
        ("a\u200b\u202e\x00b", f"a{MARK}b"),
        ("\x1b[31mred\x1b[0m", f"{MARK}red{MARK}"),
        ("\x1b]0;title\x07after", f"{MARK}after"),
        ("\x1b]0;never closed", f"{MARK}]0;never closed"),
        ("one\ntwo", f"one{MARK}two"),
        ("fa\u00adke", f"fa{MARK}ke"),
        ("😀\ufe0f\ufe0f", f"😀\ufe0f{MARK}"),
        ("\U0001f468\u200d", f"\U0001f468{MARK}"),
        ("a\u200db", f"a{MARK}b"),
        ("\u3164", MARK),
        ("e\u0301", "é"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_hidden_leaves_one_mark(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_lines_stay_where_they_are_asked_for() -> None:
    assert visible("a\r\n\tb\rc\u2028d", multiline=True) == f"a\n\tb{MARK}c{MARK}d"


@given(
    st.one_of(_ANY_TEXT, _PIECES), st.booleans(), st.one_of(st.none(), st.integers(min_value=0, max_value=80))
)
def test_showing_twice_changes_nothing_more(text: str, multiline: bool, limit: int | None) -> None:
    shown = visible(text, limit=limit, multiline=multiline)
    assert visible(shown, limit=limit, multiline=multiline) == shown
    assert unicodedata.is_normalized("NFC", shown)
    assert limit is None or len(shown) <= max(limit, 1)
    if "\u200d" not in shown and "\ufe0f" not in shown and "\ufe0e" not in shown:
        assert hidden_in(shown, multiline=multiline) == []


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=FIELD_LIMIT))
def test_plain_text_is_untouched(text: str) -> None:
    assert visible(text) == text


def test_a_cut_says_how_much_is_missing() -> None:
    shown = visible("x" * 1000)
    kept = shown.count("x")
    assert len(shown) <= FIELD_LIMIT
    assert shown == f"{'x' * kept}… (+{1000 - kept} characters)"
    assert kept > FIELD_LIMIT - 30
    assert visible("x" * 1000, limit=10) == "xxxxxxxxx…"
    assert visible("x" * 1000, limit=None) == "x" * 1000


def test_a_cut_parts_no_character() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert visible(f"abc{family}", limit=6) == "abc…"
    assert visible("abx\u0307", limit=3) == "abẋ"
    assert visible("abc\u0938\u094d\u0924\u0947", limit=5) == "abc…"


def test_names_of_members_are_shown_too_and_none_is_lost() -> None:
    tree = {"a\u200b": 1, "a\u200c": [True, None, 2.5, "x\x1b[1my"], "plain": {"deep": ("b\u202e",)}}
    assert visible_value(tree) == {
        f"a{MARK}": 1,
        f"a{MARK} (2)": [True, None, 2.5, f"x{MARK}y"],
        "plain": {"deep": [f"b{MARK}"]},
    }


@pytest.mark.untraced
def test_any_depth_and_any_kind() -> None:
    deep: Any = "x\x00"
    for _ in range(100_000):
        deep = [deep]
    shown = visible_value(deep)
    for _ in range(100_000):
        shown = shown[0]
    assert shown == f"x{MARK}"
    assert visible_value({1: object}) == {"1": "<class 'object'>"}
    assert visible_value("a\nb", multiline=True) == "a\nb"
    assert visible_value("x" * 50, limit=5) == "xxxx…"


@pytest.mark.realtime
@pytest.mark.parametrize(
    "unit", ["a\u0301\u0323", "\u0323\u0301", "\x1b]", "\x1b[0", "👨\u200d", "\U000e0061", "\u202e", "字"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    def seconds(count: int) -> float:
        start = time.perf_counter()
        visible(unit * count, limit=None)
        return time.perf_counter() - start

    seconds(10)
    # Other work on the machine can lengthen one measurement, so a bad one is repeated.
    assert any(seconds(40_000) < 60 * max(seconds(5_000), 0.001) for _ in range(3))
