"""The text form of a list says exactly what the structured form says, whatever the cells hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_adapter.text import cell, compact, read_table, table

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text() | st.sampled_from(
    ["", "null", "true", "-0", "1e5", "NaN", "-Infinity", "\t", "a\nb", '"', "{"]
)
CELLS = st.recursive(
    SCALARS | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@pytest.mark.untraced
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=4)
    ),
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in {"columns", "rows"}), CELLS, max_size=3
    ),
)
@example([[None]], {})
@example([[""]], {"total": 1})
@example([["\u2028\r\x0b\x85"]], {})
def test_a_table_reads_back_as_what_it_was_written_from(
    rows: list[list[Any]], trailer: dict[str, Any]
) -> None:
    columns = [f"column{number}" for number in range(len(rows[0]) if rows else 2)]
    assert read_table(table(columns, rows, trailer)) == {"columns": columns, "rows": rows, **trailer}


@pytest.mark.parametrize(
    "value, written",
    [
        ("laptop", "laptop"),
        ("2026-06-30T12:00:00Z", "2026-06-30T12:00:00Z"),
        ("alice@example.com", "alice@example.com"),
        ("12", '"12"'),
        ("-1.5e3", '"-1.5e3"'),
        ("true", '"true"'),
        ("null", '"null"'),
        ("two words", '"two words"'),
        ("a\tb\nc", '"a\\tb\\nc"'),
        ("grüße", '"grüße"'),
        ("", '""'),
        (12, "12"),
        (True, "true"),
        (None, ""),
        (["tag:a", "tag:b"], '["tag:a","tag:b"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_cells_are_bare_only_where_they_cannot_be_misread(value: Any, written: str) -> None:
    assert cell(value) == written


def test_json_is_written_without_spare_space() -> None:
    assert compact({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'
