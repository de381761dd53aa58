"""Tables for people: every cell is made visible first."""

from __future__ import annotations

from collections.abc import Sequence

from tailscale_sdk.visible import visible


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under their names, columns aligned, nothing invisible in any cell.

    Args:
        names: column names.
        rows: cells as text.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in (list(names), *shown)) for index in range(len(names))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (names, *shown)
    ]
    return "\n".join(line.rstrip() for line in lines)
