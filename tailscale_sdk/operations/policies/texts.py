"""Texts of policies: their hashes, and what differs between two."""

from __future__ import annotations

import difflib
import hashlib
from typing import Final

from tailscale_sdk.policy import hujson

_DIFF_LINES: Final = 200


def hash_of(text: str) -> str:
    """Return the SHA-256 of a text, byte for byte."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def canonical_hash(text: str) -> str:
    """Return the SHA-256 of a policy's canonical layout, as the service makes its ETag.

    Raises:
        HuJSONError: it is not HuJSON.
    """
    return hash_of(hujson.format(text))


def text_difference(old: str, new: str, *, names: tuple[str, str] = ("stored", "new")) -> tuple[str, ...]:
    """Return the difference of two texts as lines of a unified diff, at most 200 of them."""
    lines = list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), names[0], names[1], lineterm="", n=2)
    )
    left = len(lines) - _DIFF_LINES
    return (*lines[:_DIFF_LINES], *([f"… {left} more lines"] if left > 0 else []))
