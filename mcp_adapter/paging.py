"""Pages of a list: a stable order, and a cursor that is refused when the question changed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mcp_adapter.catalog import Entry
from mcp_adapter.principal import current_principal


class CursorError(ValueError):
    """Say why a cursor does not continue this list."""


def ordered(entry: Entry, items: list[Any]) -> list[Any]:
    """Sort by the operation's own key, stably; without one the API's order stays."""
    key = entry.get("sort")
    if not key:
        return items
    return sorted(items, key=lambda item: str(item.get(key) or "") if isinstance(item, Mapping) else "")


def write_cursor(entry: Entry, arguments: Mapping[str, Any], offset: int) -> str:
    """Write where the next page begins, bound to the question that was asked and to who asked it."""
    content = json.dumps([offset, _digest(entry, arguments)], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(entry: Entry, arguments: Mapping[str, Any], cursor: str | None) -> int:
    """Return the offset of a cursor.

    Raises:
        CursorError: it is no cursor of ours, or belongs to another question.
    """
    if cursor is None:
        return 0
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        offset, digest = json.loads(base64.urlsafe_b64decode(padded.encode()))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise CursorError("cursor is not one this server gave out: leave it out to start again") from None
    if (
        digest != _digest(entry, arguments)
        or not isinstance(offset, int)
        or isinstance(offset, bool)
        or offset < 0
    ):
        raise CursorError(
            "cursor belongs to other arguments: repeat them unchanged, or leave it out to start again"
        )
    return offset


def _digest(entry: Entry, arguments: Mapping[str, Any]) -> str:
    canonical = json.dumps(
        [entry["call"], entry.get("sort", ""), dict(arguments), current_principal()],
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
