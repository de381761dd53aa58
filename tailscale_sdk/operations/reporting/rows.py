"""Rows of any result as JSON, NDJSON, CSV and Markdown, piece by piece, no cell leaving its field."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.visible import visible

ROW_FORMATS: Final = ("json", "ndjson", "csv", "markdown")
# What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN: Final = str.maketrans({character: f"\\{character}" for character in "\\|`<>*_[]~#"})

Rows = Iterable[Mapping[str, Any]]


def export_rows(rows: Rows, format: str, columns: Sequence[str]) -> Iterator[str]:
    """Yield rows as text, piece by piece.

    Args:
        rows: cells by column.
        format: json, ndjson, csv or markdown.
        columns: in their order.

    Raises:
        ConfigurationError: there is no such format.
    """
    if format == "json":
        return _json(rows, columns)
    if format == "ndjson":
        return (f"{_dumped(row, columns)}\n" for row in rows)
    if format == "csv":
        return _csv(rows, columns)
    if format == "markdown":
        return _markdown(rows, columns)
    raise ConfigurationError(f"there is no format {format!r}: {', '.join(ROW_FORMATS)}")


def _dumped(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    return json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False)


def _json(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    yield "["
    separator = "\n"
    for row in rows:
        yield f"{separator}{_dumped(row, columns)}"
        separator = ",\n"
    yield "\n]\n"


def _csv(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _csv_cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value if not isinstance(value, bool) else str(value).lower()
    text = cell_text(value).replace("\x00", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def cell_text(value: Any) -> str:
    """Return a cell as text: lists joined by semicolons, objects as JSON."""
    if isinstance(value, list | tuple):
        return ";".join(map(cell_text, value))
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _markdown(rows: Rows, columns: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    for row in rows:
        cells = (markdown_cell(cell_text(row.get(name))) for name in columns)
        yield f"| {' | '.join(cells)} |\n"


def markdown_cell(text: str) -> str:
    """Return text that stays inside one cell of a Markdown table."""
    return visible(text, limit=None).translate(_MARKDOWN)


def read_ndjson(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read what was exported as NDJSON.

    Args:
        lines: one object each; empty ones are skipped.

    Raises:
        ConfigurationError: a line is no object; the text names it.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError:
            raise ConfigurationError(f"line {number}: is not JSON") from None
        if not isinstance(found, dict):
            raise ConfigurationError(f"line {number}: is no object")
        yield found
