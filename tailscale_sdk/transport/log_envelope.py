"""Where the list of a log stream begins and where it ends, found before anything is parsed."""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from typing import Any

from tailscale_sdk._constants import MAX_JSON_DEPTH
from tailscale_sdk.transport.decode import NotJSON, load_json

_QUOTE, _ESCAPE, _COLON, _COMMA = b'"\\:,'
_OPENING, _CLOSING = b"[{", b"]}"
_IN_TEXT = re.compile(rb'["\\]')
_OUTSIDE_TEXT = re.compile(rb'["{}\[\]:,]')
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_MARKS = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes(1 if byte in _OPENING else 255 for byte in range(256))


class Envelope:
    """Collect what stands around the list, and find where the list begins.

    Attributes:
        text: the JSON so far.
    """

    def __init__(self) -> None:
        self.text = bytearray()
        self._at = self._depth = 0
        self._text_from: int | None = None
        self._last_text, self._due = b"", False

    def split(self) -> bytes | None:
        """Cut off and return what follows the opening bracket of the list; None before it has come."""
        at = self._find()
        if at is None:
            return None
        inside = bytes(self.text[at + 1 :])
        del self.text[at:]
        return inside

    def fields(self, rest: bytes) -> dict[str, Any]:
        """Return the fields so far but for the list, given what completes them.

        Raises:
            NotJSON: it is not JSON up to here.
        """
        fields = load_json(bytes(self.text) + rest)
        return {key: value for key, value in fields.items() if key != "logs"}

    def _find(self) -> int | None:
        while True:
            pattern = _OUTSIDE_TEXT if self._text_from is None else _IN_TEXT
            found = pattern.search(self.text, self._at)
            if found is None:
                self._at = len(self.text)
                return None
            at = found.start()
            mark = self.text[at]
            if mark == _ESCAPE and at + 1 == len(self.text):
                self._at = at
                return None
            self._at = at + (2 if mark == _ESCAPE else 1)
            if mark == ord("[") and self._due:
                return at
            if mark != _ESCAPE:
                self._pass(mark, at)

    def _pass(self, mark: int, at: int) -> None:
        if mark == _QUOTE and self._text_from is None:
            self._text_from = at
        elif mark == _QUOTE:
            self._last_text, self._text_from = bytes(self.text[self._text_from : at + 1]), None
        elif mark == _COLON and self._depth == 1:
            self._due = _is_logs(self._last_text)
        else:
            self._due = False
            self._depth += (mark in _OPENING) - (mark in _CLOSING)


def _is_logs(text: bytes) -> bool:
    try:
        return bool(load_json(text) == "logs")
    except NotJSON:
        return False


class Nesting:
    """Follow how deep inside a list the stream is.

    Attributes:
        depth: brackets open, the list's own included.
    """

    def __init__(self) -> None:
        self.depth = 0
        self._in_text = self._escaped = False

    def advance(self, piece: bytes) -> int:
        """Go over a piece of the list.

        Returns:
            How many bytes of it belong to the list. Less than all of them when the list ends, and ``depth``
            is 0 then, or when it is nested deeper than any answer.
        """
        rest, escaped = piece[self._escaped :], False
        if b"\\" in rest:
            rest = _ESCAPED.sub(b"", rest)
            escaped = rest.endswith(b"\\")
        parts = rest.split(b'"')
        outside = b"".join(parts[self._in_text :: 2])
        heights = list(
            accumulate(array("b", outside.translate(_STEPS, _ALL_BUT_BRACKETS)), initial=self.depth)
        )
        if min(heights) <= 0 or max(heights) > MAX_JSON_DEPTH:
            return self._locate(piece)
        self.depth, self._escaped = heights[-1], escaped
        self._in_text ^= len(parts) % 2 == 0
        return len(piece)

    def _locate(self, piece: bytes) -> int:
        for mark in _MARKS.finditer(piece, int(self._escaped)):
            at, byte = mark.start(), piece[mark.start()]
            if byte == _QUOTE:
                self._in_text = not self._in_text
            elif not self._in_text and byte in _CLOSING:
                self.depth -= 1
                if not self.depth:
                    return at + 1
            elif not self._in_text and byte in _OPENING:
                if self.depth == MAX_JSON_DEPTH:
                    return at
                self.depth += 1
        raise AssertionError("the list ends or is nested too deep within this piece")
