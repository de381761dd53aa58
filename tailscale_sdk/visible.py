"""Make untrusted text visible and harmless before a person or a model reads it.

Names, descriptions and log entries come from whoever owns a device or an account. What could move a
cursor, turn the direction of writing, hide words or carry a second text is replaced by ``MARK``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

MARK = "\N{REPLACEMENT CHARACTER}"
"""What stands where something was taken away; a run of hidden characters leaves one mark."""

FIELD_LIMIT = 256
"""Characters of one field that are shown unless more are asked for."""

# A name that needs more combining marks on one letter than this is drawing over its neighbours.
_MARKS_ON_A_LETTER = 8
# The shortest limit that has room for words about a cut.
_ROOM_FOR_WORDS = 40

_HIDDEN = "\x00"
_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9b-\x9f]*(?:\x07|\x1b\\|\x9c)"
)
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u2300-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_STYLED_PICTURE = f"{_PICTURE}(?:[\ufe0e\ufe0f]|[\U0001f3fb-\U0001f3ff])?"
_EMOJI = f"{_STYLED_PICTURE}(?:\u200d{_STYLED_PICTURE}){{0,7}}|[0-9#*]\ufe0f?\u20e3"
_UNUSUAL = re.compile(f"({_EMOJI})|[^ -~]")
_UNUSUAL_IN_LINES = re.compile(f"({_EMOJI})|[^ -~\n\t]")
# Characters Python calls printable although nothing is seen: fillers, joiners, variation selectors, a blank.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
# Signs that enclose the digits after them: of category "format", but seen.
_SEEN = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
# Places kept for future emoji: newer systems draw them before this Python knows their names.
_FUTURE_EMOJI = re.compile("[\U0001f6d0-\U0001f6ff\U0001fa70-\U0001faff]")
# What belongs to the character before it; a cut never separates them.
_CLINGING = re.compile("[\u200d\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]")


def visible(text: str, *, limit: int | None = FIELD_LIMIT, multiline: bool = False) -> str:
    """Return the text with nothing hidden in it, normalised (NFC) and capped; never raises.

    Doing it twice changes nothing more. Emoji, every script's letters and combining marks stay.

    Args:
        text: what came from outside.
        limit: characters at most, words about the cut included; None for no cap.
        multiline: keep line ends and tabs; a carriage return before a line end goes.
    """
    if not (text.isascii() and text.isprintable()):
        text = _seen(text, multiline)
    return text if limit is None or len(text) <= limit else _cut(text, limit)


def visible_value(value: Any, *, limit: int | None = FIELD_LIMIT, multiline: bool = False) -> Any:
    """Return a JSON tree whose every string, names of members included, went through ``visible``.

    Args:
        value: dicts, lists, tuples, strings, numbers, booleans and None, nested to any depth.
        limit: characters at most in each string; None for no cap.
        multiline: keep line ends and tabs in values; in names they never stay.
    """
    top: list[Any] = [None]
    waiting: list[tuple[Any, Any, Any]] = [(top, 0, value)]
    while waiting:
        place, key, item = waiting.pop()
        if isinstance(item, str):
            place[key] = visible(item, limit=limit, multiline=multiline)
        elif isinstance(item, Mapping):
            inside: dict[str, Any] = {}
            place[key] = inside
            for name, child in zip(_names(item, limit), item.values(), strict=True):
                inside[name] = None
                waiting.append((inside, name, child))
        elif isinstance(item, list | tuple):
            place[key] = elements = [None] * len(item)
            waiting.extend((elements, index, child) for index, child in enumerate(item))
        elif item is None or isinstance(item, bool | int | float):
            place[key] = item
        else:
            place[key] = visible(str(item), limit=limit, multiline=multiline)
    return top[0]


def _names(item: Mapping[Any, Any], limit: int | None) -> Iterator[str]:
    """Give each member its visible name; two that look alike are numbered, none is lost."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for original in item:
        name = shown = visible(str(original), limit=limit)
        while name in taken:
            numbers[shown] = numbers.get(shown, 1) + 1
            name = f"{shown} ({numbers[shown]})"
        taken.add(name)
        yield name


def _seen(text: str, multiline: bool) -> str:
    """Replace what is hidden; the order makes the result its own fixed point."""
    if multiline:
        text = text.replace("\r\n", "\n")
    text = _TERMINAL_SEQUENCE.sub(_HIDDEN, text)
    if not text.isascii():
        # Before normalising too: sorting a very long run of combining marks takes quadratic time.
        piled = _piled_marks()
        text = piled.sub(_keep_some, unicodedata.normalize("NFC", piled.sub(_keep_some, text)))
    text = (_UNUSUAL_IN_LINES if multiline else _UNUSUAL).sub(_judge, text)
    return re.sub(f"{_HIDDEN}+", MARK, text)


def _judge(match: re.Match[str]) -> str:
    found = match[0]
    if match[1] is None or len(found) == 1:
        return _HIDDEN if _is_hidden(found) else found
    if any(_is_hidden(character) for character in _CLINGING.sub("", found)):
        # A sequence around an unassigned place is none: what joined it would hang in the air.
        return "".join(_HIDDEN if _CLINGING.match(c) or _is_hidden(c) else c for c in found)
    return found


@lru_cache(maxsize=4096)
def _is_hidden(character: str) -> bool:
    if _UNSEEN.match(character):
        return True
    if character.isprintable() or _SEEN.match(character) or _FUTURE_EMOJI.match(character):
        return False
    return unicodedata.category(character) != "Zs"


@cache
def _piled_marks() -> re.Pattern[str]:
    """Match more combining marks in a row than a letter carries; all of them are below U+1F000."""
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.category(chr(code))[0] == "M"]
    members = "".join(map(chr, marks))
    return re.compile(f"([{members}]{{{_MARKS_ON_A_LETTER}}})[{members}]+")


def _keep_some(match: re.Match[str]) -> str:
    return match[1] + _HIDDEN


def _cut(text: str, limit: int) -> str:
    """Shorten a text and say by how much, without parting what belongs together."""
    if limit < _ROOM_FOR_WORDS:
        return f"{text[: _seam(text, max(limit, 1) - 1)]}…"
    # The number of digits is known only up to the length of the whole text; one too many does no harm.
    words = f"… (+{len(text)} characters)"
    end = _seam(text, limit - len(words))
    return f"{text[:end]}… (+{len(text) - end} characters)"


def _seam(text: str, end: int) -> int:
    """Move a cut back to where one visible character ends and the next begins."""
    while 0 < end < len(text) and (
        _CLINGING.match(text[end]) or text[end - 1] == "\u200d" or unicodedata.category(text[end])[0] == "M"
    ):
        end -= 1
    return end
