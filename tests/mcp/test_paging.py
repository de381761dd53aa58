"""Pages: one stable order, and cursors that continue nothing but the list they were given for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mcp_adapter.catalog import read_catalog
from mcp_adapter.paging import CursorError, ordered, read_cursor, write_cursor

ENTRY = read_catalog().entries["listTailnetDevices"]
OTHER = read_catalog().entries["listUsers"]


def encoded(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def decoded(cursor: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


@pytest.mark.parametrize("offset", [0, 1, 25, 10**9])
def test_a_cursor_leads_back_to_its_offset(offset: int) -> None:
    assert read_cursor(ENTRY, {"filters": {"os": "linux"}}, None) == 0
    cursor = write_cursor(ENTRY, {"filters": {"os": "linux"}}, offset)
    assert read_cursor(ENTRY, {"filters": {"os": "linux"}}, cursor) == offset
    assert "=" not in cursor


def test_the_order_of_arguments_does_not_matter() -> None:
    cursor = write_cursor(ENTRY, {"a": 1, "b": 2}, 5)
    assert read_cursor(ENTRY, {"b": 2, "a": 1}, cursor) == 5


@pytest.mark.parametrize(
    "entry, arguments",
    [(ENTRY, {"filters": {"os": "macOS"}}), (ENTRY, {}), (OTHER, {"filters": {"os": "linux"}})],
)
def test_a_cursor_of_another_question_is_refused(entry: Any, arguments: dict[str, Any]) -> None:
    cursor = write_cursor(ENTRY, {"filters": {"os": "linux"}}, 5)
    with pytest.raises(CursorError, match="other arguments"):
        read_cursor(entry, arguments, cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ünïcode",
        "bm90IGpzb24",
        encoded(5),
        encoded([5]),
        encoded([5, "digest", "more"]),
        encoded({"a": 1, "b": 2, "c": 3}),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorError, match="not one this server gave out"):
        read_cursor(ENTRY, {}, cursor)


@pytest.mark.parametrize("offset", [True, -1, 2.0, "3", None, [0]])
def test_a_forged_offset_is_refused(offset: Any) -> None:
    _, digest = decoded(write_cursor(ENTRY, {}, 5))
    with pytest.raises(CursorError, match="other arguments"):
        read_cursor(ENTRY, {}, encoded([offset, digest]))


def test_rows_are_sorted_by_the_key_of_the_operation() -> None:
    key = ENTRY["sort"]
    rows = [{key: "b"}, {key: "a", "n": 1}, {}, {key: "a", "n": 2}, {key: None}]
    assert ordered(ENTRY, rows) == [{}, {key: None}, {key: "a", "n": 1}, {key: "a", "n": 2}, {key: "b"}]
    assert ordered({**ENTRY, "sort": ""}, rows) == rows
    assert ordered(ENTRY, ["b", "a"]) == ["b", "a"]
