"""The text form of a result: the same data as the structured form, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_.:/@+-]+")
_LITERAL = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity")


def compact(value: Any) -> str:
    """Write JSON without a space to spare."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def cell(value: Any) -> str:
    """Write one cell: bare where it cannot be misread, JSON elsewhere, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str) and _BARE.fullmatch(value) and not _LITERAL.fullmatch(value):
        return value
    return compact(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], trailer: Mapping[str, Any]) -> str:
    """Write a header line, one line per row with tabs between the cells, and the rest as one JSON line."""
    lines = ["\t".join(columns), *("\t".join(map(cell, row)) for row in rows), compact(trailer)]
    return "\n".join(lines)


def read_table(text: str) -> dict[str, Any]:
    """Turn a table back into the structured form it was written from."""
    header, *lines, trailer = text.split("\n")
    rest: dict[str, Any] = json.loads(trailer)
    return {
        "columns": header.split("\t"),
        "rows": [[_read_cell(part) for part in line.split("\t")] for line in lines],
        **rest,
    }


def _read_cell(part: str) -> Any:
    if not part:
        return None
    return json.loads(part) if not _BARE.fullmatch(part) or _LITERAL.fullmatch(part) else part
